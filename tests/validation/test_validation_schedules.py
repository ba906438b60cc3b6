from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.errors import InvalidInput, InvalidVariables
from dispatcher.models import CatchUp, RetryPolicy, RunState, Schedule
from dispatcher.validation import check_deployment_variables, length_of_time, read_retry, validate
from tests.builders import HOUR, SECOND, a_deployment, a_run


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
        ({"cron": "61 * * * *"}, "cron", "not a cron expression"),
        ({"cron": "* * * * * *"}, "cron", "five fields"),
        ({"cron": "0 0 30 2 *"}, "cron", ""),
        ({"cron": 5}, "cron", "must be text"),
        ({"interval": timedelta(0)}, "interval", "from one minute"),
        ({"interval": 60}, "interval", "length of time"),
        ({"rrule": "FREQ=HOURLY"}, "rrule", "DAILY, WEEKLY, MONTHLY or YEARLY"),
        ({"rrule": "FREQ=DAILY;BYDAY=XX"}, "rrule", "BYDAY must be of MO, TU"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule", "INTERVAL must be a whole number of 1 or more, not 0"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260101T000000Z"}, "rrule", "without Z"),
        ({"rrule": "DTSTART:20250101T000000\nRRULE:FREQ=DAILY"}, "rrule", "without DTSTART"),
        ({"cron": "0 0 * * *", "timezone": "Europe/Berln"}, "timezone", "did you mean Europe/Berlin"),
        ({"interval": timedelta(hours=1), "anchor": datetime(2025, 1, 1)}, "anchor", "UTC"),  # noqa: DTZ001 - the fault
        ({"cron": "0 0 * * *", "slug": "a/b"}, "slug", "printable"),
    ],
)
def test_a_fault_of_a_schedule_is_shown_at_its_field(fields, field, words):
    with pytest.raises(InvalidInput) as caught:
        validate(Schedule(**{"slug": "nightly"} | fields))
    assert [fault.path for fault in caught.value.faults] == [field]
    assert words in caught.value.faults[0].message


# A deployment's schedules and retries


DAILY = Schedule(slug="daily", cron="30 6 * * *")


def faults(instance) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        validate(instance)
    assert "\n" not in str(refused.value)
    return {fault.path: fault.message for fault in refused.value.faults}


def test_a_deployment_with_schedules_and_retries_of_every_kind_passes():
    hourly = Schedule(slug="hourly", interval=HOUR, catch_up=CatchUp.ALL, catch_up_limit=1000)
    retry = RetryPolicy(attempts=20, delay=24 * HOUR, backoff=100, states=frozenset({RunState.CRASHED}))
    validate(a_deployment(schedules=(DAILY, hourly), retry=retry, paused=True))
    validate(a_run(retry=retry, schedule="daily"))


def test_a_fault_of_a_schedule_is_reported_with_its_path_in_the_deployment():
    wrong = (DAILY, Schedule(slug="x", cron="61 * * * *"), Schedule(slug="y", interval=SECOND, timezone="Mars/Olympus"))
    assert faults(a_deployment(schedules=wrong)).keys() == {
        "schedules[1].cron",
        "schedules[2].interval",
        "schedules[2].timezone",
    }


@pytest.mark.parametrize(
    ("schedules", "field", "words"),
    [
        ((DAILY, DAILY), "schedules", "two schedules have the slug 'daily'"),
        (tuple(replace(DAILY, slug=str(number)) for number in range(51)), "schedules", "must be at most 50 (got 51)"),
        ([DAILY], "schedules", "must be a tuple"),
        (({"cron": "30 6 * * *"},), "schedules[0]", "an instance of Schedule"),
        ((replace(DAILY, catch_up="last"),), "schedules[0].catch_up", "must be none, last, all or drop"),
        ((replace(DAILY, catch_up_limit=0),), "schedules[0].catch_up_limit", "from 1 to 1000"),
        ((replace(DAILY, active=1),), "schedules[0].active", "must be true or false"),
        ((replace(DAILY, slug=5),), "schedules[0].slug", "printable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_lists_of_schedules_are_refused(schedules, field, words):
    messages = faults(a_deployment(schedules=schedules))
    assert messages.keys() == {field}
    assert words in messages[field]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"attempts": 0}, "attempts", "a whole number from 1 to 20, the first attempt included (got 0)"),
        ({"attempts": 21}, "attempts", "from 1 to 20"),
        ({"attempts": True}, "attempts", "from 1 to 20"),
        ({"delay": -SECOND}, "delay", "must be from 0 seconds to a day (got -1 seconds)"),
        ({"delay": 24 * HOUR + SECOND}, "delay", "to a day"),
        ({"delay": 60}, "delay", "must be a length of time"),
        ({"backoff": 0.5}, "backoff", "must be a number from 1 to 100 (got 0.5)"),
        ({"backoff": 101}, "backoff", "from 1 to 100"),
        ({"backoff": float("nan")}, "backoff", "from 1 to 100"),
        ({"states": frozenset()}, "states", "must be FAILED, CRASHED or both (got none)"),
        ({"states": frozenset({RunState.FAILED, RunState.CANCELLED})}, "states", "(got CANCELLED, FAILED)"),
        ({"states": {RunState.FAILED}}, "states", "must be FAILED, CRASHED or both"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:40],
)
@pytest.mark.parametrize("owner", [a_deployment, a_run])
def test_invalid_retry_policies_are_refused(owner, fields, field, words):
    messages = faults(owner(retry=RetryPolicy(**fields)))
    assert messages.keys() == {f"retry.{field}"}
    assert words in messages[f"retry.{field}"]


