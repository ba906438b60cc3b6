"""Makes items of moto's DynamoDB in less than quadratic time.

moto measures the whole item for each attribute that it adds, and reads all attributes for each one that a projection names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.utilities import bytesize

LARGEST = 405_000
"""Bytes of an item that moto takes."""

_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,37})")
_create, _project, _weigh_item, _copy_item = Item.__init__, Item.project, Item.size, Item.__deepcopy__
_weigh, _copy = DynamoType.size, DynamoType.__deepcopy__


def create(item: Any, hash_key: DynamoType, range_key: DynamoType | None, attrs: Mapping[str, Any]) -> None:
    """Make an item; each attribute is measured once. Raises ItemSizeTooLarge as moto does."""
    item.hash_key, item.range_key, item.attrs = hash_key, range_key, LimitedSizeDict()
    size = 0
    for name, attribute in attrs.items():
        value = DynamoType(attribute)
        size += bytesize(name) + weigh(value)
        if size > LARGEST:
            raise ItemSizeTooLarge
        dict.__setitem__(item.attrs, name, value)


def weigh(value: Any) -> int:
    """The bytes of a value by moto's count."""
    content = value.value
    if value.type == "M":
        return sum(bytesize(name) + weigh(part) for name, part in content.items())
    if value.type == "L":
        return sum(map(weigh, content))
    if value.type == "S" and type(content) is str and content.isascii():
        return len(content)
    return int(_weigh(value))


def weigh_item(item: Any) -> int:
    """The bytes of an item by moto's count."""
    return sum(bytesize(name) + weigh(value) for name, value in item.attrs.items())


def copy_value(value: Any, _memo: object = None) -> Any:
    """A copy of a value that equals moto's deep copy."""
    result = DynamoType.__new__(DynamoType)
    result.type, content = value.type, value.value
    if value.type == "M":
        content = {name: copy_value(part) for name, part in content.items()}
    elif value.type == "L":
        content = list(map(copy_value, content))
    elif type(content) is list:
        content = list(content)
    result.value = content
    return result


def copy_item(item: Any, _memo: object = None) -> Any:
    """A copy of an item that equals moto's deep copy."""
    result = Item.__new__(Item)
    result.hash_key = copy_value(item.hash_key)
    result.range_key = None if item.range_key is None else copy_value(item.range_key)
    result.attrs = LimitedSizeDict()
    for name, value in item.attrs.items():
        dict.__setitem__(result.attrs, name, copy_value(value))
    return result


def project(item: Any, expressions: Sequence[Sequence[str]]) -> Any:
    """The result of moto's projection of an item. Named attributes with plain values are taken unchanged."""
    if not all(len(names) == 1 and _is_plain(item.attrs, names[0]) for names in expressions):
        return _project(item, expressions)
    names = dict.fromkeys(names[0] for names in expressions if names[0] in item.attrs)
    return Item(item.hash_key, item.range_key, {name: item.attrs[name] for name in names})


def _is_plain(attributes: Mapping[str, Any], name: str) -> bool:
    """Whether moto's way through Python's types leaves an attribute as it is. A name in brackets is an entry of a list."""
    value = attributes.get(name)
    if value is None or value.type in ("S", "BOOL"):
        return not name.endswith("]")
    return value.type == "N" and not name.endswith("]") and bool(_WHOLE_NUMBER.fullmatch(value.value))


def hurry() -> None:
    """Let moto in this process make, measure and copy its items with these functions."""
    Item.__init__, Item.project, Item.size, Item.__deepcopy__ = create, project, weigh_item, copy_item
    DynamoType.size, DynamoType.__deepcopy__ = weigh, copy_value
