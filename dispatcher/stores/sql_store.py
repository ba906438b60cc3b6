"""The Store protocol in SQL. Each database adds its connection, its transactions, and the statements that differ.

Each verb is one transaction. A transaction that writes must keep others from changing what it has read. SQLite allows one
writer at a time. A database with row locks has to lock a pool's row in `pool_version`, `keep_pool` and `heartbeat`, and a
deployment's row in `deployment_version`. Rows of runs are changed in the order of their ids where possible, so that two
transactions do not wait for each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from dispatcher.core import transitions
from dispatcher.models import Automation, Deployment, Firing, LogEntry, PoolHold, Run, RunState, WorkPool
from dispatcher.models.lanes import lanes_between, priority_of
from dispatcher.models.records import (
    PAGE,
    ChangeHolds,
    Claims,
    Cursor,
    Decide,
    EndedRun,
    LogFilter,
    Materialisation,
    Move,
    Notified,
    QueueCount,
    Reconfiguration,
    Requeue,
    RunFilter,
    Searched,
    Seen,
    Snapshot,
    Tallied,
)
from dispatcher.stores import refusals, sql_automations, sql_claim, sql_log
from dispatcher.stores import sql_configuration as configuration
from dispatcher.stores.codecs import microseconds
from dispatcher.stores.rows import DEPLOYMENT, ENDED_RUN, POOL, QUEUE, RUN, SMALL_RUN, beat
from dispatcher.stores.sql_automations import SqlAutomations
from dispatcher.stores.sql_configuration import deployment_in, pool_calls, pool_in, pool_of, required
from dispatcher.stores.sql_listing import FEW, ends, is_answered, named, pages
from dispatcher.stores.sql_snapshot import InUse, snapshot, use_calls
from dispatcher.stores.transaction import Call, Row, Transaction

_FIRST_ID = UUID(int=0)
_MICROSECOND = timedelta(microseconds=1)


class SqlStore(SqlAutomations):
    """All verbs, over sessions that the database gives."""

    # What people change

    def pools(self) -> Sequence[WorkPool]:
        """See `Store.pools`."""
        queue_rows, pool_rows = self._read(("queues", {}), ("pools", {}))
        by_pool = groupby(queue_rows, key=lambda row: row[0])
        queues = {name: tuple(QUEUE.decode(row[1:]) for row in rows) for name, rows in by_pool}
        return [POOL.decode(row[:-1], queues=queues.get(row[0], ()), automated=bool(row[-1])) for row in pool_rows]

    def pool(self, name: str) -> WorkPool | None:
        """See `Store.pool`."""
        return pool_of(*self._read(*pool_calls(name)))

    def save_pool(self, pool: WorkPool, *, expected_version: int | None, entry: LogEntry | None = None) -> WorkPool:
        """See `Store.save_pool`."""
        with self._writing() as transaction:
            configuration.save_pool(transaction, pool, expected_version)
            sql_log.note(transaction, entry)
            return required(pool_in(transaction, pool.name))

    def delete_pool(self, name: str, *, expected_version: int, entry: LogEntry | None = None) -> None:
        """See `Store.delete_pool`."""
        with self._writing() as transaction:
            configuration.delete_pool(transaction, name, expected_version)
            sql_log.note(transaction, entry)

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """See `Store.deployments`."""
        [rows] = self._read(("deployments", {}) if pool is None else ("deployments_of_pool", {"pool": pool}))
        return [DEPLOYMENT.decode(row) for row in rows]

    def deployment(self, name: str) -> Deployment | None:
        """See `Store.deployment`."""
        [rows] = self._read(("deployment", {"name": name}))
        return DEPLOYMENT.decode(rows[0]) if rows else None

    def save_deployment(
        self, deployment: Deployment, *, expected_version: int | None, now: datetime, entry: LogEntry | None = None
    ) -> Deployment:
        """See `Store.save_deployment`."""
        with self._writing() as transaction:
            configuration.save_deployment(transaction, deployment, expected_version, now)
            sql_log.note(transaction, entry)
            return required(deployment_in(transaction, deployment.name))

    def delete_deployment(self, name: str, *, entry: LogEntry | None = None) -> None:
        """See `Store.delete_deployment`."""
        with self._writing() as transaction:
            configuration.delete_deployment(transaction, name)
            sql_log.note(transaction, entry)

    def reconfigure(self, change: Reconfiguration) -> None:
        """See `Store.reconfigure`."""
        with self._writing() as transaction:
            configuration.reconfigure(transaction, change)
            sql_automations.check_read(transaction, change)
            sql_automations.reconfigure(transaction, change)

    # Runs

    def log(self, where: LogFilter, *, limit: int) -> Sequence[LogEntry]:
        """See `Store.log`."""
        with self._reading() as transaction:
            return sql_log.entries(transaction, where, limit)

    def add_runs(self, runs: Sequence[Run], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.add_runs`."""
        if not runs:
            return frozenset()
        with self._writing() as transaction:
            configuration.keep_queues(transaction, [(run.pool, run.queue) for run in runs])
            added = configuration.add(transaction, runs)
            sql_log.note_runs(transaction, entry, len(added))
            return added

    def requeue(self, requeues: Sequence[Requeue], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.requeue`."""
        transitions.check_requeues(requeues)
        if not requeues:
            return frozenset()
        with self._writing() as transaction:
            return configuration.requeue(transaction, requeues, entry)

    def get(self, run_id: UUID) -> Run | None:
        """See `Store.get`."""
        [rows] = self._read(("run", {"id": run_id}))
        return RUN.decode(rows[0]) if rows else None

    def runs(self, where: RunFilter, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """See `Store.runs`."""
        return _newest_first(self._among("runs", where, limit, offset))

    def search(self, where: RunFilter, *, limit: int, most: int) -> Searched:
        """See `Store.search`."""
        with self._reading() as transaction:
            few = where.name is not None and _has_few(transaction, where.name, most)
            until = None if few or is_answered(where) else _end(transaction, where, most)
            ids, parameters = pages(where, limit=limit, offset=0, few=few, until=until)
            runs = _newest_first(transaction.rows_among("runs", ids, **parameters))
        return Searched(runs, _cursor(until) if until is not None and len(runs) < limit else None)

    def tally(self, where: RunFilter, *, most: int) -> Tallied:
        """See `Store.tally`."""
        with self._reading() as transaction:
            few = where.name is not None and _has_few(transaction, where.name, most)
            until = None if few or where.states == frozenset() else _end(transaction, where, most)
            ids, parameters = pages(where, limit=most * len(RunState), offset=0, few=few, until=until)
            [(number,)] = transaction.rows_among("number_of_runs", ids, **parameters)
        return Tallied(int(number), _cursor(until) if until is not None else None)

    def count(self, where: RunFilter, *, limit: int) -> int:
        """See `Store.count`."""
        [(number,)] = self._among("number_of_runs", where, limit)
        return int(number)

    def ended(self, pool: str, since: datetime, *, limit: int) -> Sequence[EndedRun]:
        """See `Store.ended`."""
        parameters = {"pool": pool, "since": since, "limit": limit}
        parts = self._read(("ended", parameters), ("ended_lingering", parameters))
        runs = [ENDED_RUN.decode(row) for rows in parts for row in rows]
        return sorted(runs, key=lambda run: (run.ended_at, run.id), reverse=True)[: max(limit, 0)]

    def counts(self, pool: str, now: datetime) -> Mapping[str, QueueCount]:
        """See `Store.counts`."""
        waits, uses, rows = self._read(
            ("waiting", {"pool": pool, "now": now}), ("in_use", {"pool": pool}), ("queues_of_pool", {"pool": pool})
        )
        waiting = {queue: (due, later) for queue, due, later in waits}
        in_use: Mapping[str, int] = dict(uses)
        queues = [name for _, name, *_ in rows]
        counted = ((queue, *waiting.get(queue, (0, 0)), in_use.get(queue, 0)) for queue in queues)
        return {queue: QueueCount(due=due, later=later, in_use=held) for queue, due, later, held in counted}

    def ahead(self, run: Run, now: datetime) -> int:
        """See `Store.ahead`."""
        position = {"pool": run.pool, "queue": run.queue, "now": now, "due_at": run.due_at, "id": run.id}
        end = {**position, "due_at": now + _MICROSECOND}
        with self._reading() as transaction:
            lanes = [lane for queue, lane, _ in transaction.rows("lanes", pool=run.pool, now=now) if queue == run.queue]
            before = {lane: end if priority_of(lane) < run.priority else position for lane in (None, *lanes)}
            calls: list[Call] = [
                ("ahead", where) if lane is None else ("ahead_in_lane", {**where, "lane": lane})
                for lane, where in before.items()
                if priority_of(lane) <= run.priority
            ]
            return sum(int(rows[0][0]) for rows in _rows(transaction, *calls))

    # One tick

    def pools_with_work(self, now: datetime, *, ended_before: datetime | None = None) -> Sequence[str]:
        """See `Store.pools_with_work`. One statement: at most seven look-ups in indices for each pool, and one for a queue."""
        [rows] = self._read(("pools_with_work", {"now": now, "ended_before": ended_before}))
        return [name for (name,) in rows]

    def pool_names(self) -> Sequence[str]:
        """See `Store.pool_names`."""
        with self._reading() as transaction:
            return [name for (name,) in transaction.rows("pool_names")]

    def heartbeats(self, pools: Sequence[str], now: datetime) -> None:
        """See `Store.heartbeats`. One statement."""
        if pools:
            self._write(("heartbeats", {"pools": json.dumps(list(pools)), **beat(now)}))

    def scheduled(self, pool: str, now: datetime, *, limit: int) -> Sequence[Deployment]:
        """See `Store.scheduled`."""
        [rows] = self._read(("scheduled", {"pool": pool, "now": now, "limit": limit}))
        return [DEPLOYMENT.decode(row) for row in rows]

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """See `Store.materialise`."""
        with self._writing() as transaction:
            return configuration.materialise(transaction, materialisation)

    def live(self, pool: str, *, limit: int, start: UUID | None = None) -> Sequence[Run]:
        """See `Store.live`."""
        first = start or _FIRST_ID
        round_from = {"pool": pool, "start": first, "limit": limit}
        calls = [("live", round_from), *([("live_before", round_from)] if start else [])]
        rows = [row for part in self._read(*calls) for row in part]
        return [SMALL_RUN.decode(row) for row in rows[: max(limit, 0)]]

    def move(self, moves: Sequence[Move], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.move`."""
        transitions.check(moves)
        if not moves:
            return frozenset()
        with self._writing() as transaction:
            moved = configuration.apply(transaction, sorted(moves, key=lambda move: move.run_id), ends=entry is None)
            sql_log.note_runs(transaction, entry, len(moved))
            return moved

    def hold(self, pool: str, change: ChangeHolds) -> tuple[PoolHold, ...]:
        """See `Store.hold`."""
        with self._writing() as transaction:
            row = transaction.row("holds", pool=pool)
            if row is None:
                return ()
            before: tuple[PoolHold, ...] = POOL.codecs["holds"].decode(row[0])
            after = change(before)
            if after != before:
                transaction.change("hold", pool=pool, **POOL.encode_fields({"holds": after}))
            return after

    def heartbeat(self, pool: str, now: datetime) -> None:
        """See `Store.heartbeat`."""
        self._write(("heartbeat", {"pool": pool, **beat(now)}))

    def look(self, pool: str, now: datetime, read: Callable[[Snapshot], Seen]) -> Seen | None:
        """See `Store.look`."""
        with self._reading() as transaction:
            pool_rows, queue_rows, uses, lanes = _rows(transaction, *pool_calls(pool), *use_calls(pool, now))
            stored = pool_of(pool_rows, queue_rows)
            return None if stored is None else read(snapshot(transaction, stored, InUse.of(uses, lanes), now))

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """See `Store.claim`."""
        with self._writing() as transaction:
            return sql_claim.claim(transaction, pool, now, lease=lease, takeovers=takeovers, decide=decide)

    def waiting_in_lanes(self, pool: str, deployment: str, now: datetime) -> int:
        """See `Store.waiting_in_lanes`."""
        first, last = lanes_between(deployment)
        where = {"pool": pool, "deployment": deployment, "first": first, "last": last, "now": now}
        [[(number,)]] = self._read(("waiting_in_lanes", where))
        return int(number)

    def expired(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.expired`."""
        [rows] = self._read(("expired", {"pool": pool, "now": now, "limit": limit}))
        return [SMALL_RUN.decode(row) for row in rows]

    def lingering(self, pool: str, *, limit: int) -> Sequence[Run]:
        """See `Store.lingering`."""
        [rows] = self._read(("lingering", {"pool": pool, "limit": limit}))
        return [SMALL_RUN.decode(row) for row in rows]

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """See `Store.discarded`."""
        if run_ids:
            self._write(*(("discarded", {"id": run_id}) for run_id in sorted(run_ids)))

    def to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.to_notify`."""
        [rows] = self._read(("to_notify", {"pool": pool, "now": now, "limit": limit}))
        return [SMALL_RUN.decode(row) for row in rows]

    def notified(self, notifications: Sequence[Notified]) -> None:
        """See `Store.notified`."""
        calls: list[Call] = [
            (
                "notified",
                {
                    "id": notification.run_id,
                    "notify_at": notification.notify_at,
                    "again_at": notification.again_at,
                    **RUN.encode_fields({"notified_hooks": notification.hooks}),
                },
            )
            for notification in sorted(notifications, key=lambda notification: notification.run_id)
        ]
        if calls:
            self._write(*calls)

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:
        """See `Store.prune`."""
        [count] = self._write(("prune", {"pool": pool, "before": before, "limit": limit}))
        return count

    # Moving to another store

    def every_run(self) -> Iterator[Sequence[Run]]:
        """See `Store.every_run`. Each page is a transaction of its own."""
        page: Sequence[Run] = self._runs_from(_FIRST_ID, inclusive=True)
        while page:
            yield page
            page = self._runs_from(page[-1].id, inclusive=False)

    def restore(
        self,
        *,
        pools: Sequence[WorkPool] = (),
        deployments: Sequence[Deployment] = (),
        runs: Sequence[Run] = (),
        entries: Sequence[LogEntry] = (),
        automations: Sequence[Automation] = (),
        firings: Sequence[Firing] = (),
    ) -> None:
        """See `Store.restore`. In one transaction."""
        with self._writing() as transaction:
            for pool in pools:
                if transaction.change("add_pool", **POOL.encode(pool)):
                    transaction.change_each("save_queue", [{"pool": pool.name, **QUEUE.encode(queue)} for queue in pool.queues])
            for owner in dict.fromkeys([deployment.pool for deployment in deployments] + [run.pool for run in runs]):
                if transaction.row("keep_pool", pool=owner) is None:
                    raise refusals.no_pool(owner)
            transaction.change_each("add_deployment", [DEPLOYMENT.encode(deployment) for deployment in deployments])
            transaction.change_each("add_run", [RUN.encode(run) for run in sorted(runs, key=lambda run: run.id)])
            sql_log.restore(transaction, entries)
            sql_automations.restore(transaction, automations, firings)

    def _among(self, name: str, where: RunFilter, limit: int, offset: int = 0) -> Sequence[Row]:
        """The rows of a statement about the runs of a page."""
        with self._reading() as transaction:
            few = where.name is not None and _has_few(transaction, where.name, FEW)
            ids, parameters = pages(where, limit=limit, offset=offset, few=few)
            return transaction.rows_among(name, ids, **parameters)

    def _runs_from(self, start: UUID, *, inclusive: bool) -> Sequence[Run]:
        [rows] = self._read(("runs_from" if inclusive else "runs_after", {"start": start, "limit": PAGE}))
        return [RUN.decode(row) for row in rows]


def _newest_first(rows: Iterable[Row]) -> Sequence[Run]:
    return sorted((RUN.decode(row) for row in rows), key=lambda run: (-microseconds(run.created_at), run.id))


def _has_few(transaction: Transaction, name: str, few: int) -> bool:
    """Whether at most `few` runs have a name that begins as the filter asks."""
    return int(transaction.rows("named", **named(name, few))[0][0]) <= few


def _cursor(position: tuple[Any, Any]) -> Cursor:
    fields = RUN.decode_fields({"created_at": position[0], "id": position[1]})
    return fields["created_at"], fields["id"]


def _end(transaction: Transaction, where: RunFilter, most: int) -> tuple[Any, Any] | None:
    """The position where a search of up to `most` runs of each state ends; None: the end of the list."""
    ids, parameters = ends(where, most=most)
    rows = transaction.rows_among("newest_end", ids, ends=False, **parameters)
    return (rows[0][0], rows[0][1]) if rows else None


def _rows(transaction: Transaction, *calls: Call) -> Iterator[Sequence[Row]]:
    return (cursor.fetchall() for cursor in transaction.together(*calls))
