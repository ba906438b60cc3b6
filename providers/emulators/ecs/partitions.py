"""Sorted partitions for moto's DynamoDB: the items of each table and of each queried index, in the order of its queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from sortedcontainers import SortedDict

Position = tuple[Any, ...]
"""An item's position in its partition: the values that it is sorted by."""


class Unusual(Exception):
    """A query or a table that is left to moto alone."""


class KeySchema(NamedTuple):
    """The attributes of a key schema with one sort key, and its tie-breakers; `kinds` are their declared types."""

    partition: str
    sorted_by: tuple[str, ...]
    kinds: tuple[str | None, ...]

    def values(self, attributes: Mapping[str, Any]) -> tuple[Any, Position] | None:
        """The partition and position of an item; None if a key is missing. Raises Unusual for a key of another type."""
        values = [attributes.get(name) for name in (self.partition, *self.sorted_by)]
        if any(value is None for value in values):
            return None
        partition, *position = map(value_of, values, self.kinds)
        return partition, tuple(position)


def value_of(value: Any, kind: str | None) -> Any:
    """The value of a key in the form that moto compares. Raises Unusual if it does not have the declared type."""
    value = DynamoType(value)
    if value.type != kind:
        raise Unusual
    return value.cast_value


def keys_of(table: Any, index: str | None) -> KeySchema:
    """The keys of a table or an index. Raises Unusual if it has no sort key or several."""
    schema = table.schema if index is None else next((other.schema for other in table.all_indexes() if other.name == index), [])
    if [key["KeyType"] for key in schema] != ["HASH", "RANGE"] or not table.has_range_key:
        raise Unusual
    partition, sort = (key["AttributeName"] for key in schema)
    names = (sort,) if index is None else (sort, table.hash_key_attr, table.range_key_attr)
    kinds = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table.attr}
    return KeySchema(partition, names, tuple(kinds.get(name) for name in (partition, *names)))


class Order:
    """The partitions of a table or of an index, each sorted as moto sorts it."""

    def __init__(self, keys: KeySchema) -> None:
        self.keys = keys
        self.unusual: set[Any] = set()
        """The items with a key of another type than the declared one. moto accepts them and sorts them in its own way."""
        self.partitions: dict[Any, Any] = {}
        self._stands: dict[Any, tuple[Any, Position]] = {}

    def put(self, place: Any, item: Item | None) -> None:
        """Move an item to the position that its attributes give, or remove it if `item` is None."""
        before, after = self._stands.pop(place, None), self._standing(place, item)
        if before is not None and before != after:
            del self.partitions[before[0]][before[1]]
        if after is not None:
            self.partitions.setdefault(after[0], SortedDict())[after[1]] = item
            self._stands[place] = after

    def _standing(self, place: Any, item: Item | None) -> tuple[Any, Position] | None:
        self.unusual.discard(place)
        try:
            return None if item is None else self.keys.values(item.attrs)
        except Unusual:
            self.unusual.add(place)
            return None


class Orders:
    """All orders of one table, updated before use.

    moto changes items in place, but it gets each one by `get_item` first, so the possibly changed items are known.
    """

    def __init__(self) -> None:
        self._orders: dict[KeySchema, Order] = {}
        self._touched: dict[Any, tuple[DynamoType, DynamoType]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Orders:
        """The copy of a table makes its own orders when it is queried."""
        return Orders()

    def touch(self, partition: DynamoType, sort: DynamoType) -> None:
        """Note that the item of this key may change until the next query."""
        if self._orders:
            self._touched[partition.cast_value, sort.cast_value] = partition, sort

    def order(self, table: Any, keys: KeySchema) -> Order:
        """The order of a key schema for the table's current items."""
        for place, (partition, sort) in self._touched.items():
            item = table.items.get(partition, {}).get(sort)
            for order in self._orders.values():
                order.put(place, item)
        self._touched.clear()
        if keys not in self._orders:
            self._orders[keys] = _order_of(table, keys)
        return self._orders[keys]


def _order_of(table: Any, keys: KeySchema) -> Order:
    order = Order(keys)
    for partition, items in table.items.items():
        for sort, item in items.items():
            order.put((partition.cast_value, sort.cast_value), item)
    return order
