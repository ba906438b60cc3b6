"""Values whose words are known: what was typed, or stands in a file, before anybody has decided what type it has.

`83415e7` may be a number or a commit, `0123` a number or a ZIP code. Only the schema of a variable says which, so the words
travel with the value until validation has asked the schema (`dispatcher.validation.coercion`).
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
    """A value as it was typed on a command line, of no type yet."""

    __slots__ = ()


class WrittenInteger(int):
    """A whole number out of a file, with the words that it was written in."""

    words: str


class WrittenNumber(float):
    """A number out of a file, with the words that it was written in."""

    words: str


Written = WrittenInteger | WrittenNumber


def integer(words: str, base: int = 10) -> WrittenInteger:
    """A whole number that keeps its words. Raises `ValueError`, for more digits than Python reads as well."""
    value = WrittenInteger(words, base)
    value.words = words
    return value


def number(words: str) -> WrittenNumber:
    """A number that keeps its words. Raises `ValueError`."""
    value = WrittenNumber(words)
    value.words = words
    return value


def from_json(text: str) -> Any:
    """JSON as a value whose numbers keep their words.

    Raises `ValueError` for what is not JSON, NaN and Infinity included, and `RecursionError` for what nests too deep.
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
    """The same value, its numbers plain numbers and what was typed plain text."""
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
    raise ValueError(f"{words} is no number that JSON has")
