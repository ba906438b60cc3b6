"""Caches work that moto repeats for each request, and serialises answers without searching for absent members.

Most of a request's time was spent there: for each request moto lists its own folder and the methods of a service, and tries
five names for each possible member of an answer, with ten members for each value in DynamoDB. The answers stay the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto import backends
from moto.core import responses, serialize

_serialize_structure = serialize.ResponseSerializer._serialize_type_structure  # noqa: SLF001 - it has no public name
_serialize_member = serialize.ResponseSerializer._serialize_structure_member  # noqa: SLF001 - likewise


def serialize_structure(serializer: Any, serialized: dict[str, Any], value: Any, shape: Any, key: str) -> None:
    """Write a structure. A dictionary that contains only members of the shape, by their own names, is not searched.

    Protocols that put some members outside the body, such as REST, are not changed.
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
    """Let moto in this process use these functions."""
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
