"""Which runs may start now. The whole order and every limit of the product is in `admit`, and nowhere else.

`admit` gets what a claiming transaction sees and returns an `Admission`. It knows no store, clock or log. `explain`
(`dispatcher.core.reasons`) calls the same function, so that an explanation is always the real decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from heapq import merge
from uuid import UUID

from dispatcher.core import holds
from dispatcher.core.holds import line, order_in_queue, position_of
from dispatcher.core.sharing import Claimant, dealt, turn
from dispatcher.models import PoolHold, Run, Share, WorkPool, WorkQueue
from dispatcher.models.lanes import limited_by, priority_of
from dispatcher.records import DeploymentLimits, Due, Position
from providers.base import Needs

UNLIMITED = 2**31

_NO_LIMITS = DeploymentLimits()

MAX_PASSED = 1000
"""Held runs of one queue that one claim passes over, give or take a page. The next claim continues from there."""


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
    """The rest of the queue are runs of deployments of which as many are live as their limits allow."""
    HIGHER_QUEUES = "HIGHER_QUEUES"
    """The pool's free slots go to queues of higher priority."""
    FAIR_SHARE = "FAIR_SHARE"
    """The pool shares its slots fairly, and the free ones go to queues that hold less for their weight."""
    OWN_QUEUE = "OWN_QUEUE"
    """The free slots go to earlier runs of the same queue."""
    PLACE_HELD = "PLACE_HELD"
    """The provider would refuse the rest of the queue: it refused a run that goes to the same place, or needs as much."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Which runs may start, and why no more of each queue may."""

    admitted: tuple[Run, ...]
    barriers: Mapping[str, Barrier]
    """By queue: what stops its next run. All due runs of a queue that is not in here were admitted."""
    passed: Mapping[str, Position] = field(default_factory=dict)
    """By queue, or queue and lane (`holds.line`): the position up to which all runs are held, where others may follow."""
    full: frozenset[str] = frozenset()
    """Deployments at their limit of which runs were passed over."""
    astray: tuple[Run, ...] = ()
    """Runs of full deployments that were read and passed over because they do not wait in a lane of their deployment."""
    missed: tuple[tuple[Run, str], ...] = ()
    """Runs that were read and are not to start any more, each with the reason."""


def order(queue: WorkQueue, run: Run) -> tuple[int, int, datetime, UUID]:
    """The one order of the product: the queue's priority, the run's, then due time, then id. Total, since ids are unique."""
    return queue.priority, *order_in_queue(run)


def room(limit: int | None, used: int) -> int:
    """How many more slots a limit allows. A limit below what is in use allows none."""
    return UNLIMITED if limit is None else max(0, limit - used)


def needs_nothing(_run: Run) -> Needs:
    """The needs of a run whose needs are unknown: only a hold of the whole pool applies to it."""
    return Needs()


def never_missed(_run: Run) -> str:
    """Every run that is due is to start."""
    return ""


def admit(
    pool: WorkPool,
    in_use: Mapping[str, int],
    due: Due,
    *,
    now: datetime,
    budget: int = UNLIMITED,
    needs: Callable[[Run], Needs] = needs_nothing,
    limits: DeploymentLimits = _NO_LIMITS,
    missed: Callable[[Run], str] = never_missed,
) -> Admission:
    """Admit due runs, best first, as long as every limit holds.

    Queues are served by ascending priority, the runs of a queue by `holds.order_in_queue`: their own priority, due time and
    then id (`due(queue, n, after)` gives the first n after a position). It is a strict waterfall: a lower queue gets only slots
    for which no higher queue had an eligible run. A paused queue, and one at its own limit, do not block the queues below. Both
    limits hold: a slot in use counts against its queue and its pool, in paused queues too. At most `budget` runs are admitted.

    In a pool whose `share` is fair all queues have equal rank: each slot goes to the queue whose `turn` it is
    (`dispatcher.core.sharing`), whatever its priority. The limits, the order within a queue and the budget are the same.

    A run to which a hold of the pool applies is not eligible: it keeps its position, and the runs behind it go on. `needs`
    returns what a run needs. It is called only while a hold applies to some runs and not to others. Then runs are read page by
    page, each page longer than the one before, until `MAX_PASSED` held runs were passed over. The admission says how far that
    was. If the pool's holds remember such a position (`holds.first_position`), the queue is read from there on.

    A run whose deployment has no room left (`limits`) is not eligible either, and the runs behind it go on. Runs of deployments
    with a limit, and those with a priority, wait in lanes beside their queue (`models.lanes`). The lane of a full deployment is
    not read. The others are read priority by priority, as far as there are slots; those of one priority are merged by their
    positions.

    `missed` says why a run is not to start any more (`core.pauses`); such a run is passed over as a held one is.
    """
    left = min(budget, room(pool.concurrency_limit, sum(in_use.values())))
    line = _Line(pool, due, now, needs=needs, limits=limits, why_missed=missed)
    if pool.share is Share.FAIR:
        return _Sharing(pool, in_use, left, now, line).admission()
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
            barrier = _full(runs, count, free) or line.barrier(queue.name)
        if barrier is not None:
            barriers[queue.name] = barrier
    return line.admission(admitted, barriers)


