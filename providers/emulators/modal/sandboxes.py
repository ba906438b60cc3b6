"""Sandboxes: names, backends, rates, ends.

Observed with the client, read in its source, or documented by Modal:

* A name is unique among the *running* sandboxes of an app; after the sandbox's end it may be used again.
* There are two backends. V2 takes everything but GPUs; V1 takes GPUs, and its `create` waits until the sandbox is scheduled.
  The id distinguishes them: `sb-` and 22 letters and digits is V1.
* By name, V2 also finds the most recent ended sandbox when `include_terminated` is set; V1 never does.
* A list contains only running sandboxes, newest first, in pages; the V2 list has both backends, the V1 list only V1.
* A sandbox lives for at most `timeout_secs` (1 s to 24 h) and is then TIMEOUT; a stopped one is TERMINATED.
* Five creations a second after a burst; a refusal carries `RPCRetryPolicy`.
* GPUs of the documented kinds, eight of a kind at most and four A10s (https://modal.com/docs/guide/gpu); values of variables of
  32,768 characters at most (https://modal.com/docs/guide/secrets).

Assumed: an ended sandbox is known for a week, and a new one may stay hidden for `lag_seconds`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from providers.emulators.jobs import Book, EndCause, StartedJob
from providers.emulators.modal.objects import AUTH_TOKEN, Objects
from providers.emulators.modal.rates import CreationRate
from providers.emulators.modal.wire import Metadata, Operation, throttled

Result = api_pb2.GenericResult

PAGE = 100
LOOK_AGAIN = 0.02
NAME = re.compile(r"[a-zA-Z0-9-_.]{1,64}")
GPUS = {
    **dict.fromkeys(("T4", "L4", "L40S", "A100", "A100-40GB", "A100-80GB", "H100", "H100!", "H200", "B200", "B200+", "ANY"), 8),
    **dict.fromkeys(("A10", "A10G"), 4),
}
"""The kinds, and how many of each a sandbox may have."""
LONGEST_VALUE = 32_768
LONGEST_TIMEOUT = 24 * 3600

STATUSES = {
    EndCause.TIMED_OUT: Result.GENERIC_STATUS_TIMEOUT,
    EndCause.STOPPED: Result.GENERIC_STATUS_TERMINATED,
    EndCause.NOT_STARTED: Result.GENERIC_STATUS_INIT_FAILURE,
    EndCause.TAKEN: Result.GENERIC_STATUS_INTERNAL_FAILURE,
}


@dataclass(slots=True, eq=False)
class Sandbox:
    """The service's record of a sandbox beside its job, which exists after it was scheduled."""

    identifier: str
    app: str
    definition: Any
    tags: Mapping[str, str]
    created_at: float
    listed_at: float
    """The creation time, made unique for every sandbox: the pages of a list are cut by it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    job: StartedJob | None = None
    terminated: bool = False
    """Terminated before it was scheduled."""
    status: Any = None
    """How it ended, if a test sets it."""

    @property
    def v1(self) -> bool:
        """True on the backend for GPUs."""
        return len(self.identifier) == 25

    @property
    def name(self) -> str:
        """The name under which it was created; empty if it has none."""
        return str(self.definition.name)


@dataclass
class Sandboxes:
    """The sandboxes of one workspace."""

    book: Book
    objects: Objects
    bucket: CreationRate
    gpu_capacity: int | None = None
    """The most GPU sandboxes that run at once; further ones wait to be scheduled."""
    gpu_wait: float = 0.0
    """The least seconds that a GPU sandbox waits."""
    lag_seconds: float = 0.0
    memory_seconds: float = 7 * 24 * 3600
    page_size: int = PAGE
    capacity: Callable[[], int | None] = lambda: None

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every sandbox."""
        self._all: dict[str, Sandbox] = {}
        self._numbers = itertools.count(1)
        self._newest = 0.0
        self.bucket.reset()

    def operations(self) -> dict[str, Operation]:
        """The procedures by name."""
        return {
            "SandboxCreate": self._create_v1,
            "SandboxCreateV2": self._create_v2,
            "SandboxGetTaskId": self._task_id,
            "SandboxGetTaskIdV2": self._task_id,
            "SandboxGetFromName": lambda request, _metadata: self._from_name(request, v1=True),
            "SandboxGetFromNameV2": lambda request, _metadata: self._from_name(request, v1=False),
            "SandboxList": lambda request, _metadata: self._list(request, v1_only=True),
            "SandboxListV2": lambda request, _metadata: self._list(request, v1_only=False),
            "SandboxTagsGet": self._tags,
            "SandboxTagsGetV2": self._tags,
            "SandboxWait": self._wait,
            "SandboxWaitV2": self._wait,
            "SandboxTerminate": self._terminate,
            "SandboxTerminateV2": self._terminate,
        }

    def mark(self, name: str, status: int) -> None:
        """Set how the newest sandbox of that name ended if its exit code does not show it: an OOM kill, an idle time-out."""
        newest = max((sandbox for sandbox in self._all.values() if sandbox.name == name), key=lambda sandbox: sandbox.listed_at)
        newest.status = status

    def forget(self, name: str) -> None:
        """Forget the ended sandboxes of that name."""
        with self.book.lock:
            self._all = {
                key: sandbox for key, sandbox in self._all.items() if sandbox.name != name or not self._is_over(sandbox)
            }

    def tags(self, name: str) -> Mapping[str, str]:
        """The tags of the newest sandbox of that name."""
        return next(sandbox.tags for sandbox in reversed(self._all.values()) if sandbox.name == name)

    def waiting(self) -> list[Sandbox]:
        """The GPU sandboxes that wait to be scheduled."""
        return [sandbox for sandbox in self._all.values() if sandbox.job is None and not sandbox.terminated]

    def _create_v2(self, request: Any, metadata: Metadata) -> api_pb2.SandboxCreateV2Response:
        if metadata.get("x-modal-auth-token") != AUTH_TOKEN:
            raise GRPCError(Status.UNAUTHENTICATED, "The auth token is missing or not valid.")
        if request.definition.resources.gpu_config.count:
            raise GRPCError(Status.INVALID_ARGUMENT, "V2 sandboxes have no GPUs.")
        sandbox = self._create(request, "sb-v2-{:020d}", request.secret_sources)
        return api_pb2.SandboxCreateV2Response(
            sandbox_id=sandbox.identifier, task_id=_task(sandbox), metadata=api_pb2.SandboxHandleMetadata(app_id=sandbox.app)
        )

    def _create_v1(self, request: Any, _metadata: Metadata) -> api_pb2.SandboxCreateResponse:
        sources = [api_pb2.SecretSource(secret_id=secret) for secret in request.definition.secret_ids]
        sandbox = self._create(request, "sb-{:022d}", sources)
        return api_pb2.SandboxCreateResponse(
            sandbox_id=sandbox.identifier, metadata=api_pb2.SandboxHandleMetadata(app_id=sandbox.app)
        )

    def _create(self, request: Any, pattern: str, sources: Any) -> Sandbox:
        with self.book.lock:
            self._schedule()
            environment = self._check(request, sources)
            self._newest = max(self.objects.now(), self._newest + 1e-6)
            sandbox = Sandbox(
                identifier=pattern.format(next(self._numbers)),
                app=request.app_id,
                definition=request.definition,
                tags={tag.tag_name: tag.tag_value for tag in request.tags},
                created_at=self.objects.now(),
                listed_at=self._newest,
                environment=environment,
            )
            self._all[sandbox.identifier] = sandbox
            self._schedule()
            return sandbox

    def _check(self, request: Any, sources: Any) -> dict[str, str]:
        definition = request.definition
        if request.app_id not in self.objects.apps:
            raise GRPCError(Status.NOT_FOUND, f"App {request.app_id} not found.")
        if definition.name and not NAME.fullmatch(definition.name):
            raise GRPCError(Status.INVALID_ARGUMENT, f"Invalid sandbox name '{definition.name}'.")
        if not 1 <= definition.timeout_secs <= LONGEST_TIMEOUT:
            raise GRPCError(Status.INVALID_ARGUMENT, "The timeout must lie between 1 second and 24 hours.")
        _check_gpu(definition.resources.gpu_config)
        self.objects.check_image(definition.image_id)
        environment = self._environment(sources)
        for name, value in environment.items():
            if len(value) > LONGEST_VALUE:
                raise GRPCError(Status.INVALID_ARGUMENT, f"The value of {name} has more than {LONGEST_VALUE} characters.")
        if definition.name and self._running(request.app_id, definition.name):
            raise GRPCError(Status.ALREADY_EXISTS, f"A running sandbox is named '{definition.name}' already.")
        capacity = self.capacity()
        if capacity is not None and self.book.live >= capacity:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, "The workspace's container limit is reached.")
        if (wait := self.bucket.take()) > 0:
            raise throttled(f"Sandbox creation rate limit ({self.bucket.creation_rate:g}/s) exceeded.", wait)
        return environment

    def _environment(self, sources: Any) -> dict[str, str]:
        environment: dict[str, str] = {}
        for source in sources:
            by_name = source.WhichOneof("source") == "secret_id"
            environment.update(self.objects.values_of(source.secret_id) if by_name else source.env.contents)
        return environment

    def _schedule(self) -> None:
        """Start waiting sandboxes, oldest first, while there is room."""
        self.book.settle()
        for sandbox in self.waiting():
            if not sandbox.v1 or self._has_room(sandbox):
                sandbox.job = self.book.start(
                    sandbox.identifier,
                    sandbox.name or sandbox.identifier,
                    command=list(sandbox.definition.entrypoint_args),
                    environment=sandbox.environment,
                    timeout=float(sandbox.definition.timeout_secs),
                    detail=sandbox,
                )

    def _has_room(self, sandbox: Sandbox) -> bool:
        if not sandbox.definition.resources.gpu_config.count:
            return True
        running = sum(1 for sandbox in self._all.values() if sandbox.v1 and sandbox.job is not None and sandbox.job.live)
        return sandbox.created_at + self.gpu_wait <= self.objects.now() and (
            self.gpu_capacity is None or running < self.gpu_capacity
        )

    def _is_over(self, sandbox: Sandbox) -> bool:
        return sandbox.terminated or (sandbox.job is not None and not sandbox.job.live)

    def _running(self, app: str, name: str) -> list[Sandbox]:
        return [
            sandbox
            for sandbox in self._all.values()
            if sandbox.name == name and sandbox.app == app and not self._is_over(sandbox)
        ]

    def _visible(self, sandbox: Sandbox) -> bool:
        return sandbox.created_at + self.lag_seconds <= self.objects.now()

    def _remembered(self, sandbox: Sandbox) -> bool:
        ended = sandbox.job.ended_at if sandbox.job is not None else None
        return ended is None or ended + self.memory_seconds > self.objects.now()

    def _get(self, identifier: str) -> Sandbox:
        self._schedule()
        sandbox = self._all.get(identifier)
        if sandbox is None or not self._remembered(sandbox):
            raise GRPCError(Status.NOT_FOUND, f"Sandbox {identifier} not found.")
        return sandbox

    def _from_name(self, request: Any, *, v1: bool) -> api_pb2.SandboxGetFromNameResponse:
        with self.book.lock:
            self._schedule()
            app = self.objects.app_named(request.app_name, request.environment_name)
            named = [sandbox for sandbox in self._all.values() if sandbox.app == app and sandbox.name == request.sandbox_name]
            remembered = [
                sandbox for sandbox in named if sandbox.v1 == v1 and self._visible(sandbox) and self._remembered(sandbox)
            ]
            running = [sandbox for sandbox in remembered if not self._is_over(sandbox)]
            sandboxes = running or (remembered if request.include_terminated and not v1 else [])
            if not sandboxes:
                raise GRPCError(Status.NOT_FOUND, f"Sandbox with name '{request.sandbox_name}' not found.")
            return api_pb2.SandboxGetFromNameResponse(
                sandbox_id=sandboxes[-1].identifier, metadata=self._metadata(sandboxes[-1])
            )

    def _metadata(self, sandbox: Sandbox) -> api_pb2.SandboxHandleMetadata:
        return api_pb2.SandboxHandleMetadata(app_id=sandbox.app, result=self._result(sandbox))

    def _result(self, sandbox: Sandbox) -> api_pb2.GenericResult | None:
        job = sandbox.job
        if sandbox.terminated:
            return Result(status=Result.GENERIC_STATUS_TERMINATED, exitcode=137)
        if job is None or job.live:
            return None
        by_itself = Result.GENERIC_STATUS_FAILURE if job.exit_code else Result.GENERIC_STATUS_SUCCESS
        status = sandbox.status or STATUSES.get(job.cause or EndCause.EXITED, by_itself)
        return Result(status=status, exitcode=job.exit_code or 0, exception=job.reason)

    def _list(self, request: Any, *, v1_only: bool) -> api_pb2.SandboxListResponse:
        with self.book.lock:
            self._schedule()
            tags = {tag.tag_name: tag.tag_value for tag in request.tags}
            before = request.before_timestamp or float("inf")
            sandboxes = [
                sandbox
                for sandbox in self._all.values()
                if (sandbox.v1 or not v1_only) and self._is_listed(sandbox, request.app_id)
            ]
            page = [
                sandbox
                for sandbox in reversed(sandboxes)
                if sandbox.listed_at < before and tags.items() <= sandbox.tags.items()
            ]
            return api_pb2.SandboxListResponse(sandboxes=[self._info(sandbox) for sandbox in page[: self.page_size]])

    def _is_listed(self, sandbox: Sandbox, app: str) -> bool:
        return not self._is_over(sandbox) and self._visible(sandbox) and app in ("", sandbox.app)

    def _info(self, sandbox: Sandbox) -> api_pb2.SandboxInfo:
        started = (sandbox.job.started_at if sandbox.job is not None else None) or 0.0
        return api_pb2.SandboxInfo(
            id=sandbox.identifier,
            name=sandbox.name,
            app_id=sandbox.app,
            created_at=sandbox.listed_at,
            task_info=api_pb2.TaskInfo(id=_task(sandbox), started_at=started, enqueued_at=sandbox.created_at),
            tags=[api_pb2.SandboxTag(tag_name=name, tag_value=value) for name, value in sandbox.tags.items()],
            metadata=self._metadata(sandbox),
        )

    def _tags(self, request: Any, _metadata: Metadata) -> api_pb2.SandboxTagsGetResponse:
        with self.book.lock:
            tags = self._get(request.sandbox_id).tags
        named = [api_pb2.SandboxTag(tag_name=name, tag_value=value) for name, value in tags.items()]
        return api_pb2.SandboxTagsGetResponse(tags=named)

    def _task_id(self, request: Any, _metadata: Metadata) -> api_pb2.SandboxGetTaskIdResponse:
        with self.book.lock:
            sandbox = self._get(request.sandbox_id)
            over = self._result(sandbox) if sandbox.job is None else None
            return api_pb2.SandboxGetTaskIdResponse(task_id=_task(sandbox) or None, task_result=over)

    async def _wait(self, request: Any, _metadata: Metadata) -> api_pb2.SandboxWaitResponse:
        waited = 0.0
        while True:
            with self.book.lock:
                sandbox = self._get(request.sandbox_id)
                result, described = self._result(sandbox), self._metadata(sandbox)
            if result is not None or waited >= request.timeout:
                return api_pb2.SandboxWaitResponse(result=result, metadata=described)
            await asyncio.sleep(LOOK_AGAIN)
            waited += LOOK_AGAIN

    def _terminate(self, request: Any, _metadata: Metadata) -> api_pb2.SandboxTerminateResponse:
        with self.book.lock:
            sandbox = self._get(request.sandbox_id)
            existing = self._result(sandbox)
            if sandbox.job is None:
                sandbox.terminated = True
            else:
                self.book.stop(sandbox.job, "terminated")
            return api_pb2.SandboxTerminateResponse(existing_result=existing)


def _check_gpu(gpu: Any) -> None:
    if not gpu.count:
        return
    most = GPUS.get(gpu.gpu_type.upper())
    if most is None:
        raise GRPCError(Status.INVALID_ARGUMENT, f"GPU type '{gpu.gpu_type}' is not known.")
    if gpu.count > most:
        raise GRPCError(Status.INVALID_ARGUMENT, f"A sandbox has at most {most} {gpu.gpu_type}s, not {gpu.count}.")


def _task(sandbox: Sandbox) -> str:
    return f"ta-{sandbox.identifier.removeprefix('sb-')}" if sandbox.job is not None else ""
