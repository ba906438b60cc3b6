"""A Job and the pod that the Job controller creates for it, in their state at a time.

Undocumented and assumed here: the event messages of an unschedulable pod, and how long each step takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from providers.emulators.jobs import EndCause, StartedJob

BACKOFF, DEADLINE = "BackoffLimitExceeded", "DeadlineExceeded"
MESSAGES = {
    BACKOFF: "Job has reached the specified backoff limit",
    DEADLINE: "Job was active longer than specified deadline",
}
FINALIZER = "foregroundDeletion"


@dataclass(slots=True, eq=False)
class Workload:
    """One Job of the API, and its pod's run after the start."""

    manifest: dict[str, Any]
    """The requested Job with defaults; its status is computed for each answer."""
    version: int
    created_at: float
    taken_up_at: float | None = None
    """When the controller began or resumed the Job."""
    run: StartedJob | None = None
    stuck: tuple[str, str, str] | None = None
    """Why its pod does not start: `creation`, `scheduling` or `waiting`, then a reason and a message."""
    failure: str = ""
    """The reason of its condition `Failed`, after that is decided."""
    log: str = ""
    history: list[tuple[float, str, str, str]] = field(default_factory=list)
    """Events: time, type, reason, message."""

    @property
    def name(self) -> str:
        """The Job's name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The Job's namespace."""
        return str(self.manifest["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """The Job's uid."""
        return str(self.manifest["metadata"]["uid"])

    @property
    def spec(self) -> dict[str, Any]:
        """The requested spec."""
        spec: dict[str, Any] = self.manifest["spec"]
        return spec

    @property
    def pod_spec(self) -> dict[str, Any]:
        """The spec of its pod."""
        spec: dict[str, Any] = self.spec["template"]["spec"]
        return spec

    @property
    def main(self) -> dict[str, Any]:
        """Its first container, whose command is the job."""
        container: dict[str, Any] = self.pod_spec["containers"][0]
        return container

    @property
    def is_suspended(self) -> bool:
        """Whether it is suspended."""
        return self.spec.get("suspend") is True

    @property
    def is_over(self) -> bool:
        """Whether it is complete or failed."""
        return (self.run is not None and not self.run.live) or bool(self.failure and self.run is None)

    @property
    def ended_at(self) -> float | None:
        """When its pod ended."""
        return self.run.ended_at if self.run is not None else self.taken_up_at

    @property
    def succeeded(self) -> bool:
        """Whether its program succeeded before anything else ended it."""
        return self.run is not None and not self.failure and self.run.exit_code == 0 and self.run.cause is EndCause.EXITED

    @property
    def due_at(self) -> float | None:
        """When its deadline passes; a suspended Job has none."""
        seconds = self.spec.get("activeDeadlineSeconds")
        return None if seconds is None or self.taken_up_at is None or self.is_suspended else self.taken_up_at + seconds

    @property
    def has_pod(self) -> bool:
        """Whether it has a pod."""
        return self.run is not None or (self.stuck is not None and self.stuck[0] != "creation" and not self.failure)

    def job(self) -> dict[str, Any]:
        """The Job as a GET shows it."""
        metadata = {**self.manifest["metadata"], "resourceVersion": str(self.version)}
        return {**self.manifest, "metadata": metadata, "status": self._status()}

    def pod(self) -> dict[str, Any]:
        """Its pod as a GET shows it."""
        template = self.spec["template"].get("metadata") or {}
        own = {"job-name": self.name, "controller-uid": self.uid}
        labels = {**(template.get("labels") or {}), **own, **{f"batch.kubernetes.io/{key}": text for key, text in own.items()}}
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": self.name, "uid": self.uid, "controller": True}
        metadata = {
            "name": self.pod_name,
            "namespace": self.namespace,
            "uid": f"pod-{self.uid}",
            "resourceVersion": str(self.version),
            "creationTimestamp": moment(self.run.created_at if self.run else self.created_at),
            "labels": labels,
            "annotations": template.get("annotations") or {},
            "ownerReferences": [{**owner, "blockOwnerDeletion": True}],
        }
        if self.run is not None and self.run.live and self.run.stopping_at is not None:
            metadata["deletionTimestamp"] = moment(self.run.stopping_at)
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.pod_spec, "status": self._pod_status()}

    @property
    def pod_name(self) -> str:
        """The pod's name: the Job's name with a suffix of five letters."""
        return f"{self.name}-{self.uid[:5]}"

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {"conditions": list(self._conditions()), **self._counts()}
        if self.taken_up_at is not None and not self.is_suspended:
            status["startTime"] = moment(self.taken_up_at)
        if self.is_over and self.succeeded:
            status["completionTime"] = moment(self.ended_at)
        return {key: value for key, value in status.items() if value not in ([], 0, None)}

    def _counts(self) -> dict[str, int]:
        if self.is_over:
            return {"succeeded": 1} if self.succeeded else {"failed": int(self.run is not None)}
        if self.run is None:
            return {"active": int(self.has_pod and not self.is_suspended)}
        if self.run.stopping_at is not None:
            return {"terminating": 1}
        return {"active": 1, "ready": int(self.run.started_at is not None)}

    def _conditions(self) -> Iterator[dict[str, Any]]:
        if self.is_over and self.succeeded:
            yield _condition("SuccessCriteriaMet", self.ended_at, "CompletionsReached")
            yield _condition("Complete", self.ended_at, "CompletionsReached")
        elif self.failure or self.is_over:
            reason = self.failure or BACKOFF
            since = self.ended_at if self.is_over else self.taken_up_at
            yield _condition("FailureTarget", since, reason, MESSAGES[reason])
            if self.is_over:
                yield _condition("Failed", since, reason, MESSAGES[reason])
        elif self.is_suspended:
            yield _condition("Suspended", self.created_at, "JobSuspended", "Job suspended")

    def _pod_status(self) -> dict[str, Any]:
        scheduled = self.stuck is None or self.stuck[0] != "scheduling"
        condition: dict[str, Any] = {"type": "PodScheduled", "status": "True" if scheduled else "False"}
        if self.stuck and not scheduled:
            condition |= {"reason": self.stuck[1], "message": self.stuck[2]}
        status: dict[str, Any] = {"phase": self._phase, "conditions": [condition]}
        run = self.run
        if run is not None and run.cause is EndCause.TAKEN:
            status |= {"reason": run.code or "NodeLost", "message": run.reason}
            target = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": run.reason}
            status["conditions"].append(target)
        if scheduled:
            status["containerStatuses"] = [{**self._container(), "name": self.main["name"], "image": self.main["image"]}]
        return status

    @property
    def _phase(self) -> str:
        if self.run is None or (self.run.live and self.run.started_at is None):
            return "Pending"
        if self.run.live:
            return "Running"
        return "Succeeded" if self.run.exit_code == 0 else "Failed"

    def _container(self) -> dict[str, Any]:
        run = self.run
        if run is None or (run.live and run.started_at is None):
            waiting = {"reason": "ContainerCreating"}
            if self.stuck and self.stuck[0] == "waiting":
                waiting = {"reason": self.stuck[1], "message": self.stuck[2]}
            return {"ready": False, "restartCount": 0, "state": {"waiting": waiting}}
        if run.live:
            return {
                "ready": True,
                "restartCount": 0,
                "started": True,
                "state": {"running": {"startedAt": moment(run.started_at)}},
            }
        if run.exit_code is None and run.cause is not EndCause.NOT_STARTED:
            return {"ready": False, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}
        return {"ready": False, "restartCount": 0, "state": {"terminated": self._terminated(run)}}

    @staticmethod
    def _terminated(run: StartedJob) -> dict[str, Any]:
        code = 128 if run.exit_code is None else run.exit_code
        reason = "StartError" if run.cause is EndCause.NOT_STARTED else run.code or ("Error" if code else "Completed")
        times = {"startedAt": moment(run.started_at or run.created_at), "finishedAt": moment(run.ended_at)}
        return {"exitCode": code, "reason": reason, **times, **({"message": run.reason} if run.reason else {})}


def _condition(kind: str, when: float | None, reason: str, message: str = "") -> dict[str, Any]:
    times = {"lastProbeTime": moment(when), "lastTransitionTime": moment(when)}
    return {"type": kind, "status": "True", "reason": reason, "message": message, **times}


def moment(when: float | None) -> str | None:
    """A time in whole seconds, in Kubernetes' form."""
    return None if when is None else datetime.fromtimestamp(int(when), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def variables_of(container: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a container; of two entries with one name the last counts."""
    return {entry["name"]: entry.get("value") or "" for entry in container.get("env") or ()}


def command_of(container: Mapping[str, Any]) -> list[str]:
    """The command of a container; the image's own entrypoint is unknown here."""
    return [*(container.get("command") or ()), *(container.get("args") or ())]
