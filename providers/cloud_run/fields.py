"""The fields of a body for the Admin API: their spelling, and the removal of values that a template leaves empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.values import EMPTY, text

VERBATIM = frozenset({"env", "labels", "annotations", "args", "emptyDir"})
"""Under these keys an empty text or object is a meaningful value."""

CONTAINERS = "containers"

NAMES_OF_PEOPLE = frozenset({"env", "labels", "annotations", "limits"})
"""Under these keys an object's keys are free names, not fields."""


def duration(value: Any, path: str) -> str:
    """Seconds in protobuf's JSON form, such as `600s`, from a number, its text, or that form itself."""
    number = text(value).removesuffix("s")
    if isinstance(value, bool) or not re.fullmatch(r"\d+(\.\d{1,9})?", number):
        raise ConfigurationError(f"{path}: give seconds, as 600 or '600s', not {value!r:.80}")
    return f"{number}s"


def whole(value: Any, path: str) -> int:
    """A whole number, which may be written as text."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", text(value)):
        raise ConfigurationError(f"{path}: give a whole number, not {value!r:.80}")
    return int(value)


def pruned(value: Any) -> Any:
    """A deep copy without the nulls and empty objects, lists and texts that a template leaves for variables without a value."""
    if isinstance(value, Mapping):
        kept = {key: _pruned_under(key, item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and (key in VERBATIM or item not in EMPTY)}
    if isinstance(value, list | tuple):
        return [kept for item in value if (kept := pruned(item)) not in EMPTY]
    return value


def _pruned_under(key: Any, item: Any) -> Any:
    if key == CONTAINERS and isinstance(item, list | tuple):  # their order says which is the main one, so none is removed
        return [pruned(container) or {} for container in item]
    return item if key in VERBATIM else pruned(item)


def camel(value: Any) -> Any:
    """A body with its fields in camel case: like Google's API, this accepts `max_retries` for `maxRetries`.

    Raises `ConfigurationError` for a field that is present in both spellings.
    """
    if isinstance(value, Mapping):
        fields = [
            (_camel_key(key), item if key in NAMES_OF_PEOPLE and isinstance(item, Mapping) else camel(item))
            for key, item in value.items()
        ]
        if len(dict(fields)) < len(fields):
            twice = sorted({key for key, _ in fields if sum(key == other for other, _ in fields) > 1})
            raise ConfigurationError(f"job_body: {', '.join(twice)}: is given in two spellings; give one")
        return dict(fields)
    return [camel(item) for item in value] if isinstance(value, list | tuple) else value


def _camel_key(key: Any) -> Any:
    return re.sub(r"(?<=[a-z0-9])_([a-z])", lambda match: match[1].upper(), key) if isinstance(key, str) else key
