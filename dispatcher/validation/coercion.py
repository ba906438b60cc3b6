"""Converts typed and written values to the types that their variable's schema takes; text stays text.

* In `env`, everything is text: the words as they were written. `null` removes a name, here and everywhere.
* Where the schema takes text (by `type`, or by a text in `enum` or `const`; through `$ref`, `allOf`, `anyOf`, `oneOf`), typed
  words are kept byte for byte, quotes included: `83415e7`, `2024.10`, `true`.
* Where it takes text and something else (`anyOf` of text and a whole number), typed words are text, unless only the other
  reading fits; but an object or a list is read as JSON where the schema takes one.
* Where it takes no text, typed words are read as JSON. What is no JSON stays text, and the check then says what it must be.
* Where the schema says no type at all, typed words are read as JSON, unless that would lose some of them (`1e5`, `2024.10`).
* A number out of a file is a number, unless the schema takes text and no such number: then it is text, as it is written.
  `true` in a file is not text: only the schema's own words are asked for, in quotes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from dispatcher.core.templates import ENVIRONMENT
from dispatcher.core.written import REMOVED, Typed, Written, from_json, holds_words, without_words
from dispatcher.validation.bounds import TooMuch
from dispatcher.validation.schemas import VariablesSchema, compiled, lookup_in

_NO_JSON: Any = object()
_DEFAULTED = ("default", "const")
_LISTED = ("enum", "examples")


def coerced_variables(template: Mapping[str, Any], variables: Any) -> Any:
    """Job variables with every value decided by the template's schema. Without undecided values, the same object returns."""
    if not isinstance(variables, Mapping) or not holds_words(variables):
        return variables
    declared = compiled(template["variables"])
    return {name: _variable(declared, name, value) for name, value in variables.items()}


def coerced_template(template: Any) -> Any:
    """A base job template from a file, with its defaults and its fixed environment converted by its own schema."""
    if not isinstance(template, Mapping) or not holds_words(template):
        return template
    plain, variables, configuration = without_words(template), template.get("variables"), template.get("job_configuration")
    if isinstance(configuration, Mapping) and isinstance(configuration.get(ENVIRONMENT), Mapping):
        plain["job_configuration"][ENVIRONMENT] = _texts(configuration[ENVIRONMENT])
    if isinstance(variables, Mapping):
        from dispatcher.validation.schema_checks import schema_faults  # noqa: PLC0415 - for templates out of files

        plain["variables"] = _own_words(variables)
        if not schema_faults(plain["variables"]):
            _settle_defaults(plain["variables"], variables)
    return plain


def coerced_parameters(schema: Mapping[str, Any], values: Any) -> Any:
    """Parameters with every value decided by their deployment's schema; an unusable schema decides nothing."""
    if not isinstance(values, Mapping) or not holds_words(values):
        return values
    from dispatcher.validation.schema_checks import schema_faults  # noqa: PLC0415 - likewise

    usable = isinstance(schema, Mapping) and not schema_faults(schema, nullable=False)
    reading = _Reading(compiled(schema if usable else {}, nullable=False))
    return {name: reading.value(value, (name,)) for name, value in values.items()}


def coerced_schema(schema: Any) -> Any:
    """A schema of parameters from a file, with its defaults converted by itself."""
    if not isinstance(schema, Mapping) or not holds_words(schema):
        return schema
    from dispatcher.validation.schema_checks import schema_faults  # noqa: PLC0415 - likewise

    plain = _own_words(schema)
    if not schema_faults(plain, nullable=False):
        _settle_defaults(plain, schema)
    return plain


def _settle_defaults(plain: dict[str, Any], variables: Mapping[str, Any]) -> None:
    declared = compiled(plain)
    for name, schema in (variables.get("properties") or {}).items():
        if isinstance(schema, Mapping) and holds_words(schema.get("default")):
            plain["properties"][name]["default"] = _variable(declared, name, schema["default"])


def _own_words(schema: Any) -> Any:
    """A schema whose own values (`default`, `enum`, ...) are text if it has `type: string`."""
    if isinstance(schema, list):
        return [_own_words(item) for item in schema]
    if not isinstance(schema, Mapping):
        return without_words(schema)
    copy = {word: _own_words(value) for word, value in schema.items()}
    if schema.get("type") == "string":
        copy |= {word: _text(schema[word]) for word in _DEFAULTED if isinstance(schema.get(word), Written)}
        copy |= {word: [_text(item) for item in schema[word]] for word in _LISTED if isinstance(schema.get(word), list)}
    return copy


