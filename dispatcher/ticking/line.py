"""One tick: a straight line through which the data flows once. `tick_pool` is the line.

All cleverness is in pure functions (`dispatcher.core`); all failure is in two seams, the store and the provider. The steps are
in `dispatcher.ticking.pool_tick`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime

from dispatcher.core.reconciliation import verdict
from dispatcher.errors import StoreError
from dispatcher.models import Run, WorkPool, submission_name
from dispatcher.records import Decision, Snapshot
from dispatcher.ticking.dispatch import Dispatch, TickLimits
from dispatcher.ticking.notifying import notify
from dispatcher.ticking.pool_tick import PoolTick, note_move
from dispatcher.ticking.report import PoolReport, TickReport
from providers.base import Observation, ProviderError, Submission

__all__ = ["Dispatch", "TickLimits", "admit_next", "dry_run", "settle_event", "tick", "tick_pool"]


def tick(dispatch: Dispatch, deadline: datetime, *, pools: Sequence[str] | None = None) -> TickReport:
    """Tick every pool (or those named) once, beginning nothing after `deadline`.

    The pool that goes first changes from tick to tick, so that a slow one does not starve the others. A pool that cannot be
    ticked is reported and does not stop the rest. Raises `StoreError` when the store cannot even list the pools.
    """
    now = dispatch.clock.now()
    report = TickReport(now.isoformat())
    ticked = []
    for pool in _in_turn([pool for pool in dispatch.store.pools() if pools is None or pool.name in pools], now):
        if dispatch.clock.now() >= deadline:
            report.skipped.append(pool.name)
        else:
            report.pools.append(tick_pool(dispatch, pool, deadline))
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


def tick_pool(dispatch: Dispatch, pool: WorkPool, deadline: datetime) -> PoolReport:
    """Tick one pool. Its problems are told in the report; what was done before them stands."""
    report = PoolReport(pool.name)
    with _reported(dispatch, report):
        one = PoolTick(dispatch, dispatch.providers(pool.type), pool.name, deadline, report)
        seen = one.observe()
        one.settle(seen)
        one.stop()
        one.materialise(pool)
        while claims := one.claim_and_render():
            one.submit_and_record(claims)
        one.tidy()
    return report


def admit_next(dispatch: Dispatch, pool: str, deadline: datetime) -> PoolReport:
    """The second half of a tick of one pool, after an event has freed a slot: admit without looking at what is live."""
    report = PoolReport(pool)
    found = dispatch.store.pool(pool)
    if found is not None:
        with _reported(dispatch, report):
            one = PoolTick(dispatch, dispatch.providers(found.type), pool, deadline, report)
            while claims := one.claim_and_render():
                one.submit_and_record(claims)
    return report


def dry_run(dispatch: Dispatch, pool: WorkPool) -> tuple[Decision, PoolReport]:
    """What a tick would claim and pin now: the real decision in the real transaction, which is then rolled back."""
    report = PoolReport(pool.name)
    one = PoolTick(dispatch, dispatch.providers(pool.type), pool.name, datetime.max.replace(tzinfo=UTC), report)
    now = dispatch.clock.now()

    def decide_only(snapshot: Snapshot) -> Decision:
        raise _RolledBack(one.decide(snapshot, now=now, budget=one.left))

    try:
        dispatch.store.claim(pool.name, now, lease=one.lease, takeovers=0, decide=decide_only)
    except _RolledBack as rolled_back:
        return rolled_back.decision, report
    return Decision(), report


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
    return True


class _RolledBack(Exception):
    """Carries a decision out of a transaction that is to leave no trace."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision


@contextmanager
def _reported(dispatch: Dispatch, report: PoolReport) -> Iterator[None]:
    """Tell a store's or provider's problem in the report instead of raising it; in any case, log the counts."""
    report.begin(dispatch.clock.now())
    try:
        yield
    except (StoreError, ProviderError) as problem:
        report.problem = str(problem)
        dispatch.events("pool.problem", pool=report.pool, problem=str(problem))
    report.end(dispatch.clock.now())
    dispatch.events("tick.pool", **{name: value for name, value in asdict(report).items() if name != "outcomes"})


def _in_turn(pools: Sequence[WorkPool], now: datetime) -> Sequence[WorkPool]:
    """Begin with another pool every second."""
    first = int(now.timestamp()) % len(pools) if pools else 0
    return [*pools[first:], *pools[:first]]
