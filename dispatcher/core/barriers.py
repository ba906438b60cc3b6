"""What stops the runs of a queue, and which of these reasons can be checked before any run is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from dispatcher.core import holds
from dispatcher.models import WorkPool, WorkQueue

UNLIMITED = 2**31


class Barrier(StrEnum):
    """Why a queue's runs stop, in the order in which the reasons are checked."""

    POOL_PAUSED = "POOL_PAUSED"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    POOL_LIMIT_ZERO = "POOL_LIMIT_ZERO"
    QUEUE_LIMIT_ZERO = "QUEUE_LIMIT_ZERO"
    POOL_HELD = "POOL_HELD"
    """The provider refused a submission and would refuse every run of the pool."""
    POOL_FULL = "POOL_FULL"
    QUEUE_FULL = "QUEUE_FULL"
    DEPLOYMENT_FULL = "DEPLOYMENT_FULL"
    """All other runs of the queue belong to deployments that are at their concurrency limit."""
    HIGHER_QUEUES = "HIGHER_QUEUES"
    """The pool's free slots go to queues of higher priority."""
    FAIR_SHARE = "FAIR_SHARE"
    """The pool shares its slots fairly, and the free slots go to queues that hold less for their weight."""
    EARLIER_RUNS = "EARLIER_RUNS"
    """The free slots go to earlier runs of the same queue."""
    PLACE_HELD = "PLACE_HELD"
    """The provider would refuse the rest of the queue: it has refused a run that goes to the same place or needs as much."""


def room(limit: int | None, used: int) -> int:
    """How many more slots a limit allows. A limit below what is in use allows none."""
    return UNLIMITED if limit is None else max(0, limit - used)


def closed_by(pool: WorkPool, queue: WorkQueue, in_use: Mapping[str, int], now: datetime) -> Barrier | None:
    """The first barrier, in the order of `Barrier`, that closes a queue for all of its runs; None if the queue is open."""
    held = any(holds.is_whole(hold) for hold in holds.active(pool.holds, now))
    is_so = {
        Barrier.POOL_PAUSED: pool.paused,
        Barrier.QUEUE_PAUSED: queue.paused,
        Barrier.POOL_LIMIT_ZERO: pool.concurrency_limit == 0,
        Barrier.QUEUE_LIMIT_ZERO: queue.concurrency_limit == 0,
        Barrier.POOL_HELD: held,
        Barrier.POOL_FULL: room(pool.concurrency_limit, sum(in_use.values())) == 0,
        Barrier.QUEUE_FULL: room(queue.concurrency_limit, in_use.get(queue.name, 0)) == 0,
    }
    return next((barrier for barrier, closed in is_so.items() if closed), None)
