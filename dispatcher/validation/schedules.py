"""The rules of a schedule that annotations cannot say: it is read, and then evaluated, before anything is saved.

cronsim (extra `schedules`) is imported on first use: nouns without a schedule are checked without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

from dispatcher.core.schedules import windows_due
from dispatcher.errors import Fault, InvalidInput, ScheduleError
from dispatcher.models import Deployment, Schedule
from dispatcher.validation.cron_rules import cron_fault
from dispatcher.validation.messages import did_you_mean, got
from dispatcher.validation.recurrence_rules import rule_fault

SHORTEST_INTERVAL = timedelta(minutes=1)
LONGEST_INTERVAL = timedelta(days=3660)
EARLIEST_ANCHOR, LATEST_ANCHOR = datetime(1970, 1, 3, tzinfo=UTC), datetime(9900, 1, 1, tzinfo=UTC)
LOOKED_AHEAD = timedelta(days=366 * 50)
"""A window has to come within these years: a leap day on a certain weekday comes every 28 to 40 years."""

LONGEST_SPREAD = timedelta(days=1)
MOST_EXCLUDED = 1000

_KINDS = ("cron", "interval", "rrule")
_NO_PLACES = frozenset({"Factory", "localtime"})
"""Names of the tz database that mean another zone on each host."""
_START = datetime(2020, 1, 1, tzinfo=UTC)


def schedule_faults(schedule: Schedule) -> Iterator[Fault]:
    """What is wrong with a schedule whose fields have the right types."""
    faults = [*_choice_faults(schedule), *_zone_faults(schedule.timezone), *_kind_faults(schedule), *_clock_faults(schedule)]
    faults += [*_span_faults(schedule), *_run_faults(schedule)]
    yield from faults or _never_faults(schedule)


def check_windows_to_come(deployment: Deployment, stored: Deployment | None, now: datetime) -> None:
    """Raise `InvalidInput` where a schedule that is new or changed, and active, has no window after `now`.

    A stored schedule without further windows is not a fault where something else changes.
    """
    before = {schedule.slug: schedule.windows for schedule in stored.schedules} if stored else {}
    faults = [
        Fault(f"schedules[{number}].{fault.path}", fault.message)
        for number, schedule in enumerate(deployment.schedules)
        if schedule.slug in deployment.active_schedules and before.get(schedule.slug) != schedule.windows
        for fault in _over_faults(schedule, now)
    ]
    if faults:
        raise InvalidInput(f"deployment {deployment.name!r}", faults)


def _choice_faults(schedule: Schedule) -> Iterator[Fault]:
    kinds = [kind for kind in _KINDS if getattr(schedule, kind) is not None]
    if len(kinds) != 1:
        yield Fault("cron", f"exactly one of cron, interval and rrule must be given (got {' and '.join(kinds) or 'none'})")
    if not schedule.day_or and schedule.cron is None:
        yield Fault("day_or", "goes with cron alone; leave it out")


def _clock_faults(schedule: Schedule) -> Iterator[Fault]:
    """An interval that is not of whole days runs by elapsed time: no clock skips or repeats any of it."""
    if schedule.interval is None or schedule.interval % timedelta(days=1) == timedelta(0):
        return
    for field in ("when_skipped", "when_repeated"):
        if getattr(schedule, field) is not None:
            yield Fault(field, "goes with cron, rrule and intervals of whole days: other intervals know no clock; leave it out")


def _span_faults(schedule: Schedule) -> Iterator[Fault]:
    """What is wrong with its times: where it counts from, and the first and last time at which it may have windows."""
    first, last = EARLIEST_ANCHOR.date(), LATEST_ANCHOR.date()
    for field in ("anchor", "start", "end"):
        time: datetime | None = getattr(schedule, field)
        if time is not None and time.tzinfo is not None and not EARLIEST_ANCHOR <= time <= LATEST_ANCHOR:
            yield Fault(field, f"must be from {first} to {last} (got {time.isoformat()})")
    if schedule.start and schedule.end and _are_aware(schedule.start, schedule.end) and schedule.end < schedule.start:
        yield Fault("end", f"must not be before the start (got {schedule.end.isoformat()})")


def _are_aware(*times: datetime) -> bool:
    return all(time.tzinfo is not None for time in times)


def _run_faults(schedule: Schedule) -> Iterator[Fault]:
    """What is wrong with what its runs get, and with the days that it leaves out."""
    if not timedelta(0) <= schedule.spread <= LONGEST_SPREAD or schedule.spread.microseconds:
        yield Fault("spread", f"must be whole seconds, from 0 to a day (got {schedule.spread.total_seconds():g} seconds)")
    if len(schedule.exclude) > MOST_EXCLUDED:
        yield Fault("exclude", f"must be at most {MOST_EXCLUDED} days (got {len(schedule.exclude)}); omit past ones")


def _zone_faults(name: str) -> Iterator[Fault]:
    zones = _zones()
    if name in zones:
        return
    if name in _NO_PLACES:
        yield Fault("timezone", f"{name} is another clock on each host; name a place, as Europe/Paris, or UTC")
        return
    alike = [zone for zone in zones if zone.casefold() == name.casefold()]
    near = f"; did you mean {alike[0]}?" if alike else did_you_mean(name, zones)
    yield Fault(
        "timezone", f"is not a zone of the tz database{got(name)}{near if zones else '; none is here: pip install tzdata'}"
    )


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACES


def _kind_faults(schedule: Schedule) -> Iterator[Fault]:
    for kind, fault in (
        ("cron", schedule.cron is not None and cron_fault(schedule.cron, day_or=schedule.day_or)),
        ("interval", schedule.interval is not None and _interval_fault(schedule.interval)),
        ("rrule", schedule.rrule is not None and rule_fault(schedule.rrule)),
    ):
        if fault:
            yield Fault(kind, fault)


def _interval_fault(interval: timedelta) -> str | None:
    if SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
        return None
    return f"must be from one minute to {LONGEST_INTERVAL.days} days (got {interval.total_seconds():g} seconds)"


_EARLIEST = datetime(1, 2, 1, tzinfo=UTC)
"""No earlier time is computed with: the calendar of Python begins in the year 1."""


def _never_faults(schedule: Schedule) -> Iterator[Fault]:
    """The fault of a schedule that has no window although each field is valid."""
    anchor = schedule.anchor or _START
    if not _are_aware(anchor, schedule.start or _START, schedule.end or _START):
        return
    begin = max(anchor, schedule.start or anchor, _EARLIEST) - timedelta(days=2)
    kind = next(kind for kind in _KINDS if getattr(schedule, kind) is not None)
    try:
        if next(windows_due(schedule, begin, begin + LOOKED_AHEAD), None) is None:
            yield Fault(kind, f"never comes: no date is like that{got(getattr(schedule, kind))}")
    except ScheduleError as error:
        yield Fault(kind, str(error))


def _over_faults(schedule: Schedule, now: datetime) -> Iterator[Fault]:
    """The fault of a schedule whose windows are all in the past, or too far in the future."""
    if next(windows_due(schedule, now, now + LOOKED_AHEAD), None) is not None:
        return
    if schedule.end is not None and schedule.end <= now:
        yield Fault("end", f"never comes again: it ends in the past (got {schedule.end.isoformat()})")
        return
    if schedule.anchor is not None and schedule.anchor > now:
        yield Fault("anchor", f"no window comes within {LOOKED_AHEAD.days // 366} years (got {schedule.anchor.isoformat()})")
        return
    begins = f"{schedule.anchor:%Y-%m-%d}" if schedule.anchor else "2020-01-01, since no anchor is given"
    yield Fault("rrule", f"never comes again: it ends in the past, and COUNT is counted from {begins}{got(schedule.rrule)}")
