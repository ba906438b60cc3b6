"""Reads for people: lists, counts and positions in a queue. Their cost may depend on the number of runs that they search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from uuid import UUID

from dispatcher.models import SLOT_STATES, TERMINAL_STATES, Run, RunState
from dispatcher.models.lanes import lanes_between, priority_of
from dispatcher.models.records import LOOKED_AT, EndedRun, QueueCount, RunFilter, Searched, Tallied
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.index_entries import Passed, Walk
from dispatcher.stores.dynamodb.items import id_in, key_in, small, small_run_in
from dispatcher.stores.dynamodb.lanes import lane_entries, lanes_in
from dispatcher.stores.dynamodb.pools import Pools
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import RunWriter

READ_AT_ONCE = 1000
"""The most runs that one page of a list by tag or name reads: ten requests."""


class Listing:
    """Reads for people."""

    def __init__(self, table: Table, pools: Pools, changes: RunWriter) -> None:
        self._table, self._pools, self._changes = table, pools, changes

    def runs(self, where: RunFilter, limit: int, offset: int) -> Sequence[Run]:
        """See `Store.runs`. The index may lag a moment behind the last writes; the runs themselves are current."""
        if self._is_of_index(where):
            return self._read(islice(self._ids(where, offset + limit), offset, offset + limit))
        return list(islice(self._matching_all(where, offset + limit), offset, offset + limit))

    def search(self, where: RunFilter, limit: int, most: int) -> Searched:
        """See `Store.search`. It looks at `most` entries of the index, and by tag or name reads `READ_AT_ONCE` runs at most."""
        if _is_of_holders(where):
            return Searched(self.runs(where, limit, 0))
        runs = list[Run]()
        for some, until in self._searched(where, limit, most):
            runs += some
            if len(runs) >= limit:
                return Searched(runs[: max(limit, 0)])
            if until:
                return Searched(runs, keys.listed_at(until))
        return Searched(runs)

    def tally(self, where: RunFilter, most: int) -> Tallied:
        """See `Store.tally`. Counts the entries of the index; a count by tag or name reads `READ_AT_ONCE` runs at most."""
        if _is_of_holders(where):
            return Tallied(sum(1 for _ in self._ids(where, most)))
        if not self._is_of_index(where):
            runs, until = self.search(where, most + 1, most)
            return Tallied(len(runs), until)
        number = 0
        for passed in self._walked(where, most, most):
            number += passed.run is not None
            if passed.is_end:
                return Tallied(number, keys.listed_at(passed.listed))
        return Tallied(number)

    def count(self, where: RunFilter, limit: int) -> int:
        """See `Store.count`. Counts the entries of the index; a count by tag or name reads each run."""
        matching = self._ids(where, limit) if self._is_of_index(where) else self._matching_all(where, limit)
        return sum(1 for _ in islice(matching, max(limit, 0)))

    def ended(self, pool: str, since: datetime, limit: int) -> Sequence[EndedRun]:
        """See `Store.ended`. No index is sorted by end, so each of the newest ended runs is read."""
        ids = self._ids(RunFilter(pool=pool, states=TERMINAL_STATES), LOOKED_AT)
        ended = self._matching(islice(ids, LOOKED_AT), RunFilter())
        runs = [EndedRun.of(run) for run in ended if run.ended_at is not None and run.ended_at >= since]
        return sorted(runs, key=lambda run: (run.ended_at, run.id), reverse=True)[: max(limit, 0)]

    def counts(self, pool: str, now: datetime) -> Mapping[str, QueueCount]:
        """See `Store.counts`."""
        stored = self._pools.read(pool)
        return {queue.name: self._count(pool, queue.name, now, stored.used) for queue in stored.pool.queues} if stored else {}

    def ahead(self, run: Run, now: datetime) -> int:
        """See `Store.ahead`."""
        end, position = keys.after(now), keys.just_before(keys.at(run.due_at, run.id))
        lanes: list[str | None] = [None, *lanes_in(self._table, run.pool, run.queue, now)]
        before = {lane: end if priority_of(lane) < run.priority else min(position, end) for lane in lanes}
        return sum(
            self._count_lane(run.pool, run.queue, lane, last)
            for lane, last in before.items()
            if priority_of(lane) <= run.priority
        )

    def waiting_in_lanes(self, pool: str, deployment: str, now: datetime) -> int:
        """See `Store.waiting_in_lanes`."""
        stored, end = self._pools.read(pool), keys.after(now)
        queues = [queue.name for queue in stored.pool.queues] if stored and stored.has_lanes else []
        return sum(
            self._count_lane(pool, queue, lane, end)
            for queue in queues
            for lane in [deployment, *lanes_in(self._table, pool, queue, now, among=lanes_between(deployment))]
        )

    def expired(self, pool: str, now: datetime, limit: int) -> Sequence[Run]:
        """See `Store.expired`."""
        page = min(max(limit, 1), 1000)
        entries = islice(self._table.query(keys.expiring(pool), before=keys.after(now), page=page), limit)
        runs = self._read(id_in(key_in(item)) for item in entries)
        return [small(run) for run in runs if run.state is RunState.SCHEDULED and run.expires_at and run.expires_at <= now]

    def _count(self, pool: str, queue: str, now: datetime, used: Mapping[str, int]) -> QueueCount:
        due = self._waiting_before(pool, queue, keys.after(now))
        return QueueCount(due=due, later=self._table.count(keys.waiting(pool, queue)) - due, in_use=used.get(queue, 0))

    def _waiting_before(self, pool: str, queue: str, position: str) -> int:
        """How many runs wait in a queue and its lanes before a position."""
        lanes = [None, *lanes_in(self._table, pool, queue)]
        return sum(self._count_lane(pool, queue, lane, position) for lane in lanes)

    def due_count(self, pool: str, queue: str, now: datetime, limit: int) -> int:
        """See `Store.due_count`."""
        count, page, partition = 0, min(max(limit, 1), 1000), keys.waiting(pool, queue)
        for lane in chain([None], lanes_in(self._table, pool, queue, now)):
            if count >= limit:
                break
            count += sum(1 for _ in islice(lane_entries(self._table, partition, lane, now, page=page), limit - count))
        return count

    def _count_lane(self, pool: str, queue: str, lane: str | None, position: str) -> int:
        partition = keys.waiting(pool, queue)
        return self._table.count(partition, first=keys.in_lane(lane), before=keys.in_lane(lane, position))

    def _is_of_index(self, where: RunFilter) -> bool:
        """Whether the entries that `_ids` reads contain every attribute that the filter needs."""
        return _is_of_holders(where) or (where.tag is None and where.name is None)

    def _ids(self, where: RunFilter, page: int) -> Iterator[UUID]:
        """The runs that match by their attributes in the index, newest first. `page`: how many the first request looks for."""
        if where.states is not None and not where.states:
            return iter(())
        if _is_of_holders(where):
            return self._holding(self._names(where), where)
        return (passed.run for passed in self._walked(where, page) if passed.run is not None)

    def _walked(self, where: RunFilter, page: int, most: int | None = None) -> Iterator[Passed]:
        if where.states is not None and not where.states:
            return iter(())
        return Walk(self._table, where, page=page, most=most).through(self._names(where))

    def _names(self, where: RunFilter) -> Sequence[str]:
        return [where.pool] if where.pool is not None else self._pools.names()

    def _searched(self, where: RunFilter, limit: int, most: int) -> Iterator[tuple[Sequence[Run], str]]:
        """The runs that match, some at a time; and where the search ends, once it has looked at as many as it may."""
        checked = RunFilter(tag=where.tag, name=where.name)
        at_once, left = (max(limit, 1), most) if self._is_of_index(where) else (100, min(most, READ_AT_ONCE))
        pending = list[UUID]()
        for passed in self._walked(where, min(max(limit, 1), left), most):
            pending += [passed.run] if passed.run else []
            is_end = passed.is_end or len(pending) >= left
            if len(pending) >= at_once or is_end:
                yield list(filter(checked.matches, self._read(pending))), passed.listed if is_end else ""
                left -= len(pending)
                pending = []
        yield list(filter(checked.matches, self._read(pending))), ""

    def _matching_all(self, where: RunFilter, page: int) -> Iterator[Run]:
        return self._matching(self._ids(where, page), RunFilter(tag=where.tag, name=where.name))

    def _read(self, ids: Iterable[UUID]) -> Sequence[Run]:
        ordered = list(ids)
        stored = self._changes.read(ordered)
        return [stored[run_id].run for run_id in ordered if run_id in stored]

    def _matching(self, ids: Iterator[UUID], where: RunFilter) -> Iterator[Run]:
        """The runs that match by attributes which the index lacks: each run is read."""
        while batch := list(islice(ids, 100)):
            yield from filter(where.matches, self._read(batch))

    def _holding(self, pools: Iterable[str], where: RunFilter) -> Iterator[UUID]:
        """Runs that hold a slot, newest first, found by the entries that ticks use. It reads one entry per live run."""
        runs = [run for pool in pools for run in self._claimed_and_live(pool)]
        if where.tag is not None:
            runs = list(self._read(run.id for run in runs))
        matching = sorted(filter(where.matches, runs), key=lambda run: keys.newest_first(run.created_at, run.id))
        return (run.id for run in matching)

    def _claimed_and_live(self, pool: str) -> Sequence[Run]:
        """Live runs come without their long texts."""
        claimed = self._read(id_in(key_in(item)) for item in self._table.query(keys.claimed(pool)))
        return [*claimed, *(small_run_in(item) for item in self._table.query(keys.live(pool)))]


def _is_of_holders(where: RunFilter) -> bool:
    """Whether only runs that hold a slot can match. The entries that ticks use list these, without tags."""
    return where.states is not None and where.states <= SLOT_STATES
