"""Validation evaluates a schedule: it refuses one that is never due, or that would not mean what it says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.models import Schedule
from dispatcher.validation import check_windows_to_come, validate
from dispatcher.validation.cron_rules import cron_fault
from dispatcher.validation.recurrence_rules import rule_fault
from tests.builders import NOW, a_deployment

DAY = timedelta(days=1)


def faults(**fields) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        validate(Schedule(slug="s", **fields))
    return {fault.path: fault.message for fault in refused.value.faults}


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("*/90 * * * *", "minute '*/90' has a step that leads out of the field, so that only 0 would be left: write 0"),
        ("0 */24 * * *", "hour '*/24' has a step that leads out"),
        ("0 0 1-5/10 * *", "day of the month '1-5/10' has a step that leads out of the field, so that only 1"),
        ("0 0 * * */7", "day of the week '*/7' has a step that leads out"),
        ("0 0 * * 1/2", "day of the week '1/2' counts on to 7, which other crons do not: write 1,3,5,0"),
        ("*/0 * * * *", "minute '*/0' has a step of 0"),
        ("60 * * * *", "minute '60' is out of range: must be from 0 to 59"),
        ("0 24 * * *", "hour '24' is out of range: must be from 0 to 23"),
        ("0 0 0 * *", "day of the month '0' is out of range: must be from 1 to 31"),
        ("0 0 1 13 *", "month '13' is out of range"),
        ("0 0 * * 8", "day of the week '8' is out of range"),
        ("0 22-2 * * *", "hour '22-2' runs backwards: write 22-23,0-2"),
        ("0 0 13-13 * *", "day of the month '13-13' is a range of one, which other crons read as all: write 13"),
        ("0 0 */1 * 1", "day of the month '*/1' names all: write *"),
        ("0 0 1 * 0-6", "day of the week '0-6' names all: write *"),
        ("0 0 13 * 5#2", "ask for both as well (--no-day-or), or write two schedules"),
        ("0 0 * * 1,5#2", "has days with and without a number: write them as two schedules"),
        ("0 0 15W * *", "day of the month '15W' is not read; L is the last day of a month, LW its last weekday"),
        ("0 0 * * 1#6", "day of the week '1#6' is not read; write L5 for the last Friday of a month, 1#2"),
        ("0 0 ? * MON", "day of the month '?' is not read; write *"),
        ("H * * * *", "minute 'H' is not read; write numbers from 0 to 59"),
        ("0 0 * * FRIDAY", "day of the week 'FRIDAY' is not read"),
        ("@dayly", "did you mean @daily"),
        ("@reboot", "must be five fields, or one of @annually, @daily"),
        ("0 0 31 2 *", "never comes: no date is like that"),
        ("0 0 30,31 2 *", "never comes"),
        ("0 0 31 2,4,6,9,11 *", "never comes"),
    ],
)
def test_an_invalid_cron_expression_is_reported_with_what_to_write(cron, words):
    messages = faults(cron=cron)
    assert messages.keys() == {"cron"}
    assert words in messages["cron"]


@pytest.mark.parametrize(
    "cron",
    ["*/59 * * * *", "0 0 29 2 *", "0 0 31 2 1", "0 0 */30 * *", "0 0 * * 7", "0 0 LW * *", "0 0 * JAN,JUL MON-FRI", "@hourly"],
)
def test_validation_accepts_every_form_of_cron_expression(cron):
    validate(Schedule(slug="s", cron=cron))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY;INTERVAL=00", "INTERVAL must be a whole number of 1 or more, not 00"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0 never comes"),
        ("FREQ=DAILY;COUNT=00", "COUNT=0 never comes"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20300101", "COUNT and UNTIL exclude each other"),
        ("FREQ=DAILY;COUNT=999999", "COUNT cannot be counted"),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", "never comes"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never comes"),
        ("FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=31", "never comes"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=2", "never comes"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "never comes"),  # 2020 began on a Wednesday
        ("FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=2", "never comes"),
        (
            "FREQ=WEEKLY;BYDAY=2MO",
            "BYDAY=2MO: a number goes with FREQ=MONTHLY or YEARLY; write MO, the plain day, with INTERVAL",
        ),
        ("FREQ=DAILY;BYDAY=-1FR", "BYDAY=-1FR: a number goes with FREQ=MONTHLY or YEARLY; write FR"),
        ("FREQ=MONTHLY;BYDAY=MO,2TU", "BYDAY has days with and without a number; write them as two schedules"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY=6MO names nothing: the number must be from 1 to 5"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO", "no number goes with BYWEEKNO; write MO"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0 names nothing: must be from 1 to 31, or -31 to -1 from the end"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH=13 names nothing: must be from 1 to 12"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH=-1 names nothing"),
        ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY=367 names nothing"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY goes with FREQ=YEARLY alone, not with MONTHLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO goes with FREQ=YEARLY alone"),
        ("FREQ=WEEKLY;BYMONTHDAY=13", "BYMONTHDAY goes with FREQ=DAILY, MONTHLY or YEARLY, not with WEEKLY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS chooses among what another part names; add BYDAY"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "BYSETPOS=0 names nothing"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR must be from 0 to 23, not 24"),
        ("FREQ=DAILY;BYMINUTE=60", "BYMINUTE must be from 0 to 59, not 60"),
        ("FREQ=DAILY;BYSECOND=0,30", "windows are at least a minute apart"),
        ("FREQ=DAILY;BYEASTER=0", "BYEASTER is not part of a recurrence rule that can be read"),
        ("FREQ=DAILY;BYMONHT=3", "did you mean BYMONTH"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ is given twice"),
        ("FREQ=DAILY;", "each is NAME=VALUE"),
        ("FREQ=DAILY;UNTIL=soon", "UNTIL must be a time, as 20271231T235959, not SOON"),
        ("DTSTART:20250101T060000\nRRULE:FREQ=DAILY", "without DTSTART: give its time as the anchor (--anchor-date)"),
        ("FREQ=DAILY\nEXDATE:20250101T060000", "without EXDATE: name the days that are left out"),
        ("RRULE:FREQ=DAILY", "without the word RRULE"),
    ],
)
def test_an_invalid_rule_is_reported_with_what_to_write(rule, words):
    messages = faults(rrule=rule)
    assert messages.keys() == {"rrule"}
    assert words in messages["rrule"]


@pytest.mark.parametrize("fields", [{"interval": 7 * DAY}, {"interval": timedelta(minutes=7)}, {"rrule": "FREQ=DAILY"}])
@pytest.mark.parametrize("anchor", ["9999-12-31T00:00:00+00:00", "0001-01-01T00:00:00+00:00"])
def test_an_anchor_at_the_end_of_time_is_refused(fields, anchor):
    messages = faults(anchor=datetime.fromisoformat(anchor), timezone="America/New_York", **fields)
    assert messages.keys() == {"anchor"}
    assert messages["anchor"].startswith("must be from 1970-01-03 to 9900-01-01")


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("localtime", "another clock on each host; name a place"),
        ("Factory", "another clock on each host"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("EUROPE/BERLIN", "did you mean Europe/Berlin?"),
        ("utc", "did you mean UTC?"),
        ("Europe/Berln", "did you mean Europe/Berlin"),
    ],
)
def test_a_time_zone_has_the_spelling_of_the_tz_database(zone, words):
    assert words in faults(cron="0 0 * * *", timezone=zone)["timezone"]


def test_day_or_goes_with_cron_alone():
    assert faults(interval=DAY, day_or=False) == {"day_or": "goes with cron alone; leave it out"}
    validate(Schedule(slug="s", cron="0 0 1-7 * 1", day_or=False))
    assert "never comes" in faults(cron="0 0 31 2 1", day_or=False)["cron"]


# What is over


OVER = [
    ({"rrule": "FREQ=DAILY;COUNT=2"}, "rrule", "COUNT is counted from 2020-01-01, since no anchor is given"),
    ({"rrule": "FREQ=DAILY;COUNT=2", "anchor": NOW - 9 * DAY}, "rrule", f"COUNT is counted from {NOW - 9 * DAY:%Y-%m-%d}"),
    ({"rrule": "FREQ=DAILY;UNTIL=20250101"}, "rrule", "never comes again: it ends in the past"),
    ({"interval": 7 * DAY, "anchor": NOW + 60 * 366 * DAY}, "anchor", "no window comes within 50 years"),
]


@pytest.mark.parametrize(("fields", "field", "words"), OVER)
def test_a_schedule_that_never_comes_again_is_refused_where_it_is_new_or_changed(fields, field, words):
    over = Schedule(slug="s", **fields)
    deployment = a_deployment(schedules=(over,))
    for stored in (None, a_deployment(), replace(deployment, schedules=(replace(over, timezone="Europe/Paris"),))):
        with pytest.raises(InvalidInput) as refused:
            check_windows_to_come(deployment, stored, NOW)
        [fault] = refused.value.faults
        assert fault.path == f"schedules[0].{field}"
        assert words in fault.message


def test_a_finished_schedule_does_not_block_another_change():
    over = Schedule(slug="s", rrule="FREQ=DAILY;COUNT=2")
    stored = a_deployment(schedules=(over,))
    check_windows_to_come(replace(stored, description="x"), stored, NOW)
    check_windows_to_come(a_deployment(schedules=(replace(over, active=False),)), None, NOW)
    check_windows_to_come(a_deployment(schedules=(replace(over, anchor=NOW),)), None, NOW)


@pytest.mark.parametrize("text", ["*/90 * * * *", "0 0 * * 1/2"])
def test_faults_of_an_expression_are_reported_in_one_line_with_what_was_given(text):
    assert (cron_fault(text, day_or=True) or "").endswith(f'(got "{text}")')
    assert (
        rule_fault("FREQ=DAILY;INTERVAL=00")
        == 'INTERVAL must be a whole number of 1 or more, not 00 (got "FREQ=DAILY;INTERVAL=00")'
    )


def test_the_rarest_date_of_a_cron_expression_is_found():
    validate(Schedule(slug="s", cron="0 0 29 2 1", day_or=False, anchor=datetime(2025, 1, 1, tzinfo=UTC)))
