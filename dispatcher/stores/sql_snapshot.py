"""A claim's snapshot of a pool in SQL: one statement reads the heads of all open queues and their runs' deployments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatcher.core.admission import sharing
from dispatcher.core.barriers import closed_by, room
from dispatcher.core.holds import position_of
from dispatcher.core.lines import first_pages
from dispatcher.core.sharing import dealt
from dispatcher.models import Deployment, Run, Share, WorkPool, WorkQueue
from dispatcher.models.lanes import limited_by, priority_of
from dispatcher.models.records import DeploymentLimits, Position, Snapshot
from dispatcher.stores.rows import DEPLOYMENT, RUN
from dispatcher.stores.transaction import Call, Row, Transaction

HEADS = 100
"""The most due runs that are read ahead if no number is given."""


@dataclass(frozen=True, slots=True)
class InUse:
    """What a transaction counts before it decides."""

    by_queue: Mapping[str, int]
    """Slots in use."""
    lanes: Mapping[str, Sequence[str]]
    """By queue: the lanes in which runs are due."""
    live: Mapping[str, int]
    """By lane that has no priority: how many runs of its deployment hold a slot."""

    @classmethod
    def of(cls, uses: Sequence[Row], lanes: Sequence[Row]) -> InUse:
        """From the rows of the statements of `use_calls`."""
        by_queue: dict[str, list[str]] = {}
        for queue, lane, _ in lanes:
            by_queue.setdefault(queue, []).append(lane)
        return cls(dict(uses), by_queue, {lane: live for _, lane, live in lanes if not priority_of(lane)})

    @property
    def deployments(self) -> Sequence[str]:
        """The deployments whose limits apply to lanes."""
        names = (limited_by(lane) for lanes in self.lanes.values() for lane in lanes)
        return list(dict.fromkeys(name for name in names if name is not None))


def use_calls(pool: str, now: datetime) -> Sequence[Call]:
    """The statements whose rows `InUse.of` takes."""
    return ("in_use", {"pool": pool}), ("lanes", {"pool": pool, "now": now})


def snapshot(
    transaction: Transaction,
    pool: WorkPool,
    uses: InUse,
    now: datetime,
    *,
    batch: int | None = None,
    read: dict[UUID, Run] | None = None,
) -> Snapshot:
    """A pool as its transaction sees it. `batch`: the most runs that a claim reads; None for `Store.look`. Runs that are read
    are put into `read`, by id.
    """
    reader = _QueueReader(transaction, pool, uses, now, batch)
    if read is not None:
        reader.read = read
    return Snapshot(
        pool=pool,
        in_use=uses.by_queue,
        due=reader.due,
        deployment=reader.deployment,
        lanes=lambda queue: uses.lanes.get(queue, ()),
        live=reader.live,
        held=reader.held,
        run=reader.run,
    )


@dataclass(frozen=True, slots=True)
class _Head:
    """The first due runs of a queue."""

    runs: Sequence[Run]
    is_all: bool
    """Whether these are all due runs."""


class _QueueReader:
    """Reads queues. The first call reads the heads of all open queues, so that a claim takes few round trips."""

    def __init__(self, transaction: Transaction, pool: WorkPool, uses: InUse, now: datetime, batch: int | None) -> None:
        self._transaction, self._pool, self._in_use, self._now = transaction, pool, uses.by_queue, now
        self._uses, self._live = uses, dict(uses.live)
        self._held: dict[str, Mapping[str, int]] = {}
        self._batch = batch
        self._heads: Mapping[str, _Head] | None = None
        self._lane_heads: dict[int, Mapping[tuple[str, str], _Head]] = {}
        """By priority."""
        self._pages: dict[str, Mapping[str, int]] = {}
        """By shared queue and deployment: how many of the deployment's runs are read ahead."""
        self._deployments: dict[str, Deployment | None] = {}
        self.read: dict[UUID, Run] = {}

    def due(self, queue: str, limit: int, after: Position | None = None, lane: str | None = None) -> Sequence[Run]:
        """See `records.Due`."""
        if limit <= 0:
            return []
        if lane is not None:
            return self._due_in_lane(queue, lane, limit, after)
        if self._heads is None:
            self._heads = self._read_heads(limit)
        if (head := self._heads.get(queue)) and after is None and (head.is_all or len(head.runs) >= limit):
            return head.runs[:limit]
        if head and after is not None and head.is_all:
            return [run for run in head.runs if position_of(run) > after][:limit]
        parameters = self._of_queue(queue, limit)
        if after is None:
            return [self._run(row) for row in self._transaction.rows("due", **parameters)]
        return [self._run(row) for row in self._transaction.rows("due_after", **parameters, due_at=after[0], id=after[1])]

    def _run(self, row: Sequence[Any]) -> Run:
        run = RUN.decode(row)
        self.read[run.id] = run
        return run

    def live(self, deployment: str) -> int:
        """See `Snapshot.live`. Deployments with lanes are counted already; any other is counted on request."""
        if deployment not in self._live:
            row = self._transaction.row("live_of_deployment", pool=self._pool.name, deployment=deployment)
            self._live[deployment] = row[0] if row else 0
        return self._live[deployment]

    def held(self, queue: str) -> Mapping[str, int]:
        """See `Snapshot.held`."""
        if queue not in self._held:
            self._held[queue] = dict(self._transaction.rows("held_in_queue", pool=self._pool.name, queue=queue))
        return self._held[queue]

    def deployment(self, name: str) -> Deployment | None:
        """One deployment, read once; the first one with a lane reads the deployments of all lanes."""
        if name not in self._deployments and name in self._uses.deployments:
            self._read_lanes()
        if name not in self._deployments:
            row = self._transaction.row("deployment", name=name)
            self._deployments[name] = DEPLOYMENT.decode(row) if row else None
        return self._deployments[name]

    def run(self, run_id: UUID) -> Run | None:
        """See `Snapshot.run`."""
        row = self._transaction.row("run", id=run_id)
        return RUN.decode(row) if row else None

    def _read_lanes(self) -> None:
        """The deployments of all lanes, in one trip."""
        names = self._uses.deployments
        cursors = self._transaction.together(*(("deployment", {"name": name}) for name in names))
        for name, cursor in zip(names, cursors, strict=True):
            rows = cursor.fetchall()
            self._deployments[name] = DEPLOYMENT.decode(rows[0]) if rows else None

    def _due_in_lane(self, queue: str, lane: str, limit: int, after: Position | None) -> Sequence[Run]:
        priority = priority_of(lane)
        if priority not in self._lane_heads:
            self._lane_heads[priority] = self._read_lane_heads(limit, priority)
        head = self._lane_heads[priority].get((queue, lane))
        if head and after is None and (head.is_all or len(head.runs) >= limit):
            return head.runs[:limit]
        parameters = {**self._of_queue(queue, limit), "lane": lane}
        if after is None:
            return [self._run(row) for row in self._transaction.rows("due_in_lane", **parameters)]
        rows = self._transaction.rows("due_in_lane_after", **parameters, due_at=after[0], id=after[1])
        return [self._run(row) for row in rows]

    def _read_lane_heads(self, limit: int, priority: int) -> Mapping[tuple[str, str], _Head]:
        """The heads of the lanes with this priority in open queues whose deployments have room, in one trip. Each has one run
        more than fits.
        """
        sizes = {
            (queue.name, lane): min(self._room_of(name) + 1, self._page_of(queue, name, limit))
            for queue in self._pool.queues
            if closed_by(self._pool, queue, self._in_use, self._now) is None
            for lane in self._uses.lanes.get(queue.name, ())
            if priority_of(lane) == priority and (name := limited_by(lane)) is not None and self._room_of(name) > 0
        }
        calls = [("due_in_lane", {**self._of_queue(queue, size), "lane": lane}) for (queue, lane), size in sizes.items()]
        heads = [[self._run(row) for row in cursor.fetchall()] for cursor in self._transaction.together(*calls)]
        pairs = zip(sizes.items(), heads, strict=True)
        return {key: _Head(runs, is_all=len(runs) < size) for (key, size), runs in pairs}

    def _room_of(self, name: str) -> int:
        deployment = self.deployment(name)
        return room(deployment.concurrency_limit if deployment else None, self.live(name))

    def _page_of(self, queue: WorkQueue, deployment: str, limit: int) -> int:
        """How many runs of a lane are read ahead: `limit`, or its share if the queue is shared."""
        if queue.share is Share.STRICT:
            return limit
        if queue.name not in self._pages:
            names = [name for lane in self._uses.lanes[queue.name] if (name := limited_by(lane)) is not None]
            free = room(queue.concurrency_limit, self._in_use.get(queue.name, 0))
            limits = DeploymentLimits(held=self.held, weight=self._weight)
            open_ones = [name for name in dict.fromkeys(names) if self._room_of(name) > 0]
            self._pages[queue.name] = first_pages(queue.name, open_ones, min(self._total(limit), free), limits)
        return self._pages[queue.name][deployment]

    def _weight(self, name: str) -> int:
        deployment = self.deployment(name)
        return deployment.weight if deployment else 1

    def _of_queue(self, queue: str, limit: int) -> dict[str, Any]:
        return {"pool": self._pool.name, "queue": queue, "now": self._now, "limit": limit}

    def _read_heads(self, limit: int) -> Mapping[str, _Head]:
        """The heads of the open queues, each as long as its queue's room, but not longer than the claim needs."""
        total, rooms = self._sizes(limit)
        if not rooms:
            return {}
        sizes = {queue: min(size, total) for queue, size in rooms.items()}
        rows, deployments = self._transaction.heads(
            pool=self._pool.name, now=self._now, limit=max(sizes.values()), total=total, rooms=json.dumps(sizes)
        )
        self._deployments.update({row[0]: DEPLOYMENT.decode(row) for row in deployments})
        numbered = [(number, self._run(columns)) for number, *columns in rows]
        return _heads(numbered, sizes, was_cut=len(rows) >= total)

    def _sizes(self, limit: int) -> tuple[int, Mapping[str, int]]:
        """How many runs to read in all, and from each queue in order of priority."""
        if self._batch is None:
            size = min(max(limit, 1), HEADS)
            return max(HEADS, len(self._pool.queues)), {queue.name: size for queue in self._pool.queues}
        total = self._total(limit)
        rooms = {
            queue.name: room(queue.concurrency_limit, self._in_use.get(queue.name, 0))
            for queue in self._pool.queues
            if closed_by(self._pool, queue, self._in_use, self._now) is None
        }
        if self._pool.share is Share.FAIR:  # each queue's share if all have enough runs; more is read on request
            return total, {
                name: share for name, share in dealt(total, sharing(self._pool, self._in_use, self._now)).items() if share
            }
        return total, rooms

    def _total(self, limit: int) -> int:
        """The most runs that a claim may admit."""
        return min(max(limit, self._batch or HEADS), room(self._pool.concurrency_limit, sum(self._in_use.values())))


