"""Google's messages become an `Observation`. Pure: it reads the messages' attributes and imports nothing of Google's.

Cloud Run reports an execution and its tasks, never single containers: if a job has sidecars, Cloud Run decides which container
ends a task and which exit code it reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from providers.base import JobState, Observation
from providers.signals import is_from_outside, signal_in, signal_name

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
    """What a job reports of its execution. None if the execution must be read: it failed, was deleted, or is not the latest."""
    reference = job.latest_created_execution
    if not reference.name:
        return None if _is_ready(job) else _unstarted(job)
    state = _STATES.get(_enum_name(reference.completion_status))
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
    """True when no part of a job runs or will run."""
    reference = job.latest_created_execution
    if reference.name:
        return _enum_name(reference.completion_status) in {"EXECUTION_SUCCEEDED", "EXECUTION_FAILED", "EXECUTION_CANCELLED"}
    return _is_ready(job) or _unstarted(job).state.is_end


def ended_at(job: Any) -> datetime | None:
    """The time at which an ended job ended."""
    return moment(job.latest_created_execution.completion_time) or moment(job.update_time)


def from_execution(execution: Any, tasks: Sequence[Any]) -> Observation:
    """The observation of an execution and its tasks; `tasks` may be empty unless it failed."""
    condition = next((item for item in execution.conditions if item.type_ == "Completed"), None)
    started = moment(execution.start_time)
    if condition is None or _enum_name(condition.state) not in {"CONDITION_SUCCEEDED", "CONDITION_FAILED"}:
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
    """True when the tasks must be read for an exit code."""
    return any(item.type_ == "Completed" and _enum_name(item.state) == "CONDITION_FAILED" for item in execution.conditions)


def _is_ready(job: Any) -> bool:
    """True once its execution has started; if the job shows no execution then, somebody deleted it."""
    return _enum_name(job.terminal_condition.state) == "CONDITION_SUCCEEDED"


def _unstarted(job: Any) -> Observation:
    """The observation of a job without an execution: it is still starting, or never becomes ready."""
    condition = job.terminal_condition
    if _enum_name(condition.state) == "CONDITION_FAILED":
        reason = _named(_enum_name(condition.reason), condition.message)
        return Observation(state=JobState.CRASHED, reason=f"never started: {reason}", ended_at=moment(job.update_time))
    return Observation(state=JobState.STARTING, reason=condition.message)


def _end(condition: Any, tasks: Sequence[Any]) -> tuple[JobState, int | None]:
    if _enum_name(condition.state) == "CONDITION_SUCCEEDED":
        return JobState.SUCCEEDED, 0
    if _enum_name(condition.execution_reason) in _STOPPED:
        return JobState.STOPPED, None
    code = _exit_code(tasks)
    if _killed_by(tasks):
        return JobState.CRASHED, code
    if _enum_name(condition.execution_reason) == "NON_ZERO_EXIT_CODE" or (code is not None and not _timed_out(tasks)):
        return JobState.FAILED, code
    return JobState.CRASHED, code


def _exit_code(tasks: Sequence[Any]) -> int | None:
    """The exit code. Google's integer is also 0 when nothing ran, so only other values count. A signal is 128 plus its
    number.
    """
    results = [task.last_attempt_result for task in tasks]
    codes = (result.exit_code or (128 + result.term_signal if result.term_signal else 0) for result in results)
    return next((code for code in codes if code), None)


def _killed_by(tasks: Sequence[Any]) -> int:
    """The outside signal that ended the job; 0 without one.

    Cloud Run reports signals that it sent (mostly for too much memory) by their number. A container whose first process is a
    shell reports exit code 137 or 143. A cancel has its own reason and is not covered here.
    """
    results = [task.last_attempt_result for task in tasks]
    numbers = [result.term_signal or signal_in(result.exit_code) for result in results]
    return next((number for number in numbers if is_from_outside(number)), 0)


def _timed_out(tasks: Sequence[Any]) -> bool:
    return any(task.last_attempt_result.status.code == TIMED_OUT for task in tasks)


def _reason(condition: Any, tasks: Sequence[Any]) -> str:
    reason = _enum_name(condition.reason) if "reason" in condition else _enum_name(condition.execution_reason)
    words = next((task.last_attempt_result.status.message for task in tasks if task.last_attempt_result.status.message), "")
    killer = _killed_by(tasks)
    by = f" (killed by {signal_name(killer)})" if killer else ""
    return _named(reason, condition.message or words) + by


def _enum_name(value: Any) -> str:
    """The name of an enum value; empty for a value that is newer than the SDK and therefore a bare number."""
    return str(getattr(value, "name", ""))


def _named(reason: str, message: str) -> str:
    return message if not reason or reason.endswith(("UNDEFINED", "UNKNOWN")) else f"{reason}: {message}".removesuffix(": ")


def moment(value: Any) -> datetime | None:
    """A timestamp as an aware time; None if it is not set."""
    return datetime.fromtimestamp(value.timestamp(), UTC) if value is not None else None
