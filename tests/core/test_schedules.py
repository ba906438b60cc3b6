"""`windows_due` against an oracle that shares no step with it: it walks the minutes and looks at the clock."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

import pytest

from dispatcher.core import zones
from dispatcher.core.recurrence import Rule
from dispatcher.core.schedules import windows_due
from dispatcher.errors import ScheduleError
from dispatcher.models import Schedule

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ZONES = sorted(available_timezones() - {"localtime"})
ODD_ZONES = ["Africa/Casablanca", "Antarctica/Troll", "Asia/Gaza", "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia"]
SOME_ZONES = ["Europe/Berlin", *ODD_ZONES, *ZONES[::40]]

CASES = {
    "time of day, cron": (
        Schedule(slug="s", cron="15,45 0-3 * * *"),
        lambda wall: wall.hour < 4 and wall.minute in (15, 45),
        1,
    ),
    "elapsed, cron": (Schedule(slug="s", cron="*/20 * * * *"), lambda wall: wall.minute % 20 == 0, 2),
    "elapsed, some hours": (Schedule(slug="s", cron="30 */2 * * *"), lambda wall: wall.minute == 30 and wall.hour % 2 == 0, 2),
    "whole days": (
        Schedule(slug="s", interval=DAY, anchor=datetime(2024, 12, 1, 2, 30, tzinfo=UTC)),
        None,  # its time of day is the anchor's in the zone
        1,
    ),
    "rule": (
        Schedule(slug="s", rrule="FREQ=DAILY;BYHOUR=1,2;BYMINUTE=30"),
        lambda wall: (wall.hour, wall.minute) in ((1, 30), (2, 30)),
        1,
    ),
}


def in_zone(schedule, zone):
    return Schedule(**{name: getattr(schedule, name) for name in schedule.__slots__} | {"timezone": zone})


@cache
def spans(zone):
    """A day either side of every change of the zone's clocks in two years, and one ordinary day."""
    tz, gaps, at = ZoneInfo(zone), [(FIRST + 40 * DAY, FIRST + 41 * DAY)], FIRST
    while at < LAST:
        if at.astimezone(tz).utcoffset() != (at + 6 * HOUR).astimezone(tz).utcoffset():
            gaps.append((at - DAY, at + DAY + 6 * HOUR))
        at += 6 * HOUR
    return gaps


def oracle(matches, times, tz, since, until):
    """Walk every minute from a day before; `times` is 1 for each wall clock time once, 2 for whenever the clock shows it."""
    due, seen, at = set(), set(), since - DAY
    shown = (at - MINUTE).astimezone(tz).replace(tzinfo=None)
    while at <= until:
        wall = at.astimezone(tz).replace(tzinfo=None)
        skipped = shown + MINUTE
        while times == 1 and skipped < wall:
            due |= {at} if matches(skipped) else set()
            skipped += MINUTE
        if matches(wall) and (times == 2 or wall not in seen):
            due.add(at)
        seen.add(wall)
        shown, at = wall, at + MINUTE
    return sorted(instant for instant in due if since < instant <= until)


