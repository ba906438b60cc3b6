"""Recurrence rules on the wall clock: against dateutil, against weeks that are counted, and each part at its bounds."""

from datetime import date, datetime, timedelta
from itertools import islice, pairwise, product, takewhile

import pytest
from dateutil.rrule import rrulestr

from dispatcher.core.recurrence import MOST_COUNTED, WEEKDAYS, rule
from dispatcher.errors import ScheduleError

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
THURSDAY = datetime.fromisoformat("2026-01-15T09:30:20")


def walls(text, anchor=THURSDAY, after=None, days=800):
    after = after or anchor
    return list(rule(text, anchor).walls(after, after + days * DAY))


def by_dateutil(text, anchor=THURSDAY, after=None, days=800):
    after = after or anchor
    times = takewhile(lambda wall: wall < after + days * DAY, rrulestr(text, dtstart=anchor))
    return [wall for wall in times if wall >= after]


# Each frequency with what it takes, as dateutil reads it

RULES = [
    *("FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;BYMONTH=2,12", "FREQ=DAILY;BYMONTHDAY=-1,1,31", "FREQ=DAILY;BYDAY=MO"),
    *("FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=5", "FREQ=WEEKLY;BYMONTH=3;BYDAY=TU,SU", "FREQ=WEEKLY;BYDAY=2MO,-1FR"),
    *("FREQ=MONTHLY", "FREQ=MONTHLY;INTERVAL=5", "FREQ=MONTHLY;BYDAY=1MO,5MO,-1FR,-5SA", "FREQ=MONTHLY;BYDAY=WE;BYMONTHDAY=13"),
    *("FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=MONTHLY;BYMONTHDAY=-31,-28,15", "FREQ=MONTHLY;BYDAY=2TU;BYMONTH=1,6"),
    *("FREQ=YEARLY", "FREQ=YEARLY;INTERVAL=2", "FREQ=YEARLY;BYMONTH=5", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
    *("FREQ=YEARLY;BYDAY=1MO,2TU,53TH,-1SU,-53FR", "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU,2SU", "FREQ=YEARLY;BYMONTHDAY=1,-1"),
    *("FREQ=YEARLY;BYYEARDAY=1,60,365,366,-1,-60,-365,-366", "FREQ=YEARLY;BYMONTH=2;BYDAY=MO"),
    *("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1", "FREQ=YEARLY;BYDAY=SA;BYSETPOS=10,-2"),
    "FREQ=WEEKLY;BYDAY=FR,SA;BYSETPOS=-1",
    *("FREQ=DAILY;BYHOUR=9,18;BYMINUTE=0,30;BYSECOND=0,20,40", "FREQ=MONTHLY;BYHOUR=0,23;BYSETPOS=1"),
    *("FREQ=DAILY;COUNT=5", "FREQ=WEEKLY;COUNT=3;BYDAY=MO,FR", "FREQ=DAILY;UNTIL=20260120", "FREQ=DAILY;UNTIL=20260120T093020"),
    "FREQ=DAILY;UNTIL=20260120T093019",
]  # fmt: skip


@pytest.mark.parametrize("text", RULES)
def test_a_rule_has_the_same_windows_as_in_dateutil(text):
    for anchor in (THURSDAY, datetime.fromisoformat("2023-12-31T23:59:59"), datetime.fromisoformat("2024-02-29T00:00:00")):
        for days_later in (0, 1, 366):
            after = anchor + days_later * DAY - SECOND
            assert walls(text, anchor, after, 900) == by_dateutil(text, anchor, after, 900)


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("week_start", WEEKDAYS)
def test_weekly_intervals_are_counted_from_the_first_day_of_the_week(week_start, interval):
    for number, days in product(
        range(7), ("", ";BYDAY=MO", ";BYDAY=TU,SA", ";BYDAY=SU,WE;BYSETPOS=2", ";BYDAY=MO,SU;BYSETPOS=-1")
    ):
        anchor, text = THURSDAY + number * DAY, f"FREQ=WEEKLY;INTERVAL={interval};WKST={week_start}{days}"
        assert walls(text, anchor, days=50) == by_dateutil(text, anchor, days=50)
        assert walls(text, anchor, anchor + 25 * DAY, 50) == by_dateutil(text, anchor, anchor + 25 * DAY, 50)


@pytest.mark.parametrize("text", ["FREQ=WEEKLY;WKST=TU", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "FREQ=DAILY"])
def test_a_rule_may_begin_at_the_first_date_of_the_calendar(text):
    first = datetime.fromisoformat("0001-01-01T00:00:00")
    assert next(rule(text, first).walls(first, first + DAY)) == first


# Weeks of the year


def counted_weeks(week_start):
    """By day: year and number of its week. A week is of the year in which its fourth day lies."""
    numbers, day = {}, date.fromisoformat("2012-12-20")
    while day.weekday() != week_start:
        day += DAY
    year, number = 2012, 0
    while day.year < 2027:
        middle = day + 3 * DAY
        year, number = (year, number + 1) if middle.year == year else (middle.year, 1)
        numbers |= {day + count * DAY: (year, number) for count in range(7)}
        day += 7 * DAY
    return numbers


@pytest.mark.parametrize("week_start", WEEKDAYS)
@pytest.mark.parametrize("asked", [(1, 26, 53), (-1, -27, -53)], ids=["from the first", "from the last"])
def test_a_rule_may_count_weeks_from_either_end_of_the_year(week_start, asked):
    numbers = counted_weeks(WEEKDAYS.index(week_start))
    weeks = dict(numbers.values())  # of each year: the later one wins
    begin, end = (datetime.fromisoformat(f"{year}-02-01T00:00:00") for year in (2014, 2026))
    of_weeks = rule(f"FREQ=DAILY;BYWEEKNO={','.join(map(str, asked))};WKST={week_start}", begin)
    assert [wall.date() for wall in of_weeks.walls(begin, end)] == [
        day
        for day, (year, number) in numbers.items()
        if begin.date() <= day < end.date() and (number in asked or number - weeks[year] - 1 in asked)
    ]
    assert {weeks[year] for year in range(2014, 2026)} == {52, 53}


# Positions within a period


@pytest.mark.parametrize(
    "period", ["FREQ=MONTHLY;BYDAY=MO,TU", "FREQ=WEEKLY;BYDAY=TU,FR", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=5,7", "FREQ=DAILY"]
)
@pytest.mark.parametrize("clock", ["", ";BYHOUR=5,9;BYMINUTE=0,15,30;BYSECOND=10,40", ";BYSECOND=1,2,3", ";BYHOUR=1,2,3"])
def test_a_position_selects_a_time_of_its_period_from_either_end(period, clock):
    anchor = datetime.fromisoformat("2026-02-28T23:59:59")  # a Saturday: whole periods follow
    begin = datetime.fromisoformat("2027-03-01T00:00:00")
    length = {"MONTHLY": 31, "WEEKLY": 7, "YEARLY": 31, "DAILY": 1}[period.partition("=")[2].partition(";")[0]]
    times = walls(f"{period}{clock}", anchor, begin, length)
    several = range(1, len(times) + 2)
    for position in (*several, *(-number for number in several)):
        place = position - 1 if position > 0 else len(times) + position
        expected = [times[place]] if 0 <= place < len(times) else []
        assert walls(f"{period}{clock};BYSETPOS={position}", anchor, begin, length) == expected
    assert walls(f"{period}{clock};BYSETPOS=-1,1,1", anchor, begin, length) == sorted({times[0], times[-1]})
    assert walls(f"{period}{clock};BYSETPOS=0,2", anchor, begin, length) == times[1:2]


# Where a rule begins and ends


@pytest.mark.parametrize("text", RULES)
def test_a_span_includes_its_first_time_and_excludes_its_last(text):
    read = rule(text, THURSDAY)
    times = list(read.walls(THURSDAY, THURSDAY + 800 * DAY))[:40]
    for at, following in pairwise(times):
        assert list(read.walls(at, following)) == [at]
        assert list(read.walls(at + SECOND, following + SECOND)) == [following]
        assert list(read.walls(at, at)) == []


@pytest.mark.parametrize("text", ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=YEARLY"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_count_limits_the_rule_from_whatever_time_it_is_read(text, count):
    counted = rule(f"{text};COUNT={count}", THURSDAY)
    times = walls(text, days=4000)[:count]
    assert list(counted.walls(THURSDAY - 400 * DAY, THURSDAY + 4000 * DAY)) == times
    for at in times:
        assert list(counted.walls(at, at + SECOND)) == [at]
    assert list(counted.walls(times[-1] + SECOND, THURSDAY + 4000 * DAY)) == []


@pytest.mark.parametrize(
    ("end", "last"),
    [
        ("COUNT=3;UNTIL=20260116T093020", 16),
        ("COUNT=2;UNTIL=20260120", 16),
        ("COUNT=9;UNTIL=20260117", 16),
        ("COUNT=400;UNTIL=20260117T0930", 16),
    ],
)
def test_count_or_until_ends_a_rule_whichever_comes_first(end, last):
    assert [wall.day for wall in walls(f"FREQ=DAILY;{end}")] == [*range(15, last + 1)]


def test_count_covers_a_bounded_number_of_windows():
    clock = f"BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}"
    begin = datetime.fromisoformat("2026-01-01T00:00:00")
    text, before = f"FREQ=DAILY;{clock};COUNT=", begin + MOST_COUNTED * timedelta(minutes=1) + DAY
    last = begin + (MOST_COUNTED - 1) * timedelta(minutes=1)
    assert list(rule(f"{text}{MOST_COUNTED}", begin).walls(last - timedelta(minutes=1), before)) == [
        last - timedelta(minutes=1),
        last,
    ]
    with pytest.raises(ScheduleError, match=f"COUNT cannot be counted: more than {MOST_COUNTED} windows or days"):
        next(rule(f"{text}{MOST_COUNTED + 1}", begin).walls(begin, before))


def test_count_covers_a_bounded_number_of_days():
    end = datetime.fromisoformat("2400-01-01T00:00:00")
    begin = end - MOST_COUNTED * DAY
    assert next(rule("FREQ=YEARLY;COUNT=3", begin).walls(begin, end - DAY)) == begin
    with pytest.raises(ScheduleError, match=f"COUNT cannot be counted: more than {MOST_COUNTED} windows or days"):
        next(rule("FREQ=YEARLY;COUNT=3", begin - DAY).walls(begin, end - DAY))


@pytest.mark.parametrize("microsecond", [1, 999_999])
def test_a_rule_begins_with_the_second_of_its_anchor(microsecond):
    anchor = THURSDAY.replace(microsecond=microsecond)
    assert list(islice(rule("FREQ=DAILY", anchor).walls(THURSDAY, THURSDAY + 9 * DAY), 2)) == [THURSDAY, THURSDAY + DAY]


# Each part at its bounds


@pytest.mark.parametrize(
    "part",
    [
        *("INTERVAL=1", "INTERVAL=001", "interval=1", "WKST=MO", "BYHOUR=9", "BYMINUTE=30", "BYSECOND=20"),
        *("BYYEARDAY=0", "BYWEEKNO=0", "BYMONTHDAY=0", "BYSETPOS=0"),
    ],
)
def test_a_part_that_repeats_a_default_changes_nothing(part):
    assert rule(f"FREQ=DAILY;{part}", THURSDAY) == rule("FREQ=DAILY", THURSDAY)


@pytest.mark.parametrize(
    ("part", "first", "last"),
    [("BYHOUR", "00:30:20", "23:30:20"), ("BYMINUTE", "09:00:20", "09:59:20"), ("BYSECOND", "09:30:00", "09:30:59")],
)
def test_hours_and_minutes_of_a_rule_have_a_first_and_a_last_number(part, first, last):
    most = 23 if part == "BYHOUR" else 59
    times = walls(f"FREQ=DAILY;{part}={most},0", after=THURSDAY + 10 * DAY - timedelta(hours=9.6), days=1)
    assert [f"{wall:%H:%M:%S}" for wall in times] == [first, last]
    for wrong in (f"{most + 1}", "-1", f"0,{most + 1}"):
        with pytest.raises(ScheduleError, match=f"{part} must be from 0 to {most}, not {wrong}"):
            rule(f"FREQ=DAILY;{part}={wrong}", THURSDAY)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("INTERVAL=0", "INTERVAL must be a whole number of 1 or more, not 0"),
        ("INTERVAL=-1", "INTERVAL must be a whole number of 1 or more, not -1"),
        ("INTERVAL=1000000000", "INTERVAL must be a whole number of 1 or more, not 1000000000"),
        ("COUNT=x", "COUNT must be a whole number of 0 or more, not X"),
        ("WKST=XX", "WKST must be of MO, TU, WE, TH, FR, SA, SU, not XX"),
        ("BYDAY=XX", "BYDAY must be of MO, TU, WE, TH, FR, SA, SU, not XX"),
        ("BYDAY=MO,100TU", "BYDAY must be weekdays as MO, 2MO or -1FR, not 100TU"),
        ("BYMONTH=1,x", "BYMONTH must be whole numbers with commas, not 1,X"),
        ("BYYEARDAY=1000", "BYYEARDAY must be whole numbers with commas, not 1000"),
        ("UNTIL=20260101T000000Z", "UNTIL must be on the wall clock of the time zone, without Z or an offset"),
        ("UNTIL=20260101T000000+0200", "UNTIL must be on the wall clock of the time zone, without Z or an offset"),
        ("UNTIL=soon", "UNTIL must be a time, as 20271231T235959, not SOON"),
        ("BYEASTER=0", "BYEASTER is not part of a recurrence rule that is daily or coarser"),
        ("FREQ=DAILY", "FREQ is given twice; give it once"),
        ("", "; is not part of a rule; each is NAME=VALUE, as FREQ=DAILY"),
        ("COUNT", "COUNT is not part of a rule; each is NAME=VALUE, as FREQ=DAILY"),
    ],
)
def test_a_wrong_part_of_a_rule_is_an_error_that_names_it(part, words):
    with pytest.raises(ScheduleError) as caught:
        rule(f"FREQ=DAILY;{part}", THURSDAY)
    assert str(caught.value) == words
