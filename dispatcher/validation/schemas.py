"""The schema of a template's variables, made ready for checking.

It is read as JSON Schema Draft 2020-12 with the allowances that Prefect's exports need: a list under `items` means
`prefixItems`, a field that is not required may be null, both `definitions` and `$defs` are shelves. Where a schema
describes a Prefect block (`block_type_slug`), the value is the name of an entry of the settings' credentials instead.
References are followed inside the schema only; nothing is fetched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from dispatcher.core.placeholders import joined
from dispatcher.core.templates import names_block
from dispatcher.errors import Fault
from dispatcher.validation.wording import BLOCK, dotted, faults_of

_MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "definitions", "$defs", "dependentSchemas"})
_VALUES = frozenset({"default", "example", "examples", "const", "enum"})
_OPENINGS = frozenset({"additionalProperties", "patternProperties", "unevaluatedProperties"})

_FORMATS = FormatChecker()


@_FORMATS.checks("regex", raises=(re.error, OverflowError, RecursionError))
def _is_pattern(value: object) -> bool:
    return not isinstance(value, str) or bool(re.compile(value))


_META_VALIDATOR = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=_FORMATS)


@dataclass(frozen=True, slots=True)
class VariablesSchema:
    """A template's `variables`, compiled."""

    names: frozenset[str]
    """The declared variables."""
    required: tuple[str, ...]
    """Those that need a value. One that names credentials does not: without it the host's own identity is used."""
    is_open: bool
    """True when the schema expressly allows names that it does not declare."""
    validator: Draft202012Validator

    def faults(self, values: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with the given values; missing names are not looked for."""
        try:
            return faults_of(self.validator.iter_errors(values), dotted)
        except RecursionError:
            return [Fault("", "nests too deep to be checked; flatten it")]


def compiled(variables: Mapping[str, Any]) -> VariablesSchema:
    """The schema, ready for use. Cached by content, so that a changed template is never checked by its old schema."""
    return _compiled(json.dumps(variables, default=dict))


def schema_faults(variables: Mapping[str, Any]) -> list[Fault]:
    """Why `variables` is not a usable schema: wrong keywords, references that lead nowhere or back to themselves."""
    errors = _META_VALIDATOR.iter_errors(_prepared(variables, nullable=False))
    faults = faults_of(errors, lambda path: dotted(path, "variables"))
    return faults or [*_reference_faults(variables)] or [*_endless(variables)]


def _prepared(schema: Any, *, nullable: bool = True) -> Any:
    """A copy of a schema with the allowances of this module; that of null would blur what is wrong with the schema itself."""
    if isinstance(schema, list):
        return [_prepared(item, nullable=nullable) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if isinstance(schema.get("block_type_slug"), str):
        return {"type": "string", "minLength": 1, "not": {"pattern": r"\{\{"}, BLOCK: True}
    copy = {word: _prepared_keyword(word, value, nullable=nullable) for word, value in schema.items()}
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


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """With an empty registry: without one, jsonschema would fetch what a reference points at."""
    registry: Registry[Any] = Registry()
    return Draft202012Validator(schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _reference_faults(variables: Mapping[str, Any]) -> Iterator[Fault]:
    registry: Registry[Any] = Registry()
    lookup = registry.resolver_with_root(DRAFT202012.create_resource(_prepared(variables))).lookup
    for path, reference in _references(variables, "variables"):
        if not _leads_to_a_schema(lookup, reference):
            yield Fault(path, f"refers to {reference}, which is no schema in here; add it under `definitions`")


def _leads_to_a_schema(lookup: Callable[[str], Any], reference: str) -> bool:
    try:
        return reference.startswith("#") and isinstance(lookup(reference).contents, (dict, bool))
    except Unresolvable:
        return False


def _references(schema: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _references(item, joined(path, index))
    elif isinstance(schema, Mapping):
        for word, value in schema.items():
            place = joined(path, word)
            if word in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield place, value
            elif word in _MAPS_OF_SCHEMAS and isinstance(value, Mapping):
                for name, inner in value.items():
                    yield from _references(inner, joined(place, name))
            elif word not in _VALUES:
                yield from _references(value, place)


def _endless(variables: Mapping[str, Any]) -> Iterator[Fault]:
    """A reference that comes back to itself without a step into the value can be shown by any value at all."""
    schema = compiled(variables)
    for name in sorted(schema.names):
        try:
            list(schema.validator.iter_errors({name: None}))
        except RecursionError:
            yield Fault(dotted((name,), "variables.properties"), "refers to itself without end; break the circle of `$ref`s")
