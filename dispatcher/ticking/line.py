"""One tick: a straight line through which the data flows once. `tick_pool` is the line.

All cleverness is in pure functions (`dispatcher.core`); all failure is in two seams, the store and the provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from dispatcher.models import WorkPool
from dispatcher.models.records import Decision
from dispatcher.ticking.dispatch import Dispatch, TickLimits
from dispatcher.ticking.ending import expire
from dispatcher.ticking.notifying import notify
from dispatcher.ticking.observing import after_ends, observe, settle, stop
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.pools import note_idle, tick_pools, with_work
from dispatcher.ticking.report import PoolReport, TickReport
from dispatcher.ticking.seam import attempted, exceptions_reported, words
from dispatcher.ticking.sourcing import bring, report_back, ticked_until
from dispatcher.ticking.submitting import Decider, Submitting
from dispatcher.ticking.tidying import tidy
from dispatcher.ticking.windows import Windows, materialise

__all__ = ["Dispatch", "TickLimits", "admit_next", "dry_run", "tick", "tick_all", "tick_pool"]


def tick(dispatch: Dispatch, deadline: datetime, *, pools: Sequence[str] | None = None) -> TickReport:
    """Tick every pool that has something to do (or those named) once, beginning nothing after `deadline`.

    The pool that was ticked longest ago goes first, so that a slow pool does not starve the others. A pool that cannot be
    ticked is reported and does not stop the others. Raises `StoreError` when the store cannot list the pools.
    """
    report = TickReport(dispatch.clock.now().isoformat())
    bring(dispatch, pools, deadline, report)
    names = pools
    if names is None:
        names = with_work(dispatch)
        note_idle(dispatch, names, report)
    tick_all(dispatch, names, ticked_until(dispatch, deadline), report)
    report_back(dispatch, pools, deadline, report)
    return report


def tick_all(dispatch: Dispatch, names: Sequence[str], deadline: datetime, report: TickReport) -> None:
    """Tick these pools, whether they have something to do or not, and then let automations act and deliver notifications."""

    def tick_one(dispatch: Dispatch, pool: WorkPool, goes_first: bool, /) -> PoolReport:  # noqa: FBT001 - see `TickPool`
        return tick_pool(dispatch, pool, deadline, goes_first=goes_first)

    ticked = tick_pools(dispatch, names, deadline, report, tick_one)
    for pool, pool_report in ticked:
        if pool.automated:
            _automate(dispatch, pool, deadline, pool_report)  # before hooks, which may be slow
    for pool, pool_report in ticked:
        notify(dispatch, pool, deadline=deadline, report=pool_report)  # last, so that a slow hook delays no run
        if pool.automated:
            _notify_of_firings(dispatch, pool, deadline, pool_report)


def _automate(dispatch: Dispatch, pool: WorkPool, deadline: datetime, report: PoolReport) -> None:
    """Let automations act. Their code, a tenth of what a tick imports, is loaded only where there are some."""
    from dispatcher.ticking.automating import automate  # noqa: PLC0415 - see above

    automate(dispatch, pool, deadline=deadline, report=report)


def _notify_of_firings(dispatch: Dispatch, pool: WorkPool, deadline: datetime, report: PoolReport) -> None:
    from dispatcher.ticking.firings import notify_of_firings  # noqa: PLC0415 - see `_automate`

    notify_of_firings(dispatch, pool, deadline=deadline, report=report)


def tick_pool(dispatch: Dispatch, pool: WorkPool, deadline: datetime, *, goes_first: bool = False) -> PoolReport:
    """Tick one pool. Its problems are in the report; what was done before them stays.

    Due runs are claimed before windows become runs: windows cost more and can wait, because they are materialised an hour
    ahead. Windows have their own share of the tick, and runs that become due by them are claimed right afterwards. A pool that
    `goes_first` notes its heartbeat first: if it crashes the whole invocation, another pool goes first the next time.
    """
    report = PoolReport(pool.name)
    with _reported(dispatch, report):
        if goes_first:
            dispatch.store.heartbeat(pool.name, dispatch.clock.now())
        pool_tick = PoolTick(dispatch, pool, deadline, report)
        seen = observe(pool_tick)
        to_stop = settle(pool_tick, seen)
        stop(pool_tick, to_stop)
        expire(pool_tick)
        windows, submitting = Windows(pool_tick), Submitting(pool_tick)
        submitting.submit_due(until=windows.submit_until())
        queues = materialise(pool_tick, windows)
        if submitting.goes_on(queues):
            submitting.submit_due(until=deadline)
        submitting.hold_until_recovered()
        submitting.look_at_waiting()
        tidy(pool_tick)
    return report


def admit_next(dispatch: Dispatch, pool_name: str, deadline: datetime) -> PoolReport:
    """The second half of a tick of one pool, after an event has freed a slot: admit without observing live jobs."""
    report = PoolReport(pool_name)
    pool = dispatch.store.pool(pool_name)
    if pool is not None:
        with _reported(dispatch, report):
            submitting = Submitting(PoolTick(dispatch, pool, deadline, report))
            submitting.submit_due(until=deadline)
            submitting.hold_until_recovered()
            submitting.look_at_waiting()
    return report


def dry_run(dispatch: Dispatch, pool: WorkPool) -> tuple[Decision, PoolReport]:
    """What a tick would claim and pin now: the real decision, after observing the live jobs like a tick.

    Nothing is written: observed ends count as recorded, but the next tick records them.
    """
    report = PoolReport(pool.name)
    pool_tick = PoolTick(dispatch, pool, datetime.max.replace(tzinfo=UTC), report)
    seen, now = observe(pool_tick), dispatch.clock.now()
    decider = Decider(pool_tick, now, dispatch.limits.claims)
    decision = dispatch.store.look(pool.name, now, lambda snapshot: decider(after_ends(pool_tick, seen, snapshot)))
    decider.report()
    return decision or Decision(), report


@contextmanager
def _reported(dispatch: Dispatch, report: PoolReport) -> Iterator[None]:
    """Put exceptions of a step, the store or the provider into the report; log the counts in any case."""
    report.begin(dispatch.clock.now())
    with exceptions_reported(partial(_ended_by, dispatch, report)):
        yield
    report.end(dispatch.clock.now())
    dispatch.events("tick.pool", **{name: value for name, value in asdict(report).items() if name != "outcomes"})


def _ended_by(dispatch: Dispatch, report: PoolReport, problem: Exception) -> None:
    """Note the heartbeat of a pool whose tick ended with a problem: it was ticked all the same."""
    report.problem = words(problem)
    dispatch.events("pool.problem", pool=report.pool, problem=report.problem)
    attempted(lambda: dispatch.store.heartbeat(report.pool, dispatch.clock.now()), lambda _problem: None)
