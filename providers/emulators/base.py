"""The interface of all emulators. An emulator is a local cloud for the unmodified vendor client.

    with EcsEmulator(job_seconds=5) as ecs:         # starts, binds 127.0.0.1 and a free port
        os.environ.update(ecs.environment())        # points a client at it
        ecs.faults.add("RunTask", FaultKind.LOSE_ANSWER)
        ...
        ecs.advance(60)                             # its clock jumps; nobody sleeps
        assert ecs.peak_live <= 5 and max(ecs.starts.values()) == 1

Every emulator has the same five parts, so one test can use any of them:

* `jobs()`, `finish()`, `peak_live`, `starts`: the started jobs, their number per name, and the most that were ever live at
  once. A job's name is the one that its caller chose (the dispatcher's `Job.name`), whatever the cloud calls it.
* `book` (`emulators.jobs.Book`): the life of the jobs by the emulator's clock, however often somebody reads it.
* `faults` (`emulators.faults.Faults`): faults for the next calls of an operation.
* `calls` (`emulators.calls.CallLog`): the calls by operation, with the parsed requests.
* `now()`: `clock()` plus what `advance()` added.

Other processes reach the same parts over HTTP, at `url` + the path (`emulators.control`; a gRPC emulator serves them on a
separate port, at `control_url`). Bodies and answers are JSON:

    GET  /_emulator            name, url, environment, live, peak_live
    GET  /_emulator/jobs       {"jobs": [...], "live": 2, "peak_live": 5, "starts": {"r0001-1": 1}}
    GET  /_emulator/calls      {"counts": {"RunTask": 7}}; with ?operation=RunTask also {"requests": [...]}
    GET  /_emulator/events     {"events": [...]}: the events that the cloud would have sent, if it sends any
    POST /_emulator/finish     {"name": "r0001-1", "exit_code": 0}
    POST /_emulator/faults     {"operation": "RunTask", "kind": "lose-answer", "times": 1, "probability": null, "detail": ""}
    POST /_emulator/advance    {"seconds": 3600}
    POST /_emulator/settings   {"job_seconds": 2, "capacity": 5}; null means none
    POST /_emulator/reset      forget jobs, calls, faults and events
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from providers.emulators.calls import CallLog
from providers.emulators.faults import Faults
from providers.emulators.jobs import Book, Life, StartedJob

Clock = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedJob:
    """One started job, in the form of all emulators. A name that was started twice has two of these."""

    name: str
    """The name that its caller chose."""
    identifier: str
    """The cloud's own identifier: an ARN, a resource name, a call id."""
    state: str
    """The cloud's own word for the job's state."""
    live: bool
    """True from the start until the job holds no resources."""
    exit_code: int | None
    started_at: float | None
    ended_at: float | None


class Emulator(ABC):
    """The parts that all emulators share; each cloud's emulator adds the protocol. Times are seconds of `now()`."""

    name: str = ""
    """Its name in `python -m providers.emulators NAME`."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = time.time,
        life: Life | None = None,
        job_seconds: float | Callable[[str], float] | None = None,
        exit_code: int | Callable[[str], int] = 0,
        capacity: int | None = None,
        run_commands: bool = False,
        seed: int = 0,
    ) -> None:
        self.host, self.port = host, port
        self._clock, self._offset = clock, 0.0
        self.calls = CallLog()
        self.faults = Faults(seed=seed)
        self.capacity = capacity
        """The most jobs that may be live at once; None: no limit."""
        self.book = Book(
            self.now,
            life=life or Life(),
            job_seconds=job_seconds,
            exit_code=exit_code,
            run_commands=run_commands,
            on_change=self.on_change,
        )

    @abstractmethod
    def start(self) -> None:
        """Start the server and set `url`."""

    @abstractmethod
    def stop(self) -> None:
        """End the server and every local process it started."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The server's address, without a slash at the end."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The variables that point an unmodified vendor client at it, with fake credentials."""

    @property
    def control_url(self) -> str:
        """Where `/_emulator` is served; the same as `url` for a cloud that speaks HTTP."""
        return self.url

    def events(self) -> Sequence[Mapping[str, Any]]:
        """The events that the cloud would have sent, oldest first; empty for a cloud that sends none."""
        return ()

    def on_change(self, job: StartedJob, when: float) -> None:  # noqa: B027 - most clouds send no events
        """Called under the book's lock when a job enters a phase, with the time of that change."""

    def now(self) -> float:
        """The emulator's time."""
        return self._clock() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward and carry out everything that is due by then."""
        self._offset += seconds
        self.book.settle()

    def jobs(self) -> list[EmulatedJob]:
        """The current state of every started job, in the order of their starts."""
        return [self.describe(job) for job in self.book.all()]

    def describe(self, job: StartedJob) -> EmulatedJob:
        """A job in the form of all emulators."""
        return EmulatedJob(
            name=job.name,
            identifier=job.identifier,
            state=job.state,
            live=job.live,
            exit_code=job.exit_code,
            started_at=job.started_at,
            ended_at=job.ended_at,
        )

    def finish(self, name: str, exit_code: int = 0) -> None:
        """Let every live job of that name (or identifier) end by itself now. Raises KeyError if there is none."""
        self.book.finish_named(name, exit_code)

    @property
    def peak_live(self) -> int:
        """The most jobs that were ever live at once."""
        return self.book.peak_live

    @property
    def starts(self) -> Mapping[str, int]:
        """The number of starts of each name; all are 1 if nothing ran twice."""
        return dict(self.book.starts)

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Change settings of a running emulator: job_seconds, exit_code, capacity. Raises ValueError for another name."""
        places = {"job_seconds": self.book, "exit_code": self.book, "run_commands": self.book, "capacity": self}
        for name, value in settings.items():
            if name not in places:
                raise ValueError(f"{name!r} is not a setting; there are {', '.join(sorted(places))}")
            setattr(places[name], name, value)

    def reset(self) -> None:
        """Forget jobs, calls and faults; the server keeps running."""
        self.book.reset()
        self.calls.reset()
        self.faults.reset()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
