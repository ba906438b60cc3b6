"""Pages of runs, newest first: the conditions of a filter as statements that each follow an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.models import RunState
from dispatcher.records import RunFilter

FEW = 2000
"""If at most so many runs have a name with this beginning, they are found by it; otherwise another index is followed."""

_KEYS: Mapping[tuple[str, ...], str] = {
    ("deployment",): "deployment = :deployment",
    ("tag",): "tag = :tag",
    ("pool", "queue"): "pool || '/' || queue = :pool || '/' || :queue",
    ("pool",): "pool = :pool",
    (): "",
}
"""The columns with which an index begins, before state and time. The first index whose columns the filter has is followed."""

_CHECKS: Mapping[str, str] = {
    "pool": "pool || '' = :pool",
    "queue": "queue || '' = :queue",
    "deployment": "deployment || '' = :deployment",
    "name": "name || '' >= :name AND name || '' < :name_end",
    "tag": (
        "(SELECT 1 FROM run_tags WHERE tag = :tag AND run_tags.state = runs.state AND run_tags.created_at = runs.created_at"
        " AND run_tags.run = runs.id) = 1"
    ),
}
"""Any other condition is written as an expression, so that the planner tries no other index: it is checked
run by run.
"""

_TIMES: Mapping[str, str] = {
    "since": "created_at >= :since",
    "until": "created_at < :until",
    "after": "created_at <= :after_at AND (created_at < :after_at OR {id} > :after_id)",
}
"""Bounds of what is read from an index."""

_BY_NAME = "SELECT id FROM runs WHERE name >= :name AND name < :name_end ORDER BY name LIMIT :few"


def named(name: str) -> Mapping[str, Any]:
    """The parameters of the statement `named`, which counts the runs whose name begins like this, up to one more than `FEW`."""
    return {**_name_range(name), "few": FEW + 1}


def pages(where: RunFilter, *, limit: int, offset: int, few: bool = False) -> tuple[str, Mapping[str, Any]]:
    """The ids of a page, and the parameters: the heads of all states that it may show, merged.

    `few`: at most `FEW` runs have such a name, so that each of them is checked instead.
    """
    filters = {name: value for name in _CHECKS if (value := getattr(where, name)) is not None}
    times = [name for name in _TIMES if getattr(where, name) is not None]
    parameters = {**_parameters(where), "limit": max(limit, 0), "offset": offset}
    states = sorted(where.states if where.states is not None else RunState)
    if not states:
        return "SELECT id FROM runs WHERE id = ''", parameters
    if few:
        return _among_few(filters, times, states), {**parameters, "few": FEW}
    page = " UNION ALL ".join(_head(filters, times, state) for state in states)
    merged = f"SELECT id FROM ({page}) AS heads ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"  # noqa: S608 - our own words
    return merged, {**parameters, "reach": max(limit, 0) + offset}


def _head(filters: Mapping[str, Any], times: Sequence[str], state: RunState) -> str:
    """One state's newest runs. SQLite takes no ORDER BY in a part of a UNION but in a subquery."""
    key = next(names for names in _KEYS if filters.keys() >= set(names))
    checks = [_CHECKS[name] for name in filters if name not in key]
    table, column = ("run_tags", "run") if key == ("tag",) else ("runs", "id")
    if table == "run_tags" and checks:
        checks = [f"(SELECT 1 FROM runs WHERE id = run_tags.run AND {' AND '.join(checks)}) = 1"]  # noqa: S608 - our own words
    bounds = [_TIMES[name].format(id=column) for name in times]
    conditions = " AND ".join([*filter(None, [_KEYS[key]]), f"state = '{state.value}'", *bounds, *checks])
    ordered = f"FROM {table} WHERE {conditions} ORDER BY created_at DESC, {column} LIMIT :reach"
    return f"SELECT * FROM (SELECT {column} AS id, created_at {ordered}) AS head"  # noqa: S608 - our own words


def _among_few(filters: Mapping[str, Any], times: Sequence[str], states: Sequence[RunState]) -> str:
    """Every run with such a name is checked."""
    names = ", ".join(f"'{state.value}'" for state in states)
    checks = [_CHECKS[name] for name in filters if name != "name"]
    bounds = [_TIMES[name].format(id="id") for name in times]
    conditions = " AND ".join([f"state || '' IN ({names})", *bounds, *checks])
    runs = f"SELECT id, created_at FROM runs WHERE id IN (SELECT id FROM ({_BY_NAME}) AS named) AND {conditions}"  # noqa: S608 - our own words
    return f"SELECT id FROM ({runs}) AS page ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"  # noqa: S608 - our own words


def _parameters(where: RunFilter) -> dict[str, Any]:
    names = ("pool", "queue", "deployment", "tag", "since", "until")
    parameters = {name: value for name in names if (value := getattr(where, name)) is not None}
    if where.name is not None:
        parameters |= _name_range(where.name)
    if where.after is not None:
        parameters["after_at"], parameters["after_id"] = where.after
    return parameters


def _name_range(name: str) -> Mapping[str, str]:
    """Names are printable, and the last code point is not: it sorts after all that begin with `name`."""
    return {"name": name, "name_end": f"{name}\U0010ffff"}
