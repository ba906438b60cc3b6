"""When a schedule is due: cron, interval and recurrence rule, with daylight saving time stated.

Two kinds of schedule, two rules:

- **Elapsed time.** An interval that is not of whole days: anchor + k * interval, whatever the clocks do. A cron expression
  whose minute or hour field begins with `*`: every instant whose wall clock matches, so that a skipped hour has no window
  and a repeated hour has its windows twice (an hourly job stays hourly). This is what Debian's cron does.
- **Time of day.** Every other cron expression, an interval of whole days, and every recurrence rule: each wall clock time
  has one window. A time that the clocks skip is due at the first instant after the gap; a time that they repeat is due at
  its first. Two times that fall on the same instant are one window.

The libraries are imported on first use: a tick without schedules does not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count, dropwhile, takewhile
from typing import TYPE_CHECKING

from dispatcher.models import Schedule

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MARGIN = _DAY + timedelta(hours=1)
"""More than any zone ever moved its clocks at once."""
_SECOND = timedelta(seconds=1)
_START = datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock time; the zone is the schedule's


def windows_due(schedule: Schedule, since: datetime, until: datetime) -> Iterator[datetime]:
    """The windows in `since < window <= until`, in UTC, ascending, each once; lazy, so that a caller may take the first few.

    `since` and `until` are aware. The schedule is trusted: the door has read it.
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only for who has a schedule

    zone = ZoneInfo(schedule.timezone)
    instants = _instants(schedule, zone, since.astimezone(UTC))
    window = None
    for instant in takewhile(lambda due: due <= until, _in_order(instants)):
        if instant > since and instant != window:
            window = instant
            yield window


def _instants(schedule: Schedule, zone: ZoneInfo, since: datetime) -> Iterator[datetime]:
    """Instants from some time before `since`, never more than `_MARGIN` out of order."""
    wall = _wall(since, zone) - _MARGIN
    if schedule.cron is not None:
        place = _every if _follows_elapsed_time(schedule.cron) else _once
        return _placed(_cron_walls(schedule.cron, wall), zone, place)
    if schedule.rrule is not None:
        return _placed(_rule_walls(schedule.rrule, _anchor(schedule, zone), wall), zone, _once)
    interval = schedule.interval
    if interval is None:
        raise ValueError(f"schedule {schedule.slug!r} has neither cron, interval nor rrule")
    anchor = _anchor(schedule, zone)
    if interval % _DAY:
        return _steps(next(_once(anchor, zone)), interval, since)
    return _placed(_steps(anchor, interval, wall), zone, _once)


def _follows_elapsed_time(cron: str) -> bool:
    return any(part.startswith("*") for part in cron.split()[:2])


def _cron_walls(cron: str, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim  # noqa: PLC0415 - only for who has a cron schedule

    return CronSim(cron, after)


def _rule_walls(rule: str, anchor: datetime, after: datetime) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - only for who has a recurrence rule

    return dropwhile(lambda wall: wall < after, iter(rrulestr(rule, dtstart=anchor)))


def _steps(anchor: datetime, step: timedelta, after: datetime) -> Iterator[datetime]:
    """`anchor` + k * `step`, from the first at or after `after`; nothing lies before the anchor."""
    first = max(0, -((anchor - after) // step))
    return (anchor + step * k for k in count(first))


def _anchor(schedule: Schedule, zone: ZoneInfo) -> datetime:
    return _START if schedule.anchor is None else _wall(schedule.anchor, zone)


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks on the wall show, without their zone."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _placed(
    walls: Iterable[datetime], zone: ZoneInfo, place: Callable[[datetime, ZoneInfo], Iterator[datetime]]
) -> Iterator[datetime]:
    return (instant for wall in walls for instant in place(wall, zone))


def _every(wall: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants at which the clocks show `wall`: one, two where they were put back, none where they skip it."""
    found = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    yield from sorted(instant for instant in found if _wall(instant, zone) == wall)


def _once(wall: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The first instant at which the clocks show `wall`, or the first after the gap that skips it."""
    yield next(_every(wall, zone), None) or _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clocks jump over `wall`, to the second."""
    before, after = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    while after - before > _SECOND:
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        before, after = (middle, after) if _wall(middle, zone) < wall else (before, middle)
    return after


def _in_order(instants: Iterable[datetime]) -> Iterator[datetime]:
    """The same, ascending: they come out of order only where the clocks are put back."""
    held: list[datetime] = []
    for instant in instants:
        heappush(held, instant)
        while held[0] < instant - _MARGIN:
            yield heappop(held)
    while held:
        yield heappop(held)
