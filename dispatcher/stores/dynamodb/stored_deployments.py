"""A deployment's item, and the actions that delete a deployment.

Beside the deployment's fields, the item remembers where runs of its schedules may wait: a change leaves the runs that are due
where they are, and a deletion takes them from there.

    revision      the token of the transaction that wrote it
    places        the queues in which these runs may wait, if that is not its own queue alone
    ranked        one of its schedules has given, or gives, its runs a priority
    withdrawing   runs of it are still to be withdrawn (`withdrawing`)
    leaving       it is deleted: the item stays until its runs are withdrawn
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from dispatcher.models import Deployment
from dispatcher.stores.dynamodb import keys, windows
from dispatcher.stores.dynamodb.items import Item, decode, readable, text_in, typed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import Action, Actions
from dispatcher.stores.dynamodb.withdrawing import LONG_AGO, QueueAddress, Withdrawal, entries
from dispatcher.stores.rows import DEPLOYMENT

OWN = ("revision", "places", "ranked", "withdrawing", "leaving")
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
        """The queues where runs of its schedules may wait, its own queue first; none if it never had a schedule."""
        if "places" not in self.item:
            return [(self.deployment.pool, self.deployment.queue)]
        with readable("places"):
            return [(pool, queue) for pool, queue in json.loads(text_in(self.item, "places"))]

    @property
    def has_priorities(self) -> bool:
        """Whether runs of its schedules may have a priority."""
        return "ranked" in self.item or self.deployment.has_priorities


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


def stored_in(item: Item) -> StoredDeployment:
    """The deployment in an item, with no pending withdrawal."""
    return StoredDeployment(item, decode(DEPLOYMENT, item))


def remembered(queues: Sequence[QueueAddress], deployment: Deployment, *, ranked: bool) -> Item:
    """The attributes that say where runs of its schedules may wait."""
    own = [(deployment.pool, deployment.queue)]
    places: Item = {} if list(queues) == own else {"places": {"S": json.dumps(queues)}}
    return {**places, **({"ranked": {"BOOL": True}} if ranked else {})}


def withdrawn(
    table: Table,
    stored: StoredDeployment,
    slugs: frozenset[str] | None,
    after: datetime,
    among: Callable[[QueueAddress], bool] = lambda _queue: True,
) -> tuple[Withdrawal, ...]:
    """The withdrawals that are needed; none if no such run waits. A run that begins to wait later changes the revision."""
    queues = tuple(filter(among, stored.queues))
    if not queues or (slugs is not None and not slugs):
        return ()
    name, ranked = stored.deployment.name, stored.has_priorities
    withdrawal = Withdrawal(deployment=name, slugs=slugs, after=after, queues=queues, has_priorities=ranked)
    return (withdrawal,) if any(True for _ in islice(entries(table, withdrawal), 1)) else ()


def leaving(
    table: Table, stored: StoredDeployment, token: str, among: Callable[[QueueAddress], bool] = lambda _queue: True
) -> Piece:
    """The actions that delete a deployment that has not changed, with the runs that its schedules left in these queues and that
    nobody claimed. Its item stays, marked, until these are withdrawn.
    """
    withdrawals = withdrawn(table, stored, None, LONG_AGO, among)
    condition = unchanged(stored, stored.deployment.version)
    left: Item | None = None
    action: Action = ("Delete", condition)
    for withdrawal in withdrawals:
        left = {**stored.item, **withdrawal.note(token), "leaving": {"S": token}, "revision": {"S": token}}
        action = "Put", {"Item": left, **condition}
    entered = windows.changed(stored.item, left)
    return Piece(actions={keys.deployment(stored.deployment.name): action}, entries=entered, withdrawn=withdrawals)


def unchanged(stored: StoredDeployment | None, version: int | None) -> Mapping[str, Any]:
    """The condition that a deployment has this version and the revision that was read (ticks write to it as well)."""
    if version is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#version = :expected AND revision = :revision",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":expected": typed(version), ":revision": {"S": stored.revision if stored else ""}},
    }
