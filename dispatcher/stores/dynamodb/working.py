"""What a tick reads: the pools with work, and the runs to observe, to discard and to notify about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from uuid import UUID

from dispatcher.core.automations import Watch
from dispatcher.models import Run
from dispatcher.stores.codecs import microseconds
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.items import (
    Item,
    beat,
    id_in,
    is_expired,
    is_startable,
    key_in,
    small,
    small_run_in,
    used_in,
)
from dispatcher.stores.dynamodb.lanes import lane_entries, lanes_in
from dispatcher.stores.dynamodb.pools import Pools
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import MAX_ACTIONS, Action, RunWriter
from dispatcher.stores.dynamodb.watches import watches_in

SIDE_BY_SIDE = 8
"""How many pools are read at the same time; a client has ten connections."""


class Working:
    """Reads for ticks, and notes the heartbeat of pools without work."""

    def __init__(self, table: Table, pools: Pools, changes: RunWriter) -> None:
        self._table, self._pools, self._changes = table, pools, changes

    def pools_with_work(self, now: datetime) -> Sequence[str]:
        """See `Store.pools_with_work`."""
        names = self._pools.names()
        watches = watches_in(self._table.items([keys.WATCHES] if names else []))

        def is_busy(name: str) -> bool:
            return self._has_work(name, now) or self._is_automated(
                name, [watch for watch in watches if watch.concerns(name)], now
            )

        return [name for name, busy in zip(names, _of_each(is_busy, names), strict=True) if busy]

    def heartbeats(self, names: Sequence[str], now: datetime) -> None:
        """See `Store.heartbeats`. One transaction for each hundred pools."""
        action: Action = ("Update", beat(now).update)
        left = iter(dict.fromkeys(names))
        while batch := {keys.slots(name): action for name in islice(left, MAX_ACTIONS)}:
            while batch and (unknown := self._table.transact(batch, self._table.new_token())):
                batch = {key: action for key, action in batch.items() if key not in unknown}

    def live(self, pool: str, limit: int, start: UUID | None) -> Sequence[Run]:
        """See `Store.live`."""
        first, page = start.hex if start else "", min(max(limit, 1), 5000)
        items = list(islice(self._table.query(keys.live(pool), first=first, page=page), limit))
        if first and len(items) < limit:
            items += islice(self._table.query(keys.live(pool), before=first, page=page), limit - len(items))
        return [small_run_in(item) for item in items]

    def lingering(self, pool: str, limit: int) -> Sequence[Run]:
        """See `Store.lingering`."""
        items = islice(self._table.query(keys.lingering(pool), page=min(max(limit, 1), 1000)), limit)
        return [small_run_in(item) for item in items]

    def to_notify(self, pool: str, now: datetime, limit: int) -> Sequence[Run]:
        """See `Store.to_notify`."""
        page = min(max(limit, 1), 1000)
        entries = islice(self._table.query(keys.notifications(pool), before=keys.after(now), page=page), limit)
        ids = [id_in(key_in(item)) for item in entries]
        stored = self._changes.read(ids)
        runs = (stored[run_id].run for run_id in ids if run_id in stored)
        return [small(run) for run in runs if run.notify_at is not None and run.notify_at <= now]

    def _has_work(self, pool: str, now: datetime) -> bool:
        """Whether the pool has work. One request reads all but its configuration; the rest is in separate partitions."""
        _, first = keys.lanes(pool)
        partition, last = keys.windows(pool)
        items = {key_in(item)[1]: item for item in self._table.query(partition, first=first, before=keys.AFTER_WINDOWS)}
        if windows.due_in(items.get(last, {}), now):
            return True
        partitions = [(keys.lingering(pool), ""), (keys.notifications(pool), keys.after(now))]
        if used_in(items.get(keys.slots(pool)[1], {})):
            partitions = [(keys.live(pool), ""), (keys.claimed(pool), keys.after(now)), *partitions]
        if any(self._first(partition, before) for partition, before in partitions):
            return True
        queues = [key.partition("/")[2] for key in items if key.startswith(keys.gate(pool, "")[1])]
        return any(
            self._is_due(pool, queue, now) or (first in items and self._is_due_in_lane(pool, queue, now)) for queue in queues
        )

    def _is_automated(self, pool: str, watches: Sequence[Watch], now: datetime) -> bool:
        """Whether automations have something to do there."""
        if any(watch.looks for watch in watches):
            return True
        partitions = (keys.owed(pool), keys.fired(pool)) if watches else ()
        return any(self._first(partition, keys.after(now)) for partition in partitions)

    def _first(self, partition: str, before: str) -> bool:
        return any(True for _ in self._table.query(partition, before=before, page=1))

    def _is_due(self, pool: str, queue: str, now: datetime) -> bool:
        """Whether the queue has a due run. Skips runs that are held back, even if they come first."""
        entries = self._table.query(keys.waiting(pool, queue), before=keys.after(now), page=30)
        return self._has_startable(entries, now)

    def _is_due_in_lane(self, pool: str, queue: str, now: datetime) -> bool:
        lanes = lanes_in(self._table, pool, queue, now)
        partition = keys.waiting(pool, queue)
        return any(self._has_startable(lane_entries(self._table, partition, lane, now, page=30), now) for lane in lanes)

    @staticmethod
    def _has_startable(entries: Iterable[Item], now: datetime) -> bool:
        """Whether a run can start or has expired."""
        moment = microseconds(now)
        return any(is_startable(entry, moment) or is_expired(entry, moment) for entry in entries)


def _of_each(judge: Callable[[str], bool], names: Sequence[str]) -> Sequence[bool]:
    """The answer for each pool. Several pools are read at a time, because each takes some requests."""
    if len(names) <= SIDE_BY_SIDE:
        return [judge(name) for name in names]
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="dispatcher-pools") as threads:
        return list(threads.map(judge, names))
