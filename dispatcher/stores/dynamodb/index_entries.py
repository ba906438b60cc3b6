"""Entries of the index `listing`, newest first, over several pools: one request after the other, and no more than allowed.

A condition on queue, deployment or state is checked entry by entry, so that a request may look at many entries and answer none.
Therefore each request names a limit of entries to look at: at first as many as the caller wants, then four times as many each
time. A walk with a bound ends between two requests. It says how far it came: up to there, it has looked at every pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from typing import Any
from uuid import UUID

from dispatcher.models.records import RunFilter
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.definition import LISTING
from dispatcher.stores.dynamodb.items import Item, id_in, text_in
from dispatcher.stores.dynamodb.requests import Table

LARGEST = 5000
"""The most entries that one request looks at: about the megabyte that it may read."""
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Passed:
    """A position of the index that a walk has passed."""

    listed: str
    """The sort key."""
    run: UUID | None
    """The run there, if it matches."""
    is_end: bool = False
    """Whether the walk ends here because it has looked at as many entries as it may."""


class Walk:
    """A walk through the entries that match. `most`: the number of entries to look at before it ends; None: all."""

    def __init__(self, table: Table, where: RunFilter, *, page: int, most: int | None = None) -> None:
        self._table, self._where, self._first, self._left = table, where, max(page, 1), most

    def through(self, pools: Iterable[str]) -> Iterator[Passed]:
        """The positions of all these pools, newest first."""
        return merge(*map(self._of_pool, pools), key=attrgetter("listed"))

    def _of_pool(self, pool: str) -> Iterator[Passed]:
        request, page, start = _request(pool, self._where), self._first, dict[str, Any]()
        while True:
            looked = min(page, LARGEST) if self._left is None else max(min(page, LARGEST, self._left), 1)
            answer = self._table.answer(looked, **request, **start)
            if self._left is not None:
                self._left -= min(looked, answer["ScannedCount"])  # fewer where an answer has as much as it may
            for item in answer["Items"]:
                yield Passed(text_in(item, "listed"), id_in((text_in(item, "pk"), text_in(item, "listed"))))
            if "LastEvaluatedKey" not in answer:
                return
            last = answer["LastEvaluatedKey"]
            is_end = self._left is not None and self._left <= 0
            yield Passed(text_in(last, "listed"), None, is_end)
            if is_end:
                return
            start, page = {"ExclusiveStartKey": last}, page * _GROWTH


def _request(pool: str, where: RunFilter) -> dict[str, Any]:
    first, last = keys.listed_between(where.since, where.until, where.after)
    request: dict[str, Any] = {
        "IndexName": LISTING,
        "KeyConditionExpression": "#pool = :pool AND listed BETWEEN :first AND :last",
        "ExpressionAttributeNames": {"#pool": "pool"},
        "ExpressionAttributeValues": {":pool": {"S": pool}, ":first": {"S": first}, ":last": {"S": last}},
    }
    for name, (condition, values) in _conditions(where).items():
        request["ExpressionAttributeNames"][f"#{name}"] = name
        request["ExpressionAttributeValues"] |= values
        request["FilterExpression"] = " AND ".join([*filter(None, [request.get("FilterExpression")]), condition])
    return request


def _conditions(where: RunFilter) -> Mapping[str, tuple[str, Item]]:
    """By attribute: its condition."""
    equal = {name: value for name in ("queue", "deployment") if (value := getattr(where, name)) is not None}
    conditions: dict[str, tuple[str, Item]] = {
        name: (f"#{name} = :{name}", {f":{name}": {"S": value}}) for name, value in equal.items()
    }
    if where.states is not None:
        values: Item = {f":state{number}": {"S": state.value} for number, state in enumerate(sorted(where.states))}
        conditions["state"] = (f"#state IN ({', '.join(values)})", values)
    return conditions
