"""Lets a query of moto's DynamoDB read only the relevant items instead of the whole table.

moto sorts all items of the table for each query and skips those that do not match. Here the items that may matter to a query
are looked up in sorted partitions and passed to moto's own query, whose answer is the same as with all items. A query of an
unusual kind is left to moto alone.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from moto.dynamodb.models import table as dynamodb
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from sortedcontainers import SortedDict

from providers.emulators.ecs.items import LARGEST
from providers.emulators.ecs.partitions import KeySchema, Order, Orders, Position, Unusual, keys_of, value_of


class _Last:
    """A key that sorts after every value."""

    def __gt__(self, other: object) -> bool:
        return True


LAST = _Last()


class Range(NamedTuple):
    """The positions that a condition allows, from the first up to but excluding the last."""

    first: Position = ()
    last: Position = (LAST,)


def _beginning_with(prefix: str) -> Range:
    shorter = prefix.rstrip(chr(sys.maxunicode))
    return Range((prefix,), (shorter[:-1] + chr(ord(shorter[-1]) + 1),) if shorter else (LAST,))


_RANGES: Mapping[str, Callable[..., Range]] = {
    "=": lambda value: Range((value,), (value, LAST)),
    "<": lambda value: Range(last=(value,)),
    "<=": lambda value: Range(last=(value, LAST)),
    ">": lambda value: Range(first=(value, LAST)),
    ">=": lambda value: Range(first=(value,)),
    "BETWEEN": lambda low, high: Range((low,), (high, LAST)),
    "BEGINS_WITH": _beginning_with,
}


class Question(NamedTuple):
    """The part of a query that decides which items may matter."""

    partition: DynamoType
    comparison: str | None
    values: Sequence[DynamoType]
    limit: int | None
    start: Mapping[str, Any] | None
    forward: bool

    def items(self, order: Order) -> Sequence[Item]:
        """The items that moto needs to answer as if it had the whole table. Raises Unusual."""
        if order.unusual or not (self.limit is None or self.limit > 0) or self.forward not in (True, False):
            raise Unusual
        value = value_of(self.partition, order.keys.kinds[0])
        partition = order.partitions.get(value, SortedDict())
        matching, rest = self._places(order.keys, value, partition)
        seen = _at(partition, matching if self.limit is None else matching[: self.limit + 1])
        if rest and (self.limit is None or len(seen) <= self.limit):
            seen += _at(partition, rest if _may_be_full(seen) else rest[:1])
        return seen

    def _places(self, keys: KeySchema, value: Any, partition: Any) -> tuple[range, range]:
        """The matching places in the partition, and those after them, by which moto decides whether there are more."""
        allowed = self._allowed(keys.kinds[1])
        first, last = partition.bisect_left(allowed.first), partition.bisect_left(allowed.last)
        start = None if self.start is None else keys.values(self.start)
        if self.start is not None and (start is None or start[0] != value):
            raise Unusual
        if self.forward:
            first = max(first, partition.bisect_right(start[1]) if start else 0)
            return range(first, last), range(max(first, last), len(partition))
        last = min(last, partition.bisect_left(start[1]) if start else last)
        return range(last - 1, first - 1, -1), range(min(first, last) - 1, -1, -1)

    def _allowed(self, kind: str | None) -> Range:
        if self.comparison is None:
            return Range()
        if self.comparison not in _RANGES or (self.comparison == "BEGINS_WITH" and kind != "S"):
            raise Unusual
        return _RANGES[self.comparison](*(value_of(value, kind) for value in self.values))


def _at(partition: Any, places: range) -> list[Item]:
    first, last = min(places, default=0), max(places, default=-1)
    items: Iterable[Any] = (partition[position] for position in partition.islice(first, last + 1, reverse=places.step < 0))
    return list(items)


def _may_be_full(items: Sequence[Item]) -> bool:
    """Whether one more item might be too large: moto checks an item's size before it checks whether the item matches."""
    size: int = sum(item.size() for item in items)
    return size + LARGEST > int(dynamodb.RESULT_SIZE_LIMIT)


_candidates: ContextVar[Sequence[Item] | None] = ContextVar("candidates", default=None)
_query, _all_items = dynamodb.Table.query, dynamodb.Table.all_items
_signature = inspect.signature(_query)


def query(table: Any, *arguments: Any, **others: Any) -> Any:
    """The answer of moto's query, which gets only the items that may matter."""
    asked = _signature.bind(table, *arguments, **others)
    asked.apply_defaults()
    try:
        items = _items(table, asked.arguments)
    except (Unusual, ArithmeticError, AttributeError, LookupError, TypeError):  # moto reports what is wrong with it
        return _query(table, *arguments, **others)
    token = _candidates.set(items)
    try:
        return _query(table, *arguments, **others)
    finally:
        _candidates.reset(token)


def _items(table: Any, asked: Mapping[str, Any]) -> Sequence[Item]:
    """The items that may matter. Raises Unusual unless the conditions name the keys and there is no filter of the old kind."""
    keys = keys_of(table, asked["index_name"])
    names = [condition[0] for kind in ("hash", "range") for condition in asked[f"{kind}_key_conditions"] or ()]
    if asked["filter_kwargs"] or names not in ([keys.partition], [keys.partition, keys.sorted_by[0]]):
        raise Unusual
    question = Question(
        partition=asked["hash_key"],
        comparison=asked["range_comparison"],
        values=asked["range_objs"],
        limit=asked["limit"],
        start=asked["exclusive_start_key"],
        forward=asked["scan_index_forward"],
    )
    return question.items(_orders(table).order(table, keys))


def _orders(table: Any) -> Orders:
    orders: Orders = table.__dict__.setdefault("_orders", Orders())
    return orders


def all_items(table: Any) -> Sequence[Item]:
    """The items of the table, or only those that matter to the current query."""
    items = _candidates.get()
    return list(_all_items(table)) if items is None else items


def _touching(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a method whose caller may change the item that it returns."""

    def touching(table: Any, *arguments: Any, **others: Any) -> Any:
        item = method(table, *arguments, **others)
        if item is not None and item.range_key is not None:
            _orders(table).touch(item.hash_key, item.range_key)
        return item

    return touching


def hurry() -> None:
    """Let moto's queries in this process work in this way."""
    dynamodb.Table.query, dynamodb.Table.all_items = query, all_items
    for name in ("get_item", "put_item", "delete_item"):
        setattr(dynamodb.Table, name, _touching(getattr(dynamodb.Table, name)))
