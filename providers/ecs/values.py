"""JSON values of a rendered configuration: checked where they are read, and tidied to what the ECS API takes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from providers.base import ConfigurationError

VERBATIM = frozenset({"environment", "dockerLabels", "labels", "options", "secrets", "tags"})
"""Under these keys an empty text is a value of its own."""


def mapping(value: Any, path: str) -> Mapping[str, Any]:
    """`value` as an object; nothing at all counts as an empty one."""
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{path}: give an object, not {kind(value)}")
    return value


def sequence(value: Any, path: str) -> list[Any]:
    """`value` as a list; nothing at all counts as an empty one."""
    if value is None or value == "":
        return []
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{path}: give a list, not {kind(value)}")
    return list(value)


def name_of(value: Any, path: str) -> str | None:
    """`value` as a name; nothing at all counts as none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{path}: give text, not {kind(value)}")
    return value


def texts(value: Any, path: str) -> list[str]:
    """A list of texts; a single text is a list of one, split at commas."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return [text(item) for item in sequence(value, path)]


def objects(value: Any, path: str) -> list[dict[str, Any]]:
    """A list of objects, copied so that they can be completed; empty ones stay."""
    items = sequence(value, path)
    return [dict(mapping(item, f"{path}[{index}]")) for index, item in enumerate(items)]


def text(value: Any) -> str:
    """A scalar as the text that a container or a tag shows; objects as compact JSON."""
    return value if isinstance(value, str) else compact(value)


def integer(value: Any, path: str) -> int:
    """A whole number, also when it was written as text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{path}: give a whole number, not {value!r}") from None


def command(value: Any, path: str) -> list[str]:
    """A command as a list; a text is split the way a POSIX shell splits it, and nothing is expanded."""
    if not isinstance(value, str):
        return [_word(item, f"{path}[{index}]") for index, item in enumerate(sequence(value, path))]
    try:
        return list(_split(value))
    except ValueError as error:
        raise ConfigurationError(f"{path}: cannot be split like a shell command: {error}") from None


def _word(value: Any, path: str) -> str:
    if isinstance(value, Mapping | list | tuple) or value is None:
        raise ConfigurationError(f"{path}: give text, not {kind(value)}")
    return text(value)


@lru_cache(maxsize=256)
def _split(words: str) -> tuple[str, ...]:
    """A run's command stands in its configuration twice, and its neighbours' is often the same."""
    return tuple(shlex.split(words))


def pairs(given: Any, path: str, *, key: str = "name", value: str = "value") -> dict[str, str]:
    """Names and texts out of an object, or out of a list of objects `{key: ..., value: ...}`; a null removes its name."""
    if isinstance(given, list | tuple):
        unset = "" if value == "value" else None
        items: Iterable[tuple[Any, Any]] = ((item.get(key), item.get(value, unset)) for item in objects(given, path))
    else:
        items = mapping(given, path).items()
    return {text(name): text(item) for name, item in items if name and item is not None}


def listed(named: Mapping[str, str], *, key: str = "name", value: str = "value") -> list[dict[str, str]]:
    """`[{key: ..., value: ...}]`, in the order of the names so that a repeat is byte-identical."""
    return [{key: name, value: named[name]} for name in sorted(named)]


def pruned(value: Any) -> Any:
    """A deep copy without nulls, empty objects, empty lists and empty texts, which the API refuses as values."""
    kind_of = type(value)
    if kind_of is str:
        return value
    if kind_of is dict or isinstance(value, Mapping):
        return {key: kept for key, item in value.items() if (kept := item if key in VERBATIM else pruned(item)) not in _EMPTY}
    if isinstance(value, list | tuple):
        return [kept for item in value if (kept := pruned(item)) not in _EMPTY or kept == ""]
    return value


compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Compact JSON, its keys in their order."""


def canonical(value: Any) -> str:
    """Compact JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def kind(value: Any) -> str:
    """What a JSON value is called, for an error text that does not repeat the value."""
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


_EMPTY: tuple[Any, ...] = (None, {}, [], "")
