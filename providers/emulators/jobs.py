"""The life of emulated jobs: phases by the clock, ends by hand, by time or by a real process.

Only the end of a local process happens in the background. Every request first carries out all due changes in order, each with
its due time. So an answer never depends on how often somebody asks.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from providers.emulators.processes import LocalProcess

SIGTERM_EXIT = 143
"""The exit code of a container without a signal handler that is asked to stop (128 + SIGTERM)."""


class EndCause(StrEnum):
    """Why a job ended."""

    EXITED = "exited"
    STOPPED = "stopped"
    NOT_STARTED = "not-started"
    TAKEN = "taken"
    """Its host disappeared: a reclaimed spot instance, broken hardware."""
    TIMED_OUT = "timed-out"
    """It exceeded its own timeout."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a job's life that ends after some time."""

    name: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The phases of a cloud's jobs, in its own words."""

    before: tuple[Phase, ...] = (Phase("STARTING"),)
    running: str = "RUNNING"
    after: tuple[Phase, ...] = ()
    ended: str = "ENDED"
    stop_seconds: float = 0.0
    """The seconds that a running job without a local process takes to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An end that is decided at a job's start: it comes instead of running (`NOT_STARTED`), or as soon as the job runs."""

    cause: EndCause
    reason: str = ""
    code: str = ""
    """The cloud's own word for the end, if it has several for one cause."""
    exit_code: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class StartedJob:
    """One started job. Read it under the book's lock; `detail` belongs to the emulator."""

    identifier: str
    name: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    """The seconds that it may run; None: no limit."""
    ending: Ending | None = None
    detail: Any = None
    state: str = ""
    live: bool = True
    version: int = 0
    """Increases with every change."""
    created_at: float = 0.0
    started_at: float | None = None
    stopping_at: float | None = None
    """When its end began: a stop was requested, or its command ended."""
    finished_at: float | None = None
    """When its command ended."""
    ended_at: float | None = None
    exit_code: int | None = None
    cause: EndCause | None = None
    code: str = ""
    reason: str = ""
    process: LocalProcess | None = None
    _step: int = 0


