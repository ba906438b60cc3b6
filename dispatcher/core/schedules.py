"""When a schedule is due: cron, interval and recurrence rule, with daylight saving time stated.

Two kinds of schedule, two rules:

- **Elapsed time.** An interval that is not of whole days: anchor + k * interval, independent of clock changes. A cron
  expression whose minute or hour field begins with `*`: every instant whose wall clock matches, so that a skipped hour has no
  window and a repeated hour has its windows twice (an hourly job stays hourly). This is what Debian's cron does.
- **Time of day.** Every other cron expression, an interval of whole days, and every recurrence rule: each wall clock time
  has one window. A time that the clocks skip is due at the first instant after the gap; a time that they repeat is due at
  its first. Two times that fall on the same instant are one window.

`when_skipped` and `when_repeated` choose otherwise for a schedule by the wall clock (all but an interval of elapsed time).

The cost depends on the number of windows taken and days searched, never on the age of the schedule. Each kind of schedule
yields its wall clock times from any start (`walls`), and `core.zones` says when the clocks of the zone change. Between two
changes, a window is its wall clock time minus a fixed offset.

cronsim is imported on first use: a tick without schedules does not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, takewhile
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dispatcher.core.cron import cron
from dispatcher.core.recurrence import rule
from dispatcher.core.zones import FIRST, FURTHEST, LAST, first_not_shown, stretches
from dispatcher.errors import ScheduleError
from dispatcher.models import Schedule, WhenRepeated, WhenSkipped

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class _Policy(NamedTuple):
    """What happens where the clocks are moved."""

    shifts: bool
    """A skipped time is due after the gap."""
    repeats: bool
    """A repeated time is due twice."""


Walls: TypeAlias = Callable[[datetime, datetime], Iterator[datetime]]
"""Times on the wall clock from the first (included) to the second (excluded), ascending."""

_DAY = timedelta(days=1)
_START = datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock time; the zone is the schedule's


def windows_due(schedule: Schedule, since: datetime, until: datetime) -> Iterator[datetime]:
    """The windows in `since < window <= until`, in UTC, ascending, each once; lazy, so that a caller may take the first few.

    `since` and `until` are aware; there are no windows before 1970 or after 9997. The search always ends, at the latest at
    `until`. A schedule that validation has not accepted may raise `ScheduleError`, or `KeyError` for an unknown zone.
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only for who has a schedule

    zone = ZoneInfo(schedule.timezone)
    begin = max(_utc(since) + datetime.resolution, FIRST, _utc(schedule.start) if schedule.start else FIRST)
    end = min(_utc(until), LAST, _utc(schedule.end) if schedule.end else LAST) + datetime.resolution
    excluded, window = frozenset(schedule.exclude), None
    for instant in _instants(schedule, zone, begin, end) if begin < end else ():
        if instant != window:
            window = instant
            due = instant.replace(tzinfo=UTC)
            if not excluded or due.astimezone(zone).date() not in excluded:
                yield due


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _instants(schedule: Schedule, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Instants from `begin` to `end` (excluded), ascending; all without a zone, in UTC."""
    if schedule.cron is not None:
        times = cron(schedule.cron, schedule.day_or)
        return _shown(times.walls, zone, begin, end, _policy(schedule, elapsed=times.follows_elapsed_time))
    if schedule.rrule is not None:
        return _shown(rule(schedule.rrule, _anchor(schedule, zone)).walls, zone, begin, end, _policy(schedule))
    interval = schedule.interval
    if interval is None or interval <= timedelta(0):
        raise ScheduleError(f"schedule {schedule.slug!r} has no cron, rrule or interval that is longer than 0")
    if interval % _DAY:
        return _steps(_first(schedule, zone), interval, begin, end)
    return _shown(partial(_steps, _anchor(schedule, zone), interval), zone, begin, end, _policy(schedule))


def _policy(schedule: Schedule, *, elapsed: bool = False) -> _Policy:
    """The schedule's own policy, or else the default for elapsed time or for a time of day."""
    skipped = schedule.when_skipped or (WhenSkipped.SKIP if elapsed else WhenSkipped.SHIFT)
    repeated = schedule.when_repeated or (WhenRepeated.BOTH if elapsed else WhenRepeated.FIRST)
    return _Policy(shifts=skipped is WhenSkipped.SHIFT, repeats=repeated is WhenRepeated.BOTH)


def _steps(anchor: datetime, step: timedelta, after: datetime, before: datetime) -> Iterator[datetime]:
    """`anchor` + k * `step`; nothing lies before the anchor."""
    first, past = (max(0, -((anchor - edge) // step)) for edge in (after, before))
    return (anchor + step * k for k in takewhile(lambda k: k < past, count(first)))


def _anchor(schedule: Schedule, zone: ZoneInfo) -> datetime:
    """The anchor of the schedule, on the wall clock."""
    if schedule.anchor is None:
        return _START
    if not FIRST + FURTHEST <= _utc(schedule.anchor) <= LAST:
        raise ScheduleError(f"anchor {schedule.anchor.isoformat()} must lie between 1970 and {LAST.year}")
    return schedule.anchor.astimezone(zone).replace(tzinfo=None)


def _first(schedule: Schedule, zone: ZoneInfo) -> datetime:
    """The anchor of the schedule, as an instant."""
    if schedule.anchor is not None:
        _anchor(schedule, zone)
        return _utc(schedule.anchor)
    soon = _START + 2 * FURTHEST  # a zone whose clocks never move would be searched to the end of time
    return next(_shown(partial(_steps, _START, _DAY), zone, _START - FURTHEST, soon, _policy(schedule)))


def _shown(walls: Walls, zone: ZoneInfo, begin: datetime, end: datetime, policy: _Policy) -> Iterator[datetime]:
    """The instants from `begin` at which the clocks show one of the times; the policy decides about gaps and repeats."""
    new = first_not_shown(zone, begin)
    for stretch in stretches(zone, begin, end):
        if policy.shifts and any(True for _ in walls(new, stretch.begin)):
            yield stretch.begin - stretch.offset
        first = stretch.begin if policy.repeats else max(stretch.begin, new)
        yield from (wall - stretch.offset for wall in walls(first, stretch.end))
        new = max(new, stretch.end)
