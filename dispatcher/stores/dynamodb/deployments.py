"""Deployments: they are few, and all in one partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from operator import eq

from dispatcher.core.windows import saving as saving_of
from dispatcher.models import Deployment, LogEntry, Run, RunState
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.items import Item, decode, deployment_in, encode, unknown
from dispatcher.stores.dynamodb.log import Log, entries_of
from dispatcher.stores.dynamodb.pools import changed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import Action, Actions
from dispatcher.stores.dynamodb.stored_deployments import (
    OWN,
    Piece,
    StoredDeployment,
    StoredDeployments,
    leaving,
    remembered,
    stored_in,
    unchanged,
    withdrawn,
)
from dispatcher.stores.dynamodb.withdrawing import LONG_AGO, finish, is_pending
from dispatcher.stores.rows import DEPLOYMENT

MAX_QUEUES = 10
"""If runs of a deployment's schedules may wait in more queues, those are looked for in which some do."""


class Deployments:
    """Reads and changes deployments."""

    def __init__(self, table: Table, log: Log) -> None:
        self._table, self._log = table, log

    def all(self, pool: str | None) -> Sequence[Deployment]:
        """See `Store.deployments`."""
        deployments = filter(None, map(deployment_in, self._table.query(keys.DEPLOYMENTS)))
        return sorted(
            (deployment for deployment in deployments if pool in (None, deployment.pool)),
            key=lambda deployment: deployment.name,
        )

    def read(self, name: str) -> Deployment | None:
        """See `Store.deployment`."""
        return deployment_in(self._table.items([keys.deployment(name)]).get(keys.deployment(name)))

    def settled(self, names: Iterable[str]) -> StoredDeployments:
        """Those of the named deployments that exist, after all their pending withdrawals are finished."""
        item_keys = [keys.deployment(name) for name in names]
        return self._settled(lambda: self._table.items(item_keys).values())

    def all_settled(self) -> StoredDeployments:
        """Every deployment, likewise."""
        return self._settled(lambda: self._table.query(keys.DEPLOYMENTS))

    def finish(self) -> bool:
        """Finish all pending withdrawals; returns whether there were any."""
        pending = [item for item in self._table.query(keys.DEPLOYMENTS) if is_pending(item)]
        for item in pending:
            finish(self._table, item)
        return bool(pending)

    def save(self, deployment: Deployment, expected_version: int | None, now: datetime, entry: LogEntry | None) -> Deployment:
        """See `Store.save_deployment`."""
        for _ in self._table.rounds(f"deployment {deployment.name!r} was not saved"):
            stored = self.settled([deployment.name]).get(deployment.name)
            _expect(stored, deployment.name, expected_version)
            token = self._table.new_token()
            saved, piece = self.saving(deployment, expected_version, now, stored, token)
            noting = self._log.actions(entries_of(entry))
            refused = self._table.transact({**piece.whole, **changed(token), **noting}, token)
            if not refused:
                self._withdraw(piece)
                return saved
            if refused == {keys.gate(saved.pool, saved.queue)}:
                raise refusals.no_queue(saved.pool, saved.queue)
        raise AssertionError  # the rounds end by an error

    def saving(
        self, deployment: Deployment, expected_version: int | None, now: datetime, stored: StoredDeployment | None, token: str
    ) -> tuple[Deployment, Piece]:
        """The deployment as it will be read, and the actions that save it. They succeed only if the stored deployment has not
        changed since it was read, has the expected version, and its queue has a gate.
        """
        updated = replace(deployment, version=(expected_version or 0) + 1)
        saving = saving_of(stored.deployment if stored else None, updated, now)
        kept = unknown(stored.item if stored else None, (*DEPLOYMENT.names, *OWN))
        item = {**kept, **encode(DEPLOYMENT, saving.deployment), "revision": {"S": token}, **self._places(stored, deployment)}
        withdrawals = withdrawn(self._table, stored, saving.withdrawn, now) if stored else ()
        for withdrawal in withdrawals:
            item |= withdrawal.note(token)
        actions: Actions = {
            keys.deployment(updated.name): ("Put", {"Item": item, **unchanged(stored, expected_version)}),
            keys.gate(updated.pool, updated.queue): ("ConditionCheck", {"ConditionExpression": "attribute_exists(pk)"}),
        }
        if updated.has_lanes:
            actions[keys.lanes(updated.pool)] = ("Put", {"Item": {}})
        written = windows.changed(stored.item if stored else None, item)
        return decode(DEPLOYMENT, item), Piece(actions=actions, entries=written, withdrawn=withdrawals)

    def restore(self, deployment: Deployment) -> None:
        """See `Store.restore`: it is written unchanged; an existing one is left alone."""
        if self.settled([deployment.name]):
            return
        token = self._table.new_token()
        item = {**encode(DEPLOYMENT, deployment), "revision": {"S": token}}
        put: Action = ("Put", {"Item": item, **unchanged(None, None)})
        written = windows.actions(windows.changed(None, item))
        lanes: Actions = {keys.lanes(deployment.pool): ("Put", {"Item": {}})} if deployment.has_lanes else {}
        self._table.transact({keys.deployment(deployment.name): put, **written, **lanes}, token)

    def delete(self, name: str, entry: LogEntry | None) -> None:
        """See `Store.delete_deployment`."""
        for _ in self._table.rounds(f"deployment {name!r} was not deleted"):
            stored = self.settled([name]).get(name)
            if stored is None:
                raise refusals.no_deployment(name)
            token = self._table.new_token()
            piece = self.leaving(name, stored, token)
            noting = self._log.actions(entries_of(entry))
            if not self._table.transact({**piece.whole, **changed(token), **noting}, token):
                self._withdraw(piece)
                return

    def leaving(self, name: str, stored: StoredDeployment | None, token: str) -> Piece:
        """The actions that delete a deployment that has not changed."""
        if stored is None:
            return Piece(actions={keys.deployment(name): ("Delete", {"ConditionExpression": "attribute_exists(pk)"})})
        return leaving(self._table, stored, token)

    def remember(self, runs: Iterable[Run]) -> None:
        """Note in the deployments of restored runs where runs of their schedules wait."""
        untouched = [run for run in runs if run.schedule is not None and run.state is RunState.SCHEDULED and run.fence == 0]
        names = {run.deployment for run in untouched if run.deployment is not None}
        for name, stored in (self.settled(sorted(names)) if names else {}).items():
            own = [run for run in untouched if run.deployment == name]
            queues = list(dict.fromkeys([*stored.queues, *((run.pool, run.queue) for run in own)]))
            noted = remembered(queues, stored.deployment, ranked=stored.has_priorities or any(run.priority for run in own))
            if noted != {attribute: stored.item[attribute] for attribute in noted if attribute in stored.item}:
                token = self._table.new_token()
                item = {**stored.item, **noted, "revision": {"S": token}}
                put: Action = ("Put", {"Item": item, **unchanged(stored, stored.deployment.version)})
                self._table.transact({keys.deployment(name): put}, token)

    # Below

    def _settled(self, read: Callable[[], Iterable[Item]]) -> StoredDeployments:
        for _ in self._table.rounds("runs were not withdrawn"):
            items = list(read())
            pending = [item for item in items if is_pending(item)]
            for item in pending:
                finish(self._table, item)
            if not pending:
                break
        return {stored.deployment.name: stored for stored in map(stored_in, items)}

    def _places(self, stored: StoredDeployment | None, deployment: Deployment) -> Item:
        """Where runs of its schedules may wait after it is saved: due runs stay in the queues that it had before. If these are
        too many, those without such a run are forgotten.
        """
        own, before = (deployment.pool, deployment.queue), list(stored.queues) if stored else []
        queues = [own] if deployment.schedules or own in before else []
        earlier = [queue for queue in before if queue != own]
        if stored and len(queues) + len(earlier) > MAX_QUEUES:
            earlier = [queue for queue in earlier if withdrawn(self._table, stored, None, LONG_AGO, partial(eq, queue))]
        ranked = deployment.has_priorities or (stored is not None and stored.has_priorities)
        return remembered([*queues, *earlier], deployment, ranked=ranked)

    def _withdraw(self, piece: Piece) -> None:
        """Finish the withdrawals that a transaction has noted."""
        if piece.withdrawn:
            self.settled([withdrawal.deployment for withdrawal in piece.withdrawn])


def _expect(stored: StoredDeployment | None, name: str, version: int | None) -> None:
    deployment = stored.deployment if stored else None
    if version is None and deployment:
        raise refusals.deployment_exists(name)
    if version is not None and not deployment:
        raise refusals.no_deployment(name)
    if version is not None and deployment and deployment.version != version:
        raise refusals.deployment_changed(name, version, deployment.version)
