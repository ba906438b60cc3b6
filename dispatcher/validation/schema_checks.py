"""Checks that a template's variables are a usable schema, and that a check by it stays within its bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema_specifications import REGISTRY as SPECIFICATIONS
from referencing.exceptions import Unresolvable

from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault
from dispatcher.validation.bounds import MAX_CHAIN, MAX_UNFOLDED, TooMuch, bounded
from dispatcher.validation.library import BoundedValidator
from dispatcher.validation.messages import dotted, faults_of
from dispatcher.validation.schemas import MAPS_OF_SCHEMAS, VALUES, compiled, lookup_in, prepared

_TOGETHER = ("allOf", "anyOf", "oneOf")
_BESIDE = ("not", "if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef")


def schema_faults(variables: Mapping[str, Any], root: str = "variables", *, nullable: bool = True) -> list[Fault]:
    """Why `variables` is not a usable schema: wrong keywords, references that lead nowhere, back to themselves, or too far.

    Paths begin with `root`. `nullable`: see `compiled`.
    """
    try:
        with bounded():
            errors = _meta_validator().iter_errors(prepared(variables, nullable=False))
            faults = faults_of(errors, lambda path: dotted(path, root))
            return faults or [*_reference_faults(variables, root)] or [*_Unfolding(variables, nullable=nullable).faults(root)]
    except TooMuch as problem:
        return [Fault(root, str(problem))]


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
    return BoundedValidator({"type": ["object", "boolean"], **together})


def _flat(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {"$ref": "#"} if "$dynamicRef" in schema else {word: _flat(value) for word, value in schema.items()}
    return [_flat(item) for item in schema] if isinstance(schema, list) else schema


def _reference_faults(variables: Mapping[str, Any], root: str) -> Iterator[Fault]:
    lookup = lookup_in(prepared(variables))
    for path, schema in _schemas(variables, root):
        if "$id" in schema and path != root and isinstance(schema["$id"], str):
            yield Fault(joined(path, "$id"), "makes a part of the schema one of its own, which is not supported; remove it")
        for word in _REFERENCES:
            reference = schema.get(word)
            if isinstance(reference, str) and not _leads_to_a_schema(lookup, reference):
                words = f"refers to {reference}, which is not a schema in here; add it under `definitions`"
                yield Fault(joined(path, word), words)


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
            if word in MAPS_OF_SCHEMAS and isinstance(value, Mapping):
                for name, inner in value.items():
                    yield from _schemas(inner, joined(joined(path, word), name))
            elif word not in VALUES:
                yield from _schemas(value, joined(path, word))


class _Unfolding:
    """How many schemas a value meets at once, when every reference is followed that takes no step into the value."""

    def __init__(self, variables: Mapping[str, Any], *, nullable: bool) -> None:
        self._root = compiled(variables, nullable=nullable).schema
        self._lookup = lookup_in(self._root)
        self._sizes: dict[int, int] = {}

    def faults(self, root: str) -> Iterator[Fault]:
        """The variables whose check would have no end, or too many steps; then such schemas elsewhere."""
        places = [*_schemas(self._root.get("properties", {}), f"{root}.properties"), *_schemas(self._root, root)]
        for path, schema in places:
            try:
                self._size(schema, ())
            except TooMuch as problem:
                yield Fault(path, str(problem))
                return

    def _size(self, schema: Any, trail: tuple[int, ...]) -> int:
        if not isinstance(schema, Mapping):
            return 1
        size = self._sizes.get(id(schema))
        if size is not None:
            return size
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
