"""The emulator: HTTP, quotas and faults around the service."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from providers.emulators.base import EmulatedJob, Emulator
from providers.emulators.cloud_run.audit import entry
from providers.emulators.cloud_run.messages import completion
from providers.emulators.cloud_run.quota import Quota
from providers.emulators.cloud_run.refusals import Refusal, over_quota
from providers.emulators.cloud_run.routes import Call, Routes
from providers.emulators.cloud_run.service import Service
from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.jobs import Life, Phase, StartedJob
from providers.emulators.web import AnswerLost, HttpRequest, Response, WebServer

if TYPE_CHECKING:
    from providers.emulators.cloud_run.grpc_face import GrpcFace

WRITES_PER_MINUTE = 30
READS_PER_MINUTE = 600
"""The quotas of a fresh project, as observed (WritePerMinutePerProjectRegion and ReadPerMinutePerProjectRegion)."""

MAX_JOBS = 1000
"""Jobs per project and region: https://cloud.google.com/run/quotas."""

PROJECT = "emulated-project"
"""The project that `environment()` names."""

LIFE = Life(before=(Phase("EXECUTION_PENDING"),), running="EXECUTION_RUNNING", ended="EXECUTION_COMPLETED")

KEPT_EVENTS = 10_000
"""The number of audit log entries that are kept."""

_WRITES = frozenset({"CreateJob", "UpdateJob", "DeleteJob", "RunJob", "CancelExecution", "DeleteExecution"})


