"""The emulator: it takes a request, authenticates the caller, applies its fault, carries out the operation, and answers."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from providers.emulators.base import EmulatedJob, Emulator
from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.jobs import EndCause, Life, Phase, StartedJob
from providers.emulators.kubernetes.access import Attributes, Authorization
from providers.emulators.kubernetes.controller import Controller, Objects
from providers.emulators.kubernetes.kinds import discovery
from providers.emulators.kubernetes.refusals import Refusal, of_fault
from providers.emulators.kubernetes.routes import Call, route
from providers.emulators.kubernetes.service import Service
from providers.emulators.kubernetes.workloads import Workload
from providers.emulators.web import AnswerLost, HttpRequest, Response, WebServer

LIFE = Life(before=(Phase("Pending"),), running="Running", ended="Terminated")
OUT_OF_MEMORY = 137


class KubernetesEmulator(Emulator):
    """A cluster on this machine, with the namespace `default` and those in `namespaces`.

    Each Job gets one pod, whose first container is the job; `backoffLimit` is stored but has no effect. With `rbac` a token
    must be known, and the cluster's Roles and RoleBindings decide its rights. An image with `no-such` in its name cannot be
    pulled, and a pod with a `nodeSelector` cannot be scheduled. Faults: a detail `Reason: message` gives any error.

    Not emulated: watches, pods without a Job, JSON patches, the order of finalizers, readiness probes, other containers' ends.
    """

    name = "kubernetes"

    def __init__(
        self, *, namespaces: tuple[str, ...] = (), rbac: bool = False, life: Life | None = None, **common: Any
    ) -> None:
        super().__init__(life=life or LIFE, **common)
        self._namespaces = ("default", *namespaces)
        self.access = Authorization(enforced=rbac)
        self.objects: Objects = {}
        self.controller = Controller(self, self.objects)
        self.service = Service(self.controller, self.access, self.objects)
        self._server = WebServer(self, self._answer, host=self.host, port=self.port)
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._make_namespaces()

    def start(self) -> None:
        """Start listening, set `url`, and write the kubeconfig."""
        self._server.start()
        self._directory = tempfile.TemporaryDirectory(prefix="kubernetes-emulator-")
        self.kubeconfig.write_text(json.dumps(self._kubeconfig()))

    def stop(self) -> None:
        """End the server and every local process it started."""
        self._server.stop()
        self.book.reset()
        if self._directory is not None:
            self._directory.cleanup()

    @property
    def url(self) -> str:
        """The address for clients."""
        return self._server.url

    @property
    def kubeconfig(self) -> Path:
        """The path of the administrator's kubeconfig."""
        if self._directory is None:
            raise RuntimeError("the emulator is not started: use it in a `with`, or call start() first")
        return Path(self._directory.name) / "config"

    def environment(self) -> dict[str, str]:
        """The variables that point kubectl and `providers.kubernetes` at it."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    def log(self, name: str, text: str) -> None:
        """The output of the containers of that Job. Raises KeyError if there is no such Job."""
        for workload in self._named(name):
            workload.log = text

    def take(self, name: str, reason: str, message: str) -> None:
        """Let the cluster end the pod of a Job: `Evicted`, `NodeLost`, `Preempting`, `Shutdown`."""
        for workload in self._named(name):
            if workload.run is not None:
                self.book.take(workload.run, message, cause=EndCause.TAKEN, code=reason)

    def exhaust_memory(self, name: str) -> None:
        """Let a Job's container exceed its memory limit."""
        for workload in self._named(name):
            if workload.run is not None:
                self.book.take(workload.run, "", cause=EndCause.EXITED, code="OOMKilled", exit_code=OUT_OF_MEMORY)

    def advance(self, seconds: float) -> None:
        """Move the clock forward and carry out everything that is due by then."""
        super().advance(seconds)
        with self.book.lock:
            self.controller.settle()

    def describe(self, job: StartedJob) -> EmulatedJob:
        """A job with its pod's phase."""
        workload: Workload = job.detail
        phase = workload.pod()["status"]["phase"] if workload.run is job else job.state
        return replace(super().describe(job), state=phase)

    def on_change(self, job: StartedJob, when: float) -> None:  # noqa: ARG002 - the book's signature
        """A change of a pod is a new version of its Job."""
        if isinstance(job.detail, Workload):
            job.detail.version = self.controller.next_version()

    def reset(self) -> None:
        """Forget objects, jobs, calls and faults; the server keeps running."""
        super().reset()
        self.controller.reset()
        self.objects.clear()
        self._make_namespaces()

    def _named(self, name: str) -> list[Workload]:
        with self.book.lock:
            workloads = [workload for workload in self.controller.all() if workload.name == name]
        if not workloads:
            raise KeyError(f"no Job is named {name!r}")
        return workloads

    def _make_namespaces(self) -> None:
        for name in self._namespaces:
            metadata = {"name": name, "uid": f"namespace-{name}", "resourceVersion": "1"}
            item = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "status": {"phase": "Active"}}
            self.objects["Namespace", "", name] = item

    def _kubeconfig(self) -> dict[str, Any]:
        user = {"token": self.access.admin_token}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "emulated",
            "clusters": [{"name": "emulated", "cluster": {"server": self.url}}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "emulated", "context": {"cluster": "emulated", "user": "admin"}}],
        }

    def _answer(self, request: HttpRequest) -> Response:
        if (document := discovery(request.path)) is not None:
            return Response.json(document)
        call = route(request)
        if call is None:
            return Refusal("NotFound", "the server could not find the requested resource").response()
        self.calls.record(call.operation, {"namespace": call.namespace, "name": call.name, "body": _json(request)})
        fault = self.faults.take(call.operation)
        try:
            return self._act(call, request, fault)
        except Refusal as refusal:
            return refusal.response()

    def _act(self, call: Call, request: HttpRequest, fault: InjectedFault | None) -> Response:
        name = call.name or str(((_json(request) or {}).get("metadata") or {}).get("name") or "")
        if fault is not None and not fault.kind.acts:
            raise AnswerLost if fault.kind is FaultKind.LOSE_REQUEST else of_fault(fault, name)
        response = self._performed(call, request)
        if fault is not None:
            raise AnswerLost if fault.kind is FaultKind.LOSE_ANSWER else of_fault(fault, name)
        return response

    def _performed(self, call: Call, request: HttpRequest) -> Response:
        """The operation's answer or refusal; a fault can lose either."""
        try:
            user = self.access.user(request.headers.get("authorization", ""))
            attributes = Attributes(verb=call.verb, kind=call.kind, part=call.part, namespace=call.namespace, name=call.name)
            with self.book.lock:
                self.access.check(user, attributes, self.objects)
                return self.service.perform(call, user)
        except Refusal as refusal:
            return refusal.response()


def _json(request: HttpRequest) -> Any:
    try:
        body = json.loads(request.body) if request.body else None
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