class Book:
    """Every job of an emulator. `lock` guards it and may be held around several calls."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        life: Life | None = None,
        job_seconds: float | Callable[[str], float] | None = None,
        exit_code: int | Callable[[str], int] = 0,
        run_commands: bool = False,
        on_change: Callable[[StartedJob, float], None] = lambda _job, _when: None,
    ) -> None:
        self.lock = threading.RLock()
        self.life = life or Life()
        self.job_seconds = job_seconds
        """The seconds that a job without a local process runs; None: until it is ended."""
        self.exit_code = exit_code
        """The exit code of such a job, by its name."""
        self.run_commands = run_commands
        """True: a job's command runs as a local process, and its end is the job's."""
        self._now, self._on_change = now, on_change
        self._ticket = itertools.count()
        self.live = self.peak_live = 0
        self._clear()

    def start(
        self,
        identifier: str,
        name: str,
        *,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        ending: Ending | None = None,
        detail: Any = None,
    ) -> StartedJob:
        """Begin a job's life in its first phase; later phases follow with time."""
        with self.lock:
            self.settle()
            now = self._now()
            job = StartedJob(identifier=identifier, name=name, command=command, environment=environment or {}, created_at=now)
            job.timeout, job.ending, job.detail = timeout, ending, detail
            self._jobs[identifier] = job
            self._by_name.setdefault(name, []).append(job)
            self.starts[name] += 1
            self.live += 1
            self.peak_live = max(self.peak_live, self.live)
            self._enter(job, now)
            return job

    def get(self, identifier: str) -> StartedJob | None:
        """The job in its current state."""
        with self.lock:
            self.settle()
            return self._jobs.get(identifier)

    def named(self, name: str) -> list[StartedJob]:
        """All starts under a name, in order."""
        with self.lock:
            self.settle()
            return list(self._by_name.get(name, ()))

    def all(self) -> list[StartedJob]:
        """Every job, in the order of their starts."""
        with self.lock:
            self.settle()
            return list(self._jobs.values())

    def settle(self) -> None:
        """Carry out everything that is due."""
        with self.lock:
            now = self._now()
            while self._due and self._due[0][0] <= now:
                when, _, job, step, act = heapq.heappop(self._due)
                if job.live and job._step == step:  # noqa: SLF001 - the book keeps its own records on its jobs
                    act(job, when)

    def finish(self, job: StartedJob, exit_code: int = 0) -> None:
        """Let a job end by itself now, with an exit code."""
        with self.lock:
            self.settle()
            if job.finished_at is None and job.live:
                now = self._now()
                job.started_at = now if job.started_at is None else job.started_at
                self._end(job, now, EndCause.EXITED, exit_code)

    def finish_named(self, name: str, exit_code: int = 0) -> None:
        """Let the live jobs of that name or identifier end. Raises KeyError if there is none."""
        with self.lock:
            jobs = [job for job in self.all() if job.live and name in (job.name, job.identifier)]
            if not jobs:
                raise KeyError(f"no live job is named {name!r}")
            for job in jobs:
                self.finish(job, exit_code)

    def stop(self, job: StartedJob, reason: str = "") -> None:
        """Ask a job to end; a second request changes nothing."""
        with self.lock:
            self.settle()
            if job.stopping_at is not None or not job.live:
                return
            now = self._now()
            job.stopping_at, job.cause, job.reason = now, EndCause.STOPPED, reason
            if job.started_at is None:
                self._end(job, now, EndCause.STOPPED, None)
            elif job.process is not None:
                self._changed(job, now)
                job.process.stop()
            else:
                self._changed(job, now)
                self._later(
                    job, now + self.life.stop_seconds, lambda j, when: self._end(j, when, EndCause.STOPPED, SIGTERM_EXIT)
                )

    def take(
        self, job: StartedJob, reason: str, *, cause: EndCause = EndCause.TAKEN, code: str = "", exit_code: int | None = None
    ) -> None:
        """End a job from outside now: it is never started, or its host disappears."""
        with self.lock:
            self.settle()
            if job.live and job.finished_at is None:
                self._meet(job, self._now(), Ending(cause=cause, reason=reason, code=code, exit_code=exit_code))

    def reset(self) -> None:
        """Forget every job; local processes are killed."""
        with self.lock:
            processes = [job.process for job in self._jobs.values() if job.process is not None]
            self._clear()
        for process in processes:
            process.kill()

    def _clear(self) -> None:
        self._jobs: dict[str, StartedJob] = {}
        self._by_name: dict[str, list[StartedJob]] = {}
        self._due: list[tuple[float, int, StartedJob, int, Callable[[StartedJob, float], None]]] = []
        self.starts: Counter[str] = Counter()
        self.live = self.peak_live = 0

    def _later(self, job: StartedJob, when: float, act: Callable[[StartedJob, float], None]) -> None:
        job._step += 1  # noqa: SLF001 - earlier plans are void now
        heapq.heappush(self._due, (when, next(self._ticket), job, job._step, act))  # noqa: SLF001 - as above

    def _changed(self, job: StartedJob, when: float, state: str | None = None) -> None:
        job.state = state or job.state
        job.version += 1
        self._on_change(job, when)

    def _enter(self, job: StartedJob, when: float, number: int = 0) -> None:
        if number == len(self.life.before):
            self._run(job, when)
            return
        phase = self.life.before[number]
        self._later(job, when + phase.seconds, lambda j, due: self._enter(j, due, number + 1))
        self._changed(job, when, phase.name)

    def _meet(self, job: StartedJob, when: float, ending: Ending) -> None:
        job.reason, job.code = ending.reason, ending.code
        self._end(job, when, ending.cause, ending.exit_code)

    def _run(self, job: StartedJob, when: float) -> None:
        if job.ending is not None and job.ending.cause is EndCause.NOT_STARTED:
            self._meet(job, when, job.ending)
            return
        if self.run_commands and job.command:
            try:
                job.process = LocalProcess(job.command, job.environment, on_exit=lambda code: self._exited(job, code))
            except OSError as error:
                job.reason = str(error)
                self._end(job, when, EndCause.NOT_STARTED, None)
                return
        job.started_at = when
        self._plan_end(job, when)
        self._changed(job, when, self.life.running)

    def _plan_end(self, job: StartedJob, when: float) -> None:
        if job.ending is not None:
            ending = job.ending
            self._later(job, when, lambda j, due: self._meet(j, due, ending))
            return
        seconds = self.job_seconds(job.name) if callable(self.job_seconds) else self.job_seconds
        seconds = seconds if job.process is None else None
        if job.timeout is not None and (seconds is None or seconds > job.timeout):
            self._later(job, when + job.timeout, lambda j, due: self._end(j, due, EndCause.TIMED_OUT, None))
        elif seconds is not None:
            self._later(job, when + seconds, lambda j, due: self._end(j, due, EndCause.EXITED, self._code(j.name)))

    def _code(self, name: str) -> int:
        return self.exit_code(name) if callable(self.exit_code) else self.exit_code

    def _exited(self, job: StartedJob, code: int) -> None:
        with self.lock:
            if job.live and job.finished_at is None:
                self._end(job, self._now(), job.cause or EndCause.EXITED, code)

    def _end(self, job: StartedJob, when: float, cause: EndCause, exit_code: int | None) -> None:
        job.finished_at, job.exit_code = when, exit_code
        job.cause = job.cause or cause
        job.stopping_at = when if job.stopping_at is None else job.stopping_at
        self._leave(job, when)
        if job.process is not None:
            job.process.kill()

    def _leave(self, job: StartedJob, when: float, number: int = 0) -> None:
        if number == len(self.life.after):
            job.live, job.ended_at = False, when
            self.live -= 1
            self._changed(job, when, self.life.ended)
            return
        phase = self.life.after[number]
        self._later(job, when + phase.seconds, lambda j, due: self._leave(j, due, number + 1))
        self._changed(job, when, phase.name)
