"""What a deleted pool leaves: its deployments and ended runs, taken away piece by piece.

Each piece goes on the condition that the pool's name is still leaving, so that no straggler touches a later pool of the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.changes import MAX_ACTIONS, Actions
from dispatcher.stores.dynamodb.definition import LISTING
from dispatcher.stores.dynamodb.items import Item, key_in, plain
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.requests import Table


def is_leaving(name: Item) -> bool:
    """Whether an entry among the names is that of a pool which has been deleted."""
    return "leaving" in name


def sweep(table: Table, pool: str) -> bool:
    """Take away what a deleted pool has left, and free its name; False when there is no deleted pool of that name."""
    name = table.items([keys.name(pool)]).get(keys.name(pool))
    if name is None or not is_leaving(name):
        return False
    token = plain(name["leaving"])
    condition = {"ConditionExpression": "leaving = :token", "ExpressionAttributeValues": {":token": {"S": token}}}
    left = iter(list(_left_by(table, pool)))
    while piece := list(islice(left, MAX_ACTIONS - 1)):
        actions: Actions = {keys.name(pool): ("ConditionCheck", condition), **{key: ("Delete", {}) for key in piece}}
        if table.transact(actions, table.new_token()):
            return True  # somebody else has finished it
    table.transact({keys.name(pool): ("Delete", condition)}, table.new_token())
    return True


def _left_by(table: Table, pool: str) -> Iterator[Key]:
    """Deployments, entries of lingering runs, and the runs that the index knows: one it does not know yet expires by itself."""
    for item in table.query(keys.DEPLOYMENTS):
        if plain(item["pool"]) == pool:
            yield key_in(item)
    for item in table.query(keys.lingering(pool)):
        yield key_in(item)
    values = {":pool": {"S": pool}}
    for item in table.pages(
        None,
        IndexName=LISTING,
        KeyConditionExpression="#pool = :pool",
        ExpressionAttributeNames={"#pool": "pool"},
        ExpressionAttributeValues=values,
    ):
        yield key_in(item)
