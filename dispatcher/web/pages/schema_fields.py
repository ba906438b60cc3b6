"""What a form needs to know from the JSON Schema of a value: kind of field, bounds, whether null is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

MAX_REFERENCES = 20
SCALARS = frozenset({"string", "integer", "number", "boolean"})
NUMBERS = frozenset({"integer", "number"})
_ALTERNATIVES = ("anyOf", "oneOf")

Schema = Mapping[str, Any]


class FieldKind(StrEnum):
    """The kinds of fields."""

    TEXT = "text"
    WORDS = "words"
    """Text, or another value written as JSON; the schema decides."""
    NUMBER = "number"
    CHOICE = "choice"
    LINES = "lines"
    """A list, one item per line."""
    PAIRS = "pairs"
    """An object of texts, one NAME=value per line."""
    GROUP = "group"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A schema with its references followed and null removed."""

    schema: Schema
    takes_null: bool

    @property
    def types(self) -> frozenset[str]:
        """The allowed types except null; empty if the schema names none."""
        return frozenset(_types(self.schema))

    @property
    def fields(self) -> Mapping[str, Any]:
        """The declared fields of an object."""
        fields = self.schema.get("properties")
        return fields if isinstance(fields, Mapping) else {}

    @property
    def required(self) -> frozenset[str]:
        """The fields that must be there."""
        required = self.schema.get("required")
        return frozenset(required) if isinstance(required, list) else frozenset()

    @property
    def choices(self) -> Sequence[Any]:
        """The values to choose from; empty if the value is free."""
        if "const" in self.schema:
            return [self.schema["const"]]
        if isinstance(self.schema.get("enum"), list):
            return [value for value in self.schema["enum"] if value is not None]
        return [True, False] if self.types == {"boolean"} else []


def described(schema: Any, root: Schema) -> Described:
    """Follow the references of a schema within `root`, and remove null from its alternatives."""
    schema, takes_null = _followed(schema, root), False
    for word in _ALTERNATIVES:
        if not isinstance(schema.get(word), list):
            continue
        parts = [_followed(part, root) for part in schema[word]]
        others = [part for part in parts if part.get("type") != "null"]
        takes_null = takes_null or len(others) < len(parts)
        rest = {key: value for key, value in schema.items() if key != word}
        schema = {**others[0], **rest} if len(others) == 1 else {**rest, word: others}
    kinds = schema.get("type")
    takes_null = takes_null or (isinstance(kinds, list) and "null" in kinds) or None in _list(schema.get("enum"))
    return Described(schema=schema, takes_null=takes_null)


def kind_of(value: Described, root: Schema) -> FieldKind:
    """The field that suits a value."""
    schema, types = value.schema, value.types
    if value.choices:
        return FieldKind.CHOICE
    if isinstance(schema.get("block_type_slug"), str) or types == {"string"}:
        return FieldKind.TEXT
    if types and types <= NUMBERS:
        return FieldKind.NUMBER
    if types == {"array"}:
        return FieldKind.LINES if _is_list_of_scalars(schema, root) else FieldKind.JSON
    if types == {"object"} or (not types and value.fields):
        return _kind_of_object(value, root)
    return FieldKind.WORDS if "string" in types else FieldKind.JSON


def item_types(schema: Schema, root: Schema) -> frozenset[str]:
    """The types of the items of a list, or of the values of an object."""
    inner = schema.get("items") if "items" in schema else schema.get("additionalProperties")
    return described(inner, root).types if isinstance(inner, Mapping) else frozenset()


def _kind_of_object(value: Described, root: Schema) -> FieldKind:
    if value.fields:
        return FieldKind.GROUP
    types = item_types({"additionalProperties": value.schema.get("additionalProperties")}, root)
    return FieldKind.PAIRS if types and types <= SCALARS and "string" in types else FieldKind.JSON


def _is_list_of_scalars(schema: Schema, root: Schema) -> bool:
    types = item_types({"items": schema.get("items")}, root)
    return types == {"string"} or (bool(types) and types <= NUMBERS)


def _types(schema: Schema) -> Iterator[str]:
    kinds = schema.get("type")
    if isinstance(kinds, str):
        yield kinds
    elif isinstance(kinds, list):
        yield from (kind for kind in kinds if kind != "null")
    else:
        yield from (kind for word in _ALTERNATIVES for part in _list(schema.get(word)) for kind in _types(part))


def _followed(schema: Any, root: Schema) -> Schema:
    """A schema without `$ref`, and without an `allOf` of a single part."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(schema, Mapping):
            return {}
        parts = _list(schema.get("allOf"))
        if isinstance(schema.get("$ref"), str):
            schema = {**_at(root, schema["$ref"]), **{key: value for key, value in schema.items() if key != "$ref"}}
        elif len(parts) == 1 and isinstance(parts[0], Mapping):
            schema = {**parts[0], **{key: value for key, value in schema.items() if key != "allOf"}}
        else:
            return schema
    return {}


def _at(root: Schema, reference: str) -> Schema:
    """The schema behind a reference within `root`; an empty one for any other."""
    value: Any = root
    for step in unquote(reference).removeprefix("#").strip("/").split("/"):
        value = value.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) and reference.startswith("#/") else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def bounds_in_words(schema: Schema) -> str:
    """The bounds of a value, for people: `from 20 to 200`."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        words = [f"from {low} to {high}"]
    else:
        words = [f"{low} or more"] * (low is not None) + [f"{high} or less"] * (high is not None)
    words += [f"{sign} {schema[name]}" for name, sign in _EXCLUSIVE.items() if name in schema]
    words += [text.format(schema[name]) for name, text in _LENGTHS.items() if name in schema]
    return ", ".join(words)


_EXCLUSIVE = {"exclusiveMinimum": "more than", "exclusiveMaximum": "less than"}
_LENGTHS = {
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def as_json(value: Any) -> str:
    """A value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False)
