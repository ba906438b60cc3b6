"""Times and lengths of time as people write them in files and on command lines."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from dispatcher.errors import Fault, InvalidInput
from dispatcher.validation.messages import got

LENGTH_RULE = "must be a number of seconds, or a length of time in ISO 8601, as PT15M or P1D"
TIME_RULE = "must be a time with its offset, as 2026-01-31T08:00:00+00:00"


def length_of_time(text: str, field: str) -> timedelta:
    """A length of time from a command line, in the forms of a file: `900`, `PT15M`. Raises `InvalidInput` with the field."""
    try:
        return seconds_or_iso_8601(_number(text))
    except ValueError:
        raise InvalidInput("length of time", [Fault(field, LENGTH_RULE + got(text))]) from None


def seconds_or_iso_8601(value: Any) -> timedelta:
    """A length of time from seconds, or from text in ISO 8601; pydantic itself would also read other forms."""
    try:
        if isinstance(value, str) and value.startswith("P"):
            length: timedelta = _iso_8601().validate_python(value)
            return length
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value)
    except (OverflowError, ValueError):  # pydantic's own error is a ValueError
        pass
    raise ValueError(LENGTH_RULE)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@cache
def _iso_8601() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - for lengths in words

    return TypeAdapter(timedelta)
