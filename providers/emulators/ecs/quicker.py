"""What moto does again for each request, done once; and answers written without a look for what is not in them.

Most of a request's time went there: moto lists its own folder for each, lists the methods of a service for each, and tries five
names for each member that an answer might have, ten members for each value in DynamoDB. What it answers is the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto import backends
from moto.core import responses, serialize

_serialize_structure = serialize.ResponseSerializer._serialize_type_structure  # noqa: SLF001 - it has no public name
_serialize_member = serialize.ResponseSerializer._serialize_structure_member  # noqa: SLF001 - likewise


def serialize_structure(serializer: Any, serialized: dict[str, Any], value: Any, shape: Any, key: str) -> None:
    """Write a structure. A dictionary that holds nothing but members of the shape, by their own names, is not searched.

    A protocol that puts some members elsewhere than into the body, as those of REST do, is left alone.
    """
    puts_elsewhere = type(serializer)._serialize_structure_member is not _serialize_member  # noqa: SLF001
    is_plain = type(value) is dict and value.keys() <= shape.members.keys()
    if puts_elsewhere or not is_plain or serializer._value_picker.response_transformers:  # noqa: SLF001
        _serialize_structure(serializer, serialized, value, shape, key)
        return
    wrapper = serializer.MAP_TYPE() if key else serialized
    for name, member in shape.members.items():
        if value.get(name) is not None:
            member.parent = shape
            serializer._serialize(wrapper, value[name], member, name)  # noqa: SLF001
    if key:
        serializer._default_serialize(serialized, wrapper, shape, key)  # noqa: SLF001


def hurry() -> None:
    """Let moto do so, in this process."""
    serialize.ResponseSerializer._serialize_type_structure = serialize_structure  # noqa: SLF001
    backends.list_of_moto_modules = _modules
    responses.method_names_from_class = _method_names


_list_modules, _list_methods = backends.list_of_moto_modules, responses.method_names_from_class


@cache
def _modules() -> tuple[str, ...]:
    return tuple(_list_modules())


@cache
def _method_names(service: type) -> frozenset[str]:
    return frozenset(_list_methods(service))
