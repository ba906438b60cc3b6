"""The line of a queue: its due runs in the order in which they start, and the runs that it leaves out.

This module defines the order of a queue, which is total: priority, due time and id (`holds.order_in_queue`). If the deployments
share the queue fairly, the next slot goes to the deployment that holds least for its weight, and to the first of its runs in
that same order. Runs are read lane by lane, only as far as they are needed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from heapq import heapify, heappop, heappush, merge
from uuid import UUID

from dispatcher.core import holds
from dispatcher.core.barriers import UNLIMITED, Barrier, room
from dispatcher.core.holds import line, order_in_queue, position_of
from dispatcher.core.sharing import Claimant, Sharer, dealt, level
from dispatcher.models import PoolHold, Run, Share, WorkPool, WorkQueue
from dispatcher.models.lanes import limited_by, priority_of
from dispatcher.models.records import DeploymentLimits, Due, Position
from providers.base import Needs

MAX_PASSED = 1000
"""How many runs of one queue one claim passes over at most (a page more is possible): held runs, missed runs, and runs that do
not wait in the lane of their deployment. The next claim continues from there."""

NO_LIMITS = DeploymentLimits()


def needs_nothing(_run: Run) -> Needs:
    """The needs of a run whose needs are unknown: only a hold of the whole pool applies to it."""
    return Needs()


def never_missed(_run: Run) -> str:
    """No due run is missed."""
    return ""


@dataclass(slots=True)
class _Look:
    """How far one look through a queue and its lanes has come."""

    left: int
    """How many eligible runs are still to be found."""
    after: dict[str, Position] = field(default_factory=dict)
    """By `holds.line`: the last position that was read."""
    passed: int = 0
    """Runs that were passed over."""
    cleared: int = 0
    """How many of them the next claim will not meet: missed runs end, and others are moved to lanes."""
    is_cut: bool = False
    """Whether too few runs without a deployment were read, because too many others come first."""
    pages: Mapping[str, int] = field(default_factory=dict)
    """By deployment, in a shared queue: how many of its runs are read first."""
    taken: Counter[str] = field(default_factory=Counter)
    """By deployment: the eligible runs."""
    strays: list[Run] = field(default_factory=list)
    """In a shared queue: the runs that were read and do not wait in a lane of their deployment."""


class _Crowd:
    """The runs of a shared queue that wait in no lane of a deployment, grouped by deployment; "" for runs without one.

    After a queue becomes shared, runs of deployments stay there until they are read; then they are moved to lanes. They are
    read only as far as runs without a deployment are needed, so they wait no longer than in a strict queue.
    """

    def __init__(self, runs: Iterator[Run], count: int, look: _Look) -> None:
        self._runs, self._read, self._look = runs, 0, look
        self.by_deployment: dict[str, deque[Run]] = {"": deque()}
        while len(self.by_deployment[""]) < count and self._read_on():
            pass

    def of(self, deployment: str) -> Iterator[Run]:
        """The runs of one deployment that were read, followed by runs without a deployment."""
        runs = self.by_deployment.get(deployment, deque())
        while runs or (not deployment and self._read_on()):
            if runs:
                yield runs.popleft()

    def _read_on(self) -> bool:
        self._look.is_cut = self._read >= MAX_PASSED and bool(self._look.strays)
        run = next(self._runs, None) if self._read < MAX_PASSED else None
        if run is None:
            return False
        self._read += 1
        self.by_deployment.setdefault(run.deployment or "", deque()).append(run)
        if run.deployment is not None:
            self._look.strays.append(run)
        return True


class Line:
    """Reads the due runs of queues and their lanes, without held runs and runs of full deployments."""

    def __init__(
        self,
        pool: WorkPool,
        due: Due,
        now: datetime,
        *,
        needs: Callable[[Run], Needs] = needs_nothing,
        limits: DeploymentLimits = NO_LIMITS,
        why_missed: Callable[[Run], str] = never_missed,
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
        self.cut: set[str] = set()
        """The queues that were not read to their end: too many runs were passed over. The next claim does not meet those
        runs."""
        self.passed: dict[str, Position] = {}
        self.full: set[str] = set()
        self.astray: dict[UUID, Run] = {}
        self.missed: dict[UUID, tuple[Run, str]] = {}
        self._taken: dict[str, Sequence[Run]] = {}
        """By queue: the runs that were eligible when it was last read."""

    def barrier(self, queue: str) -> Barrier | None:
        """What keeps back the rest of a queue after all eligible runs that were read are admitted."""
        if queue in self.held:
            return Barrier.PLACE_HELD
        if queue in self.crowded:
            return Barrier.DEPLOYMENT_FULL
        return Barrier.EARLIER_RUNS if queue in self.cut else None

    def first(self, queue: WorkQueue, count: int) -> Sequence[Run]:
        """The first runs of a queue and its lanes that are eligible, at most `count`. A queue may be read again."""
        for run in self._taken.pop(queue.name, ()):
            self._take(run, -1)
        look, eligible = _Look(left=count), list[Run]()
        for run in self._by_share(queue, look) if queue.share is Share.FAIR else self._in_order(queue.name, look):
            if self._is_eligible(queue.name, look, run):
                eligible.append(run)
                look.left -= 1
                look.taken[run.deployment or ""] += 1
                self._take(run)
            if not look.left:
                break
        self._note(queue.name, look, eligible)
        self._taken[queue.name] = eligible
        return eligible

    def _is_eligible(self, queue: str, look: _Look, run: Run) -> bool:
        if reason := self._why_missed(run):
            look.passed += 1
            look.cleared += 1
            self.missed[run.id] = run, reason
        elif self.room_of(run.deployment) <= 0:
            self._pass_full(queue, look, run)
        elif self._is_held(run):
            look.passed += 1
            self.held.add(queue)
        else:
            return True
        return False

    def _note(self, queue: str, look: _Look, eligible: Sequence[Run]) -> None:
        """Note the runs that a look has passed over."""
        if self._holds and look.passed >= MAX_PASSED and not eligible:
            self.passed |= look.after
        if look.left and (look.is_cut or look.passed >= MAX_PASSED > look.passed - look.cleared):
            self.cut.add(queue)
        self.astray |= {run.id: run for run in look.strays if run.id not in self.missed}

    def give_back(self) -> None:
        """Give back the room of all runs that were taken, and count it anew."""
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

    # The order of a queue

    def _in_order(self, queue: str, look: _Look) -> Iterator[Run]:
        """The due runs of a queue and its open lanes in order. Runs of a lower priority are read once all above are used up."""
        lines: dict[int, list[str | None]] = {0: [None]}
        for lane in self._open_lanes(queue):
            lines.setdefault(priority_of(lane), []).append(lane)
        for priority in sorted(lines):
            yield from merge(*(self._runs(queue, look, lane) for lane in lines[priority]), key=position_of)

    def _by_share(self, queue: WorkQueue, look: _Look) -> Iterator[Run]:
        """The due runs of a queue that its deployments share, slot by slot.

        The next run belongs to the deployment that would then hold least for its weight; between equals, the queue's usual
        order decides. All runs without a deployment form one line, with the weight 1. If a deployment's turn does not come,
        none of its runs is read.
        """
        held, lines = self._limits.held(queue.name), self._lines(queue, look)
        heads: dict[str, Run] = {}
        turns: list[tuple[Fraction, tuple[object, ...], str]] = [
            (level(self._weight(name), held.get(name, 0)), (), name) for name in lines
        ]
        heapify(turns)
        while turns:
            turn, order, name = heappop(turns)
            if order:
                yield heads[name]
                heappush(turns, (level(self._weight(name), held.get(name, 0) + look.taken[name]), (), name))
            elif run := next(lines[name], None):
                heads[name] = run
                heappush(turns, (turn, order_in_queue(run), name))

    def _lines(self, queue: WorkQueue, look: _Look) -> dict[str, Iterator[Run]]:
        """By deployment of a shared queue: its due runs in their order."""
        own: dict[str, list[str | None]] = {}
        shared: list[str | None] = [None]
        for lane in self._open_lanes(queue.name):
            deployment = limited_by(lane)
            (own.setdefault(deployment, []) if deployment is not None else shared).append(lane)
        look.pages = first_pages(queue.name, own, look.left, self._limits)
        crowd = _Crowd(self._by_priority(queue.name, look, shared), look.left, look)
        return {
            name: merge(self._by_priority(queue.name, look, own.get(name, ())), crowd.of(name), key=order_in_queue)
            for name in {**crowd.by_deployment, **own}
        }

    def _by_priority(self, queue: str, look: _Look, lanes: Iterable[str | None]) -> Iterator[Run]:
        for lane in sorted(lanes, key=priority_of):
            yield from self._runs(queue, look, lane)

    def _open_lanes(self, queue: str) -> Iterator[str]:
        """The lanes of a queue, except the lanes of full deployments."""
        for lane in self._limits.lanes(queue):
            if (deployment := limited_by(lane)) is not None and self.room_of(deployment) <= 0:
                self._note_full(queue, deployment)
            else:
                yield lane

    def _weight(self, deployment: str) -> int:
        return self._limits.weight(deployment) if deployment else 1

    def _runs(self, queue: str, look: _Look, lane: str | None) -> Iterator[Run]:
        """The due runs of a queue or a lane, in pages that grow, until nothing more can be admitted.

        The first run of a lane that has no room is read as well: it shows that more runs wait.
        """
        deployment, name = limited_by(lane), line(queue, lane)
        if deployment is not None and self.room_of(deployment) <= 0:
            self._note_full(queue, deployment)  # runs of other lanes have taken the remaining room
        after = self._start(queue, name, look)
        page = min(look.pages.get(deployment or "", look.left), self.room_of(deployment) + 1, MAX_PASSED)
        while look.passed < MAX_PASSED and self.room_of(deployment) > 0:
            runs = self._due(queue, page, after) if lane is None else self._due(queue, page, after, lane)
            yield from runs
            if runs:
                after = look.after[name] = position_of(runs[-1])
            if len(runs) < page:
                return
            page = min(2 * page, MAX_PASSED)

    def _start(self, queue: str, name: str, look: _Look) -> Position | None:
        """The position after which a queue or a lane is read: all runs before it are held."""
        start = holds.first_position(self._pool.holds, name, self._now) if self._holds else None
        if start is not None:
            look.after[name] = start
            self.held.add(queue)
        return start

    # Runs that are taken, and runs that are passed over

    def _take(self, run: Run, number: int = 1) -> None:
        if run.deployment is not None and self._room[run.deployment] < UNLIMITED:
            self._room[run.deployment] -= number

    def _pass_full(self, queue: str, look: _Look, run: Run) -> None:
        self._note_full(queue, run.deployment or "")
        if limited_by(run.lane) is None:
            look.passed += 1
            look.cleared += 1
            self.astray[run.id] = run

    def _note_full(self, queue: str, deployment: str) -> None:
        self.full.add(deployment)
        self.crowded.add(queue)

    def _is_held(self, run: Run) -> bool:
        if not self._holds:
            return False
        needs = self._needs(run)
        return any(holds.concerns(hold, needs) for hold in self._holds)


def first_pages(queue: str, deployments: Iterable[str], count: int, limits: DeploymentLimits) -> Mapping[str, int]:
    """How many runs of each deployment of a shared queue are read first: its share if all have enough runs, and at least one.

    No run of a full deployment is read, and of a deployment with a limit only as many as it has room for.
    """
    held = limits.held(queue)
    parties = [
        Claimant(party=Sharer(name=name, weight=limits.weight(name)), held=held.get(name, 0), most=UNLIMITED)
        for name in deployments
    ]
    return {name: max(1, share) for name, share in dealt(count, parties).items()}
