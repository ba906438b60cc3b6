"""The operations on container groups.

Undocumented by Azure and assumed here: a PUT of the same body on a running group restarts nothing; a starting group can be
deleted but not stopped; an ended group counts as a group, but its CPUs do not count; a stopped container has exit code 143.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from providers.emulators.container_instance import checks
from providers.emulators.container_instance.groups import (
    ContainerGroup,
    environment,
    goes_on,
    provisioning_state,
    representation,
)
from providers.emulators.container_instance.operations import Call
from providers.emulators.container_instance.quotas import Meter, Quotas
from providers.emulators.container_instance.refusals import (
    Refusal,
    invalid,
    no_capacity,
    not_available,
    not_found,
    over_quota,
    transitioning,
)
from providers.emulators.jobs import Book, EndCause
from providers.emulators.web import HttpRequest, Response

RUNNING_LOG, ENDED_LOG, ENDED_LINES = 4 * 1024 * 1024, 16 * 1024, 1000
"""The size of a kept log: bytes while running; bytes and lines afterwards."""


class World(Protocol):
    """The parts of the emulator that the operations need."""

    @property
    def book(self) -> Book:
        """The life of the jobs."""
        ...

    @property
    def url(self) -> str:
        """The address for clients."""
        ...

    capacity: int | None
    location: str
    resource_groups: Mapping[str, str] | None
    quotas: Quotas
    largest: Mapping[str, float]
    status_lag: float
    page_size: int

    def now(self) -> float:
        """The emulator's time."""
        ...


