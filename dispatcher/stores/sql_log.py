"""The log of changes in SQL: how it is read and written within a transaction that a verb of `sql_store` has begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.models import LogEntry
from dispatcher.models.records import FORGOTTEN_AT_ONCE, LogFilter
from dispatcher.stores.codecs import microseconds
from dispatcher.stores.rows import LOG_ENTRY
from dispatcher.stores.transaction import Transaction

_KEYS: Mapping[str, str] = {"name": "name = :name", "actor": "actor = :actor"}
"""The columns with which an index begins, before the time. The first that the filter has is followed; otherwise the index by
time.
"""

_CHECKS: Mapping[str, str] = {
    "name": "name || '' = :name",
    "actor": "actor || '' = :actor",
    "noun": "noun || '' = :noun",
}
"""Any other condition is written as an expression, so that the planner tries no other index: it is checked entry by entry."""

_TIMES: Mapping[str, str] = {
    "since": "changed_at >= :since",
    "until": "changed_at < :until",
    "after": "changed_at <= :after_at AND (changed_at < :after_at OR id > :after_id)",
}


def page(where: LogFilter, limit: int) -> tuple[str, Mapping[str, Any]]:
    """The statement that gives the ids of a page, and its parameters."""
    filters = {name: value for name in (*_CHECKS, "since", "until") if (value := getattr(where, name)) is not None}
    key = next((name for name in _KEYS if name in filters), None)
    conditions = [_KEYS[key]] if key else []
    conditions += [_TIMES[name] for name in _TIMES if getattr(where, name) is not None]
    conditions += [check for name, check in _CHECKS.items() if name in filters and name != key]
    among = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    parameters = {**filters, "limit": max(limit, 0)}
    if where.after is not None:
        parameters["after_at"], parameters["after_id"] = where.after
    return f"SELECT id FROM change_log{among} ORDER BY changed_at DESC, id LIMIT :limit", parameters  # noqa: S608 - our own words


def entries(transaction: Transaction, where: LogFilter, limit: int) -> Sequence[LogEntry]:
    """See `Store.log`."""
    ids, parameters = page(where, limit)
    rows = transaction.rows_among("log", ids, **parameters)
    return sorted(map(LOG_ENTRY.decode, rows), key=lambda entry: (-microseconds(entry.changed_at), entry.id))


def note(transaction: Transaction, entry: LogEntry | None, runs: int = 0) -> None:
    """Write an entry for a change of `runs` runs, and delete some old entries."""
    if entry is not None:
        calls = [("forget", {"now": entry.changed_at, "limit": FORGOTTEN_AT_ONCE})]
        transaction.together(*calls, ("note", LOG_ENTRY.encode(replace(entry, runs=entry.runs + runs))))


def note_runs(transaction: Transaction, entry: LogEntry | None, runs: int) -> None:
    """`note`, if any run has changed."""
    if runs:
        note(transaction, entry, runs)


def restore(transaction: Transaction, restored: Sequence[LogEntry]) -> None:
    """Write entries of another store unchanged, except those whose ids exist."""
    transaction.change_each("add_entry", [LOG_ENTRY.encode(entry) for entry in restored])
