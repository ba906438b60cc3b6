"""Which runs may start now. `admit` is the only place that orders runs and applies limits.

`admit` gets what a claiming transaction sees and returns an `Admission`. It knows no store, clock or log. `explain`
(`dispatcher.core.reasons`) calls the same function, so that an explanation is always the real decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dispatcher.core.barriers import UNLIMITED, Barrier, closed_by, room
from dispatcher.core.holds import order_in_queue
from dispatcher.core.lines import MAX_PASSED, NO_LIMITS, Line, needs_nothing, never_missed
from dispatcher.core.sharing import Claimant, dealt, turn
from dispatcher.models import Run, Share, WorkPool, WorkQueue
from dispatcher.models.records import DeploymentLimits, Due, Position
from providers.base import Needs

__all__ = ["MAX_PASSED", "UNLIMITED", "Admission", "Barrier", "admit", "closed_by", "order", "room", "sharing"]


@dataclass(frozen=True, slots=True)
class Admission:
    """Which runs may start, and why no more of each queue may."""

    admitted: tuple[Run, ...]
    barriers: Mapping[str, Barrier]
    """By queue: what stops its next run. A queue that is missing here had all its due runs admitted."""
    passed: Mapping[str, Position] = field(default_factory=dict)
    """By queue, or queue and lane (`holds.line`): the position up to which all runs are held. Behind it there may be others."""
    full: frozenset[str] = frozenset()
    """Deployments at their limit whose runs were passed over."""
    astray: tuple[Run, ...] = ()
    """Runs that were read but not admitted, and that should wait in a lane of their deployment but do not: the deployment is
    full, or shares their queue with others."""
    missed: tuple[tuple[Run, str], ...] = ()
    """Runs that were read and must not start any more, each with the reason."""


def order(queue: WorkQueue, run: Run) -> tuple[int, int, datetime, UUID]:
    """The one order of the product: the queue's priority, the run's, then due time, then id. Total, since ids are unique."""
    return queue.priority, *order_in_queue(run)


def admit(
    pool: WorkPool,
    in_use: Mapping[str, int],
    due: Due,
    *,
    now: datetime,
    budget: int = UNLIMITED,
    needs: Callable[[Run], Needs] = needs_nothing,
    limits: DeploymentLimits = NO_LIMITS,
    missed: Callable[[Run], str] = never_missed,
) -> Admission:
    """Admit due runs, best first, as long as every limit holds.

    Queues are served by ascending priority, the runs of a queue by `holds.order_in_queue`: their own priority, due time and
    then id (`due(queue, n, after)` gives the first n after a position). It is a strict waterfall: a lower queue gets only slots
    for which no higher queue had an eligible run. A paused queue, and one at its own limit, do not block the queues below. Both
    limits hold: a slot in use counts against its queue and its pool, in paused queues too. At most `budget` runs are admitted.

    In a pool whose `share` is fair all queues have equal rank: each slot goes to the queue whose `turn` it is
    (`dispatcher.core.sharing`), whatever its priority. The limits, the order within a queue and the budget are the same. In a
    queue whose `share` is fair the deployments have equal rank, and a run's priority counts only among the runs of its
    deployment.

    A run to which a hold of the pool applies is not eligible: it keeps its position, and the runs behind it may start. `needs`
    returns what a run needs. It is called only while a hold applies to some runs and not to others. Then runs are read in
    pages, each longer than the one before, until `MAX_PASSED` held runs were passed over. The admission says how far that was.
    If the pool's holds remember such a position (`holds.first_position`), the queue is read from there on.

    A run whose deployment has no room left (`limits`) is not eligible either, and the runs behind it may start. Runs of
    deployments with a limit, and those with a priority, wait in lanes beside their queue (`models.lanes`). The lane of a full
    deployment is not read. The other lanes are read one priority after the other, as far as there are slots; runs of equal
    priority are merged by their positions.

    `missed` says why a run must not start any more (`core.pauses`). Such a run is passed over like a held one. If so many of
    them come first that the rest of a queue is not read, the slots that the rest may need are kept for the next claim.
    """
    left = min(budget, room(pool.concurrency_limit, sum(in_use.values())))
    line = Line(pool, due, now, needs=needs, limits=limits, why_missed=missed)
    if pool.share is Share.FAIR:
        return _Sharing(pool, in_use, left, now, line).admission()
    admitted: list[Run] = []
    barriers: dict[str, Barrier] = {}
    for queue in sorted(pool.queues, key=lambda queue: queue.priority):
        free = room(queue.concurrency_limit, in_use.get(queue.name, 0))
        barrier = closed_by(pool, queue, in_use, now) or (Barrier.HIGHER_QUEUES if left <= 0 else None)
        if barrier is None:
            count = min(left, free)
            runs = line.first(queue, count)
            admitted += runs
            left -= count if queue.name in line.cut else len(runs)
            barrier = _full(runs, count, free) or line.barrier(queue.name)
        if barrier is not None:
            barriers[queue.name] = barrier
    return _admission(line, admitted, barriers)


def _admission(line: Line, admitted: Sequence[Run], barriers: Mapping[str, Barrier]) -> Admission:
    """The result, including the runs that were passed over."""
    ids = {run.id for run in admitted}
    astray = tuple(run for run in line.astray.values() if run.id not in ids)
    return Admission(tuple(admitted), barriers, line.passed, frozenset(line.full), astray, tuple(line.missed.values()))


def sharing(
    pool: WorkPool, in_use: Mapping[str, int], now: datetime, most: Mapping[str, int] | None = None
) -> Sequence[Claimant]:
    """The open queues of a pool with fair shares. `most`: how many runs of a queue can start at most, where that is known."""
    return [
        Claimant(
            party=queue,
            held=in_use.get(queue.name, 0),
            most=min(room(queue.concurrency_limit, in_use.get(queue.name, 0)), (most or {}).get(queue.name, UNLIMITED)),
        )
        for queue in pool.queues
        if closed_by(pool, queue, in_use, now) is None
    ]


class _Sharing:
    """Admits by fair shares. Reads each queue as far as its share goes, and further where other queues leave slots.

    Each further reading of a queue asks for at least twice as many runs, so that all readings together cost a small multiple of
    what is admitted.
    """

    def __init__(self, pool: WorkPool, in_use: Mapping[str, int], slots: int, now: datetime, line: Line) -> None:
        self._pool, self._in_use, self._slots, self._now, self._line = pool, in_use, slots, now, line
        self._runs: dict[str, Sequence[Run]] = {}
        self._most: dict[str, int] = {}
        """By queue whose due runs were all read: how many there are."""
        self._is_exact = False

    def admission(self) -> Admission:
        """See `admit`."""
        shares = self._filled()
        if self._reserves_too_much(shares):
            self._read_anew()
            shares = self._filled()
        turns = [
            (turn(queue, self._in_use.get(queue.name, 0) + number), run)
            for queue in self._pool.queues
            for number, run in enumerate(self._runs.get(queue.name, ())[: shares.get(queue.name, 0)])
        ]
        admitted = tuple(run for _, run in sorted(turns, key=lambda entry: entry[0]))
        barriers = {queue.name: self._barrier(queue, shares) for queue in self._pool.queues}
        stops = {name: barrier for name, barrier in barriers.items() if barrier}
        return _admission(self._line, admitted, stops)

    def _filled(self) -> Mapping[str, int]:
        """The shares, once every queue was read as far as its share goes. No share falls meanwhile."""
        shares = self._dealt()
        while short := [name for name, share in shares.items() if self._is_short(name, share)]:
            for name in short:
                self._read(name, shares[name])
            shares = self._dealt()
        return shares

    def _is_short(self, queue: str, share: int) -> bool:
        return share > len(self._runs.get(queue, ())) and queue not in self._line.cut

    def _reserves_too_much(self, shares: Mapping[str, int]) -> bool:
        """Whether runs that were read beyond a share take room of a deployment that another queue may need."""
        beyond = [run for name, runs in self._runs.items() for run in runs[shares[name] :]]
        return any(self._line.room_of(run.deployment) < UNLIMITED for run in beyond)

    def _read_anew(self) -> None:
        """Give back all room, and read no run beyond a share from now on."""
        self._line.give_back()
        self._runs, self._most, self._is_exact = {}, {}, True

    def _dealt(self) -> Mapping[str, int]:
        return dealt(max(self._slots, 0), sharing(self._pool, self._in_use, self._now, self._most))

    def _read(self, queue: str, share: int) -> None:
        asked = min(share if self._is_exact else max(share, 2 * len(self._runs.get(queue, ()))), max(self._slots, 0))
        [noun] = [noun for noun in self._pool.queues if noun.name == queue]
        self._runs[queue] = self._line.first(noun, asked)
        if len(self._runs[queue]) < asked and queue not in self._line.cut:
            self._most[queue] = len(self._runs[queue])

    def _barrier(self, queue: WorkQueue, shares: Mapping[str, int]) -> Barrier | None:
        barrier, share = closed_by(self._pool, queue, self._in_use, self._now), shares.get(queue.name, 0)
        if barrier is not None:
            return barrier
        if share == self._most.get(queue.name) or queue.name in self._line.cut:
            return self._line.barrier(queue.name)
        if share == room(queue.concurrency_limit, self._in_use.get(queue.name, 0)):
            return Barrier.QUEUE_FULL
        alone = share == sum(shares.values()) > 0
        return Barrier.EARLIER_RUNS if alone else Barrier.FAIR_SHARE


def _full(runs: Sequence[Run], count: int, free: int) -> Barrier | None:
    """Why a queue that was served stops: its own limit, or no more free slots. None: all its runs were admitted."""
    if len(runs) < count:
        return None
    return Barrier.QUEUE_FULL if count == free else Barrier.EARLIER_RUNS
