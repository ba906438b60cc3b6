"""One tick: a straight line through which the data flows once. `tick_pool` is the line.

All cleverness is in pure functions (`dispatcher.core`); all failure is in two seams, the store and the provider. The steps are
in `dispatcher.ticking.pool_tick`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from dispatcher.core.reconciliation import verdict
from dispatcher.models import Run, WorkPool, submission_name
from dispatcher.records import Decision
from dispatcher.ticking.dispatch import Dispatch, TickLimits
from dispatcher.ticking.holding import free, frees_a_slot
from dispatcher.ticking.notifying import notify
from dispatcher.ticking.noting import note_move
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.report import PoolReport, TickReport
from dispatcher.ticking.seam import anything_told, attempted, words
from providers.base import Observation, Submission

_NEVER = datetime.min.replace(tzinfo=UTC)

__all__ = ["Dispatch", "TickLimits", "admit_next", "dry_run", "settle_event", "tick", "tick_pool"]


def tick(dispatch: Dispatch, deadline: datetime, *, pools: Sequence[str] | None = None) -> TickReport:
    """Tick every pool (or those named) once, beginning nothing after `deadline`.

    The pool that was ticked longest ago goes first, so that a slow one does not starve the others. A pool that cannot be ticked
    is reported and does not stop the rest. Raises `StoreError` when the store cannot even list the pools.
    """
    report = TickReport(dispatch.clock.now().isoformat())
    ticked: list[WorkPool] = []
    for pool in _in_turn([pool for pool in dispatch.store.pools() if pools is None or pool.name in pools]):
        if dispatch.clock.now() >= deadline:
            report.skipped.append(pool.name)
        else:
            report.pools.append(tick_pool(dispatch, pool, deadline, goes_first=not ticked))
            ticked.append(pool)
    _tell(dispatch, ticked, deadline, report)
    return report


def _tell(dispatch: Dispatch, pools: Sequence[WorkPool], deadline: datetime, report: TickReport) -> None:
    """Only when every pool has been ticked: a hook that does not answer keeps no run waiting."""
    if dispatch.deliver is not None:
        for pool, of_pool in zip(pools, report.pools, strict=True):
            notify(
                dispatch.store,
                dispatch.clock,
                dispatch.events,
                dispatch.deliver,
                pool,
                deadline=deadline,
                report=of_pool,
            )


def tick_pool(dispatch: Dispatch, pool: WorkPool, deadline: datetime, *, goes_first: bool = False) -> PoolReport:
    """Tick one pool. Its problems are told in the report; what was done before them stands.

    What is due is claimed before windows are made runs, which costs more and has time: they come near an hour ahead. Windows
    have a share of the tick of their own, and what becomes due by them is claimed right after. A pool that `goes_first` notes
    its heartbeat before all else: should it take the whole invocation down, another goes first the next time.
    """
    report = PoolReport(pool.name)
    with _reported(dispatch, report):
        if goes_first:
            dispatch.store.heartbeat(pool.name, dispatch.clock.now())
        one = PoolTick(dispatch, dispatch.providers(pool.type), pool, deadline, report)
        seen = one.observe()
        one.settle(seen)
        one.stop()
        windows = one.windows_near(pool)
        one.submit_due(until=one.share_ends(windows))
        if one.materialise(windows):
            one.submit_due(until=deadline)
        one.hold_until_recovered()
        one.tidy()
    return report


def admit_next(dispatch: Dispatch, pool: str, deadline: datetime) -> PoolReport:
    """The second half of a tick of one pool, after an event has freed a slot: admit without looking at what is live."""
    report = PoolReport(pool)
    found = dispatch.store.pool(pool)
    if found is not None:
        with _reported(dispatch, report):
            one = PoolTick(dispatch, dispatch.providers(found.type), found, deadline, report)
            one.submit_due(until=deadline)
            one.hold_until_recovered()
    return report


def dry_run(dispatch: Dispatch, pool: WorkPool) -> tuple[Decision, PoolReport]:
    """What a tick would claim and pin now: its real decision, after a look at the live jobs as a tick has it. Nothing is
    written: ends that are seen count as recorded, and are left to the next tick.
    """
    report = PoolReport(pool.name)
    one = PoolTick(dispatch, dispatch.providers(pool.type), pool, datetime.max.replace(tzinfo=UTC), report)
    return one.foresee(one.observe()), report


def settle_event(dispatch: Dispatch, run: Run, seen: Observation, submission: Submission) -> bool:
    """Settle one run by an observation that its provider sent by itself; true when the run moved.

    An event of another attempt than the run's current one moves nothing.
    """
    pool = dispatch.store.pool(run.pool)
    if pool is None or submission.name != submission_name(run.id, run.attempt):
        return False
    move = verdict(run, seen, dispatch.clock.now(), dispatch.providers(pool.type).limits, submission)
    if move is None or not dispatch.store.move([move]):
        return False
    note_move(dispatch.events, run, move)
    if frees_a_slot([move]):
        free(dispatch.store, pool.name, pool.holds)
    return True


@contextmanager
def _reported(dispatch: Dispatch, report: PoolReport) -> Iterator[None]:
    """Tell in the report what a step, the store or the provider raises, instead of raising it; in any case, log the counts."""
    report.begin(dispatch.clock.now())
    with anything_told(partial(_ended_by, dispatch, report)):
        yield
    report.end(dispatch.clock.now())
    dispatch.events("tick.pool", **{name: value for name, value in asdict(report).items() if name != "outcomes"})


def _ended_by(dispatch: Dispatch, report: PoolReport, problem: Exception) -> None:
    """A pool whose tick was ended by a problem was ticked all the same: that no tick came is not what is wrong."""
    report.problem = words(problem)
    dispatch.events("pool.problem", pool=report.pool, problem=report.problem)
    attempted(lambda: dispatch.store.heartbeat(report.pool, dispatch.clock.now()), lambda _problem: None)


def _in_turn(pools: Sequence[WorkPool]) -> Sequence[WorkPool]:
    """Whoever was ticked longest ago goes first; a pool that never was, before all others."""
    return sorted(pools, key=lambda pool: (pool.last_tick_at or _NEVER, pool.name))
