"""The scenario of the demo: the pool of Prefect's documentation, and some thirty short runs in two waves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, islice

from dispatcher.models import DEFAULT_QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedQueue:
    """A work queue to create."""

    name: str
    priority: int
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run to create, and what its job will do."""

    name: str
    queue: str
    seconds: float
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Runs that are created together, and the seconds after the start."""

    after: float
    runs: tuple[PlannedRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A pool, its queues, the waves of runs."""

    pool: str
    limit: int
    queues: tuple[PlannedQueue, ...]
    """The queues apart from `default`, which every pool has."""
    waves: tuple[Wave, ...]

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """All runs, in the order in which they come."""
        return tuple(run for wave in self.waves for run in wave.runs)


QUEUES = (
    PlannedQueue(name="low", priority=10),
    PlannedQueue(name="high", priority=5, limit=3),
    PlannedQueue(name="critical", priority=1, limit=1),
)
FIRST = {"low": 10, "high": 8, DEFAULT_QUEUE: 4, "critical": 2}
SECOND = {"low": 2, "high": 2, "critical": 2}
SECONDS = (1.4, 2.2, 1.7, 2.8, 2.0)
"""The lengths of jobs, used in turn."""
FAILING = {"high-3": 3, "low-4": 1, "default-2": 137}
"""The exit codes of jobs that do not succeed."""


def scenario(speed: float = 1.0) -> Scenario:
    """The only scenario; `speed` 2 makes its jobs half as long."""
    numbers = {queue: count(1) for queue in FIRST}
    lengths = count()

    def runs(counts: Mapping[str, int]) -> tuple[PlannedRun, ...]:
        names = [(f"{queue}-{number}", queue) for queue, size in counts.items() for number in islice(numbers[queue], size)]
        return tuple(
            PlannedRun(
                name=name, queue=queue, seconds=SECONDS[next(lengths) % len(SECONDS)] / speed, exit_code=FAILING.get(name, 0)
            )
            for name, queue in names
        )

    waves = (Wave(after=0.0, runs=runs(FIRST)), Wave(after=6.0 / speed, runs=runs(SECOND)))
    return Scenario(pool="demo", limit=5, queues=QUEUES, waves=waves)


def meant_to_fail(runs: Iterable[PlannedRun]) -> frozenset[str]:
    """The names of the runs whose jobs do not succeed."""
    return frozenset(run.name for run in runs if run.exit_code)
