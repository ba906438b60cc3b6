"""The formats of a template's variables that are checked. Which libraries are installed makes no difference.

| format | a text of this format |
| --- | --- |
| `date` | is a date of RFC 3339: 2026-01-31 |
| `time` | is a time of RFC 3339, with its offset: 08:00:00Z |
| `date-time` | is both: 2026-01-31T08:00:00+01:00 |
| `email` | holds an @ |
| `ipv4`, `ipv6` | is an address |
| `uuid` | is a UUID with its hyphens |

Every other format is an annotation, as JSON Schema has it: it describes a value and refuses none. `jsonschema` by itself checks
those formats whose libraries happen to be installed. `dispatcher.validation.formats` adds the format `regex`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from uuid import UUID

MAX_FORMATTED = 4_096
"""The most characters of a text that has a format."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(z|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII | re.IGNORECASE)
_HYPHENS = (8, 13, 18, 23)


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _reads(date.fromisoformat, text)


def _is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None


def _is_date_time(text: str) -> bool:
    return text[10:11] in ("T", "t") and _is_date(text[:10]) and _is_time(text[11:])


def _is_ipv4(text: str) -> bool:
    from ipaddress import IPv4Address  # noqa: PLC0415 - for schemas that have addresses

    return _reads(IPv4Address, text)


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address  # noqa: PLC0415 - likewise

    return _reads(IPv6Address, text) and "%" not in text


def _is_uuid(text: str) -> bool:
    return all(text[position : position + 1] == "-" for position in _HYPHENS) and _reads(UUID, text)


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "email": lambda text: "@" in text,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "uuid": _is_uuid,
}
"""By name: whether a text has the format."""


def has_format(name: object, value: object, formats: Mapping[str, Callable[[str], bool]] = FORMATS) -> bool:
    """Whether a value has a format. Values that are not text have every format; long text has none, to bound the time."""
    if not isinstance(value, str):
        return True
    check = formats.get(name) if isinstance(name, str) else None
    return len(value) <= MAX_FORMATTED and (check is None or check(value))
