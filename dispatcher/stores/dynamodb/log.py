"""The log of changes: the entries of a month share a partition, latest first; another one lists the months.

A transaction writes one item, however much it changes: its first entry, and the others as JSON in `more`. Work that takes many
transactions (on many runs) writes the same item in each and raises its `runs`. DynamoDB deletes an item at the `kept_until` of
its entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from dispatcher.models import LogEntry
from dispatcher.models.records import LogFilter
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.definition import EXPIRES_AT
from dispatcher.stores.dynamodb.items import Item, decode, encode, key_in, readable, text_in, typed
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import Action, Actions
from dispatcher.stores.rows import LOG_ENTRY


class Log:
    """Reads and writes the log."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._months: set[str] = set()
        """The months that are certainly listed already."""

    def page(self, where: LogFilter, limit: int) -> Sequence[LogEntry]:
        """See `Store.log`. Entries that do not match are read and passed over: one read unit for some ten entries."""
        of_moments = groupby(self._entries(where), key=lambda entry: entry.changed_at)
        in_order = (entry for _, entries in of_moments for entry in sorted(entries, key=lambda entry: entry.id))
        return list(islice(filter(where.matches, in_order), max(limit, 0)))

    def key(self, entry: LogEntry) -> Key:
        """The item of an entry. Its month is listed before the first transaction that writes it."""
        month = keys.month_of(entry.changed_at)
        if month not in self._months:
            self._table.update((keys.MONTHS, month), UpdateExpression="SET listed_month = :true", **_TRUE)
            self._months.add(month)
        return keys.log(entry.changed_at, entry.id)

    def actions(self, entries: Sequence[LogEntry], runs: int = 0) -> Actions:
        """The action that writes the entries of one transaction and counts the runs that it changes."""
        return {self.key(entries[0]): _noting(entries, runs)} if entries else {}

    def restore(self, entries: Sequence[LogEntry]) -> None:
        """See `Store.restore`."""
        for entry in entries:
            put: Action = ("Put", {"Item": _item([entry]), "ConditionExpression": "attribute_not_exists(pk)"})
            self._table.transact({self.key(entry): put}, self._table.new_token())

    def _entries(self, where: LogFilter) -> Iterator[LogEntry]:
        """The months of the filter's times, latest first."""
        first, last = keys.listed_between(where.since, where.until, None)
        if where.after:
            first = max(first, keys.newest_first(where.after[0], keys.LEAST_ID))
        oldest = keys.month_of(where.since) if where.since else ""
        for month in sorted((key_in(item)[1] for item in self._table.query(keys.MONTHS)), reverse=True):
            if month >= oldest:
                for item in self._table.query(keys.log_of(month), first=first, before=last):
                    yield from _entries_in(item)


def entries_of(entry: LogEntry | None) -> Sequence[LogEntry]:
    """A transaction's entry as a sequence of one, or none."""
    return [entry] if entry else []


_TRUE = {"ExpressionAttributeValues": {":true": {"BOOL": True}}}


def _item(entries: Sequence[LogEntry]) -> Item:
    first, *others = entries
    item = encode(LOG_ENTRY, first)
    if others:
        item["more"] = typed(json.dumps([LOG_ENTRY.filled(entry) for entry in others], separators=(",", ":")))
    if first.kept_until:
        item[EXPIRES_AT] = typed(int(first.kept_until.timestamp()))
    return item


def _noting(entries: Sequence[LogEntry], runs: int) -> Action:
    """An item that exists already only counts more runs."""
    item = {name: value for name, value in _item(entries).items() if name != "runs"}
    names = {f"#{name}": name for name in item}
    assigned = ", ".join(f"#{name} = if_not_exists(#{name}, :{name})" for name in item)
    return "Update", {
        "UpdateExpression": f"SET {assigned} ADD #runs :runs",
        "ExpressionAttributeNames": {**names, "#runs": "runs"},
        "ExpressionAttributeValues": {
            **{f":{name}": value for name, value in item.items()},
            ":runs": typed(entries[0].runs + runs),
        },
    }


def _entries_in(item: Item) -> Sequence[LogEntry]:
    first = decode(LOG_ENTRY, item)
    if "more" not in item:
        return [first]
    with readable("more"):
        return [first, *map(LOG_ENTRY.of_filled, json.loads(text_in(item, "more")))]
