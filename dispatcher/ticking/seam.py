"""The one place where a tick catches the exceptions of what it calls: a provider, a store, a schedule, a consumer of telemetry.

The exceptions that their protocols declare have a meaning for the tick. Any other exception is a mistake: in an adapter, in an
unexpected answer, or in a library. It must not affect other pools and runs. The client imports a person's functions through
it as well: a module may raise anything.
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
    """Pass an exception to `report` instead of raising it."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - the module's docstring says why
        report(problem)


def attempted(call: Callable[[], Result], otherwise: Callable[[Exception], Result]) -> Result:
    """The result of the call; if it raises, the result of `otherwise(exception)`."""
    answers, problems = list[Result](), list[Exception]()
    with exceptions_reported(problems.append):
        answers.append(call())
    return answers[0] if answers else otherwise(problems[0])


def words(problem: Exception) -> str:
    """A problem in one line. An unexpected exception is shown with its type."""
    if isinstance(problem, DispatcherError | ProviderError):
        return str(problem)
    return f"{type(problem).__name__}: {problem}"
