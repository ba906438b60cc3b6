"""Deployments: they are few, and all in one partition."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from dispatcher.core.windows import saving as saving_of
from dispatcher.models import Deployment, LogEntry
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.items import Item, decode, deployment_in, encode, readable, text_in, typed, unknown
from dispatcher.stores.dynamodb.log import Log, entries_of
from dispatcher.stores.dynamodb.pools import changed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import Action, Actions
from dispatcher.stores.dynamodb.withdrawing import LONG_AGO, QueueAddress, Withdrawal, entries, finish, is_pending
from dispatcher.stores.rows import DEPLOYMENT

MAX_QUEUES = 10
"""The most queues in which a deployment's runs are searched: its own, and the last ones it had before."""

OWN = ("revision", "places", "withdrawing", "leaving")
"""The attributes of a deployment's item besides its fields."""


@dataclass(frozen=True, slots=True)
class StoredDeployment:
    """A deployment as it was read, with no pending withdrawal."""

    item: Item
    deployment: Deployment

    @property
    def revision(self) -> str:
        """The token of the transaction that wrote it."""
        return text_in(self.item, "revision")

    @property
    def queues(self) -> Sequence[QueueAddress]:
        """The queues where runs of its schedules may wait, its own queue first."""
        if "places" not in self.item:
            return [(self.deployment.pool, self.deployment.queue)]
        with readable("places"):
            return [(pool, queue) for pool, queue in json.loads(text_in(self.item, "places"))]


StoredDeployments = Mapping[str, StoredDeployment]
"""By name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What a transaction writes for a deployment, or for many nouns. Entries of windows are separate, because several share one
    item.
    """

    actions: Actions = field(default_factory=dict)
    entries: windows.Changed = field(default_factory=dict)
    withdrawn: tuple[Withdrawal, ...] = ()
    """Withdrawals that the transaction notes; they are finished after it."""

    @property
    def whole(self) -> Actions:
        """Every action."""
        return {**self.actions, **windows.actions(self.entries)}


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
        item = {**kept, **encode(DEPLOYMENT, saving.deployment), "revision": {"S": token}, **_queues(stored, deployment)}
        withdrawn = self._withdrawn(stored, saving.withdrawn, now)
        for withdrawal in withdrawn:
            item |= withdrawal.note(token)
        actions: Actions = {
            keys.deployment(updated.name): ("Put", {"Item": item, **_unchanged(stored, expected_version)}),
            keys.gate(updated.pool, updated.queue): ("ConditionCheck", {"ConditionExpression": "attribute_exists(pk)"}),
        }
        if updated.has_lanes:
            actions[keys.lanes(updated.pool)] = ("Put", {"Item": {}})
        written = windows.changed(stored.item if stored else None, item)
        return decode(DEPLOYMENT, item), Piece(actions=actions, entries=written, withdrawn=withdrawn)

    def restore(self, deployment: Deployment) -> None:
        """See `Store.restore`: it is written unchanged; an existing one is left alone."""
        if self.settled([deployment.name]):
            return
        token = self._table.new_token()
        item = {**encode(DEPLOYMENT, deployment), "revision": {"S": token}}
        put: Action = ("Put", {"Item": item, **_unchanged(None, None)})
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
        """The actions that delete a deployment that has not changed. Its item stays, marked, until its runs are withdrawn."""
        key = keys.deployment(name)
        if stored is None:
            return Piece(actions={key: ("Delete", {"ConditionExpression": "attribute_exists(pk)"})})
        slugs = frozenset(schedule.slug for schedule in stored.deployment.schedules)
        withdrawn = self._withdrawn(stored, slugs, LONG_AGO)
        unchanged = _unchanged(stored, stored.deployment.version)
        left: Item | None = None
        action: Action = ("Delete", unchanged)
        for withdrawal in withdrawn:
            left = {**stored.item, **withdrawal.note(token), "leaving": {"S": token}, "revision": {"S": token}}
            action = "Put", {"Item": left, **unchanged}
        return Piece(actions={key: action}, entries=windows.changed(stored.item, left), withdrawn=withdrawn)

    # Below

    def _settled(self, read: Callable[[], Iterable[Item]]) -> StoredDeployments:
        for _ in self._table.rounds("runs were not withdrawn"):
            items = list(read())
            pending = [item for item in items if is_pending(item)]
            for item in pending:
                finish(self._table, item)
            if not pending:
                break
        return {stored.deployment.name: stored for stored in map(_stored, items)}

    def _withdrawn(self, stored: StoredDeployment | None, slugs: frozenset[str], after: datetime) -> tuple[Withdrawal, ...]:
        """The withdrawals that are needed; none if no such run waits. A run that begins to wait later changes the revision."""
        if stored is None or not slugs:
            return ()
        name, queues, ranked = stored.deployment.name, tuple(stored.queues), stored.deployment.has_priorities
        withdrawal = Withdrawal(deployment=name, slugs=slugs, after=after, queues=queues, has_priorities=ranked)
        return (withdrawal,) if any(True for _ in islice(entries(self._table, withdrawal), 1)) else ()

    def _withdraw(self, piece: Piece) -> None:
        """Finish the withdrawals that a transaction has noted."""
        if piece.withdrawn:
            self.settled([withdrawal.deployment for withdrawal in piece.withdrawn])


def _stored(item: Item) -> StoredDeployment:
    return StoredDeployment(item, decode(DEPLOYMENT, item))


def _queues(stored: StoredDeployment | None, deployment: Deployment) -> Item:
    """The attribute with the deployment's earlier queues, if any: overdue runs stay in them."""
    queue = deployment.pool, deployment.queue
    before = [] if stored is None else stored.queues if stored.deployment.schedules else stored.queues[1:]
    queues = [queue, *(earlier for earlier in before if earlier != queue)][:MAX_QUEUES]
    return {"places": {"S": json.dumps(queues)}} if len(queues) > 1 else {}


def _expect(stored: StoredDeployment | None, name: str, version: int | None) -> None:
    deployment = stored.deployment if stored else None
    if version is None and deployment:
        raise refusals.deployment_exists(name)
    if version is not None and not deployment:
        raise refusals.no_deployment(name)
    if version is not None and deployment and deployment.version != version:
        raise refusals.deployment_changed(name, version, deployment.version)


def _unchanged(stored: StoredDeployment | None, version: int | None) -> Mapping[str, Any]:
    """The condition that a deployment has this version and the revision that was read (ticks write to it as well)."""
    if version is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#version = :expected AND revision = :revision",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":expected": typed(version), ":revision": {"S": stored.revision if stored else ""}},
    }
