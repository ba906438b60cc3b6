"""Values with their original text, typed or from a file, before their type is decided.

`83415e7` may be a number or a commit, `0123` a number or a ZIP code. Only the schema of a variable says which, so the text
stays with the value until validation has asked the schema (`dispatcher.validation.coercion`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from dispatcher.core.placeholders import MAX_DEPTH

MAX_VALUES = 200_000
"""More than any template or any run's variables may hold."""

REMOVED = "null"
"""The typed words that take a value away."""


class Typed(str):
    """A value as it was typed on a command line, without a type yet."""

    __slots__ = ()


class WrittenInteger(int):
    """A whole number from a file, with its original text."""

    words: str


class WrittenNumber(float):
    """A number from a file, with its original text."""

    words: str


Written = WrittenInteger | WrittenNumber


def integer(words: str, base: int = 10) -> WrittenInteger:
    """A whole number that keeps its text. Raises `ValueError`, also for more digits than Python reads."""
    value = WrittenInteger(words, base)
    value.words = words
    return value


def number(words: str) -> WrittenNumber:
    """A number that keeps its text. Raises `ValueError`."""
    value = WrittenNumber(words)
    value.words = words
    return value


def from_json(text: str) -> Any:
    """JSON as a value whose numbers keep their text.

    Raises `ValueError` for text that is not JSON (NaN and Infinity are not), and `RecursionError` if it nests too deep.
    """
    return json.loads(text, parse_int=integer, parse_float=number, parse_constant=_no_number)


def holds_words(value: Any) -> bool:
    """Whether the type of any part of a value is still undecided. Parts that are too deep or too large to keep are skipped."""
    waiting, left, undecided = [(value, 0)], MAX_VALUES, False
    while waiting:
        inner, depth = waiting.pop()
        left -= 1
        if depth > 2 * MAX_DEPTH or left < 0:
            return False
        undecided = undecided or isinstance(inner, Typed | Written)
        waiting += [(child, depth + 1) for child in _children(inner)]
    return undecided


def without_words(value: Any) -> Any:
    """The same value with plain numbers, and plain text for values that were typed."""
    if isinstance(value, Typed):
        return str(value)
    if isinstance(value, WrittenInteger):
        return int(value)
    if isinstance(value, WrittenNumber):
        return float(value)
    if isinstance(value, Mapping):
        return {key: without_words(child) for key, child in value.items()}
    return [without_words(child) for child in value] if isinstance(value, list) else value


def _children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_number(words: str) -> NoReturn:
    raise ValueError(f"{words} is not a number that JSON has")
