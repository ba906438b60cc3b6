"""How much a check at the door may cost: a second at most, whatever was given. Beyond it, the check fails with a fault.

JSON Schema lets a few lines ask for more work than any machine can do: references that double with each level, patterns that
backtrack without end, comparisons of each item with each other. So every keyword that is evaluated is a step, and steps are
counted; patterns are searched by `regex`, which can be told when to stop; items are compared by their hash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema import ValidationError as SchemaError
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable

MAX_STEPS = 12_000
"""Keywords evaluated in one check: about a third of a second, and ten times what the largest template of Prefect needs."""
MAX_UNFOLDED = 5_000
"""Schemas that one value is checked against at once, each reference followed."""
MAX_CHAIN = 60
"""References that follow one another without a step into the value."""
MAX_PATTERN = 1_000
"""Characters of a pattern."""
MAX_FORMATTED = 4_096
"""Characters of a text that has a format."""
PATTERN_SECONDS = 0.15
"""For all patterns of one check together."""

FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, Unresolvable)
"""What a library raises when what it was given is odder than it expects."""


class TooMuch(Exception):
    """A check would cost more than it may; the text says what to do."""


@dataclass
class _Budget:
    """What is left of one check."""

    steps: int = MAX_STEPS
    seconds: float = PATTERN_SECONDS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise TooMuch("takes too many steps to be checked; give less of it, or simplify the schema")


_BUDGET: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def bounded() -> Iterator[None]:
    """Let everything inside cost no more than one check may. Whatever fails inside raises `TooMuch`."""
    token = _BUDGET.set(_Budget())
    try:
        yield
    except FAILURES as problem:
        raise TooMuch(_words(problem)) from None
    finally:
        _BUDGET.reset(token)


def _words(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return "nests too deep to be checked; flatten it"
    return f"cannot be checked ({type(problem).__name__}); simplify it, or the schema"


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text. Raises `TooMuch` when the answer takes too long."""
    budget = _BUDGET.get() or _Budget()
    if budget.seconds <= 0:
        raise TooMuch(f"takes too long to be matched with the pattern {pattern}; simplify the pattern")
    began = time.perf_counter()
    try:
        return _compiled(pattern).search(text, timeout=budget.seconds) is not None
    except TimeoutError:
        raise TooMuch(f"takes too long to be matched with the pattern {pattern}; simplify the pattern") from None
    finally:
        budget.seconds -= time.perf_counter() - began


def is_pattern(value: object) -> bool:
    """Whether a text can be used as a pattern; what is no text is none of a pattern's business."""
    if not isinstance(value, str):
        return True
    try:
        return len(value) <= MAX_PATTERN and bool(_compiled(value))
    except FAILURES:  # the library's own error is a ValueError or an Exception of its own, by its version
        return False


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    import regex  # noqa: PLC0415 - 40 ms, for schemas that have patterns

    try:
        return regex.compile(pattern)
    except regex.error as problem:
        raise ValueError(str(problem)) from None


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[SchemaError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield SchemaError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any) -> Iterator[SchemaError]:
    for pattern, schema in patterns.items() if isinstance(instance, Mapping) else ():
        for name, value in instance.items():
            _spend(1)
            if matches(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]) -> Iterator[SchemaError]:
    if not isinstance(instance, Mapping):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [name for name in instance if name not in known and not any(matches(pattern, name) for pattern in patterns)]
    if isinstance(allowed, Mapping):
        for name in extra:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extra:
        yield SchemaError(f"unexpected {', '.join(map(repr, extra[:10]))}")


def _format(validator: Any, name: Any, instance: Any, schema: Any) -> Iterator[SchemaError] | None:
    """A long text is no address, date or name; some libraries take their time to find that out."""
    if isinstance(instance, str) and len(instance) > MAX_FORMATTED:
        return iter([SchemaError(f"is too long for {name}")])
    found: Iterator[SchemaError] | None = Draft202012Validator.VALIDATORS["format"](validator, name, instance, schema)
    return found


def _unique_items(_: Any, wanted: Any, instance: Any, __: Any) -> Iterator[SchemaError]:
    if wanted and isinstance(instance, list) and len({_identity(item) for item in instance}) < len(instance):
        yield SchemaError("items are not unique")


def _identity(value: Any) -> Any:
    """Equal for what JSON holds equal: 1 and 1.0 are one number, and true is none."""
    if isinstance(value, Mapping):
        return "object", frozenset((key, _identity(child)) for key, child in value.items())
    if isinstance(value, list):
        return "list", tuple(map(_identity, value))
    return type(value) is bool, value


def _counted(evaluate: Callable[..., Any], keyword: str) -> Callable[..., Any]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        _spend(1 + (_compared(value, instance) if keyword in _COMPARING else 0))
        return evaluate(validator, value, instance, schema)

    return counted


def _compared(value: Any, instance: Any) -> int:
    """Steps of a keyword that compares whole values: by how many there are, and by what they hold."""
    waiting, found = [instance], len(value) if isinstance(value, list) else 1
    while waiting and found < MAX_STEPS:
        inner = waiting.pop()
        children = inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, list) else ()
        waiting += children
        found += len(children)
    return found // 8


_COMPARING = frozenset({"const", "enum", "uniqueItems"})


def _spend(steps: int) -> None:
    budget = _BUDGET.get()
    if budget is not None:
        budget.spend(steps)


_OWN: Mapping[str, Callable[..., Any]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "format": _format,
}

BoundedValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {word: _counted(_OWN.get(word, evaluate), word) for word, evaluate in Draft202012Validator.VALIDATORS.items()},
)
"""JSON Schema Draft 2020-12, every keyword a step of `bounded`."""

FORMATS = FormatChecker(tuple(name for name in Draft202012Validator.FORMAT_CHECKER.checkers if name != "regex"))
"""The formats of the draft, patterns without the risk of compiling them by `re`."""
FORMATS.checks("regex", raises=FAILURES)(is_pattern)
