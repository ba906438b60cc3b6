"""JSON Schema by `jsonschema`, within the bounds of `bounds`. Imported only for what `core.plain_schemas` does not decide.

The library imports installed packages that check formats, although `formats` decides here. One of them builds a grammar on
import, which takes seconds. So the library's import does not find it, nor another slow one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any, cast

from referencing.exceptions import Unresolvable

from dispatcher.validation.bounds import MAX_STEPS, matches, spend
from dispatcher.validation.formats import has_format

_COSTLY = ("rfc3987_syntax", "isoduration")


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Hide these modules from imports inside the `with` block, unless they are already loaded."""
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    hidden = [name for name in names if name not in modules]
    modules.update(dict.fromkeys(hidden))  # None is how Python notes that there is no such module
    try:
        yield
    finally:
        for name in hidden:
            modules.pop(name, None)


with _without(_COSTLY):
    from jsonschema import Draft202012Validator
    from jsonschema import ValidationError as SchemaError
    from jsonschema.validators import extend


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[SchemaError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield SchemaError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any) -> Iterator[SchemaError]:
    for pattern, schema in patterns.items() if isinstance(instance, Mapping) else ():
        for name, value in instance.items():
            spend(1)
            if matches(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[SchemaError]:
    if not isinstance(instance, Mapping):
        return
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [name for name in instance if name not in properties and not any(matches(pattern, name) for pattern in patterns)]
    if isinstance(allowed, Mapping):
        for name in extra:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extra:
        yield SchemaError(f"unexpected {', '.join(map(repr, extra[:10]))}")


def _format(_: Any, name: Any, instance: Any, __: Any) -> Iterator[SchemaError]:
    if not has_format(name, instance):
        yield SchemaError(f"{instance!r} is not a {name}")


def _reference(follow: Callable[..., Any], validator: Any, target: Any, instance: Any, schema: Any) -> Iterator[SchemaError]:
    """Follow a reference. A dangling one raises an error of Python, as other faults of a schema do."""
    try:
        yield from follow(validator, target, instance, schema) or ()
    except Unresolvable as problem:
        raise LookupError(str(problem)) from None


def _unique_items(_: Any, is_unique: Any, instance: Any, __: Any) -> Iterator[SchemaError]:
    if is_unique and isinstance(instance, list) and len({_identity(item) for item in instance}) < len(instance):
        yield SchemaError("items are not unique")


def _identity(value: Any) -> Any:
    """A key that is equal for equal JSON values: 1 and 1.0 are the same number, and true is not a number."""
    if isinstance(value, Mapping):
        return "object", frozenset((key, _identity(child)) for key, child in value.items())
    if isinstance(value, list):
        return "list", tuple(map(_identity, value))
    return type(value) is bool, value


def _counted(evaluate: Callable[..., Any], keyword: str) -> Callable[..., Any]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        spend(1 + (_compared(value, instance) if keyword in _COMPARING else 0))
        return evaluate(validator, value, instance, schema)

    return counted


def _compared(value: Any, instance: Any) -> int:
    """The steps of a keyword that compares whole values, from their number and their size."""
    waiting, count = [instance], len(value) if isinstance(value, list) else 1
    while waiting and count < MAX_STEPS:
        inner = waiting.pop()
        children = inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, list) else ()
        waiting += children
        count += len(children)
    return count // 8


_COMPARING = frozenset({"const", "enum", "uniqueItems"})


_OWN: Mapping[str, Callable[..., Any]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "format": _format,
    **{word: partial(_reference, Draft202012Validator.VALIDATORS[word]) for word in ("$ref", "$dynamicRef")},
}

BoundedValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {word: _counted(_OWN.get(word, evaluate), word) for word, evaluate in Draft202012Validator.VALIDATORS.items()},
)
"""JSON Schema Draft 2020-12, every keyword a step of `bounded`."""
