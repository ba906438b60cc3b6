"""The provider of containers on Docker engines."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from providers.base import (
    JOB_NAME,
    CallFailed,
    ConfigurationError,
    Hold,
    Job,
    JobState,
    Misconfigured,
    Needs,
    Observation,
    Outcome,
    ProviderLimits,
    Rejected,
    Submission,
    Throttled,
    Unknown,
    Unreachable,
    unreadable,
)
from providers.docker.checking import needs_of
from providers.docker.engine import Connection, Engine, container_path
from providers.docker.hosts import Hosts
from providers.docker.leftovers import discarded, swept
from providers.docker.logs import text_of
from providers.docker.lookup import inspected, running_names, submission_of
from providers.docker.marks import Mark, is_left, leave
from providers.docker.pulls import Pulls
from providers.docker.registries import Registries
from providers.docker.request import Place, PullPolicy, Request, docker_host_of, request_of
from providers.docker.starting import ImageMissing, Starting
from providers.docker.states import observation_of
from providers.once import Once
from providers.places import HostLacks, by_place
from providers.sending import NeverSent

NEVER_COMES = (
    *("unauthorized", "denied", "no basic auth credentials", "authentication required", "incorrect username or password"),
    *("manifest unknown", "no matching manifest", "not found", "invalid reference"),
)
"""Words of a registry's permanent refusals."""


