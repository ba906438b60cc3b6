"""Adding and changing runs: read, change by a pure function, write if nothing has changed since, otherwise repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from uuid import UUID

from dispatcher.core import transitions
from dispatcher.errors import StoreError
from dispatcher.models import LogEntry, Run
from dispatcher.models.records import Move, Notified, Requeue
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.items import MAX_BYTES, as_read
from dispatcher.stores.dynamodb.log import Log, entries_of
from dispatcher.stores.dynamodb.pools import Pools
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_changes import discarded, moved, noted, requeued
from dispatcher.stores.dynamodb.run_writes import RunWrite, RunWriter


class Changing:
    """Adds and changes runs in batches, each together with the entry of the log."""

    def __init__(self, table: Table, writer: RunWriter, pools: Pools, log: Log) -> None:
        self._table, self._writer, self._pools, self._log = table, writer, pools, log

    def add(self, runs: Sequence[Run], entry: LogEntry | None) -> frozenset[UUID]:
        """See `DynamoStore.add_runs`."""
        self._require_queues(runs)
        self._open_lanes(run.pool for run in runs if run.lane is not None)
        new = {run.id: as_read(run) for run in reversed(runs)}  # the first of two equal ids
        return self._add({run_id: new[run_id] for run_id in dict.fromkeys(run.id for run in runs)}, entry)

    def restore(self, runs: Sequence[Run]) -> None:
        """See `Store.restore`."""
        self._open_lanes(run.pool for run in runs if run.lane is not None)
        stored = self._writer.read([run.id for run in runs])
        self._add({run.id: as_read(run) for run in runs if run.id not in stored})

    def requeue(self, requeues: Sequence[Requeue], entry: LogEntry | None) -> frozenset[UUID]:
        """See `DynamoStore.requeue`."""
        transitions.check_requeues(requeues)
        queues = [(requeue.pool, requeue.queue) for requeue in requeues]
        by_run: dict[UUID, list[Requeue]] = {}
        for requeue in requeues:
            by_run.setdefault(requeue.run_id, []).append(requeue)
        if pools := {requeue.pool for requeue in requeues if requeue.changes.get("lane") is not None}:
            self._require(queues)
            self._open_lanes(pools)
        functions = {run_id: partial(requeued, of_run) for run_id, of_run in by_run.items()}
        return self._change(functions, lambda: self._require(queues), entry)

    def move(self, moves: Sequence[Move], entry: LogEntry | None) -> frozenset[UUID]:
        """See `Store.move`."""
        transitions.check(moves)
        by_run: dict[UUID, list[Move]] = {}
        for move in moves:
            by_run.setdefault(move.run_id, []).append(move)
        functions = {run_id: partial(moved, of_run) for run_id, of_run in by_run.items()}
        return self._change(functions, entry=entry, ends=any(move.to.is_terminal for move in moves))

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """See `Store.discarded`."""
        self._change(dict.fromkeys(run_ids, discarded))

    def notified(self, notifications: Sequence[Notified]) -> None:
        """See `Store.notified`."""
        self._change({notification.run_id: partial(noted, notification) for notification in notifications})

    def _open_lanes(self, pools: Iterable[str]) -> None:
        """Note that runs of these pools may wait in lanes, before the first run does. The note stays even if no run follows."""
        needed = sorted(set(pools))
        stored = self._table.items([keys.lanes(pool) for pool in needed]) if needed else {}
        for pool in [name for name in needed if keys.lanes(name) not in stored]:
            self._table.transact({keys.lanes(pool): ("Put", {"Item": {}})}, self._table.new_token())

    def _add(self, runs: Mapping[UUID, Run], entry: LogEntry | None = None) -> frozenset[UUID]:
        """Add runs; returns those that did not exist before."""
        left: Sequence[Run] = list(runs.values())
        added: set[UUID] = set()
        for _ in self._table.rounds("runs were not added"):
            added |= self._commit([RunWrite(before=None, after=run) for run in left], entry)
            left = self._still_unknown([run for run in left if run.id not in added])
            if not left:
                break
        return frozenset(added)

    def _change(
        self,
        functions: Mapping[UUID, Callable[[Run], Run | None]],
        check: Callable[[], None] = lambda: None,
        entry: LogEntry | None = None,
        *,
        ends: bool = False,
    ) -> frozenset[UUID]:
        """Change runs by pure functions of the stored runs; a function returns None for a run that stays as it is.

        `check` is called before each round of writes. `ends`: some runs may end, and automations may have to look at that.
        """
        left, changed = dict(functions), set[UUID]()
        for _ in self._table.rounds("runs were not moved"):
            check()
            stored = self._writer.read(list(left), for_ends=ends) if left else {}
            afters = {run_id: left[run_id](current.run) for run_id, current in stored.items() if run_id in left}
            owing = {run_id: self._writer.owing(stored[run_id], after) for run_id, after in afters.items() if after and ends}
            ended = {run_id: after for run_id, after in {**afters, **owing}.items() if after}
            changes = [RunWrite(before=stored[run_id], after=as_read(after)) for run_id, after in ended.items()]
            changed |= self._commit(changes, entry)
            left = {change.after.id: left[change.after.id] for change in changes if change.after.id not in changed}
            if not left:
                break
        return frozenset(changed)

    def _commit(self, changes: Sequence[RunWrite], entry: LogEntry | None) -> set[UUID]:
        """Write runs, batch by batch, and in each transaction the entry of the log. Returns the ids of the written runs."""
        entries, written = entries_of(entry), set[UUID]()
        for batch in self._writer.batches(changes, also=[*map(self._log.key, entries)]):
            if not self._writer.commit(batch, self._table.new_token(), also=self._log.actions(entries, len(batch))):
                written |= {change.after.id for change in batch}
        return written

    def _require_queues(self, runs: Sequence[Run]) -> None:
        self._require([(run.pool, run.queue) for run in runs])
        for run in runs:
            if (weight := self._writer.weight(run)) > MAX_BYTES:
                raise StoreError(f"run {run.id} weighs {weight:,} bytes: one in DynamoDB has at most {MAX_BYTES:,}")

    def _require(self, queues: Sequence[tuple[str, str]]) -> None:
        """Raise `NotFound` unless these pools have these queues."""
        pairs = list(dict.fromkeys(queues))
        gates = self._pools.gates(pairs) if pairs else {}
        for pair in pairs:
            if pair not in gates:
                raise refusals.no_queue(*pair)

    def _still_unknown(self, runs: Sequence[Run]) -> Sequence[Run]:
        """The runs of a refused transaction that must be tried again. Raises `NotFound` if a queue is gone."""
        if not runs:
            return []
        self._require_queues(runs)
        present = self._writer.read([run.id for run in runs])
        return [run for run in runs if run.id not in present]
