"""What may be stored at all: JSON values of bounded depth and size, in text that every database takes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from dispatcher.core.placeholders import MAX_DEPTH, joined
from dispatcher.errors import Fault

LARGEST_INTEGER = 2**63 - 1


def json_faults(value: Any, *, max_bytes: int) -> list[Fault]:
    """Every place where `value` is not JSON; empty when all of it is, and small and flat enough.

    The walk ends after `max_bytes` values, so that an object which shows itself again and again (YAML's anchors can build
    one) costs no more than it may weigh.
    """
    faults: list[Fault] = []
    waiting: list[tuple[Any, str, int]] = [(value, "", 0)]
    for _ in range(max_bytes):
        if not waiting:
            return faults or _size_faults(value, max_bytes)
        inner, path, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return [*faults, Fault(path[:80], f"nests more than {MAX_DEPTH} levels deep; flatten it")]
        faults += _own_faults(inner, path)
        waiting += reversed([(child, joined(path, step), depth + 1) for step, child in _children(inner)])
    return [*faults, _too_large(max_bytes)]


def text_fault(text: str) -> str | None:
    """What keeps a text out of a database, or None."""
    if "\0" in text:
        return "holds a NUL character, which databases cannot store; remove it"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "holds half of a character (a lone surrogate), which is no valid Unicode; remove it"
    return None


def _children(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return [(key, child) for key, child in value.items() if isinstance(key, str)]
    return list(enumerate(value)) if isinstance(value, list) else []


def _own_faults(value: Any, path: str) -> Iterator[Fault]:
    if isinstance(value, Mapping):
        yield from _key_faults(value, path)
    elif isinstance(value, str):
        if fault := text_fault(value):
            yield Fault(path, fault)
    elif isinstance(value, (int, float)):
        yield from _number_faults(value, path)
    elif value is not None and not isinstance(value, list):
        kind = type(value).__name__
        yield Fault(path, f"is a {kind}; give text, a number, a boolean, null, a list or an object")


def _key_faults(value: Mapping[Any, Any], path: str) -> Iterator[Fault]:
    for key in value:
        if not isinstance(key, str):
            yield Fault(path, f"has the key {key!r}, which is no text; put it in quotes")
        elif fault := text_fault(key):
            yield Fault(path, f"has a key that {fault}")


def _number_faults(value: float, path: str) -> Iterator[Fault]:
    if isinstance(value, float) and not math.isfinite(value):
        yield Fault(path, f"is {value}, which JSON cannot say; give a finite number")
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        yield Fault(path, "is a whole number of more than 64 bits; give it as text")


def _size_faults(value: Any, max_bytes: int) -> list[Fault]:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict)
    return [] if len(text.encode()) <= max_bytes else [_too_large(max_bytes)]


def _too_large(max_bytes: int) -> Fault:
    return Fault("", f"is larger than {max_bytes // 1024} KiB as JSON; keep large data elsewhere and pass its address")