def closed_by(pool: WorkPool, queue: WorkQueue, in_use: Mapping[str, int], now: datetime) -> Barrier | None:
    """The first barrier, in the order of `Barrier`, that closes a queue whatever waits in it; None when it is open."""
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


@dataclass(slots=True)
class _Look:
    """How far one look through a queue and its lanes has come."""

    left: int
    """How many eligible runs are still to be found."""
    after: dict[str, Position] = field(default_factory=dict)
    """By `holds.line`: the last position of the pages that were read."""
    passed: int = 0
    """Runs that were passed over."""


class _Line:
    """Reads the due runs of a queue and of its lanes, and leaves out the held ones and those of full deployments."""

    def __init__(
        self,
        pool: WorkPool,
        due: Due,
        now: datetime,
        *,
        needs: Callable[[Run], Needs],
        limits: DeploymentLimits,
        why_missed: Callable[[Run], str],
    ) -> None:
        self._pool, self._due, self._now, self._needs, self._why_missed = pool, due, now, needs, why_missed
        self._holds: Sequence[PoolHold] = holds.active(pool.holds, now)
        self._limits = limits
        self._room: dict[str, int] = {}
        """By deployment: how many more of its runs may start."""
        self.held: set[str] = set()
        """The queues in which held runs were passed over."""
        self.crowded: set[str] = set()
        """The queues in which runs of full deployments were passed over."""
        self.passed: dict[str, Position] = {}
        self.full: set[str] = set()
        self.astray: dict[UUID, Run] = {}
        self.missed: dict[UUID, tuple[Run, str]] = {}
        self._taken: dict[str, Sequence[Run]] = {}
        """By queue: the runs that were eligible when it was last read."""

    def admission(self, admitted: Iterable[Run], barriers: Mapping[str, Barrier]) -> Admission:
        """The result, with what was passed over."""
        astray, missed = tuple(self.astray.values()), tuple(self.missed.values())
        return Admission(tuple(admitted), barriers, self.passed, frozenset(self.full), astray, missed)

    def barrier(self, queue: str) -> Barrier | None:
        """What keeps back the rest of a queue of which all eligible runs were admitted."""
        if queue in self.held:
            return Barrier.PLACE_HELD
        return Barrier.DEPLOYMENT_FULL if queue in self.crowded else None

    def first(self, queue: str, count: int) -> Sequence[Run]:
        """The first runs of a queue and its lanes that are eligible, at most `count`. A queue may be read again."""
        for run in self._taken.pop(queue, ()):
            self._take(run, -1)
        look, eligible = _Look(left=count), list[Run]()
        for run in self._in_order(queue, look):
            if reason := self._why_missed(run):
                look.passed += 1
                self.missed[run.id] = run, reason
            elif self.room_of(run.deployment) <= 0:
                self._pass_full(queue, look, run)
            elif self._is_held(run):
                look.passed += 1
                self.held.add(queue)
            else:
                eligible.append(run)
                look.left -= 1
                self._take(run)
            if not look.left:
                break
        if self._holds and look.passed >= MAX_PASSED and not eligible:
            self.passed |= look.after
        self._taken[queue] = eligible
        return eligible

    def give_back(self) -> None:
        """Take no run any more; room is counted anew."""
        self._room.clear()
        self._taken.clear()

    def room_of(self, deployment: str | None) -> int:
        """How many more runs of a deployment may start."""
        if deployment is None:
            return UNLIMITED
        if deployment not in self._room:
            limit = self._limits.limit(deployment)
            self._room[deployment] = UNLIMITED if limit is None else room(limit, self._limits.live(deployment))
        return self._room[deployment]

    def _in_order(self, queue: str, look: _Look) -> Iterator[Run]:
        """The due runs of a queue and its open lanes in order. Those of a priority are read once all before it are used up."""
        lines: dict[int, list[str | None]] = {0: [None]}
        for lane in self._limits.lanes(queue):
            if (deployment := limited_by(lane)) is not None and self.room_of(deployment) <= 0:
                self._note_full(queue, deployment)
            else:
                lines.setdefault(priority_of(lane), []).append(lane)
        for priority in sorted(lines):
            yield from merge(*(self._runs(queue, look, lane) for lane in lines[priority]), key=position_of)

    def _runs(self, queue: str, look: _Look, lane: str | None) -> Iterator[Run]:
        """The due runs of a queue or a lane, page by page, each longer than the one before, as long as it makes sense.

        Of a lane the first run without room is read as well: it says that more of them wait.
        """
        deployment, name = limited_by(lane), line(queue, lane)
        if deployment is not None and self.room_of(deployment) <= 0:
            self._note_full(queue, deployment)  # runs of other lanes have taken the rest
        after = self._start(queue, name, look)
        page = min(look.left, self.room_of(deployment) + 1, MAX_PASSED)
        while look.passed < MAX_PASSED and self.room_of(deployment) > 0:
            runs = self._due(queue, page, after) if lane is None else self._due(queue, page, after, lane)
            yield from runs
            if runs:
                after = look.after[name] = position_of(runs[-1])
            if len(runs) < page:
                return
            page = min(2 * page, MAX_PASSED)

    def _start(self, queue: str, name: str, look: _Look) -> Position | None:
        """The position after which a queue or a lane is read: what comes before is known to be held."""
        start = holds.first_position(self._pool.holds, name, self._now) if self._holds else None
        if start is not None:
            look.after[name] = start
            self.held.add(queue)
        return start

    def _take(self, run: Run, number: int = 1) -> None:
        if run.deployment is not None and self._room[run.deployment] < UNLIMITED:
            self._room[run.deployment] -= number

    def _pass_full(self, queue: str, look: _Look, run: Run) -> None:
        self._note_full(queue, run.deployment or "")
        if limited_by(run.lane) is None:
            look.passed += 1
            self.astray[run.id] = run

    def _note_full(self, queue: str, deployment: str) -> None:
        self.full.add(deployment)
        self.crowded.add(queue)

    def _is_held(self, run: Run) -> bool:
        if not self._holds:
            return False
        needs = self._needs(run)
        return any(holds.concerns(hold, needs) for hold in self._holds)


