"""The schema of a template's variables, made ready for checking.

It is read as JSON Schema Draft 2020-12 with the allowances that Prefect's exports need: a list under `items` means
`prefixItems`, a field that is not required may be null, both `definitions` and `$defs` are shelves. Where a schema
describes a Prefect block (`block_type_slug`), the value is the name of an entry of the settings' credentials instead.
References are followed inside the schema only; nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema_specifications import REGISTRY as SPECIFICATIONS
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from dispatcher.core.placeholders import joined
from dispatcher.core.templates import names_block
from dispatcher.errors import Fault
from dispatcher.validation.bounds import FORMATS, MAX_CHAIN, MAX_UNFOLDED, BoundedValidator, TooMuch, bounded
from dispatcher.validation.messages import BLOCK, dotted, faults_of

_MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "definitions", "$defs", "dependentSchemas"})
_VALUES = frozenset({"default", "example", "examples", "const", "enum"})
_OPENINGS = frozenset({"additionalProperties", "patternProperties", "unevaluatedProperties"})

_ASIDE = frozenset({"$schema", "$id"})
"""Where a schema comes from; here it stands alone."""
_DRAFT = "https://json-schema.org/draft/2020-12"
_TOGETHER = ("allOf", "anyOf", "oneOf")
_BESIDE = ("not", "if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef")


Place = Callable[[list[str | int]], str]


@dataclass(frozen=True, slots=True)
class VariablesSchema:
    """A template's `variables`, compiled."""

    names: frozenset[str]
    """The declared variables."""
    required: tuple[str, ...]
    """Those that need a value. One that names credentials does not: without it the host's own identity is used."""
    is_open: bool
    """True when the schema expressly allows names that it does not declare."""
    validator: Any
    """A `BoundedValidator`."""

    def faults(self, values: Mapping[str, Any], place: Place = dotted, *, whole: bool = True) -> list[Fault]:
        """What is wrong with the given values; missing names are not looked for. `place` names a fault's place.

        Without `whole` only what is wrong with one of the values, not with which of them there are.
        """
        try:
            return self._found(values, place, whole=whole)
        except TooMuch as problem:
            return [self._costly(values, place) or Fault("", str(problem))]

    def _found(self, values: Mapping[str, Any], place: Place, *, whole: bool) -> list[Fault]:
        with bounded():
            errors = self.validator.iter_errors(values)
            return faults_of((error for error in errors if whole or error.absolute_path), place)

    def _costly(self, values: Mapping[str, Any], place: Place) -> Fault | None:
        """The one value that cannot be checked even by itself; they share what one check may cost, so the search is bounded."""
        name = ""
        try:
            with bounded():
                for name, value in values.items():
                    faults_of(self.validator.iter_errors({name: value}), dotted)
        except TooMuch as problem:
            return Fault(place([name]), str(problem))
        return None


def compiled(variables: Mapping[str, Any]) -> VariablesSchema:
    """The schema, ready for use. Cached by content, so that a changed template is never checked by its old schema."""
    return _compiled(json.dumps(variables, default=dict))


def schema_faults(variables: Mapping[str, Any]) -> list[Fault]:
    """Why `variables` is not a usable schema: wrong keywords, references that lead nowhere, back to themselves, or too far."""
    try:
        with bounded():
            errors = _meta_validator().iter_errors(_prepared(variables, nullable=False))
            faults = faults_of(errors, lambda path: dotted(path, "variables"))
            return faults or [*_reference_faults(variables)] or [*_Unfolding(variables).faults()]
    except TooMuch as problem:
        return [Fault("variables", str(problem))]


@cache
def _meta_validator() -> Any:
    """The draft's schema of schemas, its vocabularies laid together: it says the same in a fifth of the steps."""
    root = Draft202012Validator.META_SCHEMA
    parts = [
        root,
        *(SPECIFICATIONS.contents(f"https://json-schema.org/draft/2020-12/{part['$ref']}") for part in root["allOf"]),
    ]
    together = {
        word: {name: _flat(schema) for part in parts for name, schema in part.get(word, {}).items()}
        for word in ("properties", "$defs")
    }
    return BoundedValidator({"type": ["object", "boolean"], **together}, format_checker=FORMATS)


