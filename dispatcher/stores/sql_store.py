"""The Store protocol in SQL. A database adds its connection, its transactions, and statements of its own where they differ.

Each verb is one transaction. In one that writes, whoever comes first holds what it reads: SQLite lets one writer in at a time;
a database with row locks has to lock a pool's row in `pool_version`, `keep_pool` and `heartbeat`, and a deployment's in
`deployment_version`. Rows of runs are changed in the order of their ids where there is a choice, so that two do not wait for
each other.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from dispatcher.core import transitions
from dispatcher.models import Deployment, PoolHold, Run, RunState, WorkPool
from dispatcher.records import (
    PAGE,
    ChangeHolds,
    Claim,
    Claims,
    Decide,
    Materialisation,
    Move,
    Notified,
    Position,
    QueueCount,
    Reconfiguration,
    RunFilter,
    Seen,
    Snapshot,
)
from dispatcher.stores import refusals
from dispatcher.stores import sql_configuration as configuration
from dispatcher.stores.rows import DEPLOYMENT, POOL, QUEUE, RUN, SMALL_RUN
from dispatcher.stores.sql_configuration import deployment_in, pool_in, required
from dispatcher.stores.transaction import Transaction

_FIRST_ID = UUID(int=0)
_FILTERS = {"pool": "pool = :pool", "queue": "queue = :queue", "deployment": "deployment = :deployment"}


class SqlStore(ABC):
    """All verbs, over sessions that the database gives."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Transaction]:
        """A transaction in which all statements see the same state."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Transaction]:
        """A transaction that writes: committed at its end, rolled back when anything is raised."""

    # What people change

    def pools(self) -> Sequence[WorkPool]:
        """See `Store.pools`."""
        with self._reading() as transaction:
            by_pool = groupby(transaction.rows("queues"), key=lambda row: row[0])
            queues = {name: tuple(QUEUE.decode(row[1:]) for row in rows) for name, rows in by_pool}
            return [POOL.decode(row, queues=queues.get(row[0], ())) for row in transaction.rows("pools")]

    def pool(self, name: str) -> WorkPool | None:
        """See `Store.pool`."""
        with self._reading() as transaction:
            return pool_in(transaction, name)

    def save_pool(self, pool: WorkPool, *, expected_version: int | None) -> WorkPool:
        """See `Store.save_pool`."""
        with self._writing() as transaction:
            configuration.save_pool(transaction, pool, expected_version)
            return required(pool_in(transaction, pool.name))

    def delete_pool(self, name: str, *, expected_version: int) -> None:
        """See `Store.delete_pool`."""
        with self._writing() as transaction:
            configuration.delete_pool(transaction, name, expected_version)

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """See `Store.deployments`."""
        with self._reading() as transaction:
            rows = transaction.rows("deployments") if pool is None else transaction.rows("deployments_of_pool", pool=pool)
            return [DEPLOYMENT.decode(row) for row in rows]

    def deployment(self, name: str) -> Deployment | None:
        """See `Store.deployment`."""
        with self._reading() as transaction:
            return deployment_in(transaction, name)

    def save_deployment(self, deployment: Deployment, *, expected_version: int | None, now: datetime) -> Deployment:
        """See `Store.save_deployment`."""
        with self._writing() as transaction:
            configuration.save_deployment(transaction, deployment, expected_version, now)
            return required(deployment_in(transaction, deployment.name))

    def delete_deployment(self, name: str) -> None:
        """See `Store.delete_deployment`."""
        with self._writing() as transaction:
            configuration.delete_deployment(transaction, name)

    def reconfigure(self, change: Reconfiguration) -> None:
        """See `Store.reconfigure`."""
        with self._writing() as transaction:
            configuration.reconfigure(transaction, change)

    # Runs

    def add_runs(self, runs: Sequence[Run]) -> frozenset[UUID]:
        """See `Store.add_runs`."""
        if not runs:
            return frozenset()
        with self._writing() as transaction:
            for pool in dict.fromkeys(run.pool for run in runs):
                transaction.row("keep_pool", pool=pool)
            for pool, queue in dict.fromkeys((run.pool, run.queue) for run in runs):
                configuration.require_queue(transaction, pool, queue)
            return configuration.add(transaction, runs)

    def get(self, run_id: UUID) -> Run | None:
        """See `Store.get`."""
        with self._reading() as transaction:
            row = transaction.row("run", id=run_id)
            return RUN.decode(row) if row else None

    def runs(self, where: RunFilter, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """See `Store.runs`."""
        conditions, parameters = _conditions(where)
        with self._reading() as transaction:
            rows = transaction.rows_where("runs", conditions, limit=limit, offset=offset, **parameters)
            return [RUN.decode(row) for row in rows]

    def counts(self, pool: str, now: datetime) -> Mapping[str, QueueCount]:
        """See `Store.counts`."""
        with self._reading() as transaction:
            waiting = {queue: (due, later) for queue, due, later in transaction.rows("waiting", pool=pool, now=now)}
            in_use = _in_use(transaction, pool)
            queues = [name for _, name, *_ in transaction.rows("queues_of_pool", pool=pool)]
        counted = ((queue, *waiting.get(queue, (0, 0)), in_use.get(queue, 0)) for queue in queues)
        return {queue: QueueCount(due=due, later=later, in_use=held) for queue, due, later, held in counted}

    def ahead(self, run: Run, now: datetime) -> int:
        """See `Store.ahead`."""
        with self._reading() as transaction:
            row = transaction.row("ahead", pool=run.pool, queue=run.queue, now=now, due_at=run.due_at, id=run.id)
            return int(required(row)[0])

    # One tick

    def pools_with_work(self, now: datetime, *, ended_before: datetime | None = None) -> Sequence[str]:
        """See `Store.pools_with_work`. One statement: at most seven look-ups in indices for each pool, and one for a queue."""
        with self._reading() as transaction:
            return [name for (name,) in transaction.rows("pools_with_work", now=now, ended_before=ended_before)]

    def pool_names(self) -> Sequence[str]:
        """See `Store.pool_names`."""
        with self._reading() as transaction:
            return [name for (name,) in transaction.rows("pool_names")]

    def heartbeats(self, pools: Sequence[str], now: datetime) -> None:
        """See `Store.heartbeats`. One statement."""
        if pools:
            with self._writing() as transaction:
                transaction.change("heartbeats", pools=json.dumps(list(pools)), now=now)

    def scheduled(self, pool: str, now: datetime, *, limit: int) -> Sequence[Deployment]:
        """See `Store.scheduled`."""
        with self._reading() as transaction:
            return [DEPLOYMENT.decode(row) for row in transaction.rows("scheduled", pool=pool, now=now, limit=limit)]

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """See `Store.materialise`."""
        with self._writing() as transaction:
            return configuration.materialise(transaction, materialisation)

    def live(self, pool: str, *, limit: int, start: UUID | None = None) -> Sequence[Run]:
        """See `Store.live`."""
        first = start or _FIRST_ID
        with self._reading() as transaction:
            rows = list(transaction.rows("live", pool=pool, start=first, limit=limit))
            rows += transaction.rows("live_before", pool=pool, start=first, limit=limit - len(rows))
            return [SMALL_RUN.decode(row) for row in rows]

    def move(self, moves: Sequence[Move]) -> frozenset[UUID]:
        """See `Store.move`."""
        transitions.check(moves)
        if not moves:
            return frozenset()
        with self._writing() as transaction:
            return _apply(transaction, sorted(moves, key=lambda move: move.run_id))

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
        with self._writing() as transaction:
            transaction.change("heartbeat", pool=pool, now=now)

    def look(self, pool: str, now: datetime, read: Callable[[Snapshot], Seen]) -> Seen | None:
        """See `Store.look`."""
        with self._reading() as transaction:
            stored = pool_in(transaction, pool)
            return None if stored is None else read(_snapshot(transaction, stored, now))

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """See `Store.claim`."""
        with self._writing() as transaction:
            if not transaction.change("heartbeat", pool=pool, now=now):
                return Claims()
            abandoned = [RUN.decode(row) for row in transaction.rows("abandoned", pool=pool, now=now, limit=takeovers)]
            taken = [(run, configuration.expected(run), transitions.taken_over(run, now, lease)) for run in abandoned]
            repeats = _change(transaction, taken)
            decision = decide(_snapshot(transaction, required(pool_in(transaction, pool)), now))
            grants = _leave(transaction, pool, [(each.run, transitions.granted(each, now, lease)) for each in decision.grants])
            crashes = _leave(
                transaction, pool, [(run, transitions.crashed(run, reason, now)) for run, reason in decision.crashes]
            )
        claims = [Claim(run=run, repeat=True) for run in repeats]
        claims += [Claim(run=run, repeat=False) for run in grants]
        return Claims(claims=tuple(claims), crashed=tuple(crashes))

    def lingering(self, pool: str, *, limit: int) -> Sequence[Run]:
        """See `Store.lingering`."""
        with self._reading() as transaction:
            return [SMALL_RUN.decode(row) for row in transaction.rows("lingering", pool=pool, limit=limit)]

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """See `Store.discarded`."""
        if not run_ids:
            return
        with self._writing() as transaction:
            transaction.change_each("discarded", [{"id": run_id} for run_id in sorted(run_ids)])

    def to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.to_notify`."""
        with self._reading() as transaction:
            return [SMALL_RUN.decode(row) for row in transaction.rows("to_notify", pool=pool, now=now, limit=limit)]

    def notified(self, notifications: Sequence[Notified]) -> None:
        """See `Store.notified`."""
        if not notifications:
            return
        columns = [
            {
                "id": each.run_id,
                "notify_at": each.notify_at,
                "again_at": each.again_at,
                **RUN.encode_fields({"notified_hooks": each.hooks}),
            }
            for each in notifications
        ]
        with self._writing() as transaction:
            transaction.change_each("notified", sorted(columns, key=lambda each: each["id"]))

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:
        """See `Store.prune`."""
        with self._writing() as transaction:
            return transaction.change("prune", pool=pool, before=before, limit=limit)

    # Moving to another store

    def every_run(self) -> Iterator[Sequence[Run]]:
        """See `Store.every_run`. Each page is a transaction of its own."""
        page: Sequence[Run] = self._runs_from(_FIRST_ID, inclusive=True)
        while page:
            yield page
            page = self._runs_from(page[-1].id, inclusive=False)

    def restore(
        self, *, pools: Sequence[WorkPool] = (), deployments: Sequence[Deployment] = (), runs: Sequence[Run] = ()
    ) -> None:
        """See `Store.restore`. In one transaction."""
        with self._writing() as transaction:
            for pool in pools:
                if transaction.change("add_pool", **POOL.encode(pool)):
                    transaction.change_each("add_queue", [{"pool": pool.name, **QUEUE.encode(queue)} for queue in pool.queues])
            for owner in dict.fromkeys([each.pool for each in deployments] + [run.pool for run in runs]):
                if transaction.row("keep_pool", pool=owner) is None:
                    raise refusals.no_pool(owner)
            transaction.change_each("add_deployment", [DEPLOYMENT.encode(each) for each in deployments])
            transaction.change_each("add_run", [RUN.encode(run) for run in sorted(runs, key=lambda run: run.id)])

    def _runs_from(self, start: UUID, *, inclusive: bool) -> Sequence[Run]:
        statement = "runs_from" if inclusive else "runs_after"
        with self._reading() as transaction:
            return [RUN.decode(row) for row in transaction.rows(statement, start=start, limit=PAGE)]


