"""JSON values of a rendered configuration: checked where they are read, and tidied to what the Admin API takes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError

VERBATIM = frozenset({"env", "labels", "annotations", "args", "emptyDir"})
"""Under these keys an empty text or object is a value of its own."""

CONTAINERS = "containers"

NAMES_OF_PEOPLE = frozenset({"env", "labels", "annotations", "limits"})
"""Under these keys an object's keys are no fields."""

_EMPTY: tuple[Any, ...] = (None, "", {}, [])


def mapping(value: Any, path: str) -> dict[str, Any]:
    """A copy of an object; nothing at all counts as an empty one."""
    if value in _EMPTY:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{path}: give an object, not {value!r:.80}")
    return dict(value)


def objects(value: Any, path: str) -> list[dict[str, Any]]:
    """Copies of a list's objects; nothing at all counts as an empty list."""
    if value in _EMPTY:
        return []
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{path}: give a list, not {value!r:.80}")
    return [mapping(item, f"{path}[{index}]") for index, item in enumerate(value)]


def text(value: Any) -> str:
    """A scalar as a container sees it; objects as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def words(value: Any, path: str) -> list[str]:
    """A command or its arguments as a list; a text is split the way a POSIX shell splits it, and nothing is expanded."""
    if value in _EMPTY:
        return []
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as problem:
            raise ConfigurationError(f"{path}: cannot be split like a shell command: {problem}") from None
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{path}: give a list or a text, not {value!r:.80}")
    return [text(item) for item in value]


def duration(value: Any, path: str) -> str:
    """Seconds in the form that protobuf's JSON wants, as `600s`; a number, its text, or that form itself."""
    number = text(value).removesuffix("s")
    if isinstance(value, bool) or not re.fullmatch(r"\d+(\.\d{1,9})?", number):
        raise ConfigurationError(f"{path}: give seconds, as 600 or '600s', not {value!r:.80}")
    return f"{number}s"


def whole(value: Any, path: str) -> int:
    """A whole number, also when it was written as text."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", text(value)):
        raise ConfigurationError(f"{path}: give a whole number, not {value!r:.80}")
    return int(value)


def pruned(value: Any) -> Any:
    """A deep copy without what a template leaves behind when a variable has no value: nulls, empty objects, lists, texts."""
    if isinstance(value, Mapping):
        kept = {key: _pruned_under(key, item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and (key in VERBATIM or item not in _EMPTY)}
    if isinstance(value, list | tuple):
        return [kept for item in value if (kept := pruned(item)) not in _EMPTY]
    return value


def _pruned_under(key: Any, item: Any) -> Any:
    if key == CONTAINERS and isinstance(item, list | tuple):  # their order says which is the main one, so none goes
        return [pruned(container) or {} for container in item]
    return item if key in VERBATIM else pruned(item)


def camel(value: Any) -> Any:
    """A body with its fields in camel case: Google's API takes `max_retries` for `maxRetries`, and so do we.

    Raises `ConfigurationError` for a field that stands there in both spellings.
    """
    if isinstance(value, Mapping):
        fields = [
            (_camel_key(key), item if key in NAMES_OF_PEOPLE and isinstance(item, Mapping) else camel(item))
            for key, item in value.items()
        ]
        if len(dict(fields)) < len(fields):
            twice = sorted({key for key, _ in fields if sum(key == other for other, _ in fields) > 1})
            raise ConfigurationError(f"job_body: {', '.join(twice)}: stands there in two spellings")
        return dict(fields)
    return [camel(item) for item in value] if isinstance(value, list | tuple) else value


def _camel_key(key: Any) -> Any:
    return re.sub(r"(?<=[a-z0-9])_([a-z])", lambda match: match[1].upper(), key) if isinstance(key, str) else key
