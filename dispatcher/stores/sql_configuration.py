"""Pools and deployments in SQL: how they are read and changed within a transaction that a verb of `sql_store` has begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from dispatcher.core import windows
from dispatcher.models import Deployment, Run, RunState, WorkPool
from dispatcher.records import Materialisation, Reconfiguration
from dispatcher.stores import refusals
from dispatcher.stores.rows import DEPLOYMENT, POOL, QUEUE, RUN
from dispatcher.stores.session import Session

T = TypeVar("T")

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def pool_in(session: Session, name: str) -> WorkPool | None:
    """One pool with its queues."""
    row = session.row("pool", name=name)
    queues = tuple(QUEUE.decode(row[1:]) for row in session.rows("queues_of_pool", pool=name))
    return POOL.decode(row, queues=queues) if row else None


def save_pool(session: Session, pool: WorkPool, expected_version: int | None) -> None:
    """See `Store.save_pool`."""
    saved = replace(pool, version=(expected_version or 0) + 1)
    if expected_version is None:
        _add_pool(session, saved)
    else:
        _replace_pool(session, saved, expected_version)
    session.change_each("add_queue", [{"pool": pool.name, **QUEUE.encode(queue)} for queue in pool.queues])


def delete_pool(session: Session, name: str, expected_version: int) -> None:
    """See `Store.delete_pool`."""
    _expect_pool(session, name, expected_version)
    if _is(session, "pool_is_busy", pool=name):
        raise refusals.pool_busy(name)
    session.change("delete_runs", pool=name)
    session.change("delete_pool", pool=name)


def deployment_in(session: Session, name: str) -> Deployment | None:
    """One deployment."""
    row = session.row("deployment", name=name)
    return DEPLOYMENT.decode(row) if row else None


def save_deployment(session: Session, deployment: Deployment, expected_version: int | None, now: datetime) -> None:
    """See `Store.save_deployment`."""
    session.row("keep_pool", pool=deployment.pool)
    stored = _expected_deployment(session, deployment.name, expected_version)
    require_queue(session, deployment.pool, deployment.queue)
    wanted = replace(deployment, version=(expected_version or 0) + 1)
    saving = windows.saving(stored, wanted, now)
    withdraw(session, deployment.name, saving.withdrawn, now)
    verb = "add_deployment" if expected_version is None else "replace_deployment"
    if not session.change(verb, **DEPLOYMENT.encode(saving.deployment)):
        raise refusals.deployment_exists(deployment.name)


def delete_deployment(session: Session, name: str) -> None:
    """See `Store.delete_deployment`."""
    session.row("deployment_version", name=name)
    stored = deployment_in(session, name)
    if stored is None:
        raise refusals.no_deployment(name)
    withdraw(session, name, {schedule.slug for schedule in stored.schedules}, _LONG_AGO)
    session.change("delete_deployment", name=name)


def withdraw(session: Session, deployment: str, slugs: Iterable[str], after: datetime) -> None:
    """Take away the runs that schedules made for later, and that no tick ever claimed."""
    session.change_each("withdraw", [{"deployment": deployment, "schedule": slug, "after": after} for slug in sorted(slugs)])


def materialise(session: Session, step: Materialisation) -> frozenset[UUID] | None:
    """See `Store.materialise`."""
    read = step.deployment
    session.row("keep_pool", pool=read.pool)
    session.row("deployment_version", name=read.name)
    stored = deployment_in(session, read.name)
    if stored is None or (stored.version, stored.windows_until) != (read.version, read.windows_until):
        return None
    if session.row("queue_exists", pool=stored.pool, queue=stored.queue) is None:
        return None
    session.change("reach", name=read.name, **DEPLOYMENT.encode_fields(windows.reached(step)))
    return add(session, step.runs)


def reconfigure(session: Session, change: Reconfiguration) -> None:
    """See `Store.reconfigure`."""
    session.change("keep_configuration")
    read = change.pools_read, change.deployments_read
    if read != (dict(session.rows("pool_versions")), dict(session.rows("deployment_versions"))):
        raise refusals.configuration_changed()
    for name in change.deployments_gone:
        delete_deployment(session, name)
    for deployment in change.deployments:  # what goes with their schedules may wait in a queue that goes
        if stored := deployment_in(session, deployment.name):
            withdraw(session, stored.name, windows.saving(stored, deployment, change.now).withdrawn, change.now)
    for pool in change.pools:
        save_pool(session, pool, change.pools_read.get(pool.name))
    for deployment in change.deployments:
        save_deployment(session, deployment, change.deployments_read.get(deployment.name), change.now)
    for name in change.pools_gone:
        delete_pool(session, name, change.pools_read[name])


def add(session: Session, runs: Iterable[Run]) -> frozenset[UUID]:
    """Those of these runs that were not there; in the order of their ids, so that two who add do not wait for each other."""
    ordered = sorted(runs, key=lambda run: run.id)
    added = session.change_each("add_run", [RUN.encode(run) for run in ordered])
    return frozenset(run.id for run, count in zip(ordered, added, strict=True) if count)


def require_queue(session: Session, pool: str, queue: str) -> None:
    """Raise `NotFound` unless there is such a queue."""
    if session.row("queue_exists", pool=pool, queue=queue) is None:
        raise refusals.no_queue(pool, queue)


def _expect_pool(session: Session, name: str, version: int) -> None:
    row = session.row("pool_version", name=name)
    if row is None:
        raise refusals.no_pool(name)
    if row[0] != version:
        raise refusals.pool_changed(name, version, row[0])


def _add_pool(session: Session, pool: WorkPool) -> None:
    untouched = replace(pool, holds=(), last_tick_at=None)
    if not session.change("add_pool", **POOL.encode(untouched)):
        raise refusals.pool_exists(pool.name)


def _replace_pool(session: Session, pool: WorkPool, expected_version: int) -> None:
    """All but the queues, which are taken away to be added anew: new priorities may trade places."""
    _expect_pool(session, pool.name, expected_version)
    for _, name, *_ in session.rows("queues_of_pool", pool=pool.name):
        if pool.queue(name) is None and _is(session, "queue_is_busy", pool=pool.name, queue=name):
            raise refusals.queue_busy(pool.name, name)
    session.change("replace_pool", **POOL.encode(pool))
    session.change("delete_queues", pool=pool.name)


def _expected_deployment(session: Session, name: str, version: int | None) -> Deployment | None:
    """The deployment that is replaced, and held until the end of the transaction; None for a new one."""
    row = session.row("deployment_version", name=name)
    if version is None and row is not None:
        raise refusals.deployment_exists(name)
    if version is not None and row is None:
        raise refusals.no_deployment(name)
    if version is not None and row is not None and row[0] != version:
        raise refusals.deployment_changed(name, version, row[0])
    return deployment_in(session, name)


def _is(session: Session, question: str, **parameters: Any) -> bool:
    return bool(required(session.row(question, **parameters))[0])


def required(found: T | None) -> T:
    """What this transaction has just made sure of."""
    if found is None:
        raise AssertionError("a row that this transaction has written or counted is not there")
    return found


def expected(run: Run) -> Mapping[str, Any]:
    """The parameters of `change_run` that say how the run is expected to be."""
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
