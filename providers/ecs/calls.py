"""The one seam through which AWS is called: every call ends whole within its time, and every answer is read with suspicion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from providers.base import CallFailed
from providers.deadlines import within

Item = TypeVar("Item")

_ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the SDK raises, beside its own errors, over an answer of a shape that it does not expect."""


class Garbled(CallFailed):
    """An answer that is none: of an unexpected shape, or about something else than was asked for."""


class Service:
    """A client of one AWS service at one place. Safe to use from several threads."""

    def __init__(self, client: Any, seconds: float) -> None:
        self._client, self._seconds = client, seconds

    @property
    def region(self) -> str:
        """Where its calls go to."""
        return str(self._client.meta.region_name)

    def hurried(self, seconds: float) -> Service:
        """The same with no more time than this for a call."""
        return Service(self._client, min(seconds, self._seconds))

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call an operation, by its name in Python.

        Raises what the SDK raises, `NoAnswerInTime` after this service's seconds, and `Garbled` for what is no answer.
        """
        answer: Mapping[str, Any] = bounded(self._seconds, operation, lambda: getattr(self._client, operation)(**parameters))
        return answer


def bounded(seconds: float, what: str, call: Callable[[], Any]) -> Any:
    """What `call` gives within `seconds`. Raises the SDK's own errors, `NoAnswerInTime` and `Garbled`."""
    try:
        return within(seconds, call)
    except _ODD as error:
        if is_sdk_error(error):
            raise
        raise Garbled(f"{what}: the answer cannot be read: {type(error).__name__}: {error}") from error
    except Exception as error:
        if type(error).__name__ != "ResponseParserError":
            raise
        raise Garbled(f"{what}: the answer cannot be read: {error}") from error


def is_sdk_error(error: BaseException) -> bool:
    """True for errors that the SDK raises on purpose."""
    return any(ancestor.__name__ in ("BotoCoreError", "ClientError") for ancestor in type(error).__mro__)


def member(answer: Any, name: str, kind: type[Item]) -> Item:
    """A member of an answer. Raises `Garbled` when it is missing or of another type."""
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise Garbled(f"the answer holds no {name} of the kind that AWS sends")
    return value


def optional(answer: Any, name: str, kind: type[Item]) -> Item | None:
    """The same for a member that need not be there."""
    if isinstance(answer, Mapping) and answer.get(name) is None:
        return None
    return member(answer, name, kind)


def objects_of(answer: Any, name: str) -> Sequence[Mapping[str, Any]]:
    """A member that is a list of objects; one that is not there is an empty list."""
    return [_object(item, name) for item in optional(answer, name, list) or ()]


def _object(item: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise Garbled(f"the answer holds no {name} of the kind that AWS sends")
    return item
