"""Pages of runs, newest first: the conditions of a filter as statements that each follow an index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatcher.models import RunState
from dispatcher.records import RunFilter

_KEYS: Mapping[tuple[str, ...], str] = {
    ("deployment",): "deployment = :deployment",
    ("pool", "queue"): "pool || '/' || queue = :pool || '/' || :queue",
    ("pool",): "pool = :pool",
    (): "",
}
"""What an index begins with, before state and time. The first of which the filter has everything is followed."""
_FILTERS = ("pool", "queue", "deployment")


def pages(where: RunFilter, *, limit: int, offset: int) -> tuple[str, Mapping[str, Any]]:
    """The ids of a page, and the parameters: the heads of all states that it may show, merged.

    A condition that the index does not begin with is written as an expression, so that no other index is tried: it is looked at
    run by run. That is so for a queue without its pool, and for a pool or queue beside a deployment.
    """
    filters = {name: value for name in _FILTERS if (value := getattr(where, name)) is not None}
    key = next(names for names in _KEYS if filters.keys() >= set(names))
    conditions = [_KEYS[key], *(f"{name} || '' = :{name}" for name in filters if name not in key)]
    states = sorted(where.states if where.states is not None else RunState)
    heads = " UNION ALL ".join(_head([*filter(None, conditions), f"state = '{state.value}'"]) for state in states)
    page = f"SELECT id FROM ({heads}) AS heads ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"  # noqa: S608 - our own words
    empty = "SELECT id FROM runs WHERE id = ''"
    reach = max(limit, 0) + offset
    return (page if states else empty), {**filters, "limit": max(limit, 0), "offset": offset, "reach": reach}


def _head(conditions: list[str]) -> str:
    """One state's newest runs. SQLite takes no ORDER BY in a part of a UNION but in a subquery."""
    ordered = f"FROM runs WHERE {' AND '.join(conditions)} ORDER BY created_at DESC, id LIMIT :reach"
    return f"SELECT * FROM (SELECT id, created_at {ordered}) AS head"  # noqa: S608 - our own words
