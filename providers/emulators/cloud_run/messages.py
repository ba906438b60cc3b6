"""Records as the messages that Cloud Run answers with."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from google.cloud import run_v2

from providers.emulators.cloud_run.records import ExecutionRecord, JobRecord
from providers.emulators.jobs import EndCause, StartedJob

State = run_v2.Condition.State
Reason = run_v2.Condition.ExecutionReason
Common = run_v2.Condition.CommonReason
Completion = run_v2.ExecutionReference.CompletionStatus

DEADLINE_EXCEEDED = 4
"""google.rpc.Code of a task that ran into its timeout."""


def moment(seconds: float | None) -> datetime | None:
    """A time as proto-plus takes it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def job_message(record: JobRecord, latest: StartedJob | None, seen_until: float) -> run_v2.Job:
    """A job with its output fields; `latest` is its last execution in its state at `seen_until`."""
    message = run_v2.Job(record.body)
    message.name, message.uid, message.etag = record.name, record.uid, record.etag
    message.generation = message.observed_generation = record.generation
    message.create_time, message.update_time = moment(record.created_at), moment(record.updated_at)
    message.start_execution_token = record.token
    message.execution_count = len(record.used)
    message.terminal_condition = _readiness(record, latest)
    message.creator = "emulator@example.iam.gserviceaccount.com"
    if latest is not None and latest.created_at <= seen_until:
        message.latest_created_execution = _reference(latest, seen_until)
    return message


def _readiness(record: JobRecord, latest: StartedJob | None) -> run_v2.Condition:
    """A job with a token is ready when its execution has started."""
    if record.failure:
        return run_v2.Condition(
            type_="Ready", state=State.CONDITION_FAILED, reason=Common.CONTAINER_MISSING, message=record.failure
        )
    waits = record.token and latest is not None and latest.live and latest.started_at is None
    return run_v2.Condition(type_="Ready", state=State.CONDITION_RECONCILING if waits else State.CONDITION_SUCCEEDED)


def _reference(execution: StartedJob, seen_until: float) -> run_v2.ExecutionReference:
    over = execution.ended_at is not None and execution.ended_at <= seen_until
    return run_v2.ExecutionReference(
        name=execution.identifier.rpartition("/")[2],
        create_time=moment(execution.created_at),
        completion_time=moment(execution.ended_at) if over else None,
        completion_status=completion(execution, seen_until),
    )


def completion(execution: StartedJob, seen_until: float) -> run_v2.ExecutionReference.CompletionStatus:
    """The state of an execution at a time."""
    if execution.ended_at is not None and execution.ended_at <= seen_until:
        if execution.cause is EndCause.EXITED and execution.exit_code == 0:
            return Completion.EXECUTION_SUCCEEDED
        return Completion.EXECUTION_CANCELLED if execution.cause is EndCause.STOPPED else Completion.EXECUTION_FAILED
    if execution.started_at is not None and execution.started_at <= seen_until:
        return Completion.EXECUTION_RUNNING
    return Completion.EXECUTION_PENDING


def execution_message(execution: StartedJob) -> run_v2.Execution:
    """An execution in its current state."""
    record: ExecutionRecord = execution.detail
    counts = _counts(execution, record.task_count)
    return run_v2.Execution(
        name=execution.identifier,
        uid=record.uid,
        job=record.job.rpartition("/")[2],
        labels=dict(record.labels),
        create_time=moment(execution.created_at),
        start_time=moment(execution.started_at),
        completion_time=moment(execution.ended_at),
        template=record.template,
        task_count=record.task_count,
        parallelism=record.task_count,
        reconciling=execution.live,
        conditions=[_completed(execution)],
        log_uri=log_uri(execution.identifier),
        etag=f'"{record.uid[:8]}-{execution.version}"',
        **counts,
    )


def _counts(execution: StartedJob, tasks: int) -> dict[str, int]:
    if execution.live:
        return {"running_count": tasks if execution.started_at is not None else 0}
    if execution.cause is EndCause.STOPPED:
        return {"cancelled_count": tasks}
    return {"succeeded_count" if execution.exit_code == 0 else "failed_count": tasks}


def _completed(execution: StartedJob) -> run_v2.Condition:
    condition = run_v2.Condition(type_="Completed", state=State.CONDITION_FAILED)
    condition.last_transition_time = moment(execution.ended_at)
    if execution.live:
        condition.state = State.CONDITION_RECONCILING
        if execution.stopping_at is not None:
            condition.execution_reason = Reason.CANCELLING
    elif execution.cause is EndCause.EXITED and execution.exit_code == 0:
        condition.state = State.CONDITION_SUCCEEDED
        condition.message = "Execution completed successfully."
    else:
        _explain(condition, execution)
    return condition


def _explain(condition: run_v2.Condition, execution: StartedJob) -> None:
    task = f"Task {execution.identifier.rpartition('/')[2]}-task0 failed with message:"
    if execution.cause is EndCause.STOPPED:
        condition.execution_reason = Reason.DELETED if execution.detail.deleted else Reason.CANCELLED
        condition.message = execution.reason or "Execution was cancelled."
    elif execution.cause is EndCause.TIMED_OUT:
        condition.message = f"{task} {timeout_message(execution)}"  # a timeout has no specific reason
    elif execution.cause is EndCause.EXITED:
        condition.execution_reason = Reason.NON_ZERO_EXIT_CODE
        condition.message = f"{task} The container exited with an error."
    else:
        condition.reason = Common.INTERNAL if execution.cause is EndCause.TAKEN else Common.CONTAINER_MISSING
        condition.message = f"{task} {execution.reason or 'Internal error'}"


def task_messages(execution: StartedJob) -> Iterator[run_v2.Task]:
    """The tasks of an execution; here all of them end in the same way."""
    record: ExecutionRecord = execution.detail
    for index in range(record.task_count):
        yield run_v2.Task(
            name=f"{execution.identifier}/tasks/{execution.identifier.rpartition('/')[2]}-task{index}",
            job=record.job.rpartition("/")[2],
            execution=execution.identifier.rpartition("/")[2],
            index=index,
            max_retries=record.template.max_retries,
            create_time=moment(execution.created_at),
            start_time=moment(execution.started_at),
            completion_time=moment(execution.ended_at),
            conditions=[_completed(execution)],
            last_attempt_result=_attempt(execution),
        )


def _attempt(execution: StartedJob) -> run_v2.TaskAttemptResult:
    status: dict[str, Any] = {}
    if execution.cause is EndCause.TIMED_OUT:
        status = {"code": DEADLINE_EXCEEDED, "message": timeout_message(execution)}
    return run_v2.TaskAttemptResult(exit_code=execution.exit_code or 0, status=status)


def timeout_message(execution: StartedJob) -> str:
    """The message of a task that ran into its timeout."""
    return f"The configured timeout of {execution.timeout:g} seconds was reached."


def log_uri(execution: str) -> str:
    """A query in the console's log viewer, in the form that the real service gives."""
    parts = execution.split("/")
    query = (
        f'resource.type="cloud_run_job"\nresource.labels.job_name="{parts[5]}"\n'
        f'labels."run.googleapis.com/execution_name"="{parts[-1]}"'
    )
    return f"https://console.cloud.google.com/logs/viewer?project={parts[1]}&advancedFilter={urllib.parse.quote(query)}"