def test_a_retry_policy_by_itself_is_named_as_such():
    with pytest.raises(InvalidInput, match=r"^retry policy: attempts: must be"):
        validate(RetryPolicy(attempts=0))


@pytest.mark.parametrize("retry", [3, {"attempts": 3}, RetryPolicy])
def test_an_invalid_retry_policy_is_reported(retry):
    assert faults(a_deployment(retry=retry))["retry"].startswith("must be a retry policy, or null for none")


# Out of JSON's values


def test_a_retry_policy_is_read_as_files_have_it():
    read = read_retry({"attempts": 3, "delay": "PT1M30S", "backoff": 2, "states": ["FAILED"]}, "retry")
    assert read == RetryPolicy(attempts=3, delay=90 * SECOND, backoff=2.0, states=frozenset({RunState.FAILED}))
    assert type(read.backoff) is float
    assert read_retry({}, "retry") == RetryPolicy()


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        (3, "retry", "must be an object (got 3)"),
        ({"attempt": 3}, "retry.attempt", "is not a key here; did you mean attempts?"),
        ({"states": ["COMPLETED"]}, "retry.states[0]", 'must be FAILED, CRASHED or both (got "COMPLETED")'),
        ({"states": []}, "retry.states", "must be FAILED, CRASHED or both"),
        ({"delay": "soon"}, "retry.delay", "must be a number of seconds, or a length of time, as 15m"),
        ({"delay": True}, "retry.delay", "must be a number of seconds"),
        ({"delay": 1e300}, "retry.delay", "must be a number of seconds"),
        ({"attempts": {1}}, "retry.attempts", "is a set"),
    ],
    ids=str,
)
def test_a_fault_in_the_retries_of_a_file_is_reported_with_its_path(value, field, words):
    with pytest.raises(InvalidInput) as refused:
        read_retry(value, "retry")
    [fault] = refused.value.faults
    assert fault.path == field
    assert words in fault.message


@pytest.mark.parametrize(("text", "length"), [("900", 900), ("0.5", 0.5), ("PT15M", 900), ("P1DT1H", 90_000), ("PT90S", 90)])
def test_a_length_of_time_is_a_number_of_seconds_or_iso_8601(text, length):
    assert length_of_time(text, "interval") == timedelta(seconds=length)


@pytest.mark.parametrize("text", ["", "15x", "15:00", "nan", "inf", "1e999", "P", "P1X", "an hour"])
def test_any_other_length_of_time_is_refused(text):
    with pytest.raises(InvalidInput, match="interval: must be a number of seconds, or a length of time, as 15m, 1h30m, 2 days"):
        length_of_time(text, "interval")


# Whole variables


NEEDS_SIZE = {
    "job_configuration": {"size": "{{ size }}", "env": "{{ env }}"},
    "variables": {
        "type": "object",
        "properties": {"size": {"type": "integer"}, "env": {"type": "object", "default": {}}},
        "required": ["size"],
    },
}


def test_a_scheduled_deployment_needs_all_required_variables():
    check_deployment_variables(NEEDS_SIZE, {}, scheduled=False)
    check_deployment_variables(NEEDS_SIZE, {"size": 1}, scheduled=True)
    with pytest.raises(InvalidVariables) as refused:
        check_deployment_variables(NEEDS_SIZE, {"env.A": "1"}, scheduled=True)
    [fault] = refused.value.faults
    assert fault.path == "size"
    assert fault.message.startswith("is required and missing; give it a value here or as the pool's default: the runs of a ")


@pytest.mark.parametrize("scheduled", [True, False])
def test_faults_of_a_deployments_variables_are_shown_with_and_without_schedules(scheduled):
    with pytest.raises(InvalidVariables) as refused:
        check_deployment_variables(NEEDS_SIZE, {"size": "x", "sise": 1}, scheduled=scheduled)
    assert {fault.path for fault in refused.value.faults} == {"size", "sise"}


@pytest.mark.parametrize("anchor", [datetime(1, 1, 1), datetime(1, 1, 1, tzinfo=UTC)])  # noqa: DTZ001 - what is refused
def test_an_anchor_at_the_beginning_of_the_calendar_is_refused_by_its_name(anchor):
    with pytest.raises(InvalidInput, match="anchor"):
        validate(Schedule(slug="s", interval=timedelta(days=7), anchor=anchor))