class DockerProvider:
    """Jobs as containers.

    `docker_hosts` are the engines in the settings; `credentials` contain those of registries. `stop_seconds` is the time
    between the signal that asks a container to end and SIGKILL, `lookup_lag` is how long a call may be stuck in an engine and
    still take effect, `memory` is how long ended containers are safe from a prune, `pull_directory` holds the state of pulls,
    `pull_seconds` is how long a submission waits for a pull, and `now` is the clock (aware times).
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
        docker_hosts: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        stop_seconds: float = 10.0,
        concurrency: int = 4,
        call_timeout: float = 10.0,
        lookup_lag: float = 30.0,
        memory: float | None = 3600.0,
        pull_directory: Path | str | None = None,
        pull_seconds: float = 2.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        host = os.environ if environment is None else environment
        self._hosts, self._registries = Hosts(docker_hosts or {}, host), Registries(credentials or {}, host)
        self._connections: Once[str, Connection] = Once()
        self._pulls = Pulls(Path(pull_directory) if pull_directory else None, patience=min(pull_seconds, call_timeout / 2))
        self._stop_seconds, self._now = stop_seconds, now
        self._limits = ProviderLimits(
            concurrency=concurrency,
            call_timeout=call_timeout,
            lookup_lag=lookup_lag,
            memory=memory,
            start_deadline=120.0,
            lingers=True,
        )

    @property
    def limits(self) -> ProviderLimits:
        """Docker has no quota; an ended container keeps its name and its disk space until it is discarded."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """The engine and the image."""
        return needs_of(configuration)

    def submit(self, job: Job) -> Outcome:
        """Create the container and start it. Accepted means that its command runs or ran."""
        try:
            request = request_of(job)
            return self._submit(job.name, request, self._engine(request.docker_host))
        except HostLacks as problem:
            return Misconfigured(reason=str(problem))
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except NeverSent as problem:
            return Unreachable(cause=str(problem))
        except CallFailed as problem:
            return Unknown(cause=str(problem))

    def find(self, job: Job) -> Submission | None:
        """The container of the name, if it was started. Raises `CallFailed` while it may be about to start."""
        docker_host = docker_host_of(job.configuration)
        engine = self._engine_for_read(docker_host)
        container = inspected(engine, job.name)
        if container is None or container.start_failed:
            return None
        if container.was_started:
            return submission_of(engine, docker_host, job.name, container.id)
        if not self._starting(engine, job.name, docker_host).is_left_behind(container):
            raise CallFailed(f"{job.name} is being started by somebody else right now")
        return None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One list per engine, and a look at each container that does not run."""
        seen: dict[str, Observation] = {}
        for place, group in by_place(Place, submissions).items():
            try:
                engine = self._engine(place.docker_host)
                running = running_names(engine)
            except (CallFailed, ConfigurationError) as problem:
                seen |= unreadable(group, problem)
                continue
            seen |= {submission.name: Observation(state=JobState.RUNNING) for submission in group if submission.name in running}
            seen |= _looked_at(engine, [submission for submission in group if submission.name not in running])
        return seen

    def cancel(self, submission: Submission) -> None:
        """Leave the mark and ask the container to end; `stop_seconds` after the first request, kill it."""
        engine = self._engine_of(submission)
        container = inspected(engine, submission.name)
        if container is None or not container.is_live:
            return
        overdue = self._now() - leave(engine, submission.name, Mark.STOP) > timedelta(seconds=self._stop_seconds)
        signal = "SIGKILL" if overdue or container.status == "paused" else container.stop_signal
        answer = engine.post(container_path(container.id, "/kill"), signal=signal)
        if answer.status not in (204, 404, 409):  # 409: it ended meanwhile
            raise answer.unexpected(f"{submission.name}: could not be stopped")

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Remove the containers and their marks. A running container is never removed: the engine refuses."""
        gone: set[str] = set()
        for place, group in by_place(Place, submissions).items():
            try:
                gone |= discarded(self._engine(place.docker_host), [submission.name for submission in group])
            except (CallFailed, ConfigurationError):
                continue
        return frozenset(gone)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """Remove containers that ended, or were created but not started, more than an hour ago."""
        return swept(self._engine_for_read(docker_host_of(configuration)), keep, self._now())

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """The names of our running containers, without `known_names`."""
        names = running_names(self._engine_for_read(docker_host_of(configuration)))
        return tuple(sorted(name for name in names if JOB_NAME.fullmatch(name) and name not in known_names))

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The last lines that the container wrote; empty after its removal. Raises `CallFailed`."""
        engine = self._engine_of(submission)
        container = inspected(engine, submission.name)
        if container is None or tail <= 0:
            return ""
        answer = engine.get(container_path(container.id, "/logs"), stdout=True, stderr=True, tail=tail)
        if answer.status != 200:
            raise answer.unexpected(f"{submission.name}: its log cannot be read")
        return text_of(answer.body, framed=not container.has_tty)

    def advice(self, configuration: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """The dangers to jobs on the engine that `configuration` names, each with its fix. Raises `CallFailed`."""
        engine = self._engine_for_read(docker_host_of(configuration))
        answer = engine.get("/info")
        if answer.status != 200 or not isinstance(answer.value, Mapping):
            raise answer.unexpected(f"{engine.host.url}: the engine does not describe itself")
        if answer.value.get("LiveRestoreEnabled") is not False:
            return ()
        text = f"{engine.host.url}: a restart of the engine ends its containers"
        return ((text, 'set {"live-restore": true} in its daemon.json, unless runs may crash by that'),)

    def _engine_for_read(self, docker_host: str) -> Engine:
        """The engine for a read. Raises `CallFailed` even for a missing entry: then the state of every job is unknown."""
        try:
            return self._engine(docker_host)
        except HostLacks as problem:
            raise CallFailed(str(problem)) from None

    def _engine(self, docker_host: str) -> Engine:
        """The engine, for as long as one call may take. Raises `HostLacks`."""
        timeout = self._limits.call_timeout
        return self._connections.get(docker_host, lambda: Connection(self._hosts.host(docker_host), timeout)).engine()

    def _engine_of(self, submission: Submission) -> Engine:
        try:
            return self._engine(submission.handle["docker_host"])
        except (KeyError, ConfigurationError) as problem:
            raise CallFailed(f"{submission.name}: {problem}") from problem

    def _starting(self, engine: Engine, name: str, docker_host: str) -> Starting:
        lag = timedelta(seconds=self._limits.lookup_lag)
        return Starting(engine, name, docker_host=docker_host, lag=lag, now=self._now)

    def _submit(self, name: str, request: Request, engine: Engine) -> Outcome:
        engine.identity()
        starting = self._starting(engine, name, request.docker_host)
        if request.pull_policy in (PullPolicy.ALWAYS, PullPolicy.IF_POSSIBLE):
            outcome = starting.existing() or self._pulled(engine, request)
            if outcome is not None:
                return outcome
        try:
            return starting.submit(request.body, request.networks)
        except ImageMissing as problem:
            if request.pull_policy is not PullPolicy.IF_NOT_PRESENT:
                return Rejected(reason=f"image_pull_policy is {request.pull_policy}: {problem}")
        return self._pulled(engine, request) or self._submitted_after_pull(starting, request)

    def _submitted_after_pull(self, starting: Starting, request: Request) -> Outcome:
        try:
            return starting.submit(request.body, request.networks)
        except ImageMissing as problem:  # pulled less than a minute ago and removed since
            return Throttled(reason=f"waiting for the image {request.image}: {problem}", retry_after=60.0, hold=_image(request))

    def _pulled(self, engine: Engine, request: Request) -> Outcome | None:
        """None if the image is pulled or may exist already; otherwise why the job waits or never starts."""
        pull = self._pulls.pull(engine.host, request.image, self._registries.credentials(request.registry_credentials))
        if not pull.ended:
            words = f"waiting for the image {request.image}: it is being pulled"
            return Throttled(reason=words, retry_after=5.0, hold=_image(request))
        if not pull.error or request.pull_policy is PullPolicy.IF_POSSIBLE:
            return None
        if any(words in pull.error.lower() for words in NEVER_COMES):
            return Rejected(reason=f"the image {request.image} cannot be pulled: {pull.error}")
        return Throttled(reason=f"waiting for the image {request.image}: {pull.error}", retry_after=60.0, hold=_image(request))


def _image(request: Request) -> Hold:
    """The hold on jobs that need the same image on the same engine."""
    return Hold(place=(request.docker_host, request.image))


def _looked_at(engine: Engine, submissions: Sequence[Submission]) -> dict[str, Observation]:
    """The observations of containers that do not run, as far as the time allows."""
    seen: dict[str, Observation] = {}
    for submission in submissions:
        if not engine.has_time:
            break
        try:
            seen[submission.name] = _observed(engine, submission)
        except CallFailed as problem:
            seen |= unreadable([submission], problem)
    return seen


def _observed(engine: Engine, submission: Submission) -> Observation:
    container = inspected(engine, submission.name)
    if container is None:
        return _missing(engine, submission)
    stopped = container.may_have_been_stopped and is_left(engine, submission.name, Mark.STOP)
    return observation_of(container, stopped=stopped)


def _missing(engine: Engine, submission: Submission) -> Observation:
    """MISSING only if this is the engine that had the container: another machine's default is another engine."""
    home = submission.handle.get("engine")
    if home and engine.identity(afresh=True) != home:
        words = f"{engine.host.url} is another engine than the one that it was started on; name engines by docker_host"
        return Observation(state=JobState.UNREADABLE, reason=words)
    return Observation(state=JobState.MISSING)
