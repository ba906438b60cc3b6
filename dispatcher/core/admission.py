"""Which runs may start now. The whole order and every limit of the product is in `admit`, and nowhere else.

`admit` is given what a claiming transaction sees, and answers with an `Admission`; it knows no store, clock or log. `explain`
(`dispatcher.core.reasons`) asks the same function, so that what it says is what decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dispatcher.core import holds
from dispatcher.core.holds import position_of
from dispatcher.models import PoolHold, Run, WorkPool, WorkQueue
from dispatcher.records import Due, Position
from providers.base import Needs

UNLIMITED = 2**31

MAX_PASSED = 1000
"""Held runs of one queue that one claim looks past, give or take a page; where more are, the next claim goes on from there."""


class Barrier(StrEnum):
    """Where a queue's runs stop. In the order in which they are looked at."""

    POOL_PAUSED = "POOL_PAUSED"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    POOL_LIMIT_ZERO = "POOL_LIMIT_ZERO"
    QUEUE_LIMIT_ZERO = "QUEUE_LIMIT_ZERO"
    POOL_HELD = "POOL_HELD"
    """The provider refused a submission, and every run of the pool would be refused as well."""
    POOL_FULL = "POOL_FULL"
    QUEUE_FULL = "QUEUE_FULL"
    HIGHER_QUEUES = "HIGHER_QUEUES"
    """The pool's free slots go to queues of higher priority."""
    OWN_QUEUE = "OWN_QUEUE"
    """The free slots go to earlier runs of the same queue."""
    PLACE_HELD = "PLACE_HELD"
    """The rest of the queue would be refused: the provider has refused a run that goes to the same place, or needs as much."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What may start, and why nothing more of each queue may."""

    admitted: tuple[Run, ...]
    barriers: Mapping[str, Barrier]
    """By queue: what stops its next run. A queue that is not in here had all its due runs admitted."""
    passed: Mapping[str, Position] = field(default_factory=dict)
    """By queue: how far it was looked through without finding a run that is not held, where there may be some behind."""


def order(queue: WorkQueue, run: Run) -> tuple[int, datetime, UUID]:
    """The one order of the product: queue priority, then due time, then id. Total, since ids are unique."""
    return queue.priority, run.due_at, run.id


def room(limit: int | None, used: int) -> int:
    """How many more a limit allows; a limit lowered below what is in use allows none."""
    return UNLIMITED if limit is None else max(0, limit - used)


def needs_nothing(_run: Run) -> Needs:
    """What is said of a run's needs where nobody can tell: only a hold of the whole pool concerns it."""
    return Needs()


def admit(
    pool: WorkPool,
    in_use: Mapping[str, int],
    due: Due,
    *,
    now: datetime,
    budget: int = UNLIMITED,
    needs: Callable[[Run], Needs] = needs_nothing,
) -> Admission:
    """Admit due runs, best first, as long as every limit holds.

    Queues are served by ascending priority, the runs of a queue by due time and then id (`due(queue, n, after)` gives the first
    n behind a place). It is a strict waterfall: a lower queue is served only from slots that every higher queue had no
    eligible run for. A paused queue and one at its own limit do not stand in the way of those below. Both limits hold: slots
    in use count against their queue and their pool in whatever queue they are, paused ones included. At most `budget` runs
    are admitted.

    A run that a hold of the pool concerns is not eligible: it keeps its place, and those behind it go on. `needs` tells what
    a run needs, and is asked only while there is a hold that concerns some runs and not others. Then runs are read page by
    page, each longer than the one before, until `MAX_PASSED` held ones were passed over; the answer says how far that was, and
    a queue whose holds remember such a place (`holds.first_position`) is read from there on.
    """
    left = min(budget, room(pool.concurrency_limit, sum(in_use.values())))
    line = _Line(pool, due, now, needs)
    admitted: list[Run] = []
    barriers: dict[str, Barrier] = {}
    for queue in sorted(pool.queues, key=lambda queue: queue.priority):
        free = room(queue.concurrency_limit, in_use.get(queue.name, 0))
        barrier = closed_by(pool, queue, in_use, now) or (Barrier.HIGHER_QUEUES if left <= 0 else None)
        if barrier is None:
            count = min(left, free)
            runs = line.first(queue.name, count)
            admitted += runs
            left -= len(runs)
            barrier = _full(runs, count, free) or (Barrier.PLACE_HELD if queue.name in line.held else None)
        if barrier is not None:
            barriers[queue.name] = barrier
    return Admission(tuple(admitted), barriers, line.passed)


def closed_by(pool: WorkPool, queue: WorkQueue, in_use: Mapping[str, int], now: datetime) -> Barrier | None:
    """What closes a queue whatever waits in it, if anything does: the first that holds, in the order of `Barrier`."""
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


class _Line:
    """The due runs of each queue without those that are held."""

    def __init__(self, pool: WorkPool, due: Due, now: datetime, needs: Callable[[Run], Needs]) -> None:
        self._pool, self._due, self._now, self._needs = pool, due, now, needs
        self._holds: Sequence[PoolHold] = holds.active(pool.holds, now)
        self.held: set[str] = set()
        """The queues of which some were passed over."""
        self.passed: dict[str, Position] = {}

    def first(self, queue: str, count: int) -> Sequence[Run]:
        """The first runs of a queue that are not held, at most `count`."""
        if not self._holds:
            return self._due(queue, count)
        eligible, looked_past, page = list[Run](), 0, min(count, MAX_PASSED)
        after = start = holds.first_position(self._pool.holds, queue, self._now)
        while looked_past < MAX_PASSED:
            runs = self._due(queue, page, after)
            free = [run for run in runs if not self._is_held(run)]
            looked_past += len(runs) - len(free)
            eligible += free
            if len(eligible) >= count or len(runs) < page:
                break
            after, page = position_of(runs[-1]), min(2 * page, MAX_PASSED)
        else:
            self._note(queue, eligible, after)
        if looked_past or start:
            self.held.add(queue)
        return eligible[:count]

    def _note(self, queue: str, eligible: Sequence[Run], after: Position | None) -> None:
        if not eligible and after is not None:
            self.passed[queue] = after

    def _is_held(self, run: Run) -> bool:
        needs = self._needs(run)
        return any(holds.concerns(hold, needs) for hold in self._holds)


def _full(runs: Sequence[Run], count: int, free: int) -> Barrier | None:
    """Why a queue that was served stops: not at all (all its runs went), at its own limit, or at the free slots' end."""
    if len(runs) < count:
        return None
    return Barrier.QUEUE_FULL if count == free else Barrier.OWN_QUEUE
