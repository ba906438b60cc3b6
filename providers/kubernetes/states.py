"""A Job and its pods become an observation.

A Job's own status shows whether it succeeded, failed or waits in a queue; its pods show the rest. Pods are read only for a Job
that failed or does not run yet.

| Job | pods | seen |
| --- | --- | --- |
| `Complete` | | SUCCEEDED |
| `Failed`, `DeadlineExceeded`, our mark | | STOPPED |
| `Failed`, `DeadlineExceeded` | | CRASHED: it passed its own deadline |
| `Failed` | the main container's exit code | FAILED, or CRASHED by a signal from outside |
| `Failed` | evicted, preempted, its node lost, its container never started | CRASHED |
| `Failed` | gone | CRASHED: nobody knows its exit code |
| suspended | | STARTING, in a queue |
| active | waiting | STARTING, with the reason |
| active, or ending | running | RUNNING |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from providers.base import CallFailed, JobState, Observation
from providers.kubernetes.pods import Pod, moment, object_of, objects_of, words_of
from providers.kubernetes.rules import KUEUE_LABEL
from providers.signals import signal_in

CANCELLED_AT = "push-dispatcher/cancelled-at"
"""The annotation that a cancel sets: nothing else in a Job shows who ended it."""

DEADLINE_EXCEEDED = "DeadlineExceeded"


class BatchJob:
    """One Job. Raises `CallFailed` if its fields cannot be read."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.metadata = object_of(value.get("metadata"), "metadata")
        self.spec = object_of(value.get("spec"), "spec")
        self.status = object_of(value.get("status"), "status")
        self.uid = str(self.metadata.get("uid") or "")
        self.name = str(self.metadata.get("name") or "")
        self._conditions = objects_of(self.status.get("conditions"), "status.conditions")

    @property
    def main_container(self) -> str:
        """The name of the container that is the job."""
        template = object_of(self.spec.get("template"), "spec.template")
        containers = objects_of(object_of(template.get("spec"), "template.spec").get("containers"), "containers")
        if not containers:
            raise CallFailed(f"{self.name}: the cluster's answer shows a Job without a container")
        return str(containers[0].get("name"))

    @property
    def is_over(self) -> bool:
        """True once it is complete or failed and none of its pods is alive."""
        return self._ended is not None and not self.has_pods

    @property
    def has_pods(self) -> bool:
        """Whether one of its pods is pending, running or ending."""
        return any(self._count(name) > 0 for name in ("active", "terminating"))

    @property
    def is_ready(self) -> bool:
        """True when its pod is ready; a pod with a readiness probe may run without being ready."""
        return self._count("ready") > 0

    @property
    def is_suspended(self) -> bool:
        """True while it waits in somebody's queue."""
        return self.spec.get("suspend") is True

    @property
    def is_cancelled(self) -> bool:
        """True when a dispatcher has asked for its end."""
        return bool(object_of(self.metadata.get("annotations"), "annotations").get(CANCELLED_AT))

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None before that."""
        condition = self._ended or {}
        return moment(self.status.get("completionTime") or condition.get("lastTransitionTime"), "lastTransitionTime")

    @property
    def started_at(self) -> datetime | None:
        """When the Job controller started or resumed it."""
        return moment(self.status.get("startTime"), "status.startTime")

    @property
    def needs_pods(self) -> bool:
        """Whether its pods must be read."""
        return not (self.is_complete or self._is_suspended_and_empty or (self._ended is None and self.is_ready))

    @property
    def is_complete(self) -> bool:
        """True when its program ended with exit code 0."""
        return self._ended is not None and self._ended.get("type") == "Complete"

    @property
    def failure(self) -> Mapping[str, Any]:
        """The condition that reports its failure; empty if it has not failed."""
        return self._ended if self._ended is not None and not self.is_complete else {}

    @property
    def is_in_a_queue(self) -> bool:
        """Whether Kueue decides when it starts."""
        return KUEUE_LABEL in object_of(self.metadata.get("labels"), "labels")

    @property
    def _is_suspended_and_empty(self) -> bool:
        return self._ended is None and self.is_suspended and not self.has_pods

    @property
    def _ended(self) -> Mapping[str, Any] | None:
        for condition in self._conditions:
            if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
                return condition
        return None

    def _count(self, name: str) -> int:
        count = self.status.get(name) or 0
        if isinstance(count, bool) or not isinstance(count, int):
            raise CallFailed(f"status.{name}: the cluster's answer holds no number")
        return count


def observation_of(
    job: BatchJob, pods: Sequence[Mapping[str, Any]], *, now: datetime, patience: timedelta, no_pod: str = ""
) -> Observation:
    """The observation of a Job; `no_pod` is why the cluster could not create its pod.

    After Kueue has admitted a Job, the Job may take `patience` to start, however long its run has waited before.
    """
    own = [pod for pod in (Pod(value, job.main_container) for value in pods) if pod.belongs_to(job.uid)]
    pod = max(own, key=lambda pod: pod.created_at, default=None)
    seen = _ended(job, pod) if job.is_over else _live(job, pod, no_pod)
    if len(own) > 1:
        seen = replace(seen, reason=f"{seen.reason}; the cluster made {len(own)} pods for it".removeprefix("; "))
    if seen.state is JobState.STARTING and job.is_in_a_queue:
        waits = job.is_suspended or job.started_at is None or now - job.started_at < patience
        return replace(seen, queued=waits)
    return seen


def _live(job: BatchJob, pod: Pod | None, no_pod: str) -> Observation:
    if job.is_suspended and not job.has_pods:
        waits = "in a queue of Kueue, and its time to start does not run" if job.is_in_a_queue else "until somebody resumes it"
        return Observation(state=JobState.STARTING, reason=f"suspended: it waits {waits}", queued=True)
    if job.is_ready:
        return Observation(state=JobState.RUNNING)
    if pod is not None:
        return pod.observation()
    if job.failure or job.is_complete:
        return Observation(state=JobState.RUNNING, reason="its pod is ending")
    words = "the cluster has not made its pod yet"
    return Observation(state=JobState.STARTING, reason=f"{words}: {no_pod}" if no_pod else words)


def _ended(job: BatchJob, pod: Pod | None) -> Observation:
    if job.is_complete:
        seen = Observation(state=JobState.SUCCEEDED, exit_code=0)
    elif job.failure.get("reason") == DEADLINE_EXCEEDED:
        state = JobState.STOPPED if job.is_cancelled else JobState.CRASHED
        words = "stopped on request" if job.is_cancelled else f"it passed its deadline: {words_of(job.failure)}"
        seen = Observation(state=state, reason=words)
    elif pod is None:
        words = f"{words_of(job.failure)}; its pod is gone, so its exit code is not known"
        seen = Observation(state=JobState.CRASHED, reason=words)
    else:
        seen = _of_pod(job, pod)
    return _in_order(replace(seen, started_at=seen.started_at or job.started_at, ended_at=seen.ended_at or job.ended_at))


def _of_pod(job: BatchJob, pod: Pod) -> Observation:
    seen = pod.end()
    if job.is_cancelled and signal_in(seen.exit_code):
        return replace(seen, state=JobState.STOPPED, reason="stopped on request")
    return seen


def _in_order(seen: Observation) -> Observation:
    if seen.started_at and seen.ended_at and seen.started_at > seen.ended_at:
        return replace(seen, started_at=seen.ended_at)
    return seen
