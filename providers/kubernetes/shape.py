"""Checks a Job against the shape that Kubernetes publishes: its fields, their types, and the required ones.

`job_shapes.json` is made from Kubernetes 1.37's OpenAPI document (`tests/providers/kubernetes/published.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from providers.base import Finding
from providers.remarks import unknown_key
from providers.values import kind

QUANTITIES = frozenset({"limits", "requests", "overhead", "sizeLimit", "divisor"})
"""Fields that may be a number or a text."""

_WORDS = {"string": "text", "integer": "a whole number", "boolean": "true or false", "number": "a number"}


def shape_faults(value: Any, shape: str = "Job", path: str = "") -> Iterator[Finding]:
    """The faults of an object of the type `shape`, in all its fields."""
    if not isinstance(value, Mapping):
        yield Finding(path=path, message=f"give an object, not {kind(value)}")
        return
    fields, needed = _shapes()[shape]["fields"], _shapes()[shape]["needed"]
    for name in needed:
        if value.get(name) is None:
            yield Finding(path=f"{path}.{name}".lstrip("."), message="missing")
    for name, item in value.items():
        where = f"{path}.{name}".lstrip(".")
        if name not in fields:
            yield unknown_key(path, str(name), fields)
        elif item is not None:
            yield from _faults(item, "quantity" if name in QUANTITIES and fields[name] == "string" else fields[name], where)


def _faults(value: Any, kind_name: str, path: str) -> Iterator[Finding]:
    if kind_name.startswith("list of "):
        if not isinstance(value, list):
            yield Finding(path=path, message=f"give a list, not {kind(value)}")
            return
        for index, item in enumerate(value):
            yield from _faults(item, kind_name.removeprefix("list of "), f"{path}[{index}]")
    elif kind_name == "object":
        yield from _map_faults(value, path)
    elif kind_name in _shapes():
        yield from shape_faults(value, kind_name, path)
    elif not _is(value, kind_name):
        yield Finding(path=path, message=f"give {_WORDS.get(kind_name, 'text or a number')}, not {kind(value)}")


def _map_faults(value: Any, path: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield Finding(path=path, message=f"give an object, not {kind(value)}")
        return
    kind_name = "quantity" if path.rpartition(".")[2] in QUANTITIES else "string"
    for name, item in value.items():
        if not _is(item, kind_name):
            yield Finding(path=f"{path}.{name}", message=f"give text, not {kind(item)}")


def _is(value: Any, kind_name: str) -> bool:
    if kind_name == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind_name == "integer":
        return isinstance(value, int)
    return isinstance(value, str) if kind_name == "string" else isinstance(value, str | int | float)


@cache
def _shapes() -> Mapping[str, Any]:
    shapes: Mapping[str, Any] = json.loads(Path(__file__).with_name("job_shapes.json").read_text(encoding="utf-8"))
    return shapes
