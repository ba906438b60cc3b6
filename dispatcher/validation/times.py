"""Times and lengths of time as people write them in files and on command lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, WithJsonSchema

from dispatcher.errors import Fault, InvalidInput
from dispatcher.validation.messages import got

LENGTH_RULE = "must be a number of seconds, or a length of time in ISO 8601, as PT15M or P1D"
TIME_RULE = "must be a time with its offset, as 2026-01-31T08:00:00+00:00"


def length_of_time(text: str, field: str) -> timedelta:
    """`900`, `PT15M`: what a file takes, from a command line. Raises `InvalidInput` that names the field."""
    try:
        return _length(_number(text))
    except ValueError:
        raise InvalidInput("length of time", [Fault(field, LENGTH_RULE + got(text))]) from None


def _length(value: Any) -> timedelta:
    """Seconds, or text that begins as ISO 8601 has it: pydantic itself reads other forms too."""
    try:
        if isinstance(value, str) and value.startswith("P"):
            return _iso_8601().validate_python(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value)
    except (OverflowError, ValueError):  # pydantic's own error is a ValueError
        pass
    raise ValueError(LENGTH_RULE)


def _in_utc(moment: datetime) -> datetime:
    """The same in UTC; one without an offset stays so, and is a fault of the noun that it stands in."""
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


LengthOfTime = Annotated[
    timedelta,
    BeforeValidator(_length),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^P"}], "description": "Seconds, or ISO 8601, as PT15M."}
    ),
]
"""A length of time as it is written."""

Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A time with its offset, as it is written; kept in UTC."""

WRITTEN = {timedelta: LengthOfTime, datetime: Moment}
"""What is written otherwise than it is kept."""


@cache
def _iso_8601() -> TypeAdapter[timedelta]:
    return TypeAdapter(timedelta)
