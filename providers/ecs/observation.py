"""A task as DescribeTasks or an event shows it, as an observation; pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from providers.base import JobState, Observation
from providers.ecs.containers import DEFAULT_CONTAINER

TAKEN_AWAY = frozenset({"TaskFailedToStart", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"})
"""Stop codes of ends that the job had no part in."""
STOPPED_BY_SOMEBODY = frozenset({"UserInitiated", "ServiceSchedulerInitiated"})
FORGOTTEN = "ECS does not know the task; it keeps a stopped one for about an hour"


def observation_of(task: Mapping[str, Any], container: str | None = None) -> tuple[str, Observation]:
    """The `startedBy` of a task, which is the job's name, and what the task shows.

    `container` is the one that does the work; without it, the task's overrides tell.
    """
    main = main_of(task, container)
    state = _state(task, main)
    observation = Observation(
        state=state,
        exit_code=main.get("exitCode") if state.is_end else None,
        reason="" if state is JobState.SUCCEEDED else _reason(task, main, ended=state.is_end),
        started_at=moment(task.get("startedAt")),
        ended_at=moment(task.get("executionStoppedAt") or task.get("stoppedAt")) if state.is_end else None,
    )
    return str(task.get("startedBy", "")), observation


def main_of(task: Mapping[str, Any], container: str | None) -> Mapping[str, Any]:
    """The container that does the work: the one named, else the first overridden, else `prefect`, else the first."""
    containers: Sequence[Mapping[str, Any]] = task.get("containers") or ()
    overridden = [item.get("name") for item in (task.get("overrides") or {}).get("containerOverrides") or ()]
    for name in (container, *overridden[:1], DEFAULT_CONTAINER):
        if found := next((item for item in containers if name and item.get("name") == name), None):
            return found
    return next(iter(containers), {})


def missing() -> Observation:
    """What is said of a task that ECS does not know."""
    return Observation(state=JobState.MISSING, reason=FORGOTTEN)


def moment(value: Any) -> datetime | None:
    """A time of the SDK (aware) or of an event (ISO text), in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _state(task: Mapping[str, Any], main: Mapping[str, Any]) -> JobState:
    if task.get("lastStatus") != "STOPPED":
        # A task on its way down still holds what it has: it ends when it is STOPPED.
        return JobState.RUNNING if task.get("lastStatus") == "RUNNING" or task.get("startedAt") else JobState.STARTING
    stop_code, exit_code = task.get("stopCode"), main.get("exitCode")
    if stop_code in STOPPED_BY_SOMEBODY:
        return JobState.STOPPED
    if stop_code in TAKEN_AWAY or exit_code is None:
        return JobState.CRASHED
    return JobState.SUCCEEDED if exit_code == 0 else JobState.FAILED


def _reason(task: Mapping[str, Any], main: Mapping[str, Any], *, ended: bool) -> str:
    if not ended:
        return ""
    words = [task.get("stopCode"), task.get("stoppedReason"), main.get("reason")]
    if main.get("exitCode") is None and task.get("stopCode") not in TAKEN_AWAY | STOPPED_BY_SOMEBODY:
        words.append(f"container {main.get('name', '')!r} has no exit code: it never ran, or was taken away")
    return ": ".join(dict.fromkeys(str(word) for word in words if word))