@pytest.mark.parametrize("zones", [SOME_ZONES, pytest.param(ZONES, marks=pytest.mark.long)], ids=["some", "all"])
@pytest.mark.parametrize("case", CASES)
def test_in_every_zone_each_window_comes_once_and_none_is_missing(case, zones):
    schedule, matches, times = CASES[case]
    wrong, changes = [], 0
    for zone in zones:
        tz = ZoneInfo(zone)
        at = schedule.anchor.astimezone(tz) if schedule.anchor else None
        fits = matches or (lambda wall, at=at: (wall.hour, wall.minute) == (at.hour, at.minute))
        changes += len(spans(zone)) - 1
        for since, until in spans(zone):
            if list(windows_due(in_zone(schedule, zone), since, until)) != oracle(fits, times, tz, since, until):
                wrong.append((zone, since))
    assert not wrong
    assert changes > (400 if zones is ZONES else len(zones) // 2)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll"])
def test_an_interval_of_hours_is_elapsed_time_in_every_zone(zone):
    anchor = datetime(2024, 12, 31, 23, 10, tzinfo=UTC)
    due = list(windows_due(Schedule(slug="s", interval=7 * HOUR, anchor=anchor, timezone=zone), FIRST, LAST))
    expected = [anchor + 7 * HOUR * k for k in range(1, 3000)]
    assert due == [instant for instant in expected if FIRST < instant <= LAST]


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(slug="s", cron="30 2 * * *", timezone="Europe/Berlin"),
        Schedule(slug="s", cron="*/30 * * * *", timezone="Europe/Berlin"),
        Schedule(slug="s", interval=timedelta(days=2), timezone="Europe/Berlin"),
        Schedule(slug="s", rrule="FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", timezone="Europe/Berlin"),
    ],
)
def test_two_spans_that_meet_have_the_windows_of_both_and_share_none(schedule):
    since, until = datetime(2025, 10, 25, tzinfo=UTC), datetime(2025, 10, 28, tzinfo=UTC)
    whole = list(windows_due(schedule, since, until))
    assert whole
    for step in range(1, 72 * 4):
        edge = since + step * timedelta(minutes=15)
        assert [*windows_due(schedule, since, edge), *windows_due(schedule, edge, until)] == whole


def test_a_skipped_time_of_day_is_due_when_the_gap_ends():
    schedule = Schedule(slug="s", cron="30 2 30 3 *", timezone="Europe/Berlin")
    assert list(windows_due(schedule, FIRST, FIRST + 365 * DAY)) == [datetime(2025, 3, 30, 1, tzinfo=UTC)]


def test_nothing_is_due_before_the_anchor_and_the_anchor_is():
    anchor = datetime(2025, 6, 1, 12, tzinfo=UTC)
    for interval in (HOUR, DAY):
        due = windows_due(Schedule(slug="s", interval=interval, anchor=anchor), FIRST, LAST)
        assert list(islice(due, 2)) == [anchor, anchor + interval]


def test_the_libraries_are_loaded_by_a_schedule_that_needs_them_and_by_nothing_else():
    code = "import sys, dispatcher.core.schedules; print({'cronsim', 'dateutil', 'zoneinfo'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


# Whatever stands in a row: an end, and never a search without one


@pytest.mark.parametrize(
    "fields",
    [
        {"rrule": "FREQ=DAILY;INTERVAL=00"},
        {"rrule": "FREQ=SECONDLY"},
        {"rrule": "FREQ=DAILY;COUNT=999999"},
        {"rrule": "FREQ=DAILY;BYHOUR=24"},
        {"rrule": "FREQ=DAILY;UNTIL=20300101T000000Z"},
        {"rrule": "x"},
        {"cron": "x"},
        {"cron": "61 * * * *"},
        {"interval": timedelta(0)},
        {"interval": -HOUR},
        {"interval": 7 * DAY, "anchor": datetime(9999, 12, 31, tzinfo=UTC)},
        {"interval": HOUR, "anchor": datetime(1, 1, 1, tzinfo=UTC), "timezone": "America/New_York"},
        {},
    ],
    ids=str,
)
def test_a_row_that_validation_would_refuse_is_an_error_of_our_own(fields):
    with pytest.raises(ScheduleError):
        next(windows_due(Schedule(slug="s", **fields), FIRST, LAST))
    assert issubclass(ScheduleError, ValueError)


