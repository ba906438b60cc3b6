"""Times and lengths of time as people write them in files and on command lines."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from typing import Any

from dispatcher.errors import Fault, InvalidInput
from dispatcher.validation.messages import got

LENGTH_RULE = "must be a number of seconds, or a length of time, as 15m, 1h30m, 2 days or PT15M"
TIME_RULE = "must be a time with its offset, as 2026-01-31T08:00:00+00:00"


UNITS = {"weeks": "w week weeks", "days": "d day days", "hours": "h hour hours", "minutes": "m min minute minutes"}
UNITS["seconds"] = "s sec second seconds"
"""The units of a length in words, from long to short: an argument of `timedelta`, and how people write it."""
_NAMES = {name: unit for unit, names in UNITS.items() for name in names.split()}
_ORDER = {unit: index for index, unit in enumerate(UNITS)}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)")


def length_of_time(text: str, field: str) -> timedelta:
    """A length of time from a command line, in the forms of a file: `900`, `15m`, `PT15M`.

    Raises `InvalidInput` with the field.
    """
    try:
        return written_length(_number(text))
    except ValueError:
        raise InvalidInput("length of time", [Fault(field, LENGTH_RULE + got(text))]) from None


def written_length(value: Any) -> timedelta:
    """A length of time from seconds, or from text in words or in ISO 8601; pydantic itself would also read other forms."""
    try:
        if isinstance(value, str) and value.startswith("P"):
            length: timedelta = _iso_8601().validate_python(value)
            return length
        if isinstance(value, str):
            return in_words(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value)
    except (OverflowError, ValueError):  # pydantic's own error is a ValueError
        pass
    raise ValueError(LENGTH_RULE)


def in_words(text: str) -> timedelta:
    """A length of time as `5m`, `1h30m`, `2 days`: each unit once, from long to short. Raises `ValueError`."""
    parts, end = dict[str, float](), 0
    while part := _PART.match(text, end):
        unit = _NAMES.get(part[2], "")
        if not unit or any(_ORDER[unit] <= _ORDER[before] for before in parts):
            break
        parts[unit], end = float(part[1]), part.end()
    if not parts or text[end:].strip():
        raise ValueError(LENGTH_RULE)
    return timedelta(**parts)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@cache
def _iso_8601() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - for lengths in words

    return TypeAdapter(timedelta)
