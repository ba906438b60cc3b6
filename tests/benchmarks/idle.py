"""What a tick costs that has nothing to submit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatcher.environment.settings import Settings
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import Dispatch, tick
from dispatcher.wiring import wire
from tests.benchmarks.emulated import EmulatedCloud, emulated_ecs
from tests.benchmarks.figures import Figure, Result
from tests.benchmarks.measuring import Options, in_turns, stopwatch, workspace
from tests.benchmarks.worlds import add_backlog, add_ecs_pool, add_waiting, settings_environment

LIVE = 200
MINUTE = timedelta(minutes=1)


def measure(options: Options) -> Result:
    """A warm function, SQLite: one pool without a run, and one that is full with a backlog behind it."""
    with workspace() as directory, emulated_ecs() as ecs:
        made = wire(Settings.from_environment({**os.environ, **settings_environment(directory / "unused.db")})).dispatch
        empty, full = _empty(directory, made), _full(directory, made, 1_000 if options.quick else 100_000)
        calls = [_calls(ecs, side) for side in (empty, full)]
        samples = in_turns(options.runs, {"empty": empty, "full": full})
    return Result(
        "idle",
        "A tick with nothing to submit",
        [
            Figure("empty pool", "ms", samples["empty"]),
            Figure("empty pool, AWS calls", "", (calls[0],)),
            Figure(f"full pool, {LIVE} live tasks observed", "ms", samples["full"]),
            Figure(f"full pool, {LIVE} live tasks, AWS calls", "", (calls[1],)),
        ],
        ["one write to the store: the pool's heartbeat"],
    )


def _empty(directory: Path, made: Dispatch) -> Callable[[], float]:
    store = SqliteStore(directory / "empty.db")
    add_ecs_pool(store)
    return _tick(store, made)


def _full(directory: Path, made: Dispatch, backlog: int) -> Callable[[], float]:
    store = SqliteStore(directory / "full.db")
    add_ecs_pool(store, limit=LIVE)
    add_waiting(store, 1)
    _tick(store, made)()  # a cold provider asks AWS more than once
    add_backlog(directory / "full.db", backlog)
    _tick(store, made)()
    assert len(store.live("benchmark", limit=2 * LIVE)) == LIVE
    return _tick(store, made)


def _tick(store: SqliteStore, made: Dispatch) -> Callable[[], float]:
    dispatch = Dispatch(store=store, providers=made.providers, clock=made.clock, events=lambda *_, **__: None)

    def once() -> float:
        with stopwatch() as seconds:
            report = tick(dispatch, datetime.now(UTC) + MINUTE)
        assert not report.problems, report.problems
        return 1000 * seconds()

    return once


def _calls(ecs: EmulatedCloud, side: Callable[[], float]) -> float:
    before: Sequence[int] = list(ecs.calls.values())
    side()
    return float(sum(ecs.calls.values()) - sum(before))
