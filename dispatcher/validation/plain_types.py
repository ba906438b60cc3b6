"""Accepts simple valid values of a noun without pydantic, because importing it takes longer than creating a run.

A check says True only where pydantic, in its strict mode, accepts too. Pydantic decides everything else, and explains
faults. `tests/validation/test_validation_plain_types.py` compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from annotated_types import Ge, Gt, Le, Len, Lt, Predicate

Check = Callable[[Any], bool]

_BY_TYPE = frozenset({int, float, bool, UUID, date, datetime, timedelta, NoneType})


def checks(noun: type[Any]) -> Mapping[str, Check]:
    """The check of each field of a noun; True means that the value fits its annotation."""
    hints = get_type_hints(noun, include_extras=True)
    return {field.name: _check(hints[field.name]) for field in fields(noun)}


def _check(hint: Any) -> Check:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _all_of([_check(arguments[0]), *map(_constraint, arguments[1:])])
    if origin in (Union, UnionType):
        inner = [_check(argument) for argument in arguments]
        return lambda value: any(check(value) for check in inner)
    if origin is tuple and arguments[1:] == (...,):
        return _all_in(tuple, _check(arguments[0]))
    if origin is frozenset:
        return _all_in(frozenset, _check(arguments[0]))
    if origin is Mapping and arguments[0] is str:
        return _mapping(_check(arguments[1]))
    return _of_type(hint)


def _of_type(hint: Any) -> Check:
    if hint is Any:
        return lambda _: True
    if hint is str:
        return _is_text
    if hint in _BY_TYPE or (isinstance(hint, type) and (issubclass(hint, Enum) or is_dataclass(hint))):
        return lambda value: type(value) is hint
    return lambda _: False


def _is_text(value: Any) -> bool:
    """Whether a value is text without lone surrogates, which pydantic refuses."""
    return type(value) is str and (value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value))


def _all_of(parts: list[Check]) -> Check:
    return lambda value: all(check(value) for check in parts)


def _all_in(kind: type[Any], check: Check) -> Check:
    return lambda value: type(value) is kind and all(map(check, value))


def _mapping(check: Check) -> Check:
    return lambda value: type(value) is dict and all(map(_is_text, value)) and all(map(check, value.values()))


def _constraint(constraint: Any) -> Check:
    """The check of a constraint in an annotation; unknown constraints are left to pydantic."""
    checks: Mapping[type[Any], Check] = {
        Ge: lambda value: bool(value >= constraint.ge),
        Gt: lambda value: bool(value > constraint.gt),
        Le: lambda value: bool(value <= constraint.le),
        Lt: lambda value: bool(value < constraint.lt),
        Len: lambda value: constraint.min_length <= len(value) and len(value) <= (constraint.max_length or len(value)),
        Predicate: lambda value: bool(constraint.func(value)),
    }
    return checks.get(type(constraint), lambda _: False)