@pytest.mark.parametrize(
    ("anchor", "is_read"),
    [
        (datetime(1970, 1, 2, 2, tzinfo=UTC), True),
        (datetime(1970, 1, 2, 2, tzinfo=UTC) - datetime.resolution, False),
        (datetime(9998, 1, 1, tzinfo=UTC), True),
        (datetime(9998, 1, 1, tzinfo=UTC) + datetime.resolution, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("fields", [{"interval": HOUR}, {"interval": DAY}, {"rrule": "FREQ=DAILY"}], ids=str)
def test_an_anchor_lies_where_every_zone_has_a_time_for_it(fields, anchor, is_read):
    schedule = Schedule(slug="s", anchor=anchor, **fields)
    if is_read:
        assert next(windows_due(schedule, anchor - DAY, anchor + DAY)) == anchor
    else:
        with pytest.raises(ScheduleError, match="must lie between 1970 and 9998"):
            next(windows_due(schedule, FIRST, LAST))


@pytest.mark.parametrize(
    "fields",
    [
        {"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"},
        {"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"},
        {"rrule": "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4;INTERVAL=999999999"},
        {"rrule": "FREQ=DAILY;INTERVAL=999999999"},
        {"rrule": "FREQ=DAILY;COUNT=0"},
        {"rrule": "FREQ=WEEKLY;INTERVAL=999999999"},
        {"cron": "0 0 31 2 1", "day_or": False},
        {"interval": 7 * DAY, "anchor": datetime(9000, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
def test_the_search_for_a_window_that_never_comes_is_bounded(fields):
    assert list(windows_due(Schedule(slug="s", **fields), LAST, LAST + 5 * 366 * DAY)) == []


def test_a_dense_rule_costs_only_the_windows_that_are_taken():
    clock = f"BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}"
    schedule = Schedule(slug="s", rrule=f"FREQ=DAILY;{clock};BYSECOND=0,20,40")
    due = list(islice(windows_due(schedule, FIRST, datetime(9999, 1, 1, tzinfo=UTC)), 4))
    assert due == [FIRST + number * timedelta(seconds=20) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("zone", ["UTC", "America/Argentina/Buenos_Aires", "Europe/Berlin"])
@pytest.mark.parametrize(
    "fields",
    [
        {"cron": "0 6 * * *"},
        {"rrule": "FREQ=DAILY"},
        {"interval": HOUR},
        {"interval": DAY},
        {"interval": 2 * HOUR, "end": LAST},
    ],
    ids=str,
)
def test_windows_of_an_hour_look_up_clock_changes_only_of_the_years_around_them(fields, zone):
    zones._changes.cache_clear()
    assert len(list(windows_due(Schedule(slug="s", timezone=zone, **fields), FIRST, FIRST + HOUR))) <= 1
    assert zones._changes.cache_info().misses <= 4


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    "fields", [{"cron": "0 0 * * *"}, {"rrule": "FREQ=YEARLY"}, {"interval": DAY}, {"interval": HOUR}], ids=str
)
def test_windows_end_before_the_last_date_of_the_calendar(fields, zone):
    end = datetime.max.replace(tzinfo=UTC)
    due = list(windows_due(Schedule(slug="s", timezone=zone, **fields), datetime(9996, 12, 30, tzinfo=UTC), end))
    assert 1 <= len(due) < 9000
    assert due[-1] <= datetime(9998, 1, 1, tzinfo=UTC)
    assert list(windows_due(Schedule(slug="s", timezone=zone, **fields), end - HOUR, end)) == []


def test_a_rule_is_computed_only_near_the_requested_time(monkeypatch):
    looked_at = []
    names = Rule._names
    monkeypatch.setattr(Rule, "_names", lambda self, day: looked_at.append(day) or names(self, day))
    for rule in ("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO;INTERVAL=2", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=DAILY;COUNT=9000"):
        schedule = Schedule(slug="s", rrule=rule, timezone="Europe/Berlin")
        list(windows_due(schedule, FIRST, FIRST + HOUR))  # COUNT is counted once
        looked_at.clear()
        assert next(windows_due(schedule, FIRST + HOUR, FIRST + 40 * DAY))
        assert len(looked_at) < 70
