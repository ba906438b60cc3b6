"""Times as people say them on a command line: `in 5 minutes`, `2h ago`, `tomorrow 08:00`, or in ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import click

from dispatcher.cli.context import Context
from dispatcher.cli.input import values
from dispatcher.client import length_of_time
from dispatcher.errors import Fault, InvalidInput

AT_HELP = 'When it is due, as "in 5 minutes", "tomorrow 08:00" or 2026-01-31T08:00:00+00:00; otherwise now.'
SINCE_HELP = 'as "2h ago", "yesterday 18:00" or 2026-01-31T08:00:00+00:00'
RULE = 'write it as "in 5 minutes", "tomorrow 08:00", "tomorrow 08:00 Europe/Berlin" or 2026-01-31T08:00:00+00:00'
_IN = re.compile(r"in\s+(\S.*)")
_AGO = re.compile(r"(\S.*?)\s+ago")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_DAY = re.compile(r"(yesterday|today|tomorrow)\s+(?:at\s+)?([0-9]{1,2}):([0-9]{2})(?:\s+(\S+))?")


def time_of(context: Context, text: str | None, field: str = "at") -> datetime | None:
    """The time of an option. If it was given in words, prints how they were understood. Raises `InvalidInput`."""
    if text is None:
        return None
    time = moment(text, context.wiring.dispatch.clock.now(), field)
    if time and is_in_words(text):
        click.echo(f"{text.strip()}: {time.isoformat(sep=' ', timespec='seconds')}", err=True)
    return time


def moment(text: str, now: datetime, field: str = "at") -> datetime | None:
    """The time that a text means, relative to `now`. Days and times of day are in this machine's time zone unless the text
    names another.

    Raises `InvalidInput`. A time in ISO 8601 is returned unchanged: the client checks later whether it has an offset.
    """
    stripped = text.strip()
    if stripped == "now":
        return now
    if length := _IN.fullmatch(stripped):
        return _away(now, length_of_time(length[1], field), text, field)
    if length := _AGO.fullmatch(stripped):
        return _away(now, -length_of_time(length[1], field), text, field)
    if day := _DAY.fullmatch(stripped):
        return _of_day(day, now, text, field)
    return values.moment(stripped, field, rule=RULE)


def is_in_words(text: str) -> bool:
    """Whether the text is in words, so that its meaning must be printed."""
    stripped = text.strip()
    return not stripped[:1].isdigit() or _AGO.fullmatch(stripped) is not None


def _away(now: datetime, length: timedelta, text: str, field: str) -> datetime:
    try:
        return now + length
    except OverflowError:
        raise _refused(field, f"{text!r} is not between the years 1 and 9999; {RULE}") from None


def _of_day(words: re.Match[str], now: datetime, text: str, field: str) -> datetime:
    """A time on a named day. Raises `InvalidInput` if the day does not have that time, or has it twice, because the clocks
    change.
    """
    zone = _zone(words[4], text, field)
    today = now.astimezone(zone).date()
    try:
        clock = datetime(today.year, today.month, today.day, int(words[2]), int(words[3]))  # noqa: DTZ001 - its zone follows
    except ValueError:
        raise _refused(field, f"{text!r} is not a time of a day; {RULE}") from None
    clock += timedelta(days=_DAYS[words[1]])
    first, second = (clock.replace(fold=fold, tzinfo=zone).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None, fold=0) != clock:
        raise _refused(field, f"the clocks skip {text!r}; choose another time")
    if first != second:
        raise _refused(field, f"the clocks show {text!r} twice; give the one you mean: {first} or {second}")
    return clock.replace(tzinfo=zone).astimezone(zone)


def _zone(name: str | None, text: str, field: str) -> tzinfo | None:
    """The zone with this name; without a name, None, which Python reads as this machine's zone."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown zone, no valid name, or a folder of zones
        raise _refused(field, f"{text!r}: there is no time zone {name!r}; {RULE}") from None


def _refused(field: str, words: str) -> InvalidInput:
    return InvalidInput("run", [Fault(field, words)])
