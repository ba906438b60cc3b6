"""The windows of a schedule, worked out slowly and simply: what `windows_due` is held against.

Every time on the wall clock is made by cronsim or dateutil, from a margin before to a margin behind, and looked up in the zone
by itself. Rules are counted from their anchor. Nothing is shared with `dispatcher.core`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim
from dateutil.rrule import rrulestr

from dispatcher.models import Schedule

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
MARGIN = DAY + timedelta(hours=1)
"""More than any zone ever moved its clocks at once."""


def reference(schedule: Schedule, since: datetime, until: datetime) -> list[datetime]:
    zone = ZoneInfo(schedule.timezone)
    anchor = datetime.fromisoformat("2020-01-01") if schedule.anchor is None else wall_of(schedule.anchor, zone)
    begin, end = wall_of(since, zone) - MARGIN, wall_of(until, zone) + MARGIN
    if schedule.interval and schedule.interval % DAY:
        first = schedule.anchor or (every(anchor, zone) or [end_of_gap(anchor, zone)])[0]
        before = max(0, (since - first) // schedule.interval)
        due = set(takewhile(lambda at: at <= until, (first + schedule.interval * k for k in count(before))))
    else:
        walls = walls_of(schedule, anchor, begin)
        due = {at for wall in takewhile(lambda wall: wall <= end, walls) for at in shown(schedule, wall, zone)}
    return sorted(at for at in due if since < at <= until and is_let_in(schedule, at, zone))


def is_let_in(schedule: Schedule, at: datetime, zone: ZoneInfo) -> bool:
    is_early, is_late = schedule.start and at < schedule.start, schedule.end and at > schedule.end
    return not (is_early or is_late or wall_of(at, zone).date() in schedule.exclude)


def shown(schedule: Schedule, wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants of one wall clock time: those that the schedule says, or else those that go with its kind."""
    elapsed = bool(schedule.cron) and follows_elapsed_time(schedule.cron or "")
    skipped, repeated = (
        schedule.when_skipped or ("skip" if elapsed else "shift"),
        schedule.when_repeated or ("both" if elapsed else "first"),
    )
    instants = every(wall, zone)[: 2 if repeated == "both" else 1]
    return instants or ([end_of_gap(wall, zone)] if skipped == "shift" else [])


def follows_elapsed_time(cron: str) -> bool:
    return any(part.startswith("*") for part in cron.split()[:2])


def walls_of(schedule: Schedule, anchor: datetime, begin: datetime) -> Iterator[datetime]:
    if schedule.rrule:
        return (wall for wall in rrulestr(schedule.rrule, dtstart=anchor) if wall >= begin)
    if schedule.interval:
        return (wall for wall in (anchor + schedule.interval * k for k in count()) if wall >= begin)
    *rest, month, weekday = schedule.cron.split()
    walls = CronSim(" ".join([*rest, "*", weekday]), begin)  # with its month it refuses some that never come
    walls.months = CronSim(f"0 0 * {month} *", begin).months
    walls.day_and = not schedule.day_or or "*" in (rest[-1], weekday)
    return walls


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def every(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants at which the clocks show it: one, two where they were put back, none where they skip it."""
    both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in both if wall_of(at, zone) == wall)


def end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    before, after = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    while after - before > SECOND:
        middle = before + (after - before) // (2 * SECOND) * SECOND
        before, after = (middle, after) if wall_of(middle, zone) < wall else (before, middle)
    return after
