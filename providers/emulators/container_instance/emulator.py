"""The emulator: it takes a request, applies its fault, carries out the operation, and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from providers.emulators.base import EmulatedJob, Emulator
from providers.emulators.container_instance.checks import check_api_version
from providers.emulators.container_instance.groups import ContainerGroup, instance_state
from providers.emulators.container_instance.operations import Call, route
from providers.emulators.container_instance.quotas import Bucket, Quotas
from providers.emulators.container_instance.refusals import Refusal, invalid, of_fault, throttled
from providers.emulators.container_instance.service import Service
from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.jobs import Life, Phase, StartedJob
from providers.emulators.web import AnswerLost, HttpRequest, Response, WebServer

ENDPOINT_VARIABLE = "AZURE_RESOURCE_MANAGER_ENDPOINT"
"""Read by `providers.container_instance`; Azure's own SDK has no such variable."""
LIFE = Life(before=(Phase("Pending"), Phase("Creating")), running="Running", ended="Terminated")


class ContainerInstanceEmulator(Emulator):
    """Azure Container Instances on this machine. Any token, or none, is accepted; any subscription exists.

    `resource_groups` maps names to regions (None: every resource group exists, in `location`). `largest` maps regions to the
    most CPUs that a group may request there; other regions have machines of every size. `status_lag` is how many seconds a
    reply's view of a group lags. The detail of a fault selects a variant: for NO_CAPACITY, "provisioning" accepts the group and
    then fails its provisioning while it keeps trying; a quota's name ("StandardCores") reports that quota as used up; "size"
    reports that the location has nothing of this size. `Code: message` or `409 Code: message` gives any other error.
    """

    name = "aci"

    def __init__(
        self,
        *,
        location: str = "westeurope",
        resource_groups: Mapping[str, str] | None = None,
        quotas: Quotas | None = None,
        largest: Mapping[str, float] | None = None,
        status_lag: float = 0.0,
        page_size: int = 100,
        life: Life | None = None,
        **common: Any,
    ) -> None:
        super().__init__(life=life or LIFE, **common)
        self.location = location
        self.resource_groups = resource_groups
        self.quotas = quotas or Quotas()
        self.largest = largest or {}
        self.status_lag, self.page_size = status_lag, page_size
        self.service = Service(self)
        self._reads = Bucket(*self.quotas.reads) if self.quotas.reads else None
        self._server = WebServer(self, self._answer, host=self.host, port=self.port)

    def start(self) -> None:
        """Start listening and set `url`."""
        self._server.start()

    def stop(self) -> None:
        """End the server and every local process it started."""
        self._server.stop()
        self.book.reset()

    @property
    def url(self) -> str:
        """The address for clients."""
        return self._server.url

    def environment(self) -> dict[str, str]:
        """The variables that point `providers.container_instance` at it; an Azure client takes `url` as its `base_url`."""
        return {ENDPOINT_VARIABLE: self.url}

    def log(self, name: str, text: str) -> None:
        """The output of the containers of that name. Raises KeyError if there is no such group."""
        for group in self._named(name):
            group.log = text

    def outlive(self, name: str, seconds: float | None = None, *, sidecar_exit: int = 0) -> None:
        """Keep a group running for this long after its main container has ended by itself; None: until it is stopped.

        Other containers keep running and then exit with `sidecar_exit`; without other containers this emulates a fault of
        Azure.
        """
        for group in self._named(name):
            group.outlives, group.sidecar_exit = seconds, sidecar_exit

    def show_provisioning(self, name: str, state: str | None) -> None:
        """Show this provisioning state (such as `Unhealthy` or `Repairing`) instead of the true one; None: the true one
        again.
        """
        for group in self._named(name):
            group.provisioning = state

    def _named(self, name: str) -> list[ContainerGroup]:
        groups = [group for group in self.service.groups.values() if group.name == name]
        if not groups:
            raise KeyError(f"no container group is named {name!r}")
        return groups

    @property
    def lingering(self) -> int:
        """The groups that exist, ended ones included."""
        return len(self.service.groups)

    def on_change(self, job: StartedJob, when: float) -> None:
        """Record the change in the group's history."""
        if isinstance(job.detail, ContainerGroup):
            job.detail.remember(job, when)

    def describe(self, job: StartedJob) -> EmulatedJob:
        """A job with Azure's own word for its group's state."""
        group: ContainerGroup = job.detail
        return replace(
            super().describe(job), state=instance_state(group, group.history[-1], self.now()) if job is group.job else job.state
        )

    def reset(self) -> None:
        """Forget groups, jobs, calls and faults; the server keeps running."""
        super().reset()
        self.service.reset()

    def _answer(self, request: HttpRequest) -> Response:
        call = route(request.method, request.path)
        if call is None:
            return invalid(f"{request.method} {request.path} is not served", "InvalidResourceType").response()
        self.calls.record(call.operation, {**asdict(call), "query": request.query, "body": _body(request)})
        fault = self.faults.take(call.operation)
        try:
            return self._act(call, request, fault)
        except Refusal as refusal:
            return refusal.response()

    def _act(self, call: Call, request: HttpRequest, fault: InjectedFault | None) -> Response:
        fails_provisioning = fault is not None and fault.kind is FaultKind.NO_CAPACITY and fault.detail == "provisioning"
        if fault is not None and not fault.kind.acts and not fails_provisioning:
            raise self._lost() if fault.kind is FaultKind.LOSE_REQUEST else self._refusal(fault, request)
        response = self._performed(call, request, fails_provisioning=fails_provisioning)
        if fault is not None and fault.kind is FaultKind.LOSE_ANSWER:
            raise self._lost()
        if fault is not None and fault.kind is FaultKind.SERVER_ERROR_AFTER:
            raise self._refusal(fault, request)
        return response

    def _refusal(self, fault: InjectedFault, request: HttpRequest) -> Refusal:
        return of_fault(fault, self.location, (_body(request) or {}).get("properties") or {})

    def _performed(self, call: Call, request: HttpRequest, *, fails_provisioning: bool) -> Response:
        """The operation's answer or refusal; a fault can lose either."""
        try:
            if call.operation != "ResourceGroups_Get":
                check_api_version(request.query.get("api-version"))
            headers = self._spend_read(call) if request.method == "GET" else {}
            with self.book.lock:
                response = self.service.perform(call, request, fails_provisioning=fails_provisioning)
        except Refusal as refusal:
            return refusal.response()
        return replace(response, headers={**response.headers, **headers})

    @staticmethod
    def _lost() -> AnswerLost:
        return AnswerLost()

    def _spend_read(self, call: Call) -> dict[str, str]:
        if self._reads is None or self.quotas.reads is None:
            return {}
        left = self._reads.take(self.now())
        if left is None:
            burst, per_second = self.quotas.reads
            raise throttled("read", burst, burst / per_second, 1 / per_second)
        return {"x-ms-ratelimit-remaining-subscription-reads": str(left)} if call.subscription else {}


def _body(request: HttpRequest) -> Any:
    try:
        return json.loads(request.body) if request.body else None
    except ValueError:
        return None