class CloudRunEmulator(Emulator):
    """Cloud Run's jobs on 127.0.0.1.

    `writes_per_minute` and `reads_per_minute` (None: no limit) count per project and region, as in Cloud Run; a refusal
    includes the time to wait unless `tell_wait` is False. `list_lag` is how many seconds ListJobs lags. A job with an image in
    `missing_images` never becomes ready. With `grpc` the same jobs are also served over gRPC, at `grpc_address`. Faults have
    the names of the API's methods: CreateJob, GetJob, ListJobs, UpdateJob, DeleteJob, RunJob, GetExecution, ListExecutions,
    CancelExecution, DeleteExecution, ListTasks, GetTask, GetOperation.
    """

    name = "cloud-run"

    def __init__(
        self,
        *,
        writes_per_minute: int | None = None,
        reads_per_minute: int | None = None,
        max_jobs: int | None = MAX_JOBS,
        list_lag: float = 0.0,
        missing_images: frozenset[str] = frozenset(),
        tell_wait: bool = True,
        grpc: bool = False,
        life: Life = LIFE,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(life=life, seed=seed, **options)
        self.tell_wait = tell_wait
        self._events: deque[Mapping[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self._writes = Quota("write_regional", "WritePerMinutePerProjectRegion", writes_per_minute, self.now)
        self._reads = Quota("read_regional", "ReadPerMinutePerProjectRegion", reads_per_minute, self.now)
        self._service = Service(self.book, self.now, missing_images=missing_images, lag=list_lag, seed=seed)
        self._service.max_jobs = max_jobs
        self._routes = Routes(self._service)
        self._server = WebServer(self, self._answer, host=self.host, port=self.port)
        self._grpc = _grpc_face(self._carry_out, self.host) if grpc else None

    def start(self) -> None:
        """Start listening and set `url`."""
        self._server.start()
        if self._grpc is not None:
            self._grpc.start()

    def stop(self) -> None:
        """Close the sockets and end every local process."""
        if self._grpc is not None:
            self._grpc.stop()
        self._server.stop()
        self.book.reset()

    @property
    def url(self) -> str:
        """The address for clients with the REST transport: `ClientOptions(api_endpoint=url)`."""
        return self._server.url

    @property
    def grpc_address(self) -> str:
        """The address for clients with the gRPC transport: `JobsGrpcTransport(channel=grpc.insecure_channel(grpc_address))`."""
        if self._grpc is None or not self._grpc.address:
            raise RuntimeError("gRPC is not served: make the emulator with grpc=True, and start it")
        return self._grpc.address

    def environment(self) -> dict[str, str]:
        """The variables that point `CloudRunProvider` at it; Google's own client reads no such variables and takes `url`."""
        return {"CLOUD_RUN_EMULATOR_HOST": self.url.removeprefix("http://"), "GOOGLE_CLOUD_PROJECT": PROJECT}

    def describe(self, job: StartedJob) -> EmulatedJob:
        """A job with Cloud Run's own word for the execution's state."""
        return replace(super().describe(job), state=completion(job, self.now()).name)

    def events(self) -> Sequence[Mapping[str, Any]]:
        """The audit log's entries about executions that have ended, oldest first; the last 10,000."""
        with self.book.lock:
            self.book.settle()
            return list(self._events)

    def on_change(self, job: StartedJob, when: float) -> None:
        """Record the entry about an end."""
        if not job.live:
            self._events.append(entry(job, when))

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Further settings: writes_per_minute, reads_per_minute, max_jobs, list_lag, tell_wait."""
        own: dict[str, tuple[Any, str]] = {
            "writes_per_minute": (self._writes, "allowed"),
            "reads_per_minute": (self._reads, "allowed"),
            "max_jobs": (self._service, "max_jobs"),
            "list_lag": (self._service, "lag"),
            "tell_wait": (self, "tell_wait"),
        }
        super().change_settings({name: value for name, value in settings.items() if name not in own})
        for name in own.keys() & settings.keys():
            place, attribute = own[name]
            setattr(place, attribute, settings[name])

    def reset(self) -> None:
        """Forget jobs, executions, calls, faults and spent quota."""
        super().reset()
        with self.book.lock:
            self._service.reset()
            self._events.clear()
            self._routes.reset()
            self._writes.reset()
            self._reads.reset()

    def _answer(self, request: HttpRequest) -> Response:
        try:
            return Response.json(self._carry_out(request))
        except Refusal as refusal:
            return Response.json(refusal.body(), status=refusal.code)

    def _carry_out(self, request: HttpRequest) -> dict[str, Any]:
        operation, resource, act = self._routes.find(request.method, request.path)
        return self._perform(operation, Call(name=resource, query=request.query, body=request.body), act)

    def _perform(self, operation: str, call: Call, act: Callable[[Call], dict[str, Any]]) -> dict[str, Any]:
        self.calls.record(operation, {"name": call.name, "query": dict(call.query), "body": call.body.decode(errors="replace")})
        fault = self.faults.take(operation)
        if fault is not None and not fault.kind.acts:
            self._fail(fault, call)
        with self.book.lock:
            self.book.settle()
            self._service.capacity = self.capacity
            self._spend(operation, call)
            answer = act(call)
        if fault is not None and fault.kind.acts:
            self._fail(fault, call)
        return answer

    def _spend(self, operation: str, call: Call) -> None:
        _, project, _, region = call.name.split("/")[:4]
        quota = self._writes if operation in _WRITES else self._reads
        quota.spend(project, region, tell_wait=self.tell_wait)

    def _fail(self, fault: InjectedFault, call: Call) -> None:
        """Raise the fault's refusal; `detail` may be `STATUS: message`, or the seconds that a throttle asks to wait."""
        if fault.kind in (FaultKind.LOSE_ANSWER, FaultKind.LOSE_REQUEST):
            raise AnswerLost(fault.operation)
        status, _, message = fault.detail.partition(": ")
        if message:
            raise Refusal(status, message)
        if fault.kind is FaultKind.THROTTLE:
            _, project, _, region = call.name.split("/")[:4]
            raise self._writes.refusal(project, region, float(fault.detail) if fault.detail else None)
        if fault.kind is FaultKind.NO_CAPACITY:
            raise over_quota("running executions per project and region", self.book.live)
        if fault.kind is FaultKind.REFUSE:
            raise Refusal("PERMISSION_DENIED", f"Permission 'run.jobs.create' denied on resource '{call.name}'.")
        raise Refusal("UNAVAILABLE", "The service is currently unavailable.")


def _grpc_face(perform: Callable[[HttpRequest], dict[str, Any]], host: str) -> GrpcFace:
    from providers.emulators.cloud_run.grpc_face import GrpcFace  # noqa: PLC0415 - gRPC is slow to import and rarely used

    return GrpcFace(perform, host=host)
