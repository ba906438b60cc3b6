"""Windows become runs, one transaction for each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatcher.core.windows import reached as reached_by
from dispatcher.models import Deployment, Run
from dispatcher.models.records import MATERIALISED_AT_ONCE, Materialisation
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.deployments import Deployments
from dispatcher.stores.dynamodb.items import Item, as_read, deployment_in, text_in, typed
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import MAX_ACTIONS, Action, Actions, RunWrite, RunWriter, gate_action
from dispatcher.stores.dynamodb.withdrawing import finish, is_pending
from dispatcher.stores.rows import DEPLOYMENT


class Materialiser:
    """Finds the deployments that are due, and carries out their steps."""

    def __init__(self, table: Table, deployments: Deployments, changes: RunWriter) -> None:
        self._table, self._deployments, self._changes = table, deployments, changes

    def scheduled(self, pool: str, now: datetime, limit: int) -> Sequence[Deployment]:
        """See `Store.scheduled`. Withdrawals that an interrupted change has left are finished first."""
        item = self._windows(pool)
        if left := windows.withdrawing_in(item):
            self._deployments.settled(left)
            item = self._windows(pool)
        names = windows.due_in(item, now)[: max(limit, 0)]
        items = self._table.items([keys.deployment(name) for name in names])
        deployments = filter(None, (deployment_in(items.get(keys.deployment(name))) for name in names))
        # A deployment may have changed since its pool's windows were read.
        due = {
            (deployment.windows_at, deployment.name): deployment
            for deployment in deployments
            if deployment.windows_at and deployment.windows_at <= now and deployment.pool == pool
        }
        return [due[position] for position in sorted(due)]

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """See `Store.materialise`."""
        read = materialisation.deployment
        runs = {run.id: as_read(run) for run in reversed(materialisation.runs)}  # the first of two equal ids
        for _ in self._table.rounds(f"windows of deployment {read.name!r} were not made runs"):
            items = self._table.items([keys.deployment(read.name), keys.gate(read.pool, read.queue), *map(keys.run, runs)])
            item = items.get(keys.deployment(read.name))
            if item is not None and is_pending(item):
                finish(self._table, item)
                continue
            if item is None or keys.gate(read.pool, read.queue) not in items or not _is_as_read(item, read):
                return None
            new = [run for run in runs.values() if keys.run(run.id) not in items]
            if not self._write(materialisation, item, new):
                return frozenset(run.id for run in new)
        raise AssertionError  # the rounds end by an error

    def _windows(self, pool: str) -> Item:
        return dict(self._table.items([keys.windows(pool)]).get(keys.windows(pool), {}))

    def _write(self, materialisation: Materialisation, item: Item, new: Sequence[Run]) -> frozenset[Key]:
        """Write the step; returns the items that changed after they were read."""
        token = self._table.new_token()
        read, columns = materialisation.deployment, DEPLOYMENT.encode_fields(reached_by(materialisation))
        reached: Item = {name: typed(value) for name, value in columns.items() if value is not None}
        after = {name: value for name, value in item.items() if name not in columns} | reached
        actions: Actions = {
            keys.gate(read.pool, read.queue): gate_action(token),
            **self._changes.actions([RunWrite(before=None, after=run) for run in new], token),
            keys.deployment(read.name): _reach(text_in(item, "revision"), token, columns),
            **windows.actions(windows.changed(item, after)),
        }
        return self._table.transact(actions, token)


def _is_as_read(item: Item, read: Deployment) -> bool:
    stored = deployment_in(item)
    return stored is not None and (stored.version, stored.windows_until) == (read.version, read.windows_until)


def _reach(revision: str, token: str, columns: Mapping[str, Any]) -> Action:
    """Notes the time up to which the deployment's windows have become runs, if nobody has written it since it was read."""
    filled = {name: value for name, value in columns.items() if value is not None}
    assigned = ", ".join(["revision = :token", *(f"{name} = :{name}" for name in filled)])
    empty = [name for name in columns if name not in filled]
    removed = f" REMOVE {', '.join(empty)}" if empty else ""
    values = {f":{name}": typed(value) for name, value in filled.items()}
    return "Update", {
        "UpdateExpression": f"SET {assigned}{removed}",
        "ConditionExpression": "revision = :revision",
        "ExpressionAttributeValues": {":token": {"S": token}, ":revision": {"S": revision}, **values},
    }


assert 4 * MATERIALISED_AT_ONCE + 3 <= MAX_ACTIONS  # noqa: S101 - a constant among constants
