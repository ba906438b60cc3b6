"""Claim latency and whole-tick cost over backlogs of three sizes: both have to follow what is admitted, not what waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from dispatcher.core import pinning
from dispatcher.core.admission import admit
from dispatcher.core.transitions import UNCLAIMED
from dispatcher.environment.clock import SystemClock
from dispatcher.models import RunState
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import Dispatch, tick
from providers.testing import FakeProvider, Remembers
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, ratios, stopwatch, workspace
from tests.benchmarks.worlds import add_backlog, add_ecs_pool, waiting_run

ADMITTED = 20
"""Runs that each claim and each tick admits, whatever waits: the pool's limit."""
SIZES = (1_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 20_000)
LEASE = timedelta(minutes=5)


def measure(options: Options) -> Result:
    """SQLite. The provider is a fake one in memory: what is left is the tick's own cost and the store's."""
    sizes = QUICK_SIZES if options.quick else SIZES
    with workspace() as directory:
        worlds = {size: _World(directory / f"{size}.db", size) for size in sizes}
        claims = in_turns(options.runs, _by_name(worlds, lambda world: world.claim))
        ticks = in_turns(options.runs, _by_name(worlds, lambda world: world.tick))
        for world in worlds.values():
            world.store.close()
    return Result(
        "backlog",
        f"Claim and tick over a backlog (SQLite, {ADMITTED} runs admitted each time)",
        [*_figures("claim", claims, sizes), *_figures("whole tick", ticks, sizes)],
        [
            f"a claim renders and pins {ADMITTED} runs in one transaction",
            f"a tick also observes and settles the {ADMITTED} ends of the last one, submits, and records the answers",
            "the sizes are measured in turns; a ratio is of two neighbours of one round",
        ],
    )


class _World:
    """A store with a backlog that keeps its size: what a measurement takes away is put back outside of its time."""

    def __init__(self, path: Path, size: int) -> None:
        self.store = SqliteStore(path)
        add_ecs_pool(self.store, limit=ADMITTED)
        add_backlog(path, size)
        self.provider = FakeProvider(remembers=Remembers.TOKEN)
        self._dispatch = Dispatch(
            store=self.store, providers=lambda _: self.provider, clock=SystemClock(), events=lambda *_, **__: None
        )

    def claim(self) -> float:
        now = datetime.now(UTC)
        with stopwatch() as seconds:
            answer = self.store.claim("benchmark", now, lease=LEASE, takeovers=100, decide=partial(_decide, now=now))
        assert len(answer.claims) == ADMITTED
        self.store.move([Move.of(claim.run, RunState.SCHEDULED, **UNCLAIMED) for claim in answer.claims])
        return 1000 * seconds()

    def tick(self) -> float:
        deadline = datetime.now(UTC) + timedelta(minutes=1)
        with stopwatch() as seconds:
            report = tick(self._dispatch, deadline).pools[0]
        assert (report.submitted, report.problem) == (ADMITTED, ""), report
        for name in self.provider.live:
            self.provider.finish(name)
        self.store.add_runs([waiting_run("critical") for _ in range(ADMITTED)])
        return 1000 * seconds()


def _decide(snapshot: Snapshot, *, now: datetime) -> Decision:
    plan = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=now, budget=ADMITTED)
    return pinning.Pinning(snapshot, 300.0).decide(plan.admitted)


def _by_name(worlds: Mapping[int, _World], side: Callable[[_World], Callable[[], float]]) -> Mapping[str, Callable[[], float]]:
    return {str(size): side(world) for size, world in worlds.items()}


def _figures(what: str, samples: Mapping[str, tuple[float, ...]], sizes: tuple[int, ...]) -> list[Figure]:
    smallest, largest = str(sizes[0]), str(sizes[-1])
    grown = ratios(samples[largest], samples[smallest])
    return [
        *(Figure(f"{what}, {size:,} waiting", "ms", samples[str(size)]) for size in sizes),
        Figure(f"{what}, {sizes[-1]:,} to {sizes[0]:,} waiting", "times", grown, Target("<=", 1.5)),
    ]
