"""One invocation for each pool that has something to do, so that a hundred pools do not wait for one another in one function.

The scheduled invocation asks the store which pools have something to do, and notes the heartbeat of the others. For each pool
with something to do it starts an invocation `{"pool": name}` and does not wait for it. Where that cannot be started, it ticks
the pool itself, as without fan-out. Overlaps do no harm: pools share nothing, and claims of one pool come one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from dispatcher.ticking import Dispatch, tick_all
from dispatcher.ticking.pools import note_idle, with_work
from dispatcher.ticking.report import TickReport
from dispatcher.ticking.sourcing import bring, report_back, ticked_until


class NotStarted(Exception):
    """An invocation that was not accepted; its text says why."""


class Start(Protocol):
    """Starts an invocation of this very function and does not wait for its end."""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Raises `NotStarted`."""
        ...


def fan_out(dispatch: Dispatch, deadline: datetime, start: Start) -> dict[str, Any]:
    """Tick all pools: each one with something to do in an invocation of its own. Returns the report of the pools ticked here.

    The report is that of a tick with one more field, `invoked`: the pools for which an invocation was started. If only one
    pool has something to do, it is ticked here, because it keeps no other waiting.
    """
    report = TickReport(dispatch.clock.now().isoformat())
    bring(dispatch, None, deadline, report)
    work = with_work(dispatch)
    note_idle(dispatch, work, report)
    open_pools = [name for name in work if _is_open(dispatch, name)]
    invoked = [name for name in open_pools if _started(dispatch, start, name, deadline)] if len(open_pools) > 1 else []
    tick_all(dispatch, [name for name in work if name not in invoked], ticked_until(dispatch, deadline), report)
    report_back(dispatch, None, deadline, report)
    return {**asdict(report), "invoked": invoked}


def _is_open(dispatch: Dispatch, name: str) -> bool:
    """A paused pool admits nothing, however much waits in it: its tick is short, and needs no invocation of its own."""
    pool = dispatch.store.pool(name)
    return pool is not None and not pool.paused


def _started(dispatch: Dispatch, start: Start, pool: str, deadline: datetime) -> bool:
    if dispatch.clock.now() >= deadline:
        return False
    try:
        start({"pool": pool})
    except NotStarted as problem:
        dispatch.events("pool.not_invoked", pool=pool, problem=str(problem))
        return False
    return True