class Service:
    """Container groups by subscription, resource group and name. Called under the book's lock."""

    def __init__(self, emulator: World) -> None:
        self._emulator, self._book = emulator, emulator.book
        self.reset()

    def reset(self) -> None:
        """Forget every group."""
        self.groups: dict[tuple[str, str, str], ContainerGroup] = {}
        self._meter = Meter()
        self._operations: dict[str, tuple[str, str, str]] = {}
        self._numbers = itertools.count(1)

    def perform(self, call: Call, request: HttpRequest, *, fails_provisioning: bool = False) -> Response:
        """Carry out the operation. Raises `Refusal`."""
        self._book.settle()
        self._restart_ended()
        self._check_resource_group(call)
        if call.operation == "ContainerGroups_CreateOrUpdate":
            return self._put(call, request, fails_provisioning=fails_provisioning)
        return self._handlers[call.operation](self, call, request)

    def _check_resource_group(self, call: Call) -> None:
        groups = self._emulator.resource_groups
        if call.resource_group and groups is not None and call.resource_group.lower() not in {name.lower() for name in groups}:
            message = f"Resource group '{call.resource_group}' could not be found."
            raise Refusal(404, "ResourceGroupNotFound", message)

    def _put(self, call: Call, request: HttpRequest, *, fails_provisioning: bool) -> Response:
        body = _parsed(request)
        checks.check_group(call.name, body, request.query["api-version"])
        group = self.groups.get(call.key)
        if group is None:
            return self._create(call, request, body, fails_provisioning=fails_provisioning)
        if group.is_moving:
            raise transitioning(call.name)
        return self._update(group, body) if group.job.live else self._again(call, request, group, body)

    def _create(self, call: Call, request: HttpRequest, body: dict[str, Any], *, fails_provisioning: bool) -> Response:
        group = ContainerGroup(subscription=call.subscription, resource_group=call.resource_group, name=call.name, body=body)
        self._check_quotas(group, new_groups=1)
        if fails_provisioning:
            group.failure = ("InsufficientCapacity.", not_available(group.location, group.properties).message)
        self.groups[call.key] = group
        self._launch(group)
        return self._moving(group, call, request, 201)

    def _update(self, group: ContainerGroup, body: dict[str, Any]) -> Response:
        """A PUT on a running group: the same body changes nothing, and another one restarts its containers."""
        if body == group.body:
            return self._reply(group, 200)
        checks.check_update(group.name, group.properties, body["properties"])
        self._book.take(group.job, "updated", cause=EndCause.STOPPED)
        group.body = body
        self._launch(group)
        return self._reply(group, 200)

    def _again(self, call: Call, request: HttpRequest, group: ContainerGroup, body: dict[str, Any]) -> Response:
        """A PUT on an ended group: it is deployed anew, so its containers run once more."""
        self._check_quotas(group, new_groups=0)
        group.body, group.failure = body, None
        self._launch(group)
        return self._moving(group, call, request, 201)

    def _check_quotas(self, group: ContainerGroup, *, new_groups: int) -> None:
        quotas, emulator = self._emulator.quotas, self._emulator
        here = [other for other in self._of(group.subscription) if other.location == group.location]
        if len(here) + new_groups > quotas.groups:
            raise over_quota("ContainerGroups", group.location, quotas.groups, len(here), 1)
        cores, cpus = sum(checks.cpus(other.properties) for other in here if other.job.live), checks.cpus(group.properties)
        if cpus > emulator.largest.get(group.location, float("inf")):
            raise not_available(group.location, group.properties)
        if cores + cpus > quotas.cores:
            raise over_quota("StandardCores", group.location, quotas.cores, cores, cpus)
        if emulator.capacity is not None and self._book.live >= emulator.capacity:
            raise no_capacity(group.location)
        self._meter.spend("write", group.subscription, quotas.creates, emulator.now())

    def _launch(self, group: ContainerGroup) -> None:
        container = group.properties["containers"][0]
        command = container["properties"].get("command") or []
        identifier = f"{group.resource_id}#{next(self._numbers)}"
        group.stopped_at = None
        group.history.clear()
        group.job = self._book.start(identifier, group.name, command=command, environment=environment(container), detail=group)

    def _restart_ended(self) -> None:
        """Restart containers according to the policy whenever a request comes; Azure does it by itself after a delay."""
        for group in self.groups.values():
            policy, job = group.properties.get("restartPolicy") or "Always", group.job
            repeats = policy == "Always" or (policy == "OnFailure" and job.exit_code != 0)
            if repeats and not job.live and job.cause is EndCause.EXITED and group.stopped_at is None:
                group.restarts += 1
                self._launch(group)

    def _tag(self, call: Call, request: HttpRequest) -> Response:
        """A PATCH: it changes only the tags, and replaces them all."""
        group, body = self._existing(call), _parsed(request)
        if not isinstance(body, dict) or set(body) - {"tags"}:
            raise invalid("An update of a container group can change its tags alone.")
        checks.check_tags(body.get("tags") or {})
        group.body["tags"] = dict(body.get("tags") or {})
        return self._reply(group, 200, with_instance_view=True)

    def _get(self, call: Call, _request: HttpRequest) -> Response:
        return self._reply(self._existing(call), 200, with_instance_view=True)

    def _delete(self, call: Call, _request: HttpRequest) -> Response:
        group = self.groups.get(call.key)
        if group is None:
            return Response(status=204)
        self._meter.spend("delete", call.subscription, self._emulator.quotas.deletes, self._emulator.now())
        reply = self._reply(group, 200)
        self._book.take(group.job, "deleted", cause=EndCause.STOPPED)
        del self.groups[call.key]
        return reply

    def _stop(self, call: Call, _request: HttpRequest) -> Response:
        group = self._settled(call)
        if goes_on(group, group.history[-1], self._emulator.now()):
            group.stopped_at = self._emulator.now()
        self._book.stop(group.job)
        return Response(status=204)

    def _start(self, call: Call, request: HttpRequest) -> Response:
        group = self._settled(call)
        if not group.job.live:
            self._launch(group)
        return self._moving(group, call, request, 202)

    def _restart(self, call: Call, request: HttpRequest) -> Response:
        group = self._settled(call)
        self._book.take(group.job, "restarted", cause=EndCause.STOPPED)
        group.restarts += 1
        self._launch(group)
        return Response(status=204, headers=self._operation(group, call, request))

    def _list(self, call: Call, request: HttpRequest) -> Response:
        groups = [group for group in self._of(call.subscription) if _is_in(group, call.resource_group)]
        first = int(request.query.get("$skiptoken", 0))
        page = groups[first : first + self._emulator.page_size]
        answer: dict[str, Any] = {
            "value": [representation(g, self._view(g), self._shown_time, with_instance_view=False) for g in page]
        }
        if first + len(page) < len(groups):
            version = request.query["api-version"]
            skip = first + len(page)
            answer["nextLink"] = f"{self._emulator.url}{request.path}?api-version={version}&$skiptoken={skip}"
        return Response.json(answer)

    def _logs(self, call: Call, request: HttpRequest) -> Response:
        group = self._existing(call)
        if group.job.started_at is None:
            message = f"The logs for container '{call.container}' in container group '{call.name}' are not available."
            raise Refusal(409, "ContainerLogNotAvailable", message)
        if call.container not in {container["name"] for container in group.properties["containers"]}:
            raise Refusal(404, "ContainerNotFound", f"The container '{call.container}' was not found in '{call.name}'.")
        return Response.json({"content": _kept(group, request.query.get("tail"))})

    def _usage(self, call: Call, _request: HttpRequest) -> Response:
        location, quotas = call.location.replace(" ", "").lower(), self._emulator.quotas
        here = [group for group in self._of(call.subscription) if group.location == location]
        cores = sum(checks.cpus(group.properties) for group in here if group.job.live)
        groups = _usage("ContainerGroups", "Container Groups", len(here), quotas.groups)
        return Response.json({"value": [groups, _usage("StandardCores", "Standard Cores", cores, quotas.cores)]})

    def _operation_status(self, call: Call, request: HttpRequest) -> Response:
        if call.token not in self._operations:
            raise Refusal(404, "OperationNotFound", f"The operation '{call.token}' was not found.")
        group = self.groups.get(self._operations[call.token])
        status = provisioning_state(group, self._view(group)) if group else "Succeeded"
        return Response.json({"id": request.path, "name": call.token, "status": status, "properties": {"events": []}})

    def _resource_group(self, call: Call, _request: HttpRequest) -> Response:
        regions = {name.lower(): region for name, region in (self._emulator.resource_groups or {}).items()}
        region = regions.get(call.resource_group.lower(), self._emulator.location)
        place = f"/subscriptions/{call.subscription}/resourceGroups/{call.resource_group}"
        answer = {"id": place, "name": call.resource_group, "type": "Microsoft.Resources/resourceGroups", "location": region}
        return Response.json({**answer, "properties": {"provisioningState": "Succeeded"}})

    def _existing(self, call: Call) -> ContainerGroup:
        if call.key not in self.groups:
            raise not_found(f"Microsoft.ContainerInstance/containerGroups/{call.name}", call.resource_group)
        return self.groups[call.key]

    def _settled(self, call: Call) -> ContainerGroup:
        group = self._existing(call)
        if group.is_moving:
            raise transitioning(call.name)
        return group

    def _of(self, subscription: str) -> list[ContainerGroup]:
        return [group for key, group in self.groups.items() if key[0] == subscription.lower()]

    def _view(self, group: ContainerGroup) -> Any:
        return group.view_at(self._shown_time)

    @property
    def _shown_time(self) -> float:
        """The time of the state that a reply shows."""
        return self._emulator.now() - self._emulator.status_lag

    def _reply(self, group: ContainerGroup, status: int, *, with_instance_view: bool = False) -> Response:
        body = representation(group, self._view(group), self._shown_time, with_instance_view=with_instance_view)
        return Response.json(body, status=status)

    def _moving(self, group: ContainerGroup, call: Call, request: HttpRequest, status: int) -> Response:
        answer = representation(group, group.history[0], self._shown_time, with_instance_view=True)
        return Response.json(answer, status=status, headers=self._operation(group, call, request))

    def _operation(self, group: ContainerGroup, call: Call, request: HttpRequest) -> dict[str, str]:
        token = f"operation-{next(self._numbers)}"
        self._operations[token] = call.key
        version = request.query["api-version"]
        place = f"/subscriptions/{call.subscription}/providers/Microsoft.ContainerInstance/locations/{group.location}"
        return {"Azure-AsyncOperation": f"{self._emulator.url}{place}/operations/{token}?api-version={version}"}

    _handlers: dict[str, Callable[[Service, Call, HttpRequest], Response]] = {  # noqa: RUF012 - a table of this class's own methods
        "ContainerGroups_Update": _tag,
        "ContainerGroups_Get": _get,
        "ContainerGroups_Delete": _delete,
        "ContainerGroups_Stop": _stop,
        "ContainerGroups_Start": _start,
        "ContainerGroups_Restart": _restart,
        "ContainerGroups_ListByResourceGroup": _list,
        "ContainerGroups_List": _list,
        "Containers_ListLogs": _logs,
        "Location_ListUsage": _usage,
        "Operations_Get": _operation_status,
        "ResourceGroups_Get": _resource_group,
    }


def _parsed(request: HttpRequest) -> Any:
    try:
        return json.loads(request.body)
    except ValueError:
        raise invalid("The request content was invalid and could not be deserialized: it is not JSON.") from None


def _is_in(group: ContainerGroup, resource_group: str) -> bool:
    return not resource_group or group.resource_group.lower() == resource_group.lower()


def _kept(group: ContainerGroup, tail: str | None) -> str:
    lines = group.log[-(RUNNING_LOG if group.job.live else ENDED_LOG) :].splitlines(keepends=True)
    most = min(int(tail) if tail else len(lines), len(lines) if group.job.live else ENDED_LINES)
    return "".join(lines[-most:]) if most else ""


def _usage(value: str, localized: str, used: float, limit: float) -> dict[str, Any]:
    return {"name": {"value": value, "localizedValue": localized}, "currentValue": used, "limit": limit, "unit": "Count"}
