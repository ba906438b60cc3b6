"""The pools of one tick: which have something to do, and which are ticked side by side.

The pools of one provider are ticked one after the other. Each provider has its own thread, so that a slow cloud delays no
other. All threads use one store, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from dispatcher.environment.events import Events
from dispatcher.models import WorkPool
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.report import PoolReport, TickReport
from dispatcher.ticking.seam import attempted, words

if TYPE_CHECKING:
    from dispatcher.protocols import TickStore

TickPool = Callable[[Dispatch, WorkPool, bool], PoolReport]
"""Ticks one pool; true for the first of its thread."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def with_work(dispatch: Dispatch) -> Sequence[str]:
    """The names of the pools that have something to do. Raises `StoreError`."""
    now, history = dispatch.clock.now(), dispatch.limits.history
    return dispatch.store.pools_with_work(now, ended_before=None if history is None else now - history)


def note_idle(dispatch: Dispatch, work: Sequence[str], report: TickReport) -> None:
    """Note the heartbeat of all pools without work: one write and one log line. Raises `StoreError`."""
    idle = sorted(set(dispatch.store.pool_names()) - set(work))
    if idle:
        beat = partial(dispatch.store.heartbeats, idle, dispatch.clock.now())
        problem = attempted(lambda: beat() or "", words)
        dispatch.events("tick.idle", pools=len(idle), problem=problem)
        report.idle = len(idle)


def tick_pools(
    dispatch: Dispatch, names: Sequence[str], deadline: datetime, report: TickReport, tick_pool: TickPool
) -> Sequence[tuple[WorkPool, PoolReport]]:
    """Tick these pools; returns those that were ticked. The report names the others. Raises `StoreError`."""
    pools = _in_turn([pool for name in names if (pool := dispatch.store.pool(name))])
    groups = _by_provider(pools)
    threads = min(len(groups), dispatch.limits.side_by_side)
    if threads > 1:
        shared = _shared(dispatch)
        with ThreadPoolExecutor(threads, thread_name_prefix="pools") as executor:
            ticked = list(executor.map(lambda group: _tick_group(shared, group, deadline, tick_pool), groups))
    else:
        ticked = [_tick_group(dispatch, pools, deadline, tick_pool)]
    reports = {pool_report.pool: pool_report for group in ticked for pool_report in group}
    report.pools += [reports[pool.name] for pool in pools if pool.name in reports]
    report.skipped += [pool.name for pool in pools if pool.name not in reports]
    return [(pool, reports[pool.name]) for pool in pools if pool.name in reports]


def _tick_group(dispatch: Dispatch, pools: Sequence[WorkPool], deadline: datetime, tick_pool: TickPool) -> Sequence[PoolReport]:
    """Tick pools one after the other; none begins after the deadline, or when the process is about to end."""
    reports: list[PoolReport] = []
    for pool in pools:
        if dispatch.is_over(deadline):
            break
        reports.append(tick_pool(dispatch, pool, not reports))
    return reports


def _in_turn(pools: Sequence[WorkPool]) -> Sequence[WorkPool]:
    """The pool that was ticked longest ago goes first; one that was never ticked, before all others."""
    return sorted(pools, key=lambda pool: (pool.last_tick_at or _NEVER, pool.name))


def _by_provider(pools: Sequence[WorkPool]) -> Sequence[Sequence[WorkPool]]:
    """The pools of each provider type, in turn."""
    groups: dict[str, list[WorkPool]] = {}
    for pool in pools:
        groups.setdefault(pool.type, []).append(pool)
    return list(groups.values())


def _shared(dispatch: Dispatch) -> Dispatch:
    """The dispatch for several threads: its store and its events serve one thread at a time."""
    store, events = OneAtATime(dispatch.store), OneAtATime(dispatch)
    return replace(dispatch, store=cast("TickStore", store), events=cast("Events", events.events))


class OneAtATime:
    """Something whose methods several threads may call; each call waits for the one before it."""

    def __init__(self, behind: object) -> None:
        self._behind, self._lock = behind, Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A method of the object behind it."""
        method = getattr(self._behind, name)

        def call(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                return method(*arguments, **named)

        return call
