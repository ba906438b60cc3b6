"""`windows_due` finds exactly what the slow and simple reference finds, wherever it is asked to begin and to end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dispatcher.core.schedules import windows_due
from dispatcher.models import Schedule, WhenRepeated, WhenSkipped
from tests.core.reference_windows import reference

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

MOVES = {
    "UTC": [(2026, 1, 1)],
    "Europe/Berlin": [(2025, 3, 30), (2025, 10, 26), (2036, 10, 26)],
    "America/New_York": [(2026, 3, 8), (2026, 11, 1)],
    "Australia/Lord_Howe": [(2025, 4, 5), (2025, 10, 4)],  # half an hour
    "Antarctica/Troll": [(2025, 3, 30), (2025, 10, 26)],  # two hours
    "Africa/Casablanca": [(2025, 2, 23), (2025, 4, 6), (2026, 2, 15), (2026, 3, 22)],  # back for Ramadan
    "Asia/Gaza": [(2026, 3, 28), (2040, 10, 20), (2040, 10, 27)],  # twice within a week
    "Pacific/Apia": [(2011, 12, 30), (2011, 4, 2), (2012, 4, 1)],  # a day that never was
    "America/Caracas": [(2007, 12, 9), (2016, 5, 1)],  # half an hour, without summer time
    "Asia/Pyongyang": [(2015, 8, 14), (2018, 5, 4)],
    "Asia/Kathmandu": [(2026, 6, 1)],
    "Africa/Juba": [(2021, 1, 31)],
}

FIELDS = {
    "minute": ["*", "*/10", "*/7", "0", "30", "15,45", "5-20/5"],
    "hour": ["*", "*/2", "0", "1", "2", "3", "0-3", "23", "0,12"],
    "day": ["*", "*/2", "1", "30", "29-31", "L"],
    "month": ["*", "*", "3,4,10", "2", "12"],
    "weekday": ["*", "*", "0", "1-5", "SUN", "6#5", "5L", "*/3"],
}
CRON = st.tuples(*map(st.sampled_from, FIELDS.values())).map(" ".join)

DAY_PARTS = {
    "DAILY": ["", ";BYMONTH=3,4,10", ";BYDAY=SU,MO", ";BYMONTHDAY=1,-1"],
    "WEEKLY": ["", ";BYDAY=SU", ";BYDAY=MO,WE,SU;WKST=SU", ";BYDAY=FR,SA;BYSETPOS=-1"],
    "MONTHLY": ["", ";BYDAY=-1SU,2MO", ";BYMONTHDAY=-1,13", ";BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-2", ";BYDAY=SU"],
    "YEARLY": [
        "",
        ";BYDAY=13SU,-10SU",
        ";BYMONTH=3,10;BYDAY=-1SU",
        ";BYWEEKNO=1,13,43,51",  # in a year after one of 52 weeks dateutil takes its first days for those of a 53rd
        ";BYYEARDAY=1,-1,89",
        ";BYMONTH=3;BYSETPOS=2,-1;BYDAY=SA,SU",
    ],
}
RULE = st.builds(
    lambda frequency_and_days, interval, clock, end: f"FREQ={frequency_and_days}{interval}{clock}{end}",
    st.sampled_from([frequency + days for frequency, several in DAY_PARTS.items() for days in several]),
    st.sampled_from(["", "", ";INTERVAL=2", ";INTERVAL=3"]),
    st.sampled_from(["", ";BYHOUR=2;BYMINUTE=30", ";BYHOUR=0,1,2,3;BYMINUTE=0,30", ";BYHOUR=23;BYMINUTE=59;BYSECOND=59"]),
    st.sampled_from(["", "", ";COUNT=1", ";COUNT=400", ";UNTIL=20251026T023000", ";UNTIL=20260401"]),
)
INTERVAL = st.one_of(
    st.sampled_from([7, 10, 60, 90, 24 * 60 + 1, 36 * 60]).map(lambda minutes: minutes * MINUTE),
    st.integers(1, 40).map(lambda days: days * DAY),
    st.integers(1, 5000).map(lambda minutes: minutes * MINUTE),
)
SCHEDULE = st.one_of(
    st.builds(lambda cron, day_or: Schedule(slug="s", cron=cron, day_or=day_or), CRON, st.booleans()),
    st.builds(lambda rule: Schedule(slug="s", rrule=rule), RULE),
    st.builds(lambda interval: Schedule(slug="s", interval=interval), INTERVAL),
)
ANCHOR = st.one_of(
    st.none(), st.integers(0, 16 * 366 * 24 * 60).map(lambda minutes: datetime(2010, 1, 1, tzinfo=UTC) + minutes * MINUTE)
)
SPAN = st.one_of(
    st.integers(0, 70).map(lambda minutes: minutes * MINUTE),
    st.integers(0, 72).map(lambda hours: hours * HOUR),
    st.integers(0, 40).map(lambda days: days * DAY),
)


@st.composite
def questions(draw):
    """A schedule, and a span that begins near a move of its zone's clocks."""
    zone = draw(st.sampled_from(list(MOVES)))
    day = datetime(*draw(st.sampled_from(MOVES[zone])), tzinfo=UTC)
    since = day + draw(st.integers(-4 * 24 * 60, 3 * 24 * 60)) * MINUTE + timedelta(microseconds=draw(st.integers(0, 1)))
    schedule = replace(draw(SCHEDULE), timezone=zone, anchor=draw(ANCHOR))
    return draw(st.sampled_from([schedule, draw(with_conditions(schedule, day))])), since, since + draw(SPAN)


