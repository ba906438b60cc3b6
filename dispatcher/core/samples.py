"""Sample values of variables, from their schemas, for checking a template before there are real values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatcher.core.placeholders import MISSING

MAX_STEPS = 8
"""The most schemas that are followed on the way to a value."""

_OF_KIND: Mapping[str, Any] = {
    "string": "sample",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": ["sample"],
    "object": {"sample": "sample"},
}


def samples(variables: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every declared variable: its default, an example, a choice, or any value of its type."""
    values = {name: sample(schema, variables) for name, schema in (variables.get("properties") or {}).items()}
    return {name: value for name, value in values.items() if value is not MISSING}


def sample(schema: Any, variables: Mapping[str, Any], steps: int = MAX_STEPS) -> Any:
    """A value that the schema probably accepts, or `MISSING`; not every rule of the schema is kept."""
    if not isinstance(schema, Mapping) or steps == 0:
        return MISSING
    if schema.get("default") is not None:
        return schema["default"]
    for word in ("examples", "enum"):
        chosen = [value for value in schema.get(word) or () if value is not None]
        if chosen:
            return chosen[0]
    parts = [_definition(schema, variables), *(part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word) or ())]
    values = [value for part in parts if (value := sample(part, variables, steps - 1)) is not MISSING]
    return values[0] if values else _of_kind(schema)


def _of_kind(schema: Mapping[str, Any]) -> Any:
    """A value of the type; a text where the schema takes anything."""
    kinds = schema.get("type", "string")
    for kind in [kinds] if isinstance(kinds, str) else kinds or ():
        if kind in ("integer", "number"):
            return schema.get("minimum", schema.get("maximum", _OF_KIND[kind]))
        if kind in _OF_KIND:
            return _OF_KIND[kind]
    return MISSING


def _definition(schema: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    """The definition to which a `$ref` leads, as Prefect writes it."""
    way = str(schema.get("$ref", "")).removeprefix("#/").split("/")
    shelf = variables.get(way[0]) if len(way) == 2 and way[0] in ("definitions", "$defs") else None
    return shelf.get(way[1]) if isinstance(shelf, Mapping) else None
