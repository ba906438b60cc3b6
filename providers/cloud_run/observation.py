"""From Google's messages to an `Observation`. Pure: the messages are read by their attributes, nothing is imported for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from providers.base import JobState, Observation

TIMED_OUT = 4
"""google.rpc.Code DEADLINE_EXCEEDED, in a task's last attempt."""

_STATES = {
    "EXECUTION_SUCCEEDED": JobState.SUCCEEDED,
    "EXECUTION_RUNNING": JobState.RUNNING,
    "EXECUTION_PENDING": JobState.STARTING,
    "EXECUTION_CANCELLED": JobState.STOPPED,
}

_STOPPED = frozenset({"CANCELLED", "DELETED"})


def from_job(job: Any, execution: str) -> Observation | None:
    """What a job says of its execution; None when that has to be asked itself: it failed, was deleted, or is not the latest."""
    reference = job.latest_created_execution
    if not reference.name:
        return None if _is_ready(job) else _unstarted(job)
    state = _STATES.get(reference.completion_status.name)
    if reference.name != execution or state is None:
        return None
    over = state.is_end
    return Observation(
        state=state,
        exit_code=0 if state is JobState.SUCCEEDED else None,
        reason="the execution was cancelled" if state is JobState.STOPPED else "",
        started_at=moment(reference.create_time) if state is not JobState.STARTING else None,
        ended_at=moment(reference.completion_time) if over else None,
    )


def has_ended(job: Any) -> bool:
    """True when nothing of a job runs or will run."""
    reference = job.latest_created_execution
    if reference.name:
        return reference.completion_status.name in {"EXECUTION_SUCCEEDED", "EXECUTION_FAILED", "EXECUTION_CANCELLED"}
    return _is_ready(job) or _unstarted(job).state.is_end


def ended_at(job: Any) -> datetime | None:
    """When a job that has ended did so."""
    return moment(job.latest_created_execution.completion_time) or moment(job.update_time)


def from_execution(execution: Any, tasks: Sequence[Any]) -> Observation:
    """What an execution and its tasks say; `tasks` may be empty unless it failed."""
    condition = next((item for item in execution.conditions if item.type_ == "Completed"), None)
    started = moment(execution.start_time)
    if condition is None or condition.state.name not in {"CONDITION_SUCCEEDED", "CONDITION_FAILED"}:
        return Observation(state=JobState.RUNNING if started else JobState.STARTING, started_at=started)
    state, exit_code = _end(condition, tasks)
    return Observation(
        state=state,
        exit_code=exit_code,
        reason="" if state is JobState.SUCCEEDED else _reason(condition, tasks),
        started_at=started,
        ended_at=moment(execution.completion_time),
    )


def has_failed(execution: Any) -> bool:
    """True when the tasks have to be asked for an exit code."""
    return any(item.type_ == "Completed" and item.state.name == "CONDITION_FAILED" for item in execution.conditions)


def _is_ready(job: Any) -> bool:
    """True once its execution has started; a job that shows none then has had it deleted."""
    return bool(job.terminal_condition.state.name == "CONDITION_SUCCEEDED")


def _unstarted(job: Any) -> Observation:
    """A job without an execution: on its way, or never to be ready."""
    condition = job.terminal_condition
    if condition.state.name == "CONDITION_FAILED":
        reason = _named(condition.reason.name, condition.message)
        return Observation(state=JobState.CRASHED, reason=f"never started: {reason}", ended_at=moment(job.update_time))
    return Observation(state=JobState.STARTING, reason=condition.message)


def _end(condition: Any, tasks: Sequence[Any]) -> tuple[JobState, int | None]:
    if condition.state.name == "CONDITION_SUCCEEDED":
        return JobState.SUCCEEDED, 0
    if condition.execution_reason.name in _STOPPED:
        return JobState.STOPPED, None
    # An exit code is a plain integer, 0 also when nothing ran: only another one says something.
    code = next((task.last_attempt_result.exit_code for task in tasks if task.last_attempt_result.exit_code), None)
    if condition.execution_reason.name == "NON_ZERO_EXIT_CODE" or (code is not None and not _timed_out(tasks)):
        return JobState.FAILED, code
    return JobState.CRASHED, code


def _timed_out(tasks: Sequence[Any]) -> bool:
    return any(task.last_attempt_result.status.code == TIMED_OUT for task in tasks)


def _reason(condition: Any, tasks: Sequence[Any]) -> str:
    reason = condition.reason.name if "reason" in condition else condition.execution_reason.name
    told = next((task.last_attempt_result.status.message for task in tasks if task.last_attempt_result.status.message), "")
    return _named(reason, condition.message or told)


def _named(reason: str, message: str) -> str:
    return message if reason.endswith(("UNDEFINED", "UNKNOWN")) else f"{reason}: {message}".removesuffix(": ")


def moment(value: Any) -> datetime | None:
    """A timestamp as an aware time; None when it is not set."""
    return datetime.fromtimestamp(value.timestamp(), UTC) if value is not None else None