def _flat(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {"$ref": "#"} if "$dynamicRef" in schema else {word: _flat(value) for word, value in schema.items()}
    return [_flat(item) for item in schema] if isinstance(schema, list) else schema


def _prepared(schema: Any, *, nullable: bool = True) -> Any:
    """A copy of a schema with the allowances of this module; that of null would blur what is wrong with the schema itself."""
    if isinstance(schema, list):
        return [_prepared(item, nullable=nullable) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if isinstance(schema.get("block_type_slug"), str):
        return {"type": "string", "minLength": 1, "not": {"pattern": r"\{\{"}, BLOCK: True}
    copy = {word: _prepared_keyword(word, value, nullable=nullable) for word, value in schema.items() if word not in _ASIDE}
    if isinstance(copy.get("items"), list) and not copy.get("prefixItems"):
        copy["prefixItems"] = copy.pop("items")
    return _with_nullable_fields(copy) if nullable else copy


def _prepared_keyword(word: str, value: Any, *, nullable: bool) -> Any:
    if word in _VALUES:
        return value
    if word in _MAPS_OF_SCHEMAS and isinstance(value, Mapping):
        return {name: _prepared(schema, nullable=nullable) for name, schema in value.items()}
    return _prepared(value, nullable=nullable)


def _with_nullable_fields(schema: dict[str, Any]) -> dict[str, Any]:
    fields, required = schema.get("properties"), schema.get("required")
    if isinstance(fields, dict):
        needed = required if isinstance(required, list) else []
        schema["properties"] = {name: field if name in needed else _nullable(field) for name, field in fields.items()}
    return schema


def _nullable(field: Any) -> Any:
    if not isinstance(field, dict) or not isinstance(field.get("type"), str) or BLOCK in field:
        return field
    choices = {"enum": [*field["enum"], None]} if isinstance(field.get("enum"), list) else {}
    return {**field, "type": [field["type"], "null"], **choices}


@lru_cache(maxsize=64)
def _compiled(text: str) -> VariablesSchema:
    variables = json.loads(text)
    schema = _prepared(variables)
    declared = variables.get("properties") or {}
    is_open = any(schema.get(word) not in (None, False) for word in _OPENINGS)
    required = [name for name in schema.pop("required", ()) if not names_block(declared.get(name), variables)]
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]  # unknown names are told with the nearest known one, in one place
    validator = _validator(schema)
    return VariablesSchema(names=frozenset(declared), required=tuple(required), is_open=is_open, validator=validator)


def _validator(schema: Mapping[str, Any]) -> Any:
    """With an empty registry: without one, jsonschema would fetch what a reference points at."""
    registry: Registry[Any] = Registry()
    return BoundedValidator(schema, registry=registry, format_checker=FORMATS)


def _reference_faults(variables: Mapping[str, Any]) -> Iterator[Fault]:
    lookup = lookup_in(_prepared(variables))
    for path, schema in _schemas(variables, "variables"):
        if "$id" in schema and path != "variables" and isinstance(schema["$id"], str):
            yield Fault(joined(path, "$id"), "makes a part of the schema one of its own, which is not supported; remove it")
        for word in _REFERENCES:
            reference = schema.get(word)
            if isinstance(reference, str) and not _leads_to_a_schema(lookup, reference):
                words = f"refers to {reference}, which is no schema in here; add it under `definitions`"
                yield Fault(joined(path, word), words)


def lookup_in(schema: Any) -> Callable[[str], Any]:
    """What follows the references of a schema; it raises `Unresolvable`."""
    registry: Registry[Any] = Registry()
    return registry.resolver_with_root(DRAFT202012.create_resource(schema)).lookup


def _leads_to_a_schema(lookup: Callable[[str], Any], reference: str) -> bool:
    try:
        return reference.startswith("#") and isinstance(lookup(reference).contents, (dict, bool))
    except Unresolvable:
        return False


def _schemas(schema: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema in a schema, with its place."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _schemas(item, joined(path, index))
    elif isinstance(schema, Mapping):
        yield path, schema
        for word, value in schema.items():
            if word in _MAPS_OF_SCHEMAS and isinstance(value, Mapping):
                for name, inner in value.items():
                    yield from _schemas(inner, joined(joined(path, word), name))
            elif word not in _VALUES:
                yield from _schemas(value, joined(path, word))


class _Unfolding:
    """How many schemas a value meets at once, when every reference is followed that takes no step into the value."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._root = compiled(variables).validator.schema
        self._lookup = lookup_in(self._root)
        self._sizes: dict[int, int] = {}

    def faults(self) -> Iterator[Fault]:
        """The variables whose check would have no end, or too many steps; then such schemas elsewhere."""
        places = [*_schemas(self._root.get("properties", {}), "variables.properties"), *_schemas(self._root, "variables")]
        for path, schema in places:
            try:
                self._size(schema, ())
            except TooMuch as problem:
                yield Fault(path, str(problem))
                return

    def _size(self, schema: Any, trail: tuple[int, ...]) -> int:
        if not isinstance(schema, Mapping):
            return 1
        known = self._sizes.get(id(schema))
        if known is not None:
            return known
        if id(schema) in trail:
            raise TooMuch("refers to itself without end; break the circle of `$ref`s")
        if len(trail) > MAX_CHAIN:
            raise TooMuch(f"refers to a schema through more than {MAX_CHAIN} others; shorten the chain of `$ref`s")
        size = 1 + sum(self._size(inner, (*trail, id(schema))) for inner in self._inner(schema))
        if size > MAX_UNFOLDED:
            raise TooMuch(f"unfolds to more than {MAX_UNFOLDED} schemas; let fewer `$ref`s lead to the same one")
        self._sizes[id(schema)] = size
        return size

    def _inner(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        """The schemas that look at the same value."""
        for word in _TOGETHER:
            yield from schema[word] if isinstance(schema.get(word), list) else ()
        yield from (schema[word] for word in _BESIDE if word in schema)
        if isinstance(schema.get("dependentSchemas"), Mapping):
            yield from schema["dependentSchemas"].values()
        yield from (self._lookup(schema[word]).contents for word in _REFERENCES if isinstance(schema.get(word), str))
