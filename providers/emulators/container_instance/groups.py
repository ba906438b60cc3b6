"""A container group and its replies: complete with an instance view, without one in a list, never with a secret."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from providers.emulators.jobs import EndCause, StartedJob

TYPE = "Microsoft.ContainerInstance/containerGroups"
WAITING = ("Pending", "Creating")
"""The phases before the containers run; both are provisioning states as well."""
SIGKILL_EXIT = 137
"""The exit code of a container that did not end within its grace period after a stop."""
_SECRET_KEYS = frozenset({"secureValue", "password", "storageAccountKey", "workspaceKey"})


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A group's job in its state at `when`."""

    when: float
    phase: str
    live: bool
    started_at: float | None
    finished_at: float | None
    exit_code: int | None
    cause: EndCause | None
    reason: str


@dataclass(slots=True, kw_only=True, eq=False)
class ContainerGroup:
    """One container group; `job` is its latest start."""

    subscription: str
    resource_group: str
    name: str
    body: dict[str, Any]
    failure: tuple[str, str] | None = None
    """The event that failed its provisioning: name and message. Azure keeps trying until somebody stops or deletes the
    group.
    """
    job: StartedJob = field(init=False)
    history: list[View] = field(default_factory=list)
    restarts: int = 0
    log: str = ""
    outlives: float | None = 0.0
    """Seconds for which the group keeps running after its main container has ended by itself; None: until it is stopped."""
    sidecar_exit: int = 0
    """The exit code of its other containers when they end by themselves."""
    stopped_at: float | None = None
    """When a stop was requested after its main container had ended."""
    provisioning: str | None = None
    """A provisioning state, such as `Unhealthy`, that is shown instead of the true one."""

    @property
    def location(self) -> str:
        """Its region, spelt as Azure does."""
        return str(self.body["location"]).replace(" ", "").lower()

    @property
    def resource_id(self) -> str:
        """Its ARM resource id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}/providers/{TYPE}/{self.name}"

    @property
    def properties(self) -> dict[str, Any]:
        """The properties as requested."""
        return dict(self.body["properties"])

    @property
    def is_moving(self) -> bool:
        """True while it accepts no other operation because it is starting or stopping."""
        stopping = self.job.live and self.job.stopping_at is not None
        return stopping or (self.job.state in WAITING and self.job.live and self.failure is None)

    def remember(self, job: StartedJob, when: float) -> None:
        """Record the state that is visible from `when` on."""
        view = View(
            when=when,
            phase=job.state,
            live=job.live,
            started_at=job.started_at,
            finished_at=job.finished_at,
            exit_code=job.exit_code,
            cause=job.cause,
            reason=job.reason,
        )
        self.history.append(view)

    def view_at(self, at: float) -> View:
        """The visible state at a time; before its first state, the first one."""
        return next((view for view in reversed(self.history) if view.when <= at), self.history[0])


def goes_on(group: ContainerGroup, view: View, now: float) -> bool:
    """True while the group runs although its main container has ended."""
    if view.live or view.cause is not EndCause.EXITED or view.finished_at is None:
        return False
    until = float("inf") if group.outlives is None else view.finished_at + group.outlives
    return now < (until if group.stopped_at is None else min(until, group.stopped_at))


def instance_state(group: ContainerGroup, view: View, now: float) -> str:
    """The group's state in the instance view."""
    if view.live:
        return "Pending" if view.phase in WAITING else "Running"
    if goes_on(group, view, now):
        return "Running"
    if view.cause is EndCause.STOPPED or group.stopped_at is not None:
        return "Stopped"
    others = group.sidecar_exit if len(group.properties["containers"]) > 1 else 0
    return "Succeeded" if view.cause is EndCause.EXITED and view.exit_code == 0 and not others else "Failed"


def provisioning_state(group: ContainerGroup, view: View) -> str:
    """The state of the last operation on the group."""
    if group.provisioning is not None:
        return group.provisioning
    if group.failure is not None and view.cause is not EndCause.STOPPED:
        return "Failed"
    if view.live and view.phase in WAITING:
        return view.phase
    return "Failed" if view.started_at is None and view.cause is not EndCause.STOPPED else "Succeeded"


