"""The Job controller: pods for Jobs, deadlines, deletions, times to live. It acts at each request and never by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.emulators.base import Emulator
from providers.emulators.kubernetes.kinds import EVENT
from providers.emulators.kubernetes.workloads import (
    BACKOFF,
    DEADLINE,
    FINALIZER,
    Workload,
    command_of,
    moment,
    variables_of,
)

NO_SUCH_IMAGE = "no-such"
"""An image with this in its name cannot be pulled."""
EVENT_REASONS = {"Unschedulable": "FailedScheduling", "FailedCreate": "FailedCreate"}
"""The reason of the Event for each obstacle that keeps a pod from starting."""

Objects = dict[tuple[str, str, str], dict[str, Any]]
"""Plain objects by kind, namespace and name."""


class Controller:
    """The life of Jobs after they are stored. Used under the book's lock."""

    def __init__(self, emulator: Emulator, objects: Objects) -> None:
        self._emulator, self._objects = emulator, objects
        self.workloads: dict[tuple[str, str], Workload] = {}
        """By namespace and name."""
        self.ending: list[Workload] = []
        """Deleted Jobs whose pods are still ending."""
        self._version = 0

    def now(self) -> float:
        """The emulator's clock, in seconds."""
        return self._emulator.now()

    def stamp(self, later: float = 0.0) -> str:
        """The current time, or this many seconds later, in the form of objects."""
        return str(moment(self.now() + later))

    def next_version(self) -> int:
        """A resource version."""
        self._version += 1
        return self._version

    def add(self, manifest: dict[str, Any]) -> Workload:
        """Start a Job."""
        now = self.now()
        workload = Workload(manifest, self.next_version(), now)
        self.workloads[workload.namespace, workload.name] = workload
        self._take_up(workload)
        return workload

    def changed(self, workload: Workload) -> None:
        """React to a change of a Job: it may be suspended or resumed, or its deadline may have passed."""
        workload.version = self.next_version()
        if workload.is_suspended and workload.run is not None and workload.run.live:
            self._emulator.book.stop(workload.run, "suspended")
        self.settle()

    def settle(self) -> None:
        """Carry out everything that is due."""
        self._emulator.book.settle()
        for workload in list(self.workloads.values()):
            self._take_up(workload)
            self._end_overdue(workload)
            self._forget(workload)
        self.ending = [workload for workload in self.ending if workload.run is not None and workload.run.live]

    def delete(self, workload: Workload, policy: str) -> bool:
        """Delete a Job; False if it stays until its pod has ended."""
        run = workload.run
        live = run is not None and run.live
        if policy == "Foreground" and live:
            metadata = workload.manifest["metadata"]
            metadata.setdefault("deletionTimestamp", self.stamp())
            metadata["finalizers"] = [FINALIZER]
            workload.version = self.next_version()
            self._stop(workload)
            return False
        self._remove(workload)
        if policy != "Orphan":
            self._stop(workload)
        return True

    def delete_pod(self, workload: Workload) -> None:
        """Delete a pod, which counts as a failure of its Job."""
        if workload.run is not None and workload.run.live:
            workload.failure = BACKOFF
            self._stop(workload)
        elif workload.run is None:
            workload.failure, workload.taken_up_at = BACKOFF, self.now()

    def all(self) -> Iterator[Workload]:
        """All Jobs, including deleted ones whose pods still end."""
        yield from self.workloads.values()
        yield from self.ending

    def events(self) -> Iterator[dict[str, Any]]:
        """The Events about Jobs and their pods: the reasons that keep pods from starting."""
        for workload in self.all():
            if workload.stuck is not None:
                _, reason, message = workload.stuck
                yield self._event(workload, EVENT_REASONS.get(reason, "Failed"), message)
            elif workload.run is not None:
                yield self._event(workload, "SuccessfulCreate", f"Created pod: {workload.pod_name}")

    def reset(self) -> None:
        """Forget every Job."""
        self.workloads.clear()
        self.ending.clear()

    def _event(self, workload: Workload, reason: str, message: str) -> dict[str, Any]:
        of_pod = workload.stuck is not None and workload.has_pod
        about = {"kind": "Pod" if of_pod else "Job", "namespace": workload.namespace, "apiVersion": "v1"}
        name = workload.pod_name if of_pod else workload.name
        metadata = {"name": f"{name}.{reason.lower()}", "namespace": workload.namespace, "uid": f"event-{workload.uid}"}
        times = {"firstTimestamp": self.stamp(), "lastTimestamp": self.stamp(), "count": 1}
        involved = {**about, "name": name, "uid": f"pod-{workload.uid}" if of_pod else workload.uid}
        kind = "Warning" if workload.stuck else "Normal"
        words = {"type": kind, "reason": reason, "message": message, "source": {"component": "emulator"}}
        return {"apiVersion": "v1", "kind": EVENT.name, "metadata": metadata, "involvedObject": involved, **words, **times}

    def _take_up(self, workload: Workload) -> None:
        """Create its pod, and start it if nothing prevents that."""
        resumed = workload.run is not None and not workload.run.live and workload.run.reason == "suspended"
        if workload.is_suspended or workload.failure or (workload.run is not None and not resumed):
            return
        now = self.now()
        if workload.taken_up_at is None or resumed:
            workload.taken_up_at = now
        workload.stuck = self._obstacle(workload)
        if workload.stuck is None:
            workload.version = self.next_version()
            workload.run = self._emulator.book.start(
                workload.uid,
                workload.name,
                command=command_of(workload.main),
                environment=variables_of(workload.main),
                detail=workload,
            )

    def _obstacle(self, workload: Workload) -> tuple[str, str, str] | None:
        """The reason that keeps a pod from starting."""
        if quota := self._pod_quota(workload.namespace):
            words = f'Error creating: pods "{workload.pod_name}" is forbidden: exceeded quota: {quota}, requested: pods=1'
            return "creation", "FailedCreate", words
        capacity = self._emulator.capacity
        if workload.pod_spec.get("nodeSelector") or (capacity is not None and self._emulator.book.live >= capacity):
            words = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
            words = words if workload.pod_spec.get("nodeSelector") else "0/3 nodes are available: 3 Insufficient cpu."
            return "scheduling", "Unschedulable", words
        image = workload.main["image"]
        if NO_SUCH_IMAGE in image:
            return "waiting", "ImagePullBackOff", f'Back-off pulling image "{image}"'
        for source in workload.main.get("envFrom") or ():
            secret = (source.get("secretRef") or {}).get("name")
            if secret and ("Secret", workload.namespace, secret) not in self._objects:
                return "waiting", "CreateContainerConfigError", f'secret "{secret}" not found'
        return None

    def _pod_quota(self, namespace: str) -> str:
        """The name of a quota that allows no further pod; empty if there is room."""
        live = sum(1 for workload in self.all() if workload.namespace == namespace and workload.run and workload.run.live)
        for (kind, home, name), item in self._objects.items():
            hard = (item.get("spec") or {}).get("hard", {}).get("pods")
            if kind == "ResourceQuota" and home == namespace and hard is not None and live >= int(hard):
                return name
        return ""

    def _end_overdue(self, workload: Workload) -> None:
        due = workload.due_at
        if due is None or due > self.now() or workload.is_over or workload.failure:
            return
        workload.failure = DEADLINE
        workload.version = self.next_version()
        if workload.run is None:
            workload.stuck, workload.taken_up_at = None, due
        else:
            self._stop(workload)

    def _forget(self, workload: Workload) -> None:
        """Remove an ended Job if a foreground deletion waits for its end or its time to live has expired."""
        if not workload.is_over:
            return
        ttl, ended_at = workload.spec.get("ttlSecondsAfterFinished"), workload.ended_at
        expired = ttl is not None and ended_at is not None and self.now() - ended_at >= ttl
        if expired or FINALIZER in (workload.manifest["metadata"].get("finalizers") or ()):
            self._remove(workload)

    def _remove(self, workload: Workload) -> None:
        self.workloads.pop((workload.namespace, workload.name), None)
        if workload.run is not None and workload.run.live:
            self.ending.append(workload)

    def _stop(self, workload: Workload) -> None:
        if workload.run is not None and workload.run.live:
            self._emulator.book.stop(workload.run, "deleted")