def _conditions(where: RunFilter) -> tuple[str, Mapping[str, Any]]:
    """The condition of a filter, and its parameters; TRUE for one that leaves everything out."""
    parameters = {name: value for name in _FILTERS if (value := getattr(where, name)) is not None}
    conditions = [_FILTERS[name] for name in parameters]
    if where.states is not None:
        states = {f"state{place}": state.value for place, state in enumerate(sorted(where.states))}
        conditions.append(f"state IN ({', '.join(f':{name}' for name in states)})" if states else "FALSE")
        parameters.update(states)
    return " AND ".join(conditions) or "TRUE", parameters


def _in_use(transaction: Transaction, pool: str) -> Mapping[str, int]:
    return dict(transaction.rows("in_use", pool=pool))


def _snapshot(transaction: Transaction, pool: WorkPool, now: datetime) -> Snapshot:
    def due(queue: str, limit: int, after: Position | None = None) -> Sequence[Run]:
        asked: dict[str, Any] = {"pool": pool.name, "queue": queue, "now": now, "limit": max(limit, 0)}
        if after is None:
            return [RUN.decode(row) for row in transaction.rows("due", **asked)]
        return [RUN.decode(row) for row in transaction.rows("due_after", **asked, due_at=after[0], id=after[1])]

    def deployment(name: str) -> Deployment | None:
        return deployment_in(transaction, name)

    return Snapshot(pool=pool, in_use=_in_use(transaction, pool.name), due=due, deployment=deployment)


