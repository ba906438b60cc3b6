"""Reads a Job's state from its pod: why it does not start yet, that it runs, or how it ended.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from providers.base import CallFailed, JobState, Observation
from providers.signals import exit_words, state_of_exit

NEVER_RAN = frozenset({"StartError", "ContainerCannotRun", "ContainerStatusUnknown"})
"""Reasons of a terminated container whose program did not run, or whose end is unknown."""

ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})
"""Waiting reasons of a container without a problem."""

UNSTARTABLE = {126: ": as a rule a command that cannot be executed", 127: ": as a rule a command that is not in the image"}


def objects_of(value: Any, field: str) -> list[Mapping[str, Any]]:
    """A list of objects; None counts as an empty one. Raises `CallFailed` for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise CallFailed(f"{field}: the cluster's answer holds no list of objects")
    return value


def object_of(value: Any, field: str) -> Mapping[str, Any]:
    """An object; None counts as an empty one. Raises `CallFailed` for anything else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise CallFailed(f"{field}: the cluster's answer holds no object")
    return value


def moment(value: Any, field: str) -> datetime | None:
    """A time, or None. Raises `CallFailed` for any other value."""
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise CallFailed(f"{field}: the cluster's answer holds no time") from None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def words_of(item: Mapping[str, Any]) -> str:
    """A reason and a message, such as `Evicted: The node was low on memory`."""
    return ": ".join(str(item[key]).strip() for key in ("reason", "message") if item.get(key))


class Pod:
    """One pod; `main` is the name of the job's container. Raises `CallFailed` for anything that is not a pod."""

    def __init__(self, value: Mapping[str, Any], main: str) -> None:
        self.metadata = object_of(value.get("metadata"), "pod.metadata")
        status = object_of(value.get("status"), "pod.status")
        self.status, self.phase, self._main = status, str(status.get("phase") or ""), main
        self._containers = objects_of(status.get("containerStatuses"), "pod.status.containerStatuses")
        self._before = objects_of(status.get("initContainerStatuses"), "pod.status.initContainerStatuses")

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata.get("name") or "")

    @property
    def created_at(self) -> str:
        """When it was created, in a comparable form."""
        return str(self.metadata.get("creationTimestamp") or "")

    def belongs_to(self, uid: str) -> bool:
        """Whether it belongs to the Job of this uid; an earlier Job may have had the same name."""
        owners = objects_of(self.metadata.get("ownerReferences"), "pod.metadata.ownerReferences")
        return any(owner.get("uid") == uid for owner in owners)

    def observation(self) -> Observation:
        """The observation of a Job that has not ended, from its pod."""
        running, terminated = self._state("running"), self._state("terminated")
        if running is not None:
            return Observation(state=JobState.RUNNING, started_at=moment(running.get("startedAt"), "startedAt"))
        if terminated is not None or self.phase in ("Running", "Succeeded", "Failed", "Unknown"):
            return Observation(state=JobState.RUNNING if self._was_started else JobState.STARTING, reason=self.waits_for)
        return Observation(state=JobState.STARTING, reason=self.waits_for)

    @property
    def _was_started(self) -> bool:
        return self._state("terminated") is not None or self.phase in ("Succeeded", "Failed", "Unknown")

    @property
    def waits_for(self) -> str:
        """Why it does not run yet, in the cluster's words; empty if it starts without problems."""
        for condition in objects_of(self.status.get("conditions"), "pod.status.conditions"):
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                return words_of(condition)
        for container in (*self._before, *self._containers):
            waiting = object_of(container.get("state"), "state").get("waiting")
            words = object_of(waiting, "waiting")
            if words and str(words.get("reason")) not in ON_ITS_WAY:
                return words_of(words)
        return words_of(self.status)

    def end(self) -> Observation:
        """The end of a failed Job, from its pod."""
        terminated = object_of(self._state("terminated"), "terminated")
        code = _exit_code(terminated)
        state, reason, code = self._verdict(terminated, code)
        return Observation(
            state=state,
            exit_code=code,
            reason=reason,
            started_at=moment(terminated.get("startedAt"), "startedAt"),
            ended_at=moment(terminated.get("finishedAt"), "finishedAt"),
        )

    def _verdict(self, terminated: Mapping[str, Any], code: int | None) -> tuple[JobState, str, int | None]:
        if taken := self._taken_away:
            return JobState.CRASHED, taken, code
        if str(terminated.get("reason")) in NEVER_RAN:
            return JobState.CRASHED, f"the container could not be started: {words_of(terminated)}", code
        if terminated.get("reason") == "OOMKilled":
            return JobState.FAILED, f"out of memory (OOMKilled): it passed its memory limit; {exit_words(code or 137)}", code
        if code:
            return state_of_exit(code), exit_words(code) + UNSTARTABLE.get(code, "") + _written(terminated), code
        return self._end_of_others(code)

    def _end_of_others(self, code: int | None) -> tuple[JobState, str, int | None]:
        """The end of a job whose own container ended well or never began: another container caused it."""
        for container, other in self._terminated(self._before):
            if _exit_code(other):
                words = f"the init container {container!r} failed before the job began: {words_of(other)}"
                return JobState.CRASHED, f"{words}, exit code {_exit_code(other)}", None
        for container, other in self._terminated(self._containers):
            if _exit_code(other) and container != self._main:
                return JobState.CRASHED, f"the container {container!r} beside the job failed with {words_of(other)}", code
        return JobState.CRASHED, self.waits_for or "its pod failed, and the cluster gives no reason", code

    @property
    def _taken_away(self) -> str:
        """Why the cluster ended the pod; empty if it ended by itself."""
        for condition in objects_of(self.status.get("conditions"), "pod.status.conditions"):
            if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
                return words_of(condition)
        return words_of(self.status) if self.phase == "Failed" and self.status.get("reason") else ""

    def _state(self, kind: str) -> Mapping[str, Any] | None:
        for container in self._containers:
            if container.get("name") == self._main:
                state = object_of(container.get("state"), "state").get(kind)
                return None if state is None else object_of(state, kind)
        return None

    @staticmethod
    def _terminated(containers: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for container in containers:
            state = object_of(container.get("state"), "state").get("terminated")
            if state is not None:
                yield str(container.get("name")), object_of(state, "terminated")


def _exit_code(terminated: Mapping[str, Any]) -> int | None:
    if not terminated:
        return None
    code = terminated.get("exitCode")
    if isinstance(code, bool) or not isinstance(code, int):
        raise CallFailed("exitCode: the cluster's answer holds no exit code")
    return code


def _written(terminated: Mapping[str, Any]) -> str:
    """The message that a program may leave in its termination log."""
    message = str(terminated.get("message") or "").strip()
    return f": {message:.500}" if message else ""
