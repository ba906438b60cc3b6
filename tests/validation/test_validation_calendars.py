"""Recurrences and calendars in the text of iCalendar."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.client import calendar_days, recurrence_fields
from dispatcher.errors import InvalidInput
from dispatcher.models import Schedule
from dispatcher.validation import validate

HOLIDAYS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20261225
DTEND;VALUE=DATE:20261227
SUMMARY:Christmas
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20260501
SUMMARY:Labour Day
END:VEVENT
{more}END:VCALENDAR
""".replace("\n", "\r\n")
RECURRING = """BEGIN:VEVENT
UID:3
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20260101
RRULE:FREQ=YEARLY
SUMMARY:New Year
END:VEVENT
""".replace("\n", "\r\n")


def test_a_line_without_a_name_is_read_as_the_rule():
    assert recurrence_fields("FREQ=WEEKLY;BYDAY=MO") == {"rrule": "FREQ=WEEKLY;BYDAY=MO"}


def test_lines_as_prefect_stores_them_are_a_schedule_with_the_same_windows():
    zone = "TZID=Europe/Paris"
    lines = [
        f"DTSTART;{zone}:20260105T063000",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,WE",
        f"EXDATE;{zone}:20260107T063000,20260112T063000",
    ]
    fields = recurrence_fields("\n".join(lines))
    assert fields == {
        "rrule": "FREQ=WEEKLY;BYDAY=MO,WE",
        "anchor": datetime(2026, 1, 5, 5, 30, tzinfo=UTC),
        "timezone": "Europe/Paris",
        "exclude": (date(2026, 1, 7), date(2026, 1, 12)),
    }
    validate(Schedule(slug="read", **fields))


def test_folded_lines_and_times_without_a_zone_are_read():
    fields = recurrence_fields("DTSTART:20260105T063000\r\nRRULE:FREQ=WEEKLY;\r\n BYDAY=MO\r\n")
    assert fields == {"rrule": "FREQ=WEEKLY;BYDAY=MO", "anchor": datetime(2026, 1, 5, 6, 30, tzinfo=UTC), "timezone": "UTC"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DTSTART:20260105T063000", "RRULE is missing"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "RRULE is given 2 times"),
        ("RRULE:FREQ=DAILY\nRDATE:20260105T063000", "RDATE is not read"),
        ("DTSTART:20260105T063000,20260106T063000\nRRULE:FREQ=DAILY", "DTSTART: is one time"),
        ("RRULE:FREQ=DAILY\nnonsense", "'nonsense' is not a line of a recurrence"),
        ("DTSTART;TZID=Mars/Olympus:20260105T063000\nRRULE:FREQ=DAILY", "DTSTART: cannot be read"),
        ("DTSTART;TZID=Europe/Paris:20260105T063000Z\nRRULE:FREQ=DAILY", "both a TZID and a Z"),
        ("DTSTART:20260105T063000Z\nRRULE:FREQ=DAILY\nEXDATE:20260107T070000Z", "is not a window of the rule"),
        ("DTSTART:20260105T063000Z\nRRULE:FREQ=DAILY;BYHOUR=6,7\nEXDATE:20260107T063000Z", "several a day"),
        ("DTSTART:20260105T063000Z\nRRULE:FREQ=NEVER\nEXDATE:20260107T063000Z", "FREQ must be"),
    ],
)
def test_rules_that_no_schedule_can_express_are_refused(text, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        recurrence_fields(text)
    assert refused.value.faults[0].path == "rrule"


def test_the_days_of_a_calendar_are_those_of_its_events():
    days = [date(2026, 5, 1), date(2026, 12, 25), date(2026, 12, 26)]
    assert calendar_days(HOLIDAYS.format(more=""), "exclude_calendar") == days


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not an iCalendar file"),
        ("BEGIN:VCALENDAR\r\nnothing\r\n", "is not an iCalendar file"),
        (HOLIDAYS.format(more=RECURRING), "'New Year' recurs"),
    ],
)
def test_a_calendar_with_other_than_single_days_is_refused(text, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        calendar_days(text, "exclude_calendar")
    assert refused.value.faults[0].path == "exclude_calendar"


PIECES = ["DTSTART", "RRULE", "EXDATE", ";TZID=", "Europe/Paris", ":", "FREQ=DAILY", ";BYHOUR=6", "20260105T063000", "Z", ","]
PIECES += ["\n", "\r\n ", "=", "x"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_calendar_text_is_read_or_refused_with_its_field(text):
    try:
        fields = recurrence_fields(text).keys()
    except InvalidInput as refused:
        fields = {fault.path for fault in refused.faults}
    assert "rrule" in fields
