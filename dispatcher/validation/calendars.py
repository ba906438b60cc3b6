"""What iCalendar text says (RFC 5545): a recurrence as other programs store it, and the days of a calendar's events.

The days of a calendar are read by the library icalendar (extra `calendars`), which is imported on first use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dispatcher.core.recurrence import parts_of
from dispatcher.core.schedules import windows_due
from dispatcher.errors import Fault, InvalidInput, ScheduleError
from dispatcher.models import Schedule
from dispatcher.validation.messages import got

MOST_DAYS = 10_000
"""The most days that are read from one calendar."""

_DAY = timedelta(days=1)
_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"(?P<name>[A-Z]+)(?P<parameters>(?:;[A-Z-]+=[^:;]*)*):(?P<value>.+)", re.IGNORECASE)


def recurrence_fields(text: str) -> dict[str, Any]:
    """The fields of a `Schedule` for a recurrence.

    A bare rule gives `rrule` alone. Lines of DTSTART, RRULE and EXDATE, as Prefect and calendars store them, give `anchor`,
    `timezone` and `exclude` too. Raises `InvalidInput` for lines that no schedule can express. What a rule says is checked
    later, with the schedule.
    """
    lines = [line for line in _FOLD.sub("", text).splitlines() if line.strip()]
    if len(lines) == 1 and not re.match(r"(RRULE|DTSTART|EXDATE)\b", lines[0].strip(), re.IGNORECASE):
        return {"rrule": text}
    read = [_line(line) for line in lines]
    named = {name: [line for line in read if line["name"] == name] for name in ("DTSTART", "RRULE", "EXDATE")}
    if unknown := [line["name"] for line in read if line["name"] not in named]:
        raise _refused(f"{unknown[0]} is not read; leave it out, or make a schedule of its own for what it says")
    for name in ("RRULE", "DTSTART"):
        if len(named[name]) > 1:
            raise _refused(f"{name} is given {len(named[name])} times; make one schedule for each")
    if not named["RRULE"]:
        raise _refused("RRULE is missing; give a rule, as RRULE:FREQ=WEEKLY;BYDAY=MO")
    fields: dict[str, Any] = {"rrule": named["RRULE"][0]["value"]}
    for line in named["DTSTART"]:
        zone, times = _times(line)
        if len(times) > 1:
            raise _refused("DTSTART: is one time; leave out the others")
        fields |= {"anchor": times[0].astimezone(UTC), "timezone": zone}
    if named["EXDATE"]:
        fields["exclude"] = _excluded(fields, named["EXDATE"])
    return fields


def calendar_days(text: str, field: str) -> list[date]:
    """The days of the events of an iCalendar file, ascending. Raises `InvalidInput` with `field`.

    An event of several days gives each of them. One that recurs is refused: a calendar of holidays has an event for each year.
    """
    from icalendar import Calendar  # noqa: PLC0415 - for who has a calendar

    try:
        calendars = Calendar.from_ical(text, multiple=True)
        events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    except ValueError as problem:
        raise InvalidInput("schedule", [Fault(field, f"is not an iCalendar file: {problem}")]) from None
    if not calendars:
        raise InvalidInput("schedule", [Fault(field, "is not an iCalendar file: it has no VCALENDAR")])
    return sorted({day for event in events for day in _days_of(event, field)})


def _line(line: str) -> dict[str, str]:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise _refused(f"{line.strip()[:80]!r} is not a line of a recurrence; each is NAME:VALUE, as RRULE:FREQ=DAILY")
    return {**match.groupdict(), "name": match["name"].upper()}


def _times(line: Mapping[str, str]) -> tuple[str, Sequence[datetime]]:
    """The zone of a DTSTART or EXDATE, and its times; a time without a zone is in UTC, as Prefect reads it."""
    match = re.search(r"TZID=([^;]+)", line["parameters"], re.IGNORECASE)
    zone = match[1] if match else "UTC"
    try:
        clock = ZoneInfo(zone)
        times = [datetime.fromisoformat(text.strip().removesuffix("Z")) for text in line["value"].split(",")]
    except (ValueError, ZoneInfoNotFoundError):
        raise _refused(f"{line['name']}: cannot be read; write it as DTSTART;TZID=Europe/Paris:20260131T080000") from None
    if "Z" in line["value"].upper() and match:
        raise _refused(f"{line['name']}: has both a TZID and a Z; leave one of them out")
    return zone, [time.replace(tzinfo=clock) for time in times]


def _excluded(fields: Mapping[str, Any], lines: Sequence[Mapping[str, str]]) -> tuple[date, ...]:
    """The days of EXDATE: they stand for its times where the rule has one time a day."""
    try:
        parts = parts_of(fields["rrule"])
    except ScheduleError as problem:
        raise _refused(str(problem)) from None
    if any("," in parts.get(name, "") for name in ("BYHOUR", "BYMINUTE", "BYSECOND")):
        raise _refused("EXDATE leaves out single times, and the rule has several a day; make a schedule for each time of day")
    schedule = Schedule(slug="read", **fields)
    days = {_day_of(schedule, time) for line in lines for time in _times(line)[1]}
    return tuple(sorted(days))


def _day_of(schedule: Schedule, time: datetime) -> date:
    try:
        window = next(windows_due(schedule, time - datetime.resolution, time), None)
    except ScheduleError as problem:
        raise _refused(str(problem)) from None
    if window is None:
        raise _refused(f"EXDATE {time.isoformat()} is not a window of the rule; leave it out")
    return window.astimezone(ZoneInfo(schedule.timezone)).date()


def _days_of(event: Any, field: str) -> Iterator[date]:
    start, end = event.get("DTSTART"), event.get("DTEND")
    name = str(event.get("SUMMARY", "an event"))[:80]
    if start is None:
        raise InvalidInput("schedule", [Fault(field, f"{name!r} has no DTSTART")])
    if event.get("RRULE") is not None or event.get("RDATE") is not None:
        raise InvalidInput("schedule", [Fault(field, f"{name!r} recurs: export a calendar with an event for each of its days")])
    first, past = start.dt, None if end is None else end.dt
    begin = first.date() if isinstance(first, datetime) else first
    last = begin if past is None else past.date() if isinstance(past, datetime) else past - _DAY
    if (last - begin).days > MOST_DAYS:
        raise InvalidInput("schedule", [Fault(field, f"{name!r} is longer than {MOST_DAYS} days{got((last - begin).days)}")])
    for number in range((max(last, begin) - begin).days + 1):
        yield begin + number * _DAY


def _refused(words: str) -> InvalidInput:
    return InvalidInput("schedule", [Fault("rrule", words)])
