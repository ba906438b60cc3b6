"""JSON values of a rendered configuration, checked as they are read.

Every function takes the path of its value, and raises a `ConfigurationError` that names the path. No error repeats a value,
which may be a secret, unless the value is a number. Null and an empty text mean "nothing".
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from providers.base import ConfigurationError

EMPTY: tuple[Any, ...] = (None, "", {}, [])


def mapping(value: Any, path: str) -> dict[str, Any]:
    """A copy of an object; null or an empty text gives an empty one."""
    if type(value) is dict:  # the most frequent case by far, and the other check is slow
        return value.copy()
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{path}: give an object, not {kind(value)}")
    return dict(value)


def sequence(value: Any, path: str) -> list[Any]:
    """A copy of a list; null or an empty text gives an empty one."""
    if value is None or value == "":
        return []
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{path}: give a list, not {kind(value)}")
    return list(value)


def objects(value: Any, path: str) -> list[dict[str, Any]]:
    """A list of copied objects, which the caller may change; empty ones stay."""
    return [mapping(item, f"{path}[{index}]") for index, item in enumerate(sequence(value, path))]


def name_of(value: Any, path: str) -> str | None:
    """A name; None for null or an empty text."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{path}: give text, not {kind(value)}")
    return value


def optional_text(value: Any, path: str) -> str:
    """A text without surrounding spaces; null gives an empty one."""
    return (name_of(value, path) or "").strip()


def required_text(value: Any, path: str) -> str:
    """A text that is not empty."""
    content = optional_text(value, path)
    if not content:
        raise ConfigurationError(f"{path}: is missing; give a value")
    return content


def texts(value: Any, path: str) -> list[str]:
    """A list of texts that are not empty; one text is split at its commas."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    items = [scalar_text(item, f"{path}[{index}]") for index, item in enumerate(sequence(value, path))]
    return [required_text(item, f"{path}[{index}]") for index, item in enumerate(items)]


def named_texts(value: Any, path: str) -> dict[str, str]:
    """An object of texts; numbers and booleans are written as JSON writes them, and a null removes its name."""
    items = mapping(value, path).items()
    return {str(name): scalar_text(item, f"{path}.{name}") for name, item in items if item is not None}


def text(value: Any) -> str:
    """Any value as the text that a container or a tag shows; objects and lists as compact JSON."""
    return value if isinstance(value, str) else compact(value)


def scalar_text(value: Any, path: str) -> str:
    """A text, a number or a boolean as text."""
    if value is None or isinstance(value, Mapping | list | tuple):
        raise ConfigurationError(f"{path}: give text, not {kind(value)}")
    return text(value)


def number(value: Any, path: str) -> float | int:
    """A number above zero, which may be written as text; whole numbers stay whole."""
    try:
        amount = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{path}: give a number") from None
    if not 0 < amount < float("inf"):
        raise ConfigurationError(f"{path}: give a number above zero")
    return int(amount) if amount.is_integer() else amount


def command(value: Any, path: str) -> list[str]:
    """A command as a list; a text is split the way a POSIX shell splits it, and nothing is expanded."""
    if not isinstance(value, str):
        return [scalar_text(item, f"{path}[{index}]") for index, item in enumerate(sequence(value, path))]
    try:
        return list(_split(value))
    except ValueError as problem:
        raise ConfigurationError(f"{path}: cannot be split like a shell command: {problem}") from None


@lru_cache(maxsize=256)
def _split(words: str) -> tuple[str, ...]:
    """Cached, because a run's configuration contains its command twice, and other runs often have the same one."""
    return tuple(shlex.split(words))


def without_nulls(value: Any) -> Any:
    """A deep copy without nulls; containers that become empty stay."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value if item is not None]
    return value


compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Compact JSON with its keys in their own order."""


def canonical(value: Any) -> str:
    """Compact JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


_KINDS = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}


def kind(value: Any) -> str:
    """The name of a JSON value's kind, for errors that must not repeat the value."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)
