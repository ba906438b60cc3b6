"""Bounds the cost of a check to a second, whatever its input is. A check that would cost more fails with a fault.

JSON Schema lets a few lines ask for more work than any machine can do: references that double with each level, patterns that
backtrack without end, comparisons of each item with each other. So each evaluated keyword is a step, and steps are counted;
`regex` searches for patterns, because it takes a time limit; items are compared by their hash.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_STEPS = 12_000
"""Keywords evaluated in one check: about a third of a second, and ten times what the largest template of Prefect needs."""
MAX_UNFOLDED = 5_000
"""The most schemas that one value is checked against, with all references followed."""
MAX_CHAIN = 60
"""The longest chain of references without a step into the value."""
MAX_PATTERN = 1_000
"""The most characters of a pattern."""
PATTERN_SECONDS = 0.15
"""The CPU time limit for all patterns of one check together, as the library counts it: a busy machine slows no pattern."""

FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The errors that libraries raise for input that they do not expect."""


class TooMuch(Exception):
    """A check would cost more than it may; the text says what to do."""


@dataclass
class _Budget:
    """The steps and the time that one check has left."""

    steps: int = MAX_STEPS
    seconds: float = PATTERN_SECONDS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise TooMuch("takes too many steps to be checked; give less of it, or simplify the schema")


_BUDGET: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def bounded() -> Iterator[None]:
    """Bound the cost of everything inside the `with` block. Every failure inside raises `TooMuch`."""
    token = _BUDGET.set(_Budget())
    try:
        yield
    except FAILURES as problem:
        raise TooMuch(_words(problem)) from None
    finally:
        _BUDGET.reset(token)


def _words(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return "nests too deeply to be checked; flatten it"
    return f"cannot be checked ({type(problem).__name__}); simplify it, or the schema"


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text. Raises `TooMuch` when the answer takes too long."""
    budget = _BUDGET.get() or _Budget()
    if budget.seconds <= 0:
        raise TooMuch(f"takes too long to be matched with the pattern {pattern}; simplify the pattern")
    began = time.thread_time()
    try:
        return _compiled(pattern).search(text, timeout=budget.seconds) is not None
    except TimeoutError:
        raise TooMuch(f"takes too long to be matched with the pattern {pattern}; simplify the pattern") from None
    finally:
        budget.seconds -= time.thread_time() - began


def is_pattern(value: object) -> bool:
    """Whether a text can be used as a pattern; True for values that are not text, as JSON Schema has it."""
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


def spend(steps: int) -> None:
    """Count steps of the current check. Raises `TooMuch` when they are used up."""
    budget = _BUDGET.get()
    if budget is not None:
        budget.spend(steps)
