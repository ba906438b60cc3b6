"""Pages of runs, newest first: a filter's conditions become statements that each follow an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.models import RunState
from dispatcher.models.records import SEARCHED_AT_ONCE, RunFilter

FEW = SEARCHED_AT_ONCE
"""If at most this many runs have a name that begins as asked, each of them is checked; otherwise another index is followed."""

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
"""The bounds of the entries that are read from an index."""

_UNTIL = "created_at >= :until_at AND (created_at > :until_at OR {id} <= :until_id)"
"""A further bound: the position up to which a list is searched."""


def named(name: str, few: int = FEW) -> Mapping[str, Any]:
    """The parameters of the statement `named`, which counts the runs whose name begins with `name`, up to one more than
    `few`.
    """
    return {**_name_range(name), "few": few + 1}


def is_answered(where: RunFilter) -> bool:
    """Whether one index covers the whole filter, so that a page is read from its head."""
    filters = _filters(where)
    return filters.keys() == set(_key(filters)) or not _states(where)


def ends(where: RunFilter, *, most: int) -> tuple[str, Mapping[str, Any]]:
    """For each state with more than `most` runs, the position of the end of its `most` newest; and the parameters.

    Only conditions in the index count, so that nothing else is read.
    """
    key, times = _key(_filters(where)), _times(where)
    parts = " UNION ALL ".join(
        f"SELECT * FROM ({_ordered(key, times, state, (), 'created_at, {id} AS id')} LIMIT 1 OFFSET :most) AS ends"  # noqa: S608 - our own words
        for state in _states(where)
    )
    return parts, {**_parameters(where), "most": most - 1}


def pages(
    where: RunFilter, *, limit: int, offset: int, few: bool = False, until: tuple[Any, Any] | None = None
) -> tuple[str, Mapping[str, Any]]:
    """The ids of a page, and the parameters: the heads of all states that it may show, merged.

    `few`: few runs have such a name, so each of them is checked instead. `until`: see `_UNTIL`, in stored form.
    """
    filters, times, states = _filters(where), _times(where), _states(where)
    parameters = {**_parameters(where), "limit": max(limit, 0), "offset": offset}
    if not states:
        return "SELECT id FROM runs WHERE id = ''", parameters
    if few:
        return _among_few(filters, times, states), parameters
    if until is not None:
        times, parameters = [*times, _UNTIL], {**parameters, "until_at": until[0], "until_id": until[1]}
    page = " UNION ALL ".join(_head(filters, times, state) for state in states)
    merged = f"SELECT id FROM ({page}) AS heads ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"  # noqa: S608 - our own words
    return merged, {**parameters, "reach": max(limit, 0) + offset}


def _head(filters: Mapping[str, Any], times: Sequence[str], state: RunState) -> str:
    """One state's newest runs. In a part of a UNION, SQLite accepts ORDER BY only in a subquery."""
    key = _key(filters)
    checks = [_CHECKS[name] for name in filters if name not in key]
    if key == ("tag",) and checks:
        checks = [f"(SELECT 1 FROM runs WHERE id = run_tags.run AND {' AND '.join(checks)}) = 1"]  # noqa: S608 - our own words
    ordered = _ordered(key, times, state, checks, "{id} AS id, created_at")
    return f"SELECT * FROM ({ordered} LIMIT :reach) AS head"  # noqa: S608 - our own words


def _ordered(key: tuple[str, ...], times: Sequence[str], state: RunState, checks: Sequence[str], columns: str) -> str:
    """One state's runs, newest first, along the index that begins with `key`."""
    table, column = ("run_tags", "run") if key == ("tag",) else ("runs", "id")
    bounds = [bound.format(id=column) for bound in times]
    conditions = " AND ".join([*filter(None, [_KEYS[key]]), f"state = '{state.value}'", *bounds, *checks])
    return f"SELECT {columns.format(id=column)} FROM {table} WHERE {conditions} ORDER BY created_at DESC, {column}"  # noqa: S608 - our own words


def _among_few(filters: Mapping[str, Any], times: Sequence[str], states: Sequence[RunState]) -> str:
    """Every run with such a name is checked."""
    names = ", ".join(f"'{state.value}'" for state in states)
    checks = [_CHECKS[name] for name in filters if name != "name"]
    bounds = [bound.format(id="id") for bound in times]
    conditions = " AND ".join(["name >= :name AND name < :name_end", f"state || '' IN ({names})", *bounds, *checks])
    runs = f"SELECT id, created_at FROM runs WHERE {conditions}"  # noqa: S608 - our own words
    return f"SELECT id FROM ({runs}) AS page ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"  # noqa: S608 - our own words


def _filters(where: RunFilter) -> dict[str, Any]:
    return {name: value for name in _CHECKS if (value := getattr(where, name)) is not None}


def _times(where: RunFilter) -> list[str]:
    return [bound for name, bound in _TIMES.items() if getattr(where, name) is not None]


def _states(where: RunFilter) -> list[RunState]:
    return sorted(where.states if where.states is not None else RunState)


def _key(filters: Mapping[str, Any]) -> tuple[str, ...]:
    return next(names for names in _KEYS if filters.keys() >= set(names))


def _parameters(where: RunFilter) -> dict[str, Any]:
    names = ("pool", "queue", "deployment", "tag", "since", "until")
    parameters = {name: value for name in names if (value := getattr(where, name)) is not None}
    if where.name is not None:
        parameters |= _name_range(where.name)
    if where.after is not None:
        parameters["after_at"], parameters["after_id"] = where.after
    return parameters


def _name_range(name: str) -> Mapping[str, str]:
    """The range of names that begin with `name`. Names are printable and the last code point is not, so it sorts after all of
    them.
    """
    return {"name": name, "name_end": f"{name}\U0010ffff"}
