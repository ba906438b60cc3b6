"""Pools and deployments in SQL: how they are read and changed within a transaction that a verb of `sql_store` has begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from dispatcher.core import windows
from dispatcher.models import Deployment, LogEntry, Run, RunState, WorkPool
from dispatcher.models.records import Materialisation, Move, Reconfiguration, Requeue
from dispatcher.stores import refusals, sql_log
from dispatcher.stores.rows import DEPLOYMENT, POOL, QUEUE, RUN
from dispatcher.stores.transaction import Call, Row, Transaction

T = TypeVar("T")


def pool_calls(name: str) -> Sequence[Call]:
    """The statements whose rows `pool_of` takes."""
    return ("pool", {"name": name}), ("queues_of_pool", {"pool": name})


def pool_of(pool_rows: Sequence[Row], queue_rows: Sequence[Row]) -> WorkPool | None:
    """One pool with its queues."""
    queues = tuple(QUEUE.decode(row[1:]) for row in queue_rows)
    if not pool_rows:
        return None
    *columns, automated = pool_rows[0]
    return POOL.decode(columns, queues=queues, automated=bool(automated))


def pool_in(transaction: Transaction, name: str) -> WorkPool | None:
    """The same within a transaction."""
    return pool_of(*(cursor.fetchall() for cursor in transaction.together(*pool_calls(name))))


def save_pool(transaction: Transaction, pool: WorkPool, expected_version: int | None) -> None:
    """See `Store.save_pool`."""
    saved = replace(pool, version=(expected_version or 0) + 1)
    if expected_version is None:
        _add_pool(transaction, saved)
    else:
        _replace_pool(transaction, saved, expected_version)
    transaction.change_each("save_queue", [{"pool": pool.name, **QUEUE.encode(queue)} for queue in pool.queues])


def delete_pool(transaction: Transaction, name: str, expected_version: int) -> None:
    """See `Store.delete_pool`."""
    _expect_pool(transaction, name, expected_version)
    if _is(transaction, "pool_is_busy", pool=name):
        raise refusals.pool_busy(name)
    deployments = [DEPLOYMENT.decode(row).name for row in transaction.rows("deployments_of_pool", pool=name)]
    transaction.change_each("withdraw_all", [{"deployment": deployment} for deployment in deployments])
    transaction.change("delete_runs", pool=name)
    transaction.change("delete_pool", pool=name)


def deployment_in(transaction: Transaction, name: str) -> Deployment | None:
    """One deployment."""
    row = transaction.row("deployment", name=name)
    return DEPLOYMENT.decode(row) if row else None


def save_deployment(transaction: Transaction, deployment: Deployment, expected_version: int | None, now: datetime) -> None:
    """See `Store.save_deployment`."""
    transaction.row("keep_pool", pool=deployment.pool)
    stored = _expected_deployment(transaction, deployment.name, expected_version)
    require_queue(transaction, deployment.pool, deployment.queue)
    updated = replace(deployment, version=(expected_version or 0) + 1)
    saving = windows.saving(stored, updated, now)
    withdraw(transaction, deployment.name, saving.withdrawn, now)
    verb = "add_deployment" if expected_version is None else "replace_deployment"
    if not transaction.change(verb, **DEPLOYMENT.encode(saving.deployment)):
        raise refusals.deployment_exists(deployment.name)


def delete_deployment(transaction: Transaction, name: str) -> None:
    """See `Store.delete_deployment`."""
    transaction.row("deployment_version", name=name)
    if deployment_in(transaction, name) is None:
        raise refusals.no_deployment(name)
    transaction.change("withdraw_all", deployment=name)
    transaction.change("delete_deployment", name=name)


def withdraw(transaction: Transaction, deployment: str, slugs: Iterable[str], after: datetime) -> None:
    """Delete future runs of these schedules that no tick ever claimed."""
    transaction.change_each(
        "withdraw", [{"deployment": deployment, "schedule": slug, "after": after} for slug in sorted(slugs)]
    )


def materialise(transaction: Transaction, materialisation: Materialisation) -> frozenset[UUID] | None:
    """See `Store.materialise`."""
    read = materialisation.deployment
    transaction.row("keep_pool", pool=read.pool)
    transaction.row("deployment_version", name=read.name)
    stored = deployment_in(transaction, read.name)
    if stored is None or (stored.version, stored.windows_until) != (read.version, read.windows_until):
        return None
    if transaction.row("queue_exists", pool=stored.pool, queue=stored.queue) is None:
        return None
    transaction.change("reach", name=read.name, **DEPLOYMENT.encode_fields(windows.reached(materialisation)))
    return add(transaction, materialisation.runs)


def reconfigure(transaction: Transaction, change: Reconfiguration) -> None:
    """See `Store.reconfigure`."""
    transaction.change("keep_configuration")
    read = change.pools_read, change.deployments_read
    if read != (dict(transaction.rows("pool_versions")), dict(transaction.rows("deployment_versions"))):
        raise refusals.configuration_changed()
    for name in change.deployments_gone:
        delete_deployment(transaction, name)
    for deployment in change.deployments:  # runs that are deleted with their schedules may wait in a queue that is deleted
        if stored := deployment_in(transaction, deployment.name):
            withdraw(transaction, stored.name, windows.saving(stored, deployment, change.now).withdrawn, change.now)
    for pool in change.pools:
        save_pool(transaction, pool, change.pools_read.get(pool.name))
    for deployment in change.deployments:
        save_deployment(transaction, deployment, change.deployments_read.get(deployment.name), change.now)
    for name in change.pools_gone:
        delete_pool(transaction, name, change.pools_read[name])
    for entry in change.entries:
        sql_log.note(transaction, entry)


def add(transaction: Transaction, runs: Iterable[Run]) -> frozenset[UUID]:
    """Add the runs whose ids do not exist, in the order of the ids, so that two transactions do not wait for each other."""
    ordered = sorted(runs, key=lambda run: run.id)
    added = transaction.change_each("add_run", [RUN.encode(run) for run in ordered])
    return frozenset(run.id for run, count in zip(ordered, added, strict=True) if count)


def requeue(transaction: Transaction, requeues: Sequence[Requeue], entry: LogEntry | None) -> frozenset[UUID]:
    """See `Store.requeue`."""
    keep_queues(transaction, [(change.pool, change.queue) for change in requeues])
    ordered = sorted(requeues, key=lambda change: change.run_id)
    changed = transaction.change_runs(
        [
            (RUN.encode_fields(change.after), guard(change.run_id, change.pool, RunState.SCHEDULED, change.fence, None))
            for change in ordered
        ],
        ends=entry is None,
    )
    sql_log.note_runs(transaction, entry, sum(changed))
    return frozenset(change.run_id for change, as_expected in zip(ordered, changed, strict=True) if as_expected)


def keep_queues(transaction: Transaction, queues: Sequence[tuple[str, str]]) -> None:
    """Raise `NotFound` unless these pools have these queues; they stay until the end of the transaction."""
    for pool in dict.fromkeys(pool for pool, _ in queues):
        transaction.row("keep_pool", pool=pool)
    for pool, queue in dict.fromkeys(queues):
        require_queue(transaction, pool, queue)


def require_queue(transaction: Transaction, pool: str, queue: str) -> None:
    """Raise `NotFound` unless there is such a queue."""
    if transaction.row("queue_exists", pool=pool, queue=queue) is None:
        raise refusals.no_queue(pool, queue)


def _expect_pool(transaction: Transaction, name: str, version: int) -> None:
    row = transaction.row("pool_version", name=name)
    if row is None:
        raise refusals.no_pool(name)
    if row[0] != version:
        raise refusals.pool_changed(name, version, row[0])


def _add_pool(transaction: Transaction, pool: WorkPool) -> None:
    untouched = replace(pool, holds=(), last_tick_at=None, ticked_hours=())
    if not transaction.change("add_pool", **POOL.encode(untouched)):
        raise refusals.pool_exists(pool.name)


def _replace_pool(transaction: Transaction, pool: WorkPool, expected_version: int) -> None:
    """Replace everything except the queues that stay. Columns that newer code has written, in these and in the pool, stay
    unchanged.
    """
    _expect_pool(transaction, pool.name, expected_version)
    gone = [name for _, name, *_ in transaction.rows("queues_of_pool", pool=pool.name) if pool.queue(name) is None]
    for name in gone:
        if _is(transaction, "queue_is_busy", pool=pool.name, queue=name):
            raise refusals.queue_busy(pool.name, name)
    transaction.change("replace_pool", **POOL.encode(pool))
    transaction.change_each("delete_queue", [{"pool": pool.name, "name": name} for name in gone])
    transaction.change("free_priorities", pool=pool.name)


def _expected_deployment(transaction: Transaction, name: str, version: int | None) -> Deployment | None:
    """The deployment that is replaced, locked until the end of the transaction; None for a new one."""
    row = transaction.row("deployment_version", name=name)
    if version is None and row is not None:
        raise refusals.deployment_exists(name)
    if version is not None and row is None:
        raise refusals.no_deployment(name)
    if version is not None and row is not None and row[0] != version:
        raise refusals.deployment_changed(name, version, row[0])
    return deployment_in(transaction, name)


def _is(transaction: Transaction, question: str, **parameters: Any) -> bool:
    return bool(required(transaction.row(question, **parameters))[0])


def required(row: T | None) -> T:
    """The value, which exists because this transaction has just made sure of it."""
    if row is None:
        raise AssertionError("a row that this transaction has written or counted is not there")
    return row


def expected(run: Run) -> Mapping[str, Any]:
    """The parameters of `change_run` that describe the expected run."""
    return guard(run.id, run.pool, run.state, run.fence, run.ending)


def guard(run_id: UUID, pool: str, state: RunState, fence: int, ending: RunState | None) -> Mapping[str, Any]:
    """The same, from its parts."""
    return {
        "expected_id": run_id,
        "expected_pool": pool,
        "expected_state": state.value,
        "expected_fence": fence,
        "expected_ending": str(ending or ""),
    }


def apply(transaction: Transaction, moves: Sequence[Move], *, ends: bool = False) -> frozenset[UUID]:
    """See `Store.move`."""
    changes = [
        (RUN.encode_fields(_written(move)), guard(move.run_id, move.pool, move.expected, move.fence, move.ending))
        for move in moves
    ]
    changed = transaction.change_runs(changes, ends=ends)
    return frozenset(move.run_id for move, as_expected in zip(moves, changed, strict=True) if as_expected)


def _written(move: Move) -> Mapping[str, Any]:
    """The fields that a move writes. An unchanged state is left out, because writing it would renew every index by state."""
    stays = move.to is move.expected and move.changes
    return move.changes if stays else {"state": move.to, **move.changes}