def _apply(transaction: Transaction, moves: Sequence[Move]) -> frozenset[UUID]:
    changes = [
        (
            RUN.encode_fields({"state": move.to, **move.changes}),
            configuration.guard(move.run_id, move.pool, move.expected, move.fence, move.ending),
        )
        for move in moves
    ]
    changed = transaction.change_runs(changes)
    return frozenset(move.run_id for move, as_expected in zip(moves, changed, strict=True) if as_expected)


def _leave(transaction: Transaction, pool: str, changes: Sequence[tuple[Run, Mapping[str, Any]]]) -> Sequence[Run]:
    """The claim's own moves: they leave SCHEDULED, whatever the run was read as."""

    def waiting(run: Run) -> Mapping[str, Any]:
        return configuration.guard(run.id, pool, RunState.SCHEDULED, run.fence, run.ending)

    return _change(transaction, [(run, waiting(run), values) for run, values in changes])


def _change(transaction: Transaction, changes: Sequence[tuple[Run, Mapping[str, Any], Mapping[str, Any]]]) -> Sequence[Run]:
    """Runs, how each is expected to be, and its new values. The runs that were so, exactly as they will be read again."""
    written = [(RUN.encode_fields(values), expected) for _, expected, values in changes]
    answered = zip(changes, written, transaction.change_runs(written), strict=True)
    return [replace(run, **RUN.decode_fields(values)) for (run, *_), (values, _), as_expected in answered if as_expected]
