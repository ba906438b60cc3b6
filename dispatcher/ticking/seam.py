"""The one place in which a tick meets whatever a provider, a store or a schedule raises.

They raise what their protocols declare, and a tick knows what that means. Any other exception is a mistake: in an adapter, in
an answer that it did not expect, in a library below. Wherever it comes from, no other pool and no other run suffers from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dispatcher.errors import DispatcherError
from providers.base import ProviderError

Result = TypeVar("Result")


@contextmanager
def exceptions_reported(report: Callable[[Exception], None]) -> Iterator[None]:
    """Pass whatever is raised to `report` instead of raising it."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - the module says why
        report(problem)


def attempted(call: Callable[[], Result], otherwise: Callable[[Exception], Result]) -> Result:
    """What the call answers; when it raises, what `otherwise` makes of the exception."""
    answers, problems = list[Result](), list[Exception]()
    with exceptions_reported(problems.append):
        answers.append(call())
    return answers[0] if answers else otherwise(problems[0])


def words(problem: Exception) -> str:
    """A problem in one line. An exception that nobody raised on purpose is shown with its type."""
    if isinstance(problem, DispatcherError | ProviderError):
        return str(problem)
    return f"{type(problem).__name__}: {problem}"
