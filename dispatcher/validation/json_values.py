"""The values that can be stored: JSON of bounded depth and size, with text that every database takes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any, TypeAlias

from dispatcher.core.placeholders import MAX_DEPTH, joined
from dispatcher.errors import Fault

LARGEST_INTEGER = 2**63 - 1

_Way: TypeAlias = "tuple[_Way, str | int] | None"
"""A step, and the steps before it."""


def json_faults(value: Any, *, max_bytes: int) -> list[Fault]:
    """Every place where `value` is not JSON; empty when all of it is, and small and flat enough.

    The walk ends after as many values as `max_bytes` can hold. This bounds the cost of an object that contains the same value
    many times, which YAML's anchors can build.
    """
    faults: list[Fault] = []
    waiting: list[tuple[Any, _Way, int]] = [(value, None, 0)]
    for _ in range(max_bytes // 2):
        if not waiting:
            return faults or _size_faults(value, max_bytes)
        inner, way, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return [*faults, Fault(_path(way)[:80], f"nests more than {MAX_DEPTH} levels deep; flatten it")]
        faults += [Fault(_path(way), fault) for fault in _own_faults(inner)]
        waiting += reversed([(child, (way, step), depth + 1) for step, child in _children(inner)])
    return [*faults, _too_large(max_bytes)]


def _path(way: _Way) -> str:
    """Steps as a path; it is built only for faults."""
    steps: list[str | int] = []
    while way is not None:
        way, step = way
        steps.append(step)
    return reduce(joined, reversed(steps), "")


def text_fault(text: str) -> str | None:
    """Why a database would not take a text, or None."""
    if "\0" in text:
        return "holds a NUL character, which databases cannot store; remove it"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "holds half of a character (a lone surrogate), which is not valid Unicode; remove it"
    return None


def _children(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return [(key, child) for key, child in value.items() if isinstance(key, str)]
    return list(enumerate(value)) if isinstance(value, list) else []


def _own_faults(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _key_faults(value)
    elif isinstance(value, str):
        if fault := text_fault(value):
            yield fault
    elif isinstance(value, (int, float)):
        yield from _number_faults(value)
    elif value is not None and not isinstance(value, list):
        kind = type(value).__name__
        yield f"is a {kind}; give text, a number, a boolean, null, a list or an object"


def _key_faults(value: Mapping[Any, Any]) -> Iterator[str]:
    for key in value:
        if not isinstance(key, str):
            yield f"has the key {key!r}, which is not text; put it in quotes"
        elif fault := text_fault(key):
            yield f"has a key that {fault}"


def _number_faults(value: float) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield f"is {value}, which JSON cannot say; give a finite number"
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        yield "is a whole number of more than 64 bits; give it as text"


def _size_faults(value: Any, max_bytes: int) -> list[Fault]:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict)
    return [] if len(text.encode()) <= max_bytes else [_too_large(max_bytes)]


def _too_large(max_bytes: int) -> Fault:
    return Fault("", f"is larger than {max_bytes // 1024} KiB as JSON; keep large data elsewhere and pass its address")