def _variable(declared: VariablesSchema, name: str, value: Any) -> Any:
    """One variable, by its plain or its dotted name."""
    root, *fields = name.split(".", 1) if name.startswith(f"{ENVIRONMENT}.") else name.split(".")
    if root == ENVIRONMENT:
        return _environment(value) if not fields else _text(value)
    return _Reading(declared).value(value, (root, *fields))


def _environment(value: Any) -> Any:
    """The whole `env`: an object, which may also be typed text."""
    if isinstance(value, Typed):
        parsed = _json(value)
        value = parsed if isinstance(parsed, Mapping) or parsed is None else str(value)
    return _texts(value) if isinstance(value, Mapping) else without_words(value)


def _texts(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(value) for name, value in environment.items()}


def _text(value: Any) -> Any:
    """The original spelling of a value that has to be text."""
    if isinstance(value, Typed):
        return None if value == REMOVED else str(value)
    return value.words if isinstance(value, Written) else without_words(value)


def _json(words: str) -> Any:
    try:
        return from_json(words)
    except (ValueError, RecursionError):
        return _NO_JSON


class _Reading:
    """Reads the values of one variable by its schema."""

    def __init__(self, declared: VariablesSchema) -> None:
        self._declared = declared

    @cached_property
    def _lookup(self) -> Callable[[str], Any]:
        return lookup_in(self._declared.schema)

    def value(self, value: Any, way: Sequence[str | int]) -> Any:
        """A value at its path below the variables."""
        places: list[Any] = [self._declared.schema]
        for step in way:
            places = [inner for schema in places for inner in self._below(schema, step)]
        return self._read(value, places)

    def _read(self, value: Any, places: Sequence[Any]) -> Any:
        if isinstance(value, Typed):
            return self._typed(value, places)
        if isinstance(value, Written):
            takes_text = "string" in self._kinds(places) and not self._fits(without_words(value), places)
            return value.words if takes_text else without_words(value)
        if isinstance(value, Mapping):
            return {key: self._read(child, self._all_below(places, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [self._read(child, self._all_below(places, index)) for index, child in enumerate(value)]
        return value

    def _typed(self, words: str, places: Sequence[Any]) -> Any:
        text, value = str(words), _json(words)
        if value is None:
            return None
        kinds = self._kinds(places)
        if value is _NO_JSON or (isinstance(value, str) and "string" in kinds):
            return text
        if isinstance(value, Mapping | list):
            whole = "string" not in kinds or ("object" if isinstance(value, Mapping) else "array") in kinds
            return self._read(value, places) if whole else text
        plain = without_words(value)
        if not kinds:
            return plain if json.dumps(plain, ensure_ascii=False) == text else text
        if "string" in kinds and (self._fits(text, places) or not self._fits(plain, places)):
            return text
        return plain

    def _all_below(self, places: Sequence[Any], step: str | int) -> list[Any]:
        return [inner for schema in places for inner in self._below(schema, step)]

    def _below(self, schema: Any, step: str | int) -> Iterator[Any]:
        """The schemas of a field or an item, one step below."""
        for part in self._parts(schema):
            yield from _field(part, step) if isinstance(step, str) else _item(part, step)

    def _kinds(self, places: Sequence[Any]) -> frozenset[str]:
        """The types that the schemas name, without null; empty if they name none."""
        kinds = [kind for schema in places for part in self._parts(schema) for kind in _declared_types(part)]
        return frozenset(kinds) - {"null"}

    def _fits(self, value: Any, places: Sequence[Any]) -> bool:
        try:
            return any(self._declared.fits(value, schema) for schema in places)
        except TooMuch:
            return False

    def _parts(self, schema: Any) -> Iterator[Mapping[str, Any]]:
        """A schema, and the other schemas that check the same value."""
        waiting, seen = [schema], set()
        while waiting:
            part = waiting.pop()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            waiting += [inner for word in ("allOf", "anyOf", "oneOf") for inner in part.get(word, ())]
            waiting += [part[word] for word in ("then", "else") if word in part]
            if isinstance(part.get("$ref"), str):
                waiting.append(self._lookup(part["$ref"]).contents)


def _field(schema: Mapping[str, Any], name: str) -> Iterator[Any]:
    fields = schema.get("properties", {})
    if name in fields:
        yield fields[name]
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"]


def _item(schema: Mapping[str, Any], index: int) -> Iterator[Any]:
    first = schema.get("prefixItems", [])
    if index < len(first):
        yield first[index]
    elif isinstance(schema.get("items"), Mapping):
        yield schema["items"]


def _declared_types(schema: Mapping[str, Any]) -> Iterator[str]:
    kinds = schema.get("type")
    if isinstance(kinds, str):
        yield kinds
    elif isinstance(kinds, list):
        yield from kinds
    else:
        values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
        yield from (_KINDS[type(value)] for value in values if type(value) in _KINDS)


_KINDS: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
