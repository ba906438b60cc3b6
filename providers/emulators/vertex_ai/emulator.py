"""The emulator: HTTP and faults around the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from providers.emulators.base import EmulatedJob, Emulator
from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.google_errors import Refusal
from providers.emulators.jobs import Life, Phase, StartedJob
from providers.emulators.vertex_ai.service import Service, out_of_quota, over_rate, state_of
from providers.emulators.web import AnswerLost, HttpRequest, Response, WebServer

PROJECT = "emulated-project"
"""The project that `environment()` names."""

LIFE = Life(
    before=(Phase("JOB_STATE_QUEUED"), Phase("JOB_STATE_PENDING")), running="JOB_STATE_RUNNING", ended="JOB_STATE_SUCCEEDED"
)
_JOBS = r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+)/customJobs"
_ROUTES = (
    ("CreateCustomJob", "POST", re.compile(_JOBS)),
    ("ListCustomJobs", "GET", re.compile(_JOBS)),
    ("GetCustomJob", "GET", re.compile(_JOBS + r"/\d+")),
    ("CancelCustomJob", "POST", re.compile(_JOBS + r"/\d+:cancel")),
    ("DeleteCustomJob", "DELETE", re.compile(_JOBS + r"/\d+")),
    ("ListLogEntries", "POST", re.compile(r"/v2/entries:list")),
)


class VertexAiEmulator(Emulator):
    """Vertex AI's CustomJobs on 127.0.0.1.

    `submissions_per_minute` (None: no limit) counts creates and deletes of a project and region. `list_lag` is how many seconds
    a list lags behind a create. Faults have the names of the API's methods: CreateCustomJob, GetCustomJob, ListCustomJobs,
    CancelCustomJob, DeleteCustomJob, ListLogEntries.
    """

    name = "vertex-ai"

    def __init__(
        self,
        *,
        submissions_per_minute: int | None = None,
        list_lag: float = 0.0,
        life: Life = LIFE,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(life=life, seed=seed, **options)
        self._service = Service(self.book, self.now, lag=list_lag, seed=seed)
        self._service.per_minute = submissions_per_minute
        self._server = WebServer(self, self._answer, host=self.host, port=self.port)

    def start(self) -> None:
        """Start listening and set `url`."""
        self._server.start()

    def stop(self) -> None:
        """Close the socket and end every local process."""
        self._server.stop()
        self.book.reset()

    @property
    def url(self) -> str:
        """The address for clients, whatever the region."""
        return self._server.url

    def environment(self) -> dict[str, str]:
        """The variables that point `VertexAiProvider` at it; Google's own client takes `url` as its `api_endpoint`."""
        return {"VERTEX_AI_EMULATOR_HOST": self.url.removeprefix("http://"), "GOOGLE_CLOUD_PROJECT": PROJECT}

    def describe(self, job: StartedJob) -> EmulatedJob:
        """A job with Vertex AI's own word for its state."""
        return replace(super().describe(job), state=state_of(job))

    def write_log(self, name: str, *lines: str) -> None:
        """Add lines to the logs of the jobs of a name."""
        for job in self.book.named(name):
            job.detail.lines.extend(lines)

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Further settings: submissions_per_minute, list_lag."""
        own = {"submissions_per_minute": "per_minute", "list_lag": "lag"}
        super().change_settings({name: value for name, value in settings.items() if name not in own})
        for name in own.keys() & settings.keys():
            setattr(self._service, own[name], settings[name])

    def reset(self) -> None:
        """Forget jobs, calls, faults and spent quota."""
        super().reset()
        with self.book.lock:
            self._service.reset()

    def _answer(self, request: HttpRequest) -> Response:
        try:
            return Response.json(self._carried_out(request))
        except Refusal as refusal:
            return Response.json(refusal.body(), status=refusal.code)

    def _carried_out(self, request: HttpRequest) -> dict[str, Any]:
        operation, parent = _operation_of(request)
        try:
            body = request.json()
        except ValueError as error:
            raise Refusal("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from error
        self.calls.record(operation, {"path": request.path, "query": request.query, "body": body})
        fault = self.faults.take(operation)
        if fault is not None and not fault.kind.acts:
            _fail(fault, request.path)
        with self.book.lock:
            self.book.settle()
            self._service.capacity = self.capacity
            answer = self._acts(request, parent, body)[operation]()
        if fault is not None:
            _fail(fault, request.path)
        return answer

    def _acts(self, request: HttpRequest, parent: str, body: Any) -> Mapping[str, Callable[[], dict[str, Any]]]:
        service, name = self._service, request.path.removeprefix("/v1/").removesuffix(":cancel")
        return {
            "CreateCustomJob": lambda: service.create(parent, body),
            "ListCustomJobs": lambda: service.page(parent, request.query),
            "GetCustomJob": lambda: service.message(service.get(name)),
            "CancelCustomJob": lambda: service.cancel(name),
            "DeleteCustomJob": lambda: service.delete(name),
            "ListLogEntries": lambda: service.entries(body),
        }


def _operation_of(request: HttpRequest) -> tuple[str, str]:
    for operation, method, pattern in _ROUTES:
        match = pattern.fullmatch(request.path)
        if match and method == request.method:
            return operation, match.groupdict().get("parent", "")
    raise Refusal("NOT_FOUND", f"{request.method} {request.path} is not offered by this emulator")


def _fail(fault: InjectedFault, path: str) -> None:
    """Raise the fault's refusal; `detail` may be `STATUS: message`, or the seconds that a throttle asks to wait."""
    if fault.kind in (FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST):
        raise AnswerLost(fault.operation)
    status, _, message = fault.detail.partition(": ")
    if message:
        raise Refusal(status, message)
    if fault.kind is FaultKind.THROTTLE:
        raise over_rate(float(fault.detail) if fault.detail else None)
    if fault.kind is FaultKind.NO_CAPACITY:
        raise out_of_quota(fault.detail or "custom_model_training_cpus")
    if fault.kind is FaultKind.REFUSE:
        raise Refusal("PERMISSION_DENIED", f"Permission 'aiplatform.customJobs.create' denied on resource '{path}'.")
    raise Refusal("UNAVAILABLE", "The service is currently unavailable.")
