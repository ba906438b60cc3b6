"""A claim's snapshot of a pool in SQL: one statement reads the heads of all open queues and their runs' deployments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dispatcher.core.admission import closed_by, room, sharing
from dispatcher.core.holds import position_of
from dispatcher.core.sharing import dealt
from dispatcher.models import Deployment, Run, Share, WorkPool
from dispatcher.records import Position, Snapshot
from dispatcher.stores.rows import DEPLOYMENT, RUN
from dispatcher.stores.transaction import Transaction

HEADS = 100
"""The most due runs that are read ahead when no number is given."""


def snapshot(
    transaction: Transaction, pool: WorkPool, in_use: Mapping[str, int], now: datetime, *, batch: int | None = None
) -> Snapshot:
    """A pool as its transaction sees it. `batch`: the most runs that a claim reads; None for `Store.look`."""
    reader = _Reader(transaction, pool, in_use, now, batch)
    return Snapshot(pool=pool, in_use=in_use, due=reader.due, deployment=reader.deployment)


@dataclass(frozen=True, slots=True)
class _Head:
    """The first due runs of a queue."""

    runs: Sequence[Run]
    is_all: bool
    """Whether none is due behind them."""


class _Reader:
    """Reads queues. The first call reads the heads of all open queues, so that a claim has few round trips."""

    def __init__(
        self, transaction: Transaction, pool: WorkPool, in_use: Mapping[str, int], now: datetime, batch: int | None
    ) -> None:
        self._transaction, self._pool, self._in_use, self._now = transaction, pool, in_use, now
        self._batch = batch
        self._heads: Mapping[str, _Head] | None = None
        self._deployments: dict[str, Deployment | None] = {}

    def due(self, queue: str, limit: int, after: Position | None = None) -> Sequence[Run]:
        """See `records.Due`."""
        if limit <= 0:
            return []
        if self._heads is None:
            self._heads = self._read_heads(limit)
        if (head := self._heads.get(queue)) and after is None and (head.is_all or len(head.runs) >= limit):
            return head.runs[:limit]
        if head and after is not None and head.is_all:
            return [run for run in head.runs if position_of(run) > after][:limit]
        parameters: dict[str, Any] = {"pool": self._pool.name, "queue": queue, "now": self._now, "limit": limit}
        if after is None:
            return [RUN.decode(row) for row in self._transaction.rows("due", **parameters)]
        return [RUN.decode(row) for row in self._transaction.rows("due_after", **parameters, due_at=after[0], id=after[1])]

    def deployment(self, name: str) -> Deployment | None:
        """One deployment, read once."""
        if name not in self._deployments:
            row = self._transaction.row("deployment", name=name)
            self._deployments[name] = DEPLOYMENT.decode(row) if row else None
        return self._deployments[name]

    def _read_heads(self, limit: int) -> Mapping[str, _Head]:
        """The heads of the open queues, each as long as its queue's room, and not more than the claim needs."""
        total, rooms = self._sizes(limit)
        if not rooms:
            return {}
        sizes = {queue: min(size, total) for queue, size in rooms.items()}
        rows, deployments = self._transaction.heads(
            pool=self._pool.name, now=self._now, limit=max(sizes.values()), total=total, rooms=json.dumps(sizes)
        )
        self._deployments.update({row[0]: DEPLOYMENT.decode(row) for row in deployments})
        numbered = [(number, RUN.decode(columns)) for number, *columns in rows]
        return _heads(numbered, sizes, was_cut=len(rows) >= total)

    def _sizes(self, limit: int) -> tuple[int, Mapping[str, int]]:
        """How many runs in all, and how many of each queue, in order of priority."""
        if self._batch is None:
            size = min(max(limit, 1), HEADS)
            return max(HEADS, len(self._pool.queues)), {queue.name: size for queue in self._pool.queues}
        total = min(max(limit, self._batch or HEADS), room(self._pool.concurrency_limit, sum(self._in_use.values())))
        rooms = {
            queue.name: room(queue.concurrency_limit, self._in_use.get(queue.name, 0))
            for queue in self._pool.queues
            if closed_by(self._pool, queue, self._in_use, self._now) is None
        }
        if self._pool.share is Share.FAIR:  # what each gets where all have runs enough; the rest is read as it is asked for
            return total, {
                name: share for name, share in dealt(total, sharing(self._pool, self._in_use, self._now)).items() if share
            }
        return total, rooms


Numbered = Sequence[tuple[int | None, Run]]
"""Runs with their numbers in their queues, where the database gives them."""


def _heads(numbered: Numbered, sizes: Mapping[str, int], *, was_cut: bool) -> Mapping[str, _Head]:
    """The heads of the queues that were read completely: a cut leaves the queues before that of its last run whole."""
    by_queue: dict[str, list[tuple[int | None, Run]]] = {queue: [] for queue in sizes}
    for number, run in numbered:
        by_queue[run.queue].append((number, run))
    order = {queue: number for number, queue in enumerate(sizes)}
    numbers = [order[run.queue] for _, run in numbered]
    if numbers != sorted(numbers):
        return {}  # then nobody knows what a cut has left out
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
