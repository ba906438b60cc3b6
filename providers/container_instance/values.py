"""Reading a rendered configuration: every fault names the field, and no fault repeats a value that may be a secret."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError


def pruned(value: Any) -> Any:
    """`value` without nulls, at any depth; what they leave empty stays."""
    if isinstance(value, Mapping):
        return {key: pruned(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [pruned(item) for item in value if item is not None]
    return value


def mapping(value: Any, path: str) -> dict[str, Any]:
    """`value` as an object of its own; nothing at all counts as an empty one."""
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{path}: give an object, not {type(value).__name__}")
    return dict(value)


def sequence(value: Any, path: str) -> list[Any]:
    """`value` as a list of its own; nothing at all counts as an empty one."""
    if value is None or value == "":
        return []
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{path}: give a list, not {type(value).__name__}")
    return list(value)


def texts(value: Any, path: str) -> list[str]:
    """A list of texts."""
    return [required_text(item, f"{path}[{index}]") for index, item in enumerate(sequence(value, path))]


def named_texts(value: Any, path: str) -> dict[str, str]:
    """An object of texts; numbers and booleans are written as JSON writes them, a null removes its name."""
    found = {str(name): item for name, item in mapping(value, path).items() if item is not None}
    return {name: _scalar(item, f"{path}.{name}") for name, item in found.items()}


def text(value: Any, path: str) -> str:
    """A text, empty when there is nothing."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigurationError(f"{path}: give a text, not {type(value).__name__}")
    return value.strip()


def required_text(value: Any, path: str) -> str:
    """A text that is not empty."""
    found = text(value, path)
    if not found:
        raise ConfigurationError(f"{path}: missing")
    return found


def number(value: Any, path: str) -> float | int:
    """A number above zero, also when it was written as text; whole numbers stay whole."""
    try:
        found = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{path}: give a number") from None
    if not 0 < found < float("inf"):
        raise ConfigurationError(f"{path}: give a number above zero")
    return int(found) if found.is_integer() else found


def command(value: Any, path: str) -> list[str]:
    """A command as a list; a text is split the way a POSIX shell splits it, and nothing is expanded."""
    if not isinstance(value, str):
        return [_scalar(item, path) for item in sequence(value, path)]
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ConfigurationError(f"{path}: cannot be split like a shell command: {error}") from None


def _scalar(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ConfigurationError(f"{path}: give a text, not {type(value).__name__}")
    return str(value)