def representation(group: ContainerGroup, view: View, now: float, *, with_instance_view: bool) -> dict[str, Any]:
    """The group in a reply; `view` is its main container in its state at `now`."""
    properties = _without_secrets(deepcopy(group.properties))
    properties.setdefault("sku", "Standard")
    properties.setdefault("restartPolicy", "Always")
    properties.setdefault("initContainers", [])
    properties["provisioningState"] = provisioning_state(group, view)
    if with_instance_view:
        properties["instanceView"] = {"events": _group_events(group, view), "state": instance_state(group, view, now)}
        main, *others = properties["containers"]
        main["properties"]["instanceView"] = _container_view(group, view, _current_state(view))
        for container in others:
            container["properties"]["instanceView"] = _container_view(group, view, _sidecar_state(group, view, now))
    kept: dict[str, Any] = {key: group.body[key] for key in ("tags", "identity", "zones") if key in group.body}
    named: dict[str, Any] = {"id": group.resource_id, "name": group.name, "type": TYPE, "location": group.location}
    return {**named, **kept, "properties": properties}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _volume_secret(key, _without_secrets(item)) for key, item in value.items() if key not in _SECRET_KEYS}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def _volume_secret(key: str, value: Any) -> Any:
    return {} if key == "secret" else value


def _container_view(group: ContainerGroup, view: View, current: dict[str, Any]) -> dict[str, Any]:
    return {"restartCount": group.restarts, "currentState": current, "events": _container_events(group, view)}


def _sidecar_state(group: ContainerGroup, view: View, now: float) -> dict[str, Any]:
    """The state of a sidecar, which lives as long as the group."""
    if goes_on(group, view, now):
        return {"state": "Running", "startTime": timestamp(view.started_at), "detailStatus": ""}
    if view.cause is not EndCause.EXITED or view.live:
        return _current_state(view)
    until = view.finished_at if group.outlives is None else (view.finished_at or 0.0) + group.outlives
    finished, code = (until, group.sidecar_exit) if group.stopped_at is None else (group.stopped_at, SIGKILL_EXIT)
    return _current_state(replace(view, finished_at=finished, exit_code=code))


def _current_state(view: View) -> dict[str, Any]:
    if view.live and view.started_at is not None:
        return {"state": "Running", "startTime": timestamp(view.started_at), "detailStatus": ""}
    if view.exit_code is None:
        return {"state": "Waiting", "detailStatus": view.reason}
    return {
        "state": "Terminated",
        "startTime": timestamp(view.started_at),
        "finishTime": timestamp(view.finished_at),
        "exitCode": view.exit_code,
        "detailStatus": "Completed" if view.exit_code == 0 else "Error",
    }


def _group_events(group: ContainerGroup, view: View) -> list[dict[str, Any]]:
    if group.failure is not None:
        return [_event(*group.failure, group.history[0].when, kind="Warning")]
    if not view.live and view.cause in (EndCause.TAKEN, EndCause.NOT_STARTED):
        return [_event("Failed", view.reason, view.when, kind="Warning")]
    return []


def _container_events(group: ContainerGroup, view: View) -> list[dict[str, Any]]:
    image = group.properties["containers"][0]["properties"]["image"]
    if view.started_at is None:
        return []
    pulled = _event("Pulled", f'Successfully pulled image "{image}"', view.started_at)
    return [pulled, _event("Started", "Started container", view.started_at)]


def _event(name: str, message: str, when: float, *, kind: str = "Normal") -> dict[str, Any]:
    at = timestamp(when)
    return {"count": 1, "firstTimestamp": at, "lastTimestamp": at, "name": name, "message": message, "type": kind}


def timestamp(when: float | None) -> str | None:
    """A time as Resource Manager writes it."""
    return None if when is None else datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a container's command; the value of a Key Vault reference is its own name."""
    variables = container["properties"].get("environmentVariables") or []
    order = ("value", "secureValue", "secureValueReference")
    return {v["name"]: next((str(v[key]) for key in order if v.get(key) is not None), "") for v in variables}
