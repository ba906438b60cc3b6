"""Which pools a tick has something to do for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.items import Item, is_expired, is_startable, key_in, typed, used_in
from dispatcher.stores.dynamodb.lanes import lane_entries, lanes_in
from dispatcher.stores.dynamodb.pools import Pools
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import MAX_ACTIONS, Action
from dispatcher.stores.rows import microseconds


class Working:
    """Finds the pools with work, and notes that the others were ticked."""

    def __init__(self, table: Table, pools: Pools) -> None:
        self._table, self._pools = table, pools

    def pools_with_work(self, now: datetime) -> Sequence[str]:
        """See `Store.pools_with_work`."""
        names = self._pools.names()
        items = self._table.items([key(name) for name in names for key in (keys.slots, keys.windows, keys.lanes)])
        nothing: Item = {}
        return [
            name
            for name in names
            if windows.due_in(items.get(keys.windows(name), nothing), now)
            or self._has_work(name, items.get(keys.slots(name), nothing), now, has_lanes=keys.lanes(name) in items)
        ]

    def heartbeats(self, names: Sequence[str], now: datetime) -> None:
        """See `Store.heartbeats`. One transaction for each hundred pools."""
        beat: Action = (
            "Update",
            {
                "UpdateExpression": "SET last_tick_at = :now",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeValues": {":now": typed(microseconds(now))},
            },
        )
        left = iter(dict.fromkeys(names))
        while batch := {keys.slots(name): beat for name in islice(left, MAX_ACTIONS)}:
            while batch and (unknown := self._table.transact(batch, self._table.new_token())):
                batch = {key: action for key, action in batch.items() if key not in unknown}

    def _has_work(self, pool: str, slots: Item, now: datetime, *, has_lanes: bool) -> bool:
        partitions = [(keys.lingering(pool), ""), (keys.notifications(pool), keys.after(now))]
        if used_in(slots):
            partitions = [(keys.live(pool), ""), (keys.claimed(pool), keys.after(now)), *partitions]
        if any(self._first(partition, before) for partition, before in partitions):
            return True
        return any(
            self._is_due(pool, queue, now) or (has_lanes and self._is_due_in_lane(pool, queue, now))
            for queue in self._queues(pool)
        )

    def _first(self, partition: str, before: str) -> bool:
        return any(True for _ in self._table.query(partition, before=before, page=1))

    def _queues(self, pool: str) -> Iterator[str]:
        partition, first = keys.gate(pool, "")
        for item in self._table.query(partition, first=first, before=keys.AFTER_GATES):
            yield key_in(item)[1].partition("/")[2]

    def _is_due(self, pool: str, queue: str, now: datetime) -> bool:
        """Runs that are held back and come first are passed over."""
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
