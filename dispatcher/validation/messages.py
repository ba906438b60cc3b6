"""Turns errors of jsonschema into messages for people: where, what is wrong, and what would be right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import reduce
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault
from dispatcher.validation.bounds import matches

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

BLOCK = "x-dispatcher-block"
"""The mark that `schemas` sets on a variable that takes the name of credentials."""

BLOCK_RULE = (
    "must be the name of an entry of the settings' credentials: no key may stand in a template or a variable, "
    "and Prefect blocks are not looked up"
)

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def faults_of(errors: Iterable[ValidationError], place: Callable[[list[str | int]], str]) -> list[Fault]:
    """The faults behind jsonschema's errors, each once and by path; `place` turns an error's path into the fault's."""
    faults = {fault for error in islice(errors, MAX_ERRORS) for fault in _faults(error, place)}
    return sorted(faults, key=lambda fault: (fault.path, fault.message))


MAX_ERRORS = 1_000
"""The most errors of jsonschema that are read for one value."""
MAX_FAULTS = 100
"""The most faults that are listed for one input; the others are only counted."""


def one_line(faults: Iterable[Fault]) -> list[Fault]:
    """The same faults, each on one line: characters that break a line or an encoding are escaped."""
    listed = list(faults)
    more = [Fault("", f"and {len(listed) - MAX_FAULTS} more faults")] if len(listed) > MAX_FAULTS else []
    return [Fault(_printable(fault.path), _printable(fault.message)) for fault in listed[:MAX_FAULTS]] + more


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def dotted(path: Iterable[str | int], root: str = "") -> str:
    """Steps as a fault's path."""
    return reduce(joined, path, root)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The closest of `names` as the end of a sentence; empty if none is close."""
    near = get_close_matches(name, sorted(names), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def got(value: Any) -> str:
    """The value in brackets, shortened."""
    if isinstance(value, Mapping):
        return " (got an object)"
    if isinstance(value, list):
        return " (got a list)"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return f" (got {text if len(text) <= 60 else f'{text[:57]}...'})"


def _faults(error: ValidationError, place: Callable[[list[str | int]], str]) -> Iterator[Fault]:
    path = place(list(error.absolute_path))
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    if BLOCK in schema:
        yield Fault(path, BLOCK_RULE)
    elif error.validator == "required":
        missing = (name for name in _listed_values(error) if name not in _names(error.instance))
        yield from (Fault(joined(path, name), "is missing; give it a value") for name in missing)
    elif error.validator == "additionalProperties":
        yield from _unknown(error, schema, path)
    elif error.validator in ("anyOf", "oneOf") and error.context:
        yield from _alternatives(error, path, place)
    else:
        yield Fault(path, _sentence(error, schema))


def _unknown(error: ValidationError, schema: Mapping[str, Any], path: str) -> Iterator[Fault]:
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in _names(error.instance):
        if name not in properties and not any(matches(pattern, name) for pattern in patterns):
            yield Fault(joined(path, name), f"is not a field of this object{did_you_mean(name, properties)}")


def _alternatives(error: ValidationError, path: str, place: Callable[[list[str | int]], str]) -> Iterator[Fault]:
    """One fault for a value that fits none of several schemas. Schemas of another type contribute only their type."""
    branches = [list(branch) for _, branch in groupby(error.context or (), lambda inner: inner.relative_schema_path[0])]
    blocks = [branch for branch in branches if any(isinstance(e.schema, Mapping) and BLOCK in e.schema for e in branch)]
    kinds = [e.validator_value for branch in branches if branch not in blocks for e in branch if _is_whole_type(e)]
    near = [branch for branch in branches if branch not in blocks and not any(_is_whole_type(e) for e in branch)]
    if len(near) == 1 and not blocks:
        yield from faults_of(near[0], place)
        return
    rules = [BLOCK_RULE] if blocks else []
    rules += [f"must be {_kinds(kinds)}"] if kinds and not near else []
    rules += ["in one of its forms: " + " and ".join(map(str, faults_of(branch, place))) for branch in near]
    yield Fault(path, "; or ".join(rules) + ("" if blocks else _got(error)))


def _names(value: Any) -> Iterable[str]:
    """The keys of an object; jsonschema types the value as possibly unset."""
    return value if isinstance(value, Mapping) else ()


def _listed_values(error: ValidationError) -> list[Any]:
    """The values that the keyword lists."""
    return error.validator_value if isinstance(error.validator_value, list) else []


def _is_whole_type(error: ValidationError) -> bool:
    return error.validator == "type" and not error.relative_path


def _kinds(kinds: Any) -> str:
    flat = [
        kind for item in ([kinds] if isinstance(kinds, str) else kinds) for kind in ([item] if isinstance(item, str) else item)
    ]
    names = list(dict.fromkeys(_KINDS.get(kind, kind) for kind in flat if kind != "null")) or ["null"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _got(error: ValidationError) -> str:
    """The value in brackets, unless the schema calls it secret."""
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    secret = schema.get("writeOnly") is True or schema.get("format") == "password"
    return "" if secret else got(error.instance)


def _sentence(error: ValidationError, schema: Mapping[str, Any]) -> str:
    say = _SENTENCES.get(str(error.validator))
    if say is None:
        return f"does not fit the schema's `{error.validator}`{_got(error)}"
    return say(error.validator_value, schema) + _got(error) + _suggestion(error)


def _suggestion(error: ValidationError) -> str:
    if error.validator != "enum" or not isinstance(error.instance, str):
        return ""
    return did_you_mean(error.instance, [value for value in _listed_values(error) if isinstance(value, str)])


def _one_of(values: Iterable[Any]) -> str:
    names = [value if isinstance(value, str) else json.dumps(value, default=repr) for value in values if value is not None]
    return f"must be one of {', '.join(names)}"


_SENTENCES: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "type": lambda kinds, _: f"must be {_kinds(kinds)}",
    "enum": lambda values, _: _one_of(values),
    "const": lambda value, _: f"must be {json.dumps(value, default=repr)}",
    "minimum": lambda bound, _: f"must be at least {bound}",
    "maximum": lambda bound, _: f"must be at most {bound}",
    "exclusiveMinimum": lambda bound, _: f"must be more than {bound}",
    "exclusiveMaximum": lambda bound, _: f"must be less than {bound}",
    "multipleOf": lambda step, _: f"must be a multiple of {step}",
    "minLength": lambda size, _: f"must have at least {size} character(s)",
    "maxLength": lambda size, _: f"must have at most {size} character(s)",
    "pattern": lambda pattern, _: f"must match the pattern {pattern}",
    "format": lambda name, _: f"must be a valid {name}",
    "minItems": lambda size, _: f"must have at least {size} item(s)",
    "maxItems": lambda size, _: f"must have at most {size} item(s)",
    "uniqueItems": lambda *_: "must not hold the same item twice",
    "minProperties": lambda size, _: f"must have at least {size} field(s)",
    "maxProperties": lambda size, _: f"must have at most {size} field(s)",
    "oneOf": lambda *_: "fits more than one of the alternatives that exclude each other",
}
