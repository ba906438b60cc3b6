from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.models import Schedule
from dispatcher.validation.nouns import validate


@pytest.mark.parametrize(
    "fields",
    [
        {"cron": "30 6 * * 1-5", "timezone": "Europe/Berlin"},
        {"interval": timedelta(minutes=1), "anchor": datetime(2025, 1, 1, tzinfo=UTC)},
        {"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0"},
    ],
)
def test_a_schedule_of_each_kind_passes(fields):
    validate(Schedule(slug="nightly", **fields))


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({}, "cron", "exactly one of cron, interval and rrule"),
        ({"cron": "0 0 * * *", "rrule": "FREQ=DAILY"}, "cron", "cron and rrule"),
        ({"cron": "61 * * * *"}, "cron", "no cron expression"),
        ({"cron": "* * * * * *"}, "cron", "five fields"),
        ({"cron": "0 0 30 2 *"}, "cron", ""),
        ({"cron": 5}, "cron", "must be text"),
        ({"interval": timedelta(0)}, "interval", "from one minute"),
        ({"interval": 60}, "interval", "length of time"),
        ({"rrule": "FREQ=HOURLY"}, "rrule", "DAILY, WEEKLY, MONTHLY or YEARLY"),
        ({"rrule": "FREQ=DAILY;BYDAY=XX"}, "rrule", "no recurrence rule"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule", "INTERVAL of 1"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260101T000000Z"}, "rrule", "without Z"),
        ({"rrule": "DTSTART:20250101T000000\nRRULE:FREQ=DAILY"}, "rrule", "without DTSTART"),
        ({"cron": "0 0 * * *", "timezone": "Europe/Berln"}, "timezone", "did you mean Europe/Berlin"),
        ({"interval": timedelta(hours=1), "anchor": datetime(2025, 1, 1)}, "anchor", "UTC"),  # noqa: DTZ001 - the fault
        ({"cron": "0 0 * * *", "slug": "a/b"}, "slug", "printable"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_said_at_its_field(fields, field, words):
    with pytest.raises(InvalidInput) as caught:
        validate(Schedule(**{"slug": "nightly"} | fields))
    assert [fault.path for fault in caught.value.faults] == [field]
    assert words in caught.value.faults[0].message
