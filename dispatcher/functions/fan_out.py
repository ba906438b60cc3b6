"""One invocation for each pool that has something to do, so that a hundred pools do not wait for one another in one function.

The scheduled invocation looks at every pool; those with nothing to do it ticks itself, which costs a few reads and notes the
heartbeat; for each of the others it starts an invocation `{"pool": name}` and does not wait for it. One that cannot be started
is ticked here, as without fan-out. Overlaps do no harm: pools share nothing, and claims of one pool come one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from dispatcher.models import WorkPool
from dispatcher.records import Snapshot
from dispatcher.store import TickStore
from dispatcher.ticking import Dispatch, tick


class NotStarted(Exception):
    """An invocation that was not accepted; its text says why."""


class Start(Protocol):
    """Starts an invocation of this very function and does not wait for its end."""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Raises `NotStarted`."""
        ...


def fan_out(dispatch: Dispatch, deadline: datetime, start: Start) -> dict[str, Any]:
    """Tick all pools, those with something to do in invocations of their own; the report of what was ticked here.

    It is that of a tick and, beside it, `invoked`: the pools for which an invocation was started. With one pool that has
    something to do there is nobody to wait for, and it is ticked here.
    """
    pools = dispatch.store.pools()
    busy = [pool.name for pool in pools if has_work(dispatch.store, pool, dispatch.clock.now())]
    invoked = [name for name in busy if _started(dispatch, start, name, deadline)] if len(busy) > 1 else []
    here = [pool.name for pool in pools if pool.name not in invoked]
    return {**asdict(tick(dispatch, deadline, pools=here)), "invoked": invoked}


def has_work(store: TickStore, pool: WorkPool, now: datetime) -> bool:
    """Whether a tick of the pool would find a job to look at, something to tidy up, a window to make a run of, a claim to take
    over or a run to admit.

    It reads a bounded number of rows, and writes nothing.
    """
    found = store.live(pool.name, limit=1) or store.lingering(pool.name, limit=1) or store.scheduled(pool.name, now, limit=1)
    return bool(found) or _waits(store, pool, now)


def _waits(store: TickStore, pool: WorkPool, now: datetime) -> bool:
    """Whether a claim would find a slot that is held, or a run to admit."""
    lanes = [] if pool.paused else [queue.name for queue in pool.queues if not queue.paused]

    def waits(snapshot: Snapshot) -> bool:
        return any(snapshot.in_use.values()) or any(snapshot.due(lane, 1) for lane in lanes)

    return bool(store.look(pool.name, now, waits))


def _started(dispatch: Dispatch, start: Start, pool: str, deadline: datetime) -> bool:
    if dispatch.clock.now() >= deadline:
        return False
    try:
        start({"pool": pool})
    except NotStarted as problem:
        dispatch.events("pool.not_invoked", pool=pool, problem=str(problem))
        return False
    return True
