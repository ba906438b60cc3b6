"""The schema of a template's variables, made ready for checking.

It is read as JSON Schema Draft 2020-12 with the allowances that Prefect's exports need: a list under `items` means
`prefixItems`, a field that is not required may be null, both `definitions` and `$defs` are shelves. Where a schema
describes a Prefect block (`block_type_slug`), the value is the name of an entry of the settings' credentials instead.
References are followed inside the schema only; nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from dispatcher.core.plain_schemas import decided, is_open
from dispatcher.core.templates import names_block
from dispatcher.errors import Fault
from dispatcher.validation.bounds import TooMuch, bounded
from dispatcher.validation.messages import BLOCK, dotted, faults_of

MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "definitions", "$defs", "dependentSchemas"})
VALUES = frozenset({"default", "example", "examples", "const", "enum"})

_ASIDE = frozenset({"$schema", "$id"})
"""Keywords for the origin of a schema; they are left out here."""


Place = Callable[[list[str | int]], str]


@dataclass(frozen=True)
class VariablesSchema:
    """A template's `variables`, compiled."""

    names: frozenset[str]
    """The declared variables."""
    required: tuple[str, ...]
    """The required variables. A variable that names credentials is not required: without it the host's identity is used."""
    is_open: bool
    """True when the schema expressly allows names that it does not declare."""
    schema: Mapping[str, Any]
    """The schema that values are checked against."""

    @cached_property
    def validator(self) -> Any:
        """The `BoundedValidator` of the schema; the first use imports `jsonschema`.

        It has an empty registry: without one, jsonschema would fetch what a reference points at.
        """
        from referencing import Registry  # noqa: PLC0415 - likewise

        from dispatcher.validation.library import BoundedValidator  # noqa: PLC0415 - for schemas that need the library

        registry: Registry[Any] = Registry()
        return BoundedValidator(self.schema, registry=registry)

    def fits(self, value: Any, schema: Any) -> bool:
        """Whether a value is valid by a schema within this one. Raises `TooMuch`."""
        verdict = decided(schema, value, self.schema)
        if verdict is not None:
            return verdict
        with bounded():
            return bool(self.validator.evolve(schema=schema).is_valid(value))

    def faults(self, values: Mapping[str, Any], place: Place = dotted, *, whole: bool = True) -> list[Fault]:
        """The faults of values; a missing name is not one of them. `place` names a fault's place.

        Without `whole`, only the faults of single values, not those of their combination.
        """
        if decided(self.schema, values, self.schema):
            return []
        try:
            return self._faults_in(values, place, whole=whole)
        except TooMuch as problem:
            return [self._costly(values, place) or Fault("", str(problem))]

    def _faults_in(self, values: Mapping[str, Any], place: Place, *, whole: bool) -> list[Fault]:
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


def compiled(variables: Mapping[str, Any], *, nullable: bool = True) -> VariablesSchema:
    """The schema, ready for use. Cached by content, so that a changed template is never checked by its old schema.

    `nullable`: null is a value of every field that is not required, as a template's variables have it.
    """
    return _compiled(json.dumps(variables, default=dict), nullable)


def prepared(schema: Any, *, nullable: bool = True) -> Any:
    """A copy of a schema with the allowances of this module; without `nullable`, all but the allowance of null."""
    if isinstance(schema, list):
        return [prepared(item, nullable=nullable) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if isinstance(schema.get("block_type_slug"), str):
        return {"type": "string", "minLength": 1, "not": {"pattern": r"\{\{"}, BLOCK: True}
    copy = {word: _prepared_keyword(word, value, nullable=nullable) for word, value in schema.items() if word not in _ASIDE}
    if isinstance(copy.get("items"), list) and not copy.get("prefixItems"):
        copy["prefixItems"] = copy.pop("items")
    return _with_nullable_fields(copy) if nullable else copy


def _prepared_keyword(word: str, value: Any, *, nullable: bool) -> Any:
    if word in VALUES:
        return value
    if word in MAPS_OF_SCHEMAS and isinstance(value, Mapping):
        return {name: prepared(schema, nullable=nullable) for name, schema in value.items()}
    return prepared(value, nullable=nullable)


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
def _compiled(text: str, nullable: bool) -> VariablesSchema:  # noqa: FBT001 - a cache's key
    variables = json.loads(text)
    schema = prepared(variables, nullable=nullable)
    declared, is_expressly_open = variables.get("properties") or {}, is_open(schema)
    required = [name for name in schema.pop("required", ()) if not names_block(declared.get(name), variables)]
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]  # `variables` reports unknown names, with the nearest known one
    return VariablesSchema(names=frozenset(declared), required=tuple(required), is_open=is_expressly_open, schema=schema)


def lookup_in(schema: Any) -> Callable[[str], Any]:
    """A function that follows the references of a schema; it raises `Unresolvable`."""
    from referencing import Registry  # noqa: PLC0415 - for schemas with references
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415 - likewise

    registry: Registry[Any] = Registry()
    return registry.resolver_with_root(DRAFT202012.create_resource(schema)).lookup