Numbered = Sequence[tuple[int | None, Run]]
"""Runs with their numbers in their queues, if the database gives them."""


def _heads(numbered: Numbered, sizes: Mapping[str, int], *, was_cut: bool) -> Mapping[str, _Head]:
    """The heads of the queues that were read completely. If the reading was cut, all queues before that of the last run are
    complete.
    """
    by_queue: dict[str, list[tuple[int | None, Run]]] = {queue: [] for queue in sizes}
    for number, run in numbered:
        by_queue[run.queue].append((number, run))
    order = {queue: number for number, queue in enumerate(sizes)}
    numbers = [order[run.queue] for _, run in numbered]
    if numbers != sorted(numbers):
        return {}  # then it is unknown what a cut has left out
    whole = list(sizes)[: numbers[-1]] if was_cut and numbers else list(sizes)
    heads = {queue: _Head(_ordered(by_queue[queue]), is_all=len(by_queue[queue]) < sizes[queue]) for queue in whole}
    if was_cut and numbered:
        last = numbered[-1][1].queue
        if len(by_queue[last]) == sizes[last] or _is_gapless(by_queue[last]):
            heads[last] = _Head(_ordered(by_queue[last]), is_all=False)
    return heads


def _ordered(numbered: Numbered) -> Sequence[Run]:
    return sorted((run for _, run in numbered), key=position_of)


def _is_gapless(numbered: Numbered) -> bool:
    return sorted(number or 0 for number, _ in numbered) == list(range(1, len(numbered) + 1))
