"""Deletes the deployments and ended runs of a deleted pool, piece by piece, and what the deployments' schedules have left in
other pools.

Each piece is deleted on the condition that the name is still marked `leaving`, so that a delayed request never touches a new
pool of this name, and a deployment only while it belongs to the deleted pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.definition import LISTING
from dispatcher.stores.dynamodb.items import Item, key_in, text_in
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import MAX_ACTIONS, Action, Actions
from dispatcher.stores.dynamodb.stored_deployments import leaving, stored_in
from dispatcher.stores.dynamodb.withdrawing import finish, is_pending


def is_leaving(name: Item) -> bool:
    """Whether an entry among the names belongs to a deleted pool."""
    return "leaving" in name


def clear(table: Table, pool: str) -> bool:
    """Delete what a deleted pool has left, and free its name; False if there is no deleted pool of that name."""
    for past in table.rounds(f"what deleted work pool {pool!r} left could not be deleted"):
        name = table.items([keys.name(pool)]).get(keys.name(pool))
        if name is None or not is_leaving(name):
            return past > 0  # otherwise somebody else has finished it
        if _take_away(table, pool, text_in(name, "leaving")):
            break
    return True


def _take_away(table: Table, pool: str, token: str) -> bool:
    """Delete all of it; False if something changed after it was read."""
    condition = {"ConditionExpression": "leaving = :token", "ExpressionAttributeValues": {":token": {"S": token}}}
    if not _withdraw_elsewhere(table, pool, ("ConditionCheck", condition)):
        return False
    left = iter(list(_left_by(table, pool)))
    while piece := dict(islice(left, MAX_ACTIONS - 1)):
        actions: Actions = {keys.name(pool): ("ConditionCheck", condition), **piece}
        if table.transact(actions, table.new_token()):
            return False
    last: Actions = {
        keys.name(pool): ("Delete", condition),
        keys.windows(pool): ("Delete", {}),
        keys.lanes(pool): ("Delete", {}),
    }
    table.transact(last, table.new_token())
    return True


def _withdraw_elsewhere(table: Table, pool: str, condition: Action) -> bool:
    """Delete the deployments whose schedules have left runs in other pools, and these runs. False likewise."""
    for item in list(table.query(keys.DEPLOYMENTS)):
        if text_in(item, "pool") != pool or is_pending(item):
            continue
        token = table.new_token()
        piece = leaving(table, stored_in(item), token, lambda queue: queue[0] != pool)
        if piece.withdrawn:
            if table.transact({keys.name(pool): condition, **piece.whole}, token):
                return False
            for left in table.items([keys.deployment(text_in(item, "name"))]).values():
                if is_pending(left):
                    finish(table, left)
    return True


def _left_by(table: Table, pool: str) -> Iterator[tuple[Key, Action]]:
    """Deployments, entries of ended runs, and the runs in the index. A run that the index does not show yet expires by
    itself.
    """
    belongs = _belongs_to(pool)
    for item in table.query(keys.DEPLOYMENTS):
        if text_in(item, "pool") == pool:
            if is_pending(item):
                finish(table, item)  # runs in the queue that it had before
            if "leaving" not in item:
                yield key_in(item), ("Delete", belongs)
    for partition in (keys.lingering(pool), keys.notifications(pool), keys.owed(pool)):
        yield from ((key_in(item), ("Delete", {})) for item in table.query(partition))
    values = {":pool": {"S": pool}}
    for item in table.pages(
        None,
        IndexName=LISTING,
        KeyConditionExpression="#pool = :pool",
        ExpressionAttributeNames={"#pool": "pool"},
        ExpressionAttributeValues=values,
    ):
        yield key_in(item), ("Delete", {})


def _belongs_to(pool: str) -> Mapping[str, Any]:
    """The condition that the deployment still belongs to the pool: meanwhile somebody may move it, note a withdrawal in it, or
    delete it.
    """
    return {
        "ConditionExpression": "attribute_not_exists(pk) OR (#pool = :pool AND attribute_not_exists(withdrawing))",
        "ExpressionAttributeNames": {"#pool": "pool"},
        "ExpressionAttributeValues": {":pool": {"S": pool}},
    }