def sharing(
    pool: WorkPool, in_use: Mapping[str, int], now: datetime, most: Mapping[str, int] | None = None
) -> Sequence[Claimant]:
    """The open queues of a pool with fair shares. `most`: how many runs of a queue can start at all, where that is known."""
    return [
        Claimant(
            queue=queue,
            held=in_use.get(queue.name, 0),
            most=min(room(queue.concurrency_limit, in_use.get(queue.name, 0)), (most or {}).get(queue.name, UNLIMITED)),
        )
        for queue in pool.queues
        if closed_by(pool, queue, in_use, now) is None
    ]


class _Sharing:
    """Admits by fair shares. Reads each queue as far as its share reaches, and further where others leave something.

    A queue that is read again is asked for at least twice as many runs, so that all readings together read a small multiple of
    what is admitted.
    """

    def __init__(self, pool: WorkPool, in_use: Mapping[str, int], slots: int, now: datetime, line: _Line) -> None:
        self._pool, self._in_use, self._slots, self._now, self._line = pool, in_use, slots, now, line
        self._runs: dict[str, Sequence[Run]] = {}
        self._most: dict[str, int] = {}
        """By queue of which all due runs are known: how many there are."""
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
        return self._line.admission(admitted, stops)

    def _filled(self) -> Mapping[str, int]:
        """The shares, once every queue was read as far as its share reaches. No share falls while that goes on."""
        shares = self._dealt()
        while short := [name for name, share in shares.items() if share > len(self._runs.get(name, ()))]:
            for name in short:
                self._read(name, shares[name])
            shares = self._dealt()
        return shares

    def _reserves_too_much(self, shares: Mapping[str, int]) -> bool:
        """Whether runs that were read beyond a share have room of a deployment, which another queue may have lacked."""
        beyond = [run for name, runs in self._runs.items() for run in runs[shares.get(name, 0) :]]
        return any(self._line.room_of(run.deployment) < UNLIMITED for run in beyond)

    def _read_anew(self) -> None:
        """Give all room back, and from now on read no run beyond a share."""
        self._line.give_back()
        self._runs, self._most, self._is_exact = {}, {}, True

    def _dealt(self) -> Mapping[str, int]:
        return dealt(max(self._slots, 0), sharing(self._pool, self._in_use, self._now, self._most))

    def _read(self, queue: str, share: int) -> None:
        asked = min(share if self._is_exact else max(share, 2 * len(self._runs.get(queue, ()))), max(self._slots, 0))
        self._runs[queue] = self._line.first(queue, asked)
        if len(self._runs[queue]) < asked:
            self._most[queue] = len(self._runs[queue])

    def _barrier(self, queue: WorkQueue, shares: Mapping[str, int]) -> Barrier | None:
        barrier, share = closed_by(self._pool, queue, self._in_use, self._now), shares.get(queue.name, 0)
        if barrier is not None:
            return barrier
        if share == self._most.get(queue.name):
            return self._line.barrier(queue.name)
        if share == room(queue.concurrency_limit, self._in_use.get(queue.name, 0)):
            return Barrier.QUEUE_FULL
        alone = share == sum(shares.values()) > 0
        return Barrier.OWN_QUEUE if alone else Barrier.FAIR_SHARE


def _full(runs: Sequence[Run], count: int, free: int) -> Barrier | None:
    """Why a queue that was served stops: its own limit, or no more free slots. None: all its runs were admitted."""
    if len(runs) < count:
        return None
    return Barrier.QUEUE_FULL if count == free else Barrier.OWN_QUEUE
