"""A task from DescribeTasks or an event becomes an observation; pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from providers.base import JobState, Observation, Submission
from providers.ecs.answers import Garbled, member, objects_of, optional
from providers.ecs.definition import DEFAULT_CONTAINER
from providers.signals import exit_words, signal_in, state_of_exit

TAKEN_AWAY = frozenset({"TaskFailedToStart", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"})
"""Stop codes of ends that the job did not cause."""
OUT_OF_MEMORY = "OutOfMemoryError"
"""The start of ECS's message for a container that exceeded its own memory limit."""
CONTAINER_EXITED = "EssentialContainerExited"
STOPPED_BY_SOMEBODY = frozenset({"UserInitiated", "ServiceSchedulerInitiated"})
PHASES = frozenset(
    {"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED", "DELETED"}
)
"""All documented values of `lastStatus`."""
FORGOTTEN = "ECS does not know the task; it keeps a stopped one for about an hour"


def read_tasks(answer: Mapping[str, Any], submissions: Sequence[Submission]) -> dict[str, Observation]:
    """The observations in an answer of DescribeTasks, by name; a submission that is missing from the answer is UNREADABLE."""
    tasks = {str(task.get("taskArn")): task for task in _readable(answer, "tasks")}
    gone = {str(failure.get("arn")) for failure in _readable(answer, "failures") if failure.get("reason") == "MISSING"}
    return {submission.name: _seen_of(submission, tasks, gone) for submission in submissions}


def _readable(answer: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The readable items of a list; an unreadable item counts as missing."""
    items = answer.get(name)
    return [item for item in items if _is_readable(item)] if isinstance(items, list) else []


def _is_readable(item: Any) -> bool:
    return isinstance(item, Mapping) and all(isinstance(item.get(name, ""), str) for name in ("taskArn", "arn"))


def _seen_of(submission: Submission, tasks: Mapping[str, Mapping[str, Any]], gone: Collection[str]) -> Observation:
    arn = submission.handle["task"]
    if arn not in tasks:
        return missing() if arn in gone else _unread("the answer of ECS does not speak of the task")
    try:
        name, observation = observation_of(tasks[arn], submission.handle.get("container"))
    except Garbled as problem:
        return _unread(str(problem))
    if name not in ("", submission.name):
        return _unread(f"the task was started as {name!r}")
    return observation


def _unread(why: str) -> Observation:
    return Observation(state=JobState.UNREADABLE, reason=f"ecs observe: {why}")


def observation_of(task: Mapping[str, Any], container: str | None = None) -> tuple[str, Observation]:
    """The `startedBy` of a task, which is the job's name, and the task's observation.

    `container` is the main container; without it, the task's overrides name it. Raises `Garbled` for a task in which a relevant
    value does not have the type that AWS sends: nothing follows from such a task.
    """
    main = main_of(task, container)
    exit_code = optional(main, "exitCode", int)
    state = _state(task, main, exit_code)
    observation = Observation(
        state=state,
        exit_code=exit_code if state.is_end else None,
        reason="" if state is JobState.SUCCEEDED else _reason(task, main, ended=state.is_end),
        started_at=moment(task, "startedAt"),
        ended_at=(moment(task, "executionStoppedAt") or moment(task, "stoppedAt")) if state.is_end else None,
    )
    return optional(task, "startedBy", str) or "", observation


def main_of(task: Mapping[str, Any], container: str | None) -> Mapping[str, Any]:
    """The main container: the named one, else the first overridden one, else `prefect`, else the first."""
    containers = objects_of(task, "containers")
    overrides = optional(task, "overrides", dict) or {}
    overridden = [item.get("name") for item in objects_of(overrides, "containerOverrides")]
    for name in (container, *overridden[:1], DEFAULT_CONTAINER):
        if main := next((item for item in containers if name and item.get("name") == name), None):
            return main
    return next(iter(containers), {})


def missing() -> Observation:
    """The observation of a task that ECS does not know."""
    return Observation(state=JobState.MISSING, reason=FORGOTTEN)


def moment(task: Mapping[str, Any], name: str) -> datetime | None:
    """A time in UTC, from the SDK (aware), an answer (seconds) or an event (ISO text). Raises `Garbled` for any other value."""
    value = task.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        stated = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).astimezone(UTC)
    except (AttributeError, OSError, OverflowError, TypeError, ValueError):
        raise Garbled(f"{name} is not a time: {str(value)[:100]!r}") from None


def _state(task: Mapping[str, Any], main: Mapping[str, Any], exit_code: int | None) -> JobState:
    if member(task, "lastStatus", str) not in PHASES:
        raise Garbled(f"{task['lastStatus'][:100]!r} is not a status of a task")
    if task["lastStatus"] != "STOPPED":
        # A stopping task still holds its resources: it has ended only when it is STOPPED.
        return JobState.RUNNING if task["lastStatus"] == "RUNNING" or task.get("startedAt") else JobState.STARTING
    stop_code = optional(task, "stopCode", str)
    if stop_code in STOPPED_BY_SOMEBODY:
        return JobState.STOPPED
    if stop_code == CONTAINER_EXITED and not main:
        raise Garbled("a container of the task has exited, and the answer holds no containers")
    if stop_code in TAKEN_AWAY or exit_code is None:
        return JobState.CRASHED
    if (optional(main, "reason", str) or "").startswith(OUT_OF_MEMORY):
        return JobState.FAILED
    return state_of_exit(exit_code)


def _exit_words(main: Mapping[str, Any]) -> str:
    """The remark on a container's exit code beside AWS's message: there is none, or it stands for a signal."""
    code = main.get("exitCode")
    if code is None:
        return f"container {main.get('name', '')!r} has no exit code: it never ran, or was taken away"
    return exit_words(code) if signal_in(code) and not main.get("reason") else ""


def _reason(task: Mapping[str, Any], main: Mapping[str, Any], *, ended: bool) -> str:
    if not ended:
        return ""
    words = [optional(task, "stopCode", str), optional(task, "stoppedReason", str), optional(main, "reason", str)]
    if task.get("stopCode") not in TAKEN_AWAY | STOPPED_BY_SOMEBODY:
        words.append(_exit_words(main))
    return ": ".join(dict.fromkeys(word for word in words if word))
