"""Which runs may start now. The whole order and every limit of the product is in `admit`, and nowhere else.

`admit` is given what a claiming transaction sees, and answers with a plan; it knows no store, clock or log. `explain`
(`dispatcher.core.reasons`) asks the same function, so that what it says is what decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dispatcher.models import Run, WorkPool, WorkQueue

UNLIMITED = 2**31


class Barrier(StrEnum):
    """Where a queue's runs stop. In the order in which they are looked at."""

    POOL_PAUSED = "POOL_PAUSED"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    POOL_LIMIT_ZERO = "POOL_LIMIT_ZERO"
    QUEUE_LIMIT_ZERO = "QUEUE_LIMIT_ZERO"
    POOL_HELD = "POOL_HELD"
    """The provider refused a submission of this pool and named, or was given, a time to stay away."""
    POOL_FULL = "POOL_FULL"
    QUEUE_FULL = "QUEUE_FULL"
    HIGHER_QUEUES = "HIGHER_QUEUES"
    """The pool's free slots go to queues of higher priority."""
    OWN_QUEUE = "OWN_QUEUE"
    """The free slots go to earlier runs of the same queue."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What may start, and why nothing more of each queue may."""

    admitted: tuple[Run, ...]
    barriers: Mapping[str, Barrier]
    """By queue: what stops its next run. A queue that is not in here had all its due runs admitted."""


def order(queue: WorkQueue, run: Run) -> tuple[int, datetime, UUID]:
    """The one order of the product: queue priority, then due time, then id. Total, since ids are unique."""
    return queue.priority, run.due_at, run.id


def room(limit: int | None, used: int) -> int:
    """How many more a limit allows; a limit lowered below what is in use allows none."""
    return UNLIMITED if limit is None else max(0, limit - used)


def admit(
    pool: WorkPool,
    in_use: Mapping[str, int],
    due: Callable[[str, int], Sequence[Run]],
    *,
    now: datetime,
    budget: int = UNLIMITED,
) -> Plan:
    """Admit due runs, best first, as long as every limit holds.

    Queues are served by ascending priority, the runs of a queue by due time and then id (`due(queue, n)` gives its first n).
    It is a strict waterfall: a lower queue is served only from slots that every higher queue had no eligible run for. A
    paused queue and one at its own limit do not stand in the way of those below. Both limits hold: slots in use count against
    their queue and their pool in whatever queue they are, paused ones included. At most `budget` runs are admitted.
    """
    left = min(budget, room(pool.concurrency_limit, sum(in_use.values())))
    closed = pool_barrier(pool, in_use, now)
    admitted: list[Run] = []
    barriers: dict[str, Barrier] = {}
    for queue in sorted(pool.queues, key=lambda queue: queue.priority):
        free = room(queue.concurrency_limit, in_use.get(queue.name, 0))
        barrier = closed or queue_barrier(queue, free) or (Barrier.HIGHER_QUEUES if left <= 0 else None)
        if barrier is None:
            wanted = min(left, free)
            runs = due(queue.name, wanted)
            admitted += runs
            left -= len(runs)
            barrier = _full(runs, wanted, free)
        if barrier is not None:
            barriers[queue.name] = barrier
    return Plan(tuple(admitted), barriers)


def pool_barrier(pool: WorkPool, in_use: Mapping[str, int], now: datetime) -> Barrier | None:
    """What closes the whole pool, if anything does."""
    if pool.paused:
        return Barrier.POOL_PAUSED
    if pool.concurrency_limit == 0:
        return Barrier.POOL_LIMIT_ZERO
    if pool.held_until is not None and now < pool.held_until:
        return Barrier.POOL_HELD
    return Barrier.POOL_FULL if room(pool.concurrency_limit, sum(in_use.values())) == 0 else None


def queue_barrier(queue: WorkQueue, free: int) -> Barrier | None:
    """What closes one queue of an open pool, if anything does."""
    if queue.paused:
        return Barrier.QUEUE_PAUSED
    if queue.concurrency_limit == 0:
        return Barrier.QUEUE_LIMIT_ZERO
    return Barrier.QUEUE_FULL if free == 0 else None


def _full(runs: Sequence[Run], wanted: int, free: int) -> Barrier | None:
    """Why a queue that was served stops: not at all (all its runs went), at its own limit, or at the free slots' end."""
    if len(runs) < wanted:
        return None
    return Barrier.QUEUE_FULL if wanted == free else Barrier.OWN_QUEUE
