"""When the deployments of a pool are due: one item for each pool, in the transactions that change its deployments.

    at/<deployment>             its `windows_at`, where it has one
    withdrawing/<deployment>    runs of it are still to be withdrawn (`withdrawing`)

There is one item per pool, not per deployment, so that a change of 50 deployments with schedules is still one transaction: each
deployment takes one of its 100 items, and each pool one more. A tick reads the item, and then the deployments that are due.
Whenever windows of a deployment become runs, the item is written, at 2 write units for each kB (some 25 deployments with
schedules).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dispatcher.stores.codecs import microseconds
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.items import Item, number_in, text_in
from dispatcher.stores.dynamodb.run_writes import Action, Actions

AT = "at/"
WITHDRAWING = "withdrawing/"

Entries = Mapping[tuple[str, str], Mapping[str, Any]]
"""Attributes, by pool and name."""
Changed = Mapping[tuple[str, str], Mapping[str, Any] | None]
"""Likewise; None removes an attribute."""


def entries_of(item: Item | None) -> Entries:
    """The attributes that a deployment's item requires in the item of its pool."""
    if item is None:
        return {}
    pool, name = text_in(item, "pool"), text_in(item, "name")
    entries: dict[tuple[str, str], Mapping[str, Any]] = {}
    if "windows_at" in item and "leaving" not in item:
        entries[pool, AT + name] = item["windows_at"]
    if "withdrawing" in item:
        entries[pool, WITHDRAWING + name] = {"BOOL": True}
    return entries


def changed(before: Item | None, after: Item | None) -> Changed:
    """The attributes that change together with a deployment's item."""
    old, new = entries_of(before), entries_of(after)
    gone = dict.fromkeys(old.keys() - new.keys())
    return {**gone, **{key: value for key, value in new.items() if old.get(key) != value}}


def actions(entries: Changed) -> Actions:
    """The actions that write them; a missing item is created."""
    by_pool: dict[str, dict[str, Mapping[str, Any] | None]] = {}
    for (pool, name), value in sorted(entries.items(), key=lambda entry: entry[0]):
        by_pool.setdefault(pool, {})[name] = value
    return {keys.windows(pool): _action(attributes) for pool, attributes in by_pool.items()}


def due_in(item: Item, now: datetime) -> Sequence[str]:
    """The deployments that are due, the earliest first, then by name."""
    at = {name.removeprefix(AT): number_in(item, name) for name in item if name.startswith(AT)}
    return sorted((name for name, time in at.items() if time <= microseconds(now)), key=lambda name: (at[name], name))


def names_in(item: Item) -> Sequence[str]:
    """The entries that an item of windows holds."""
    return [name for name in item if name.startswith((AT, WITHDRAWING))]


def withdrawing_in(item: Item) -> Sequence[str]:
    """The deployments whose runs are still to be withdrawn."""
    return sorted(name.removeprefix(WITHDRAWING) for name in item if name.startswith(WITHDRAWING))


def _action(attributes: Mapping[str, Mapping[str, Any] | None]) -> Action:
    names, values, assigned, removed = {}, {}, list[str](), list[str]()
    for number, (name, value) in enumerate(attributes.items()):
        names[f"#n{number}"] = name
        if value is None:
            removed.append(f"#n{number}")
        else:
            values[f":v{number}"] = value
            assigned.append(f"#n{number} = :v{number}")
    clauses = [f"{verb} {', '.join(terms)}" for verb, terms in (("SET", assigned), ("REMOVE", removed)) if terms]
    action = {"UpdateExpression": " ".join(clauses), "ExpressionAttributeNames": names}
    return "Update", {**action, "ExpressionAttributeValues": values} if values else action
