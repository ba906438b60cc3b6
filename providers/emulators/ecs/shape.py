"""A task in ECS's JSON: with epoch times in answers, with ISO times in EventBridge's events.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from providers.emulators.jobs import SIGTERM_EXIT, EndCause, StartedJob

_STOP_CODES = {
    EndCause.EXITED: ("EssentialContainerExited", "Essential container in task exited"),
    EndCause.STOPPED: ("UserInitiated", "Task stopped by user"),
    EndCause.NOT_STARTED: ("TaskFailedToStart", "Task failed to start"),
    EndCause.TAKEN: ("SpotInterruption", "Your Spot Task was interrupted."),
    EndCause.TIMED_OUT: ("UserInitiated", "Task stopped by user"),
}

_TIMES = (
    "createdAt",
    "connectivityAt",
    "startedAt",
    "stoppingAt",
    "executionStoppedAt",
    "stoppedAt",
    "pullStartedAt",
    "pullStoppedAt",
)


@dataclass(slots=True, kw_only=True)
class Task:
    """RunTask's decisions about a task; its states are the job's."""

    region: str
    account: str
    cluster: str
    """The cluster's ARN."""
    definition: str
    family: str
    group: str
    started_by: str | None
    main: str
    """The container whose command is the job's."""
    containers: tuple[Mapping[str, Any], ...]
    overrides: Mapping[str, Any]
    tags: list[Mapping[str, str]]
    launch_type: str
    provider: str | None
    cpu: str
    memory: str
    platform: str | None
    subnet: str | None
    address: str


def stop_code(job: StartedJob) -> str:
    """Why it ended, in ECS's enum."""
    return job.code or _STOP_CODES[job.cause or EndCause.EXITED][0]


def stopped_reason(job: StartedJob) -> str:
    """Why it ended, in words."""
    return job.reason or _STOP_CODES[job.cause or EndCause.EXITED][1]


def task(job: StartedJob, *, tags: bool) -> dict[str, Any]:
    """The task in full. Read it under the book's lock."""
    detail: Task = job.detail
    shaped = {
        "attachments": _attachments(job, detail),
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": f"{detail.region}a",
        "clusterArn": detail.cluster,
        "connectivity": "CONNECTED" if job.started_at is not None else None,
        "connectivityAt": job.started_at,
        "containers": [_container(job, detail, container) for container in detail.containers],
        "cpu": detail.cpu,
        "createdAt": job.created_at,
        "desiredStatus": "RUNNING" if job.stopping_at is None else "STOPPED",
        "enableExecuteCommand": False,
        "executionStoppedAt": job.finished_at if job.started_at is not None else None,
        "group": detail.group,
        "healthStatus": "UNKNOWN",
        "lastStatus": job.state,
        "launchType": detail.launch_type,
        "capacityProviderName": detail.provider,
        "memory": detail.memory,
        "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": [], **detail.overrides},
        "platformVersion": detail.platform,
        "platformFamily": "Linux" if detail.platform else None,
        "startedAt": job.started_at,
        "startedBy": detail.started_by,
        "stoppingAt": job.stopping_at,
        "stoppedAt": job.ended_at,
        "stopCode": stop_code(job) if job.stopping_at is not None else None,
        "stoppedReason": stopped_reason(job) if job.stopping_at is not None else None,
        "tags": list(detail.tags) if tags else [],
        "taskArn": job.identifier,
        "taskDefinitionArn": detail.definition,
        "version": job.version,
    }
    return {name: value for name, value in shaped.items() if value is not None}


def _container(job: StartedJob, detail: Task, container: Mapping[str, Any]) -> dict[str, Any]:
    arn = job.identifier.replace(":task/", ":container/")
    shaped = {
        "containerArn": f"{arn}/{uuid.uuid5(uuid.NAMESPACE_URL, job.identifier + container['name'])}",
        "taskArn": job.identifier,
        "name": container["name"],
        "image": container.get("image", ""),
        "runtimeId": f"{job.identifier[-32:]}-{container['name']}" if job.started_at is not None else None,
        "lastStatus": _container_status(job),
        "exitCode": _exit_code(job, main=container["name"] == detail.main),
        "reason": job.reason if job.cause is EndCause.NOT_STARTED and container["name"] == detail.main else None,
        "networkBindings": [],
        "networkInterfaces": [{"attachmentId": "eni", "privateIpv4Address": detail.address}] if detail.subnet else [],
        "healthStatus": "UNKNOWN",
        "cpu": str(container.get("cpu", 0)),
        "memory": str(container["memory"]) if "memory" in container else None,
    }
    return {name: value for name, value in shaped.items() if value is not None}


def _container_status(job: StartedJob) -> str:
    if job.finished_at is not None:
        return "STOPPED"
    return "PENDING" if job.started_at is None else "RUNNING"


def _exit_code(job: StartedJob, *, main: bool) -> int | None:
    """The exit code of a container. A sidecar is stopped when the main container has ended; a container that never ran has
    none.
    """
    if job.finished_at is None or job.exit_code is None:
        return None
    return job.exit_code if main else SIGTERM_EXIT


def _attachments(job: StartedJob, detail: Task) -> list[dict[str, Any]]:
    if detail.subnet is None:
        return []
    status = "DELETED" if not job.live else "PRECREATED" if job.state == "PROVISIONING" else "ATTACHED"
    identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, job.identifier))
    details = {
        "subnetId": detail.subnet,
        "networkInterfaceId": f"eni-{identifier.replace('-', '')[:17]}",
        "macAddress": "0a:00:00:00:00:01",
        "privateDnsName": f"ip-{detail.address.replace('.', '-')}.{detail.region}.compute.internal",
        "privateIPv4Address": detail.address,
    }
    pairs = [{"name": name, "value": value} for name, value in details.items()]
    return [{"id": identifier, "type": "ElasticNetworkInterface", "status": status, "details": pairs}]


def event(job: StartedJob, when: float) -> dict[str, Any]:
    """The state change to a task's newest version, in the form that a rule's target gets."""
    detail = {name: _iso(value) if name in _TIMES else value for name, value in task(job, tags=False).items() if name != "tags"}
    return {
        "version": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job.identifier}#{job.version}")),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": job.detail.account,
        "time": _iso(when),
        "region": job.detail.region,
        "resources": [job.identifier],
        "detail": {**detail, "updatedAt": _iso(when)},
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