def with_conditions(schedule, day):
    """The schedule with some of what may be said beside its kind, near a day."""
    by_the_clock = schedule.interval is None or not schedule.interval % DAY
    near = st.one_of(st.none(), st.integers(-3 * 24 * 60, 3 * 24 * 60).map(lambda minutes: day + minutes * MINUTE))
    days = st.lists(st.integers(-3, 3).map(lambda days: (day + days * DAY).date()), max_size=4).map(tuple)
    return st.builds(
        lambda **fields: replace(schedule, **fields),
        when_skipped=st.sampled_from([None, *(WhenSkipped if by_the_clock else ())]),
        when_repeated=st.sampled_from([None, *(WhenRepeated if by_the_clock else ())]),
        start=near,
        end=near,
        exclude=days,
    )


@settings(max_examples=200, deadline=None)
@given(questions())
def test_windows_are_those_of_the_reference_wherever_they_are_asked_for(question):
    schedule, since, until = question
    assert list(windows_due(schedule, since, until)) == reference(schedule, since, until)


@settings(max_examples=50, deadline=None)
@given(questions())
def test_the_first_windows_of_years_are_those_of_the_reference(question):
    schedule, since, _ = question
    first = list(islice(windows_due(schedule, since, since + 2000 * DAY), 3))
    assume(first)
    assert first == reference(schedule, since, first[-1])


@pytest.mark.parametrize("zone", MOVES)
@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(slug="s", cron="*/20 * * * *"),
        Schedule(slug="s", cron="15,45 0-3 * * *"),
        Schedule(slug="s", rrule="FREQ=DAILY;BYHOUR=0,2;BYMINUTE=30"),
        Schedule(slug="s", interval=DAY, anchor=datetime(2011, 4, 1, 2, 30, tzinfo=UTC)),
        Schedule(slug="s", interval=50 * MINUTE, anchor=datetime(2011, 4, 1, 2, 30, tzinfo=UTC)),
    ],
    ids=lambda schedule: schedule.cron or schedule.rrule or str(schedule.interval),
)
@pytest.mark.parametrize(
    "moved",
    [{}, {"when_skipped": WhenSkipped.SKIP}, {"when_skipped": WhenSkipped.SHIFT, "when_repeated": WhenRepeated.BOTH}],
    ids=str,
)
def test_adjacent_spans_together_have_all_windows_when_clocks_change(schedule, zone, moved):
    schedule = replace(schedule, timezone=zone, **(moved if schedule.interval != 50 * MINUTE else {}))
    for day in MOVES[zone]:
        since = datetime(*day, tzinfo=UTC) - 2 * DAY
        until = since + 4 * DAY
        edges = [since + number * 97 * MINUTE for number in range(60)]
        pieces = [windows_due(schedule, *edge) for edge in zip(edges, [*edges[1:], until], strict=True)]
        assert [at for piece in pieces for at in piece] == reference(schedule, since, until)
