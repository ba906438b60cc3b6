"""Fits a template's job to the published messages: it converts spellings and types and removes empty values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError, Finding
from providers.remarks import unknown_key
from providers.values import EMPTY, command, kind, scalar_text, text
from providers.vertex_ai.schema import MESSAGES

_DURATION = re.compile(r"\d{1,12}(\.\d{1,9})?")
GROWING = frozenset({"acceleratorType"})
"""Enumerations to which Google often adds names: any name is accepted here, and Google checks it."""

_WHOLE = re.compile(r"-?\d{1,18}")


def fitted(value: Any, message: str, path: str) -> tuple[dict[str, Any], list[Finding]]:
    """An object as a message of the API, in its spelling, without nulls and empty values; and the values that do not fit.

    Both `worker_pool_specs` and `workerPoolSpecs` are accepted. A command in one text is split like a shell command.
    """
    faults: list[Finding] = []
    return _object(value, message, path, faults), faults


def _object(value: Any, message: str, path: str, faults: list[Finding]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        faults.append(Finding(path=path, message=f"give an object, not {kind(value)}"))
        return {}
    fields: dict[str, Any] = {}
    for key, item in value.items():
        name = _camel(key)
        if name not in MESSAGES[message]:
            faults.append(unknown_key(path, str(key), list(MESSAGES[message])))
        elif name in fields:
            faults.append(Finding(path=f"{path}.{key}", message="is given in two spellings; give one"))
        elif item not in EMPTY:
            of = "string" if name in GROWING else MESSAGES[message][name]
            fields[name] = _value(item, of, f"{path}.{key}", faults)
    return {name: item for name, item in fields.items() if item not in ({}, None)}


def _value(value: Any, of: Any, path: str, faults: list[Finding]) -> Any:
    if isinstance(of, list):
        return _list(value, of[0], path, faults)
    if isinstance(of, str) and of in MESSAGES:
        return _object(value, of, path, faults)
    try:
        return _names(value, path) if isinstance(of, Mapping) else _scalar(value, of, path)
    except ConfigurationError as problem:
        faults.append(Finding(path=path, message=str(problem).partition(": ")[2]))
        return None


def _list(value: Any, of: Any, path: str, faults: list[Finding]) -> list[Any]:
    if of == "string" and isinstance(value, str):
        value = _split(value, path, faults)
    if of == "EnvVar" and isinstance(value, Mapping):
        value = [{"name": name, "value": item} for name, item in value.items()]
    if not isinstance(value, list | tuple):
        faults.append(Finding(path=path, message=f"give a list, not {kind(value)}"))
        return []
    return [_value(item, of, f"{path}[{index}]", faults) for index, item in enumerate(value)]


def _split(value: str, path: str, faults: list[Finding]) -> list[str]:
    try:
        return command(value, path)
    except ConfigurationError as problem:
        faults.append(Finding(path=path, message=str(problem).partition(": ")[2]))
        return []


def _names(value: Any, path: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{path}: give an object, not {kind(value)}")
    return {str(name): scalar_text(item, path) for name, item in value.items() if item is not None}


def _scalar(value: Any, of: Any, path: str) -> Any:
    if isinstance(of, tuple):
        if value not in of:
            raise ConfigurationError(f"{path}: give one of {', '.join(of)}")
        return value
    if of == "boolean":
        if not isinstance(value, bool):
            raise ConfigurationError(f"{path}: give true or false, not {kind(value)}")
        return value
    if of in ("int32", "int64"):
        if isinstance(value, bool) or not _WHOLE.fullmatch(text(value)):
            raise ConfigurationError(f"{path}: give a whole number")
        return int(value)
    return duration(value, path) if of == "google-duration" else scalar_text(value, path)


def duration(value: Any, path: str) -> str:
    """Seconds in protobuf's JSON form, such as `600s`, from a number, its text, or that form itself."""
    number = text(value).removesuffix("s")
    if isinstance(value, bool) or not _DURATION.fullmatch(number):
        raise ConfigurationError(f"{path}: give seconds, as 600 or '600s'")
    return f"{number}s"


def _camel(key: Any) -> Any:
    return re.sub(r"(?<=[a-z0-9])_([a-z])", lambda match: match[1].upper(), key) if isinstance(key, str) else key
