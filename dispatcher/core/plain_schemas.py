"""Decides simple JSON Schemas without a library, because importing it takes longer than a tick, or the rest of a command.

Most variables are plain: a type, a choice, a bound, fields, items. This module leaves everything else to the library (see
`dispatcher.validation.library`): patterns, conditions, dependent fields, and checks of many steps. Before something is saved,
the library checks it as well, and says where a fault is and why. `tests/validation/test_validation_plain_schemas.py` compares
both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dispatcher.core.formats import has_format

MAX_STEPS = 2_000
"""The most keywords that are evaluated here: a sixth of the library's limit."""

OPEN = frozenset(
    {
        *("$dynamicRef", "contains", "dependentRequired", "dependentSchemas", "if", "multipleOf", "pattern"),
        *("patternProperties", "prefixItems", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
    }
)
"""Keywords that are left to the library."""

OPENINGS = frozenset({"additionalProperties", "patternProperties", "unevaluatedProperties"})
"""Keywords by which a schema may allow fields that it does not declare."""

_ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The errors of a schema that is itself wrong; the library explains them."""


class _Open(Exception):
    """The library has to decide."""


def decided(schema: Any, value: Any, root: Mapping[str, Any]) -> bool | None:
    """Whether a value is valid under a schema; references point into `root`. None if the library has to decide."""
    try:
        return _Decision(root).fits(schema, value)
    except (_Open, *_ODD):
        return None


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether a schema expressly allows fields that it does not declare."""
    return any(schema.get(word) not in (None, False) for word in OPENINGS)


class _Decision:
    """The check of one value against one schema, within `MAX_STEPS`."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root, self._left = root, MAX_STEPS

    def fits(self, schema: Any, value: Any) -> bool:
        """Whether each keyword of the schema holds; unknown keywords are annotations."""
        if isinstance(schema, bool):
            return schema
        for word, argument in schema.items():
            self._spend(1)
            if word in OPEN:
                raise _Open
            keyword = KEYWORDS.get(word)
            if keyword is not None and not keyword(self, argument, value, schema):
                return False
        return True

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _Open

    def follow(self, reference: str, value: Any, _: Any) -> bool:
        """`$ref`: a pointer into the root, whose schema decides."""
        start, *steps = reference.split("/")
        if start != "#" or "%" in reference:
            raise _Open
        target: Any = self._root
        for step in steps:
            target = target[int(step) if isinstance(target, list) else step.replace("~1", "/").replace("~0", "~")]
        return self.fits(target, value)

    def is_formatted(self, name: str, value: Any, _: Any) -> bool:
        """`format`, except of patterns."""
        if name == "regex":
            raise _Open
        return has_format(name, value)

    def is_one_of(self, choices: list[Any], value: Any, _: Any) -> bool:
        """`enum`: a scalar that is equal to one of them."""
        self._spend(len(choices))
        return _identity(value) in [_identity(choice) for choice in choices if not isinstance(choice, (dict, list))]

    def all_fit(self, schemas: list[Any], value: Any, _: Any) -> bool:
        """`allOf`."""
        return all(self.fits(schema, value) for schema in schemas)

    def any_fits(self, schemas: list[Any], value: Any, _: Any) -> bool:
        """`anyOf`."""
        return any(self.fits(schema, value) for schema in schemas)

    def one_fits(self, schemas: list[Any], value: Any, _: Any) -> bool:
        """`oneOf`."""
        return sum(self.fits(schema, value) for schema in schemas) == 1

    def fits_not(self, schema: Any, value: Any, _: Any) -> bool:
        """`not`."""
        return not self.fits(schema, value)

    def fields_fit(self, schemas: Mapping[str, Any], value: Any, _: Any) -> bool:
        """`properties`."""
        if not _is_object(value):
            return True
        return all(self.fits(schema, value[name]) for name, schema in schemas.items() if name in value)

    def others_fit(self, schema: Any, value: Any, around: Mapping[str, Any]) -> bool:
        """`additionalProperties`."""
        if not _is_object(value):
            return True
        if "patternProperties" in around:
            raise _Open
        own = around.get("properties", {})
        return all(self.fits(schema, child) for name, child in value.items() if name not in own)

    def items_fit(self, schema: Any, value: Any, around: Mapping[str, Any]) -> bool:
        """`items`."""
        if not isinstance(value, list):
            return True
        if "prefixItems" in around:
            raise _Open
        self._spend(len(value))
        return all(self.fits(schema, item) for item in value)

    def are_unique(self, must_be: Any, value: Any, _: Any) -> bool:
        """`uniqueItems`, of scalars."""
        if not must_be or not isinstance(value, list):
            return True
        self._spend(len(value))
        return len({_identity(item) for item in value}) == len(value)


def _identity(value: Any) -> tuple[bool, Any]:
    """A key that is equal for equal JSON scalars: 1 equals 1.0, but not true. Raises `_Open` for objects and lists."""
    if isinstance(value, (Mapping, list)):
        raise _Open
    return type(value) is bool, value


def _is_object(value: Any) -> bool:
    """Whether a value is a dictionary. Other mappings are left to the library."""
    if isinstance(value, Mapping) and not isinstance(value, dict):
        raise _Open
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": _is_object,
    "null": lambda value: value is None,
}


def _has_type(_: Any, kinds: Any, value: Any, __: Any) -> bool:
    return any(_KINDS[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _compared(applies: Callable[[Any], bool], holds: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """A keyword that compares values of one kind with a bound; values of others pass."""
    return lambda _, bound, value, __: not applies(value) or holds(value, bound)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


KEYWORDS: Mapping[str, Callable[[_Decision, Any, Any, Any], bool]] = {
    "$ref": _Decision.follow,
    "type": _has_type,
    "enum": _Decision.is_one_of,
    "const": lambda decision, choice, value, schema: decision.is_one_of([choice], value, schema),
    "format": _Decision.is_formatted,
    "minimum": _compared(_is_number, lambda value, bound: value >= bound),
    "maximum": _compared(_is_number, lambda value, bound: value <= bound),
    "exclusiveMinimum": _compared(_is_number, lambda value, bound: value > bound),
    "exclusiveMaximum": _compared(_is_number, lambda value, bound: value < bound),
    "minLength": _compared(_is_text, lambda value, bound: len(value) >= bound),
    "maxLength": _compared(_is_text, lambda value, bound: len(value) <= bound),
    "minItems": _compared(_is_list, lambda value, bound: len(value) >= bound),
    "maxItems": _compared(_is_list, lambda value, bound: len(value) <= bound),
    "minProperties": _compared(_is_object, lambda value, bound: len(value) >= bound),
    "maxProperties": _compared(_is_object, lambda value, bound: len(value) <= bound),
    "required": _compared(_is_object, lambda value, names: all(name in value for name in names)),
    "properties": _Decision.fields_fit,
    "additionalProperties": _Decision.others_fit,
    "items": _Decision.items_fit,
    "uniqueItems": _Decision.are_unique,
    "allOf": _Decision.all_fit,
    "anyOf": _Decision.any_fits,
    "oneOf": _Decision.one_fits,
    "not": _Decision.fits_not,
}
"""The check of each keyword."""
