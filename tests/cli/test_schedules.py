"""Schedules and retries on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.models import Attempt, RunState
from dispatcher.models.records import Move
from dispatcher.stores.sqlite import SqliteStore
from providers.base import Submission

CRON = ("--cron", "30 6 * * 1-5", "--timezone", "Europe/Paris")


@pytest.fixture
def nightly(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")


@pytest.fixture
def etl(cli, nightly):
    return cli.ok("deployment", "create", "etl", "-p", "nightly", "-jv", "command=date", *CRON)


def error(cli, *words: str) -> str:
    said = cli(*words)
    assert said.exit_code in (1, 2)
    [line] = said.errors
    return line


def test_a_deployment_is_created_with_schedules_of_every_kind_and_retries(cli, nightly):
    kinds = ("--cron", "0 6 * * *", "--cron", "0 7 * * *", "--interval", "PT15M", "--rrule", "FREQ=DAILY;BYHOUR=3")
    common = ("--timezone", "Asia/Tokyo", "--anchor-date", "2026-01-31T08:00:00+09:00", "--catch-up", "all")
    retries = ("--retries", "2", "--retry-delay", "90", "--retry-backoff", "2", "--retry-on", "failed")
    words = ("-p", "nightly", "-jv", "command=date", "--catch-up-limit", "7", "--paused")
    made = cli.ok("deployment", "create", "etl", *words, *kinds, *common, *retries)
    assert [
        (schedule["slug"], schedule["cron"], schedule["interval_seconds"], schedule["rrule"]) for schedule in made["schedules"]
    ] == [
        ("cron", "0 6 * * *", None, None),
        ("cron-2", "0 7 * * *", None, None),
        ("interval", None, 900, None),
        ("rrule", None, None, "FREQ=DAILY;BYHOUR=3"),
    ]
    shared = {"timezone": "Asia/Tokyo", "anchor": "2026-01-30T23:00:00.000+00:00", "catch_up": "all", "catch_up_limit": 7}
    assert all({**schedule, **shared, "active": True} == schedule for schedule in made["schedules"])
    assert made["retry"] == {"attempts": 3, "delay_seconds": 90, "backoff": 2, "states": ["FAILED"]}
    assert made["paused"] is True
    assert cli.ok("deployment", "ls") == [made]


def test_catch_up_is_kept_by_export_and_apply(cli, etl, tmp_path):
    cli.ok("deployment", "schedule", "create", "etl", "--interval", "900", "--catch-up", "drop")
    file = tmp_path / "exported.yaml"
    cli.ok("export", "-f", str(file))
    assert "catch_up: drop" in file.read_text()
    cli.ok("deployment", "schedule", "delete", "etl", "interval", "--yes")
    cli.ok("apply", "-f", str(file), "--yes")
    assert [schedule["catch_up"] for schedule in cli.ok("deployment", "inspect", "etl")["schedules"]][-1] == "drop"


def test_an_update_replaces_schedules_and_lays_retries_over_what_there_is(cli, etl):
    changed = cli.ok("deployment", "update", "etl", "--interval", "900", "--retries", "3", "--retry-delay", "PT1M")
    assert [schedule["slug"] for schedule in changed["schedules"]] == ["interval"]
    assert cli.ok("deployment", "update", "etl", "--retry-on", "CRASHED,failed", "--paused")["retry"] == {
        "attempts": 4,
        "delay_seconds": 60,
        "backoff": 1,
        "states": ["CRASHED", "FAILED"],
    }
    assert cli.ok("deployment", "update", "etl", "--retries", "0", "--resumed")["retry"] is None
    assert cli.ok("deployment", "inspect", "etl")["paused"] is False


def test_schedules_are_made_listed_paused_resumed_and_deleted_one_by_one(cli, etl):
    words = ("deployment", "schedule")
    made = cli.ok(*words, "create", "etl", "--interval", "3600", "--slug", "hourly", "--catch-up", "last", "--no-active")
    assert (made["deployment"], made["slug"], made["active"], made["next"]) == ("etl", "hourly", False, [])
    assert cli.ok(*words, "create", "etl", *CRON)["slug"] == "cron-2"
    assert [schedule["slug"] for schedule in cli.ok(*words, "ls", "etl")] == ["cron", "hourly", "cron-2"]
    resumed = cli.ok(*words, "resume", "etl", "hourly")
    assert len(resumed["next"]) == 3
    assert cli.ok(*words, "pause", "etl", "cron")["active"] is False
    assert "(**) denotes a paused schedule" in cli(*words, "ls", "etl").out
    assert cli.ok(*words, "delete", "etl", "cron", "--yes") == {"deployment": "etl", "deleted": ["cron"]}
    alone = cli.ok(*words, "create", "etl", "--rrule", "FREQ=DAILY", "--replace")
    assert (
        [schedule["slug"] for schedule in cli.ok("deployment", "inspect", "etl")["schedules"]] == [alone["slug"]] == ["rrule"]
    )
    assert cli.ok(*words, "clear", "etl", "--yes") == {"deployment": "etl", "deleted": ["rrule"]}
    assert "No schedules." in cli(*words, "ls", "etl").out


def test_the_next_windows_are_shown_in_the_time_zone_of_the_schedule(cli, etl):
    [listed] = cli.ok("deployment", "schedule", "ls", "etl")
    windows = [datetime.fromisoformat(text) for text in listed["next"]]
    assert len(windows) == 3
    assert all((window.hour, window.minute, window.weekday() < 5) == (6, 30, True) for window in windows)
    assert {window.utcoffset() for window in windows} <= {timedelta(hours=1), timedelta(hours=2)}
    shown = cli("deployment", "inspect", "etl").out
    assert f"{windows[0]:%Y-%m-%d %H:%M}" in shown
    assert "Europe/Paris" in shown
    assert "cron 30 6 * * 1-5" in shown
    assert cli.ok("deployment", "inspect", "etl")["schedules"][0]["next"] == listed["next"]


def test_the_answer_says_that_both_day_fields_apply_and_how_a_step_is_read(cli, etl):
    words = ("deployment", "schedule", "create", "etl")
    said = cli(*words, "--cron", "0 6 */2 * 1")
    assert "is due on days of the month */2 or of the week 1; --no-day-or asks for both, as Debian's cron does." in said.out
    said = cli("deployment", "update", "etl", "--cron", "0 6 1-7 * 1", "--no-day-or")
    assert "--day-or is content" not in said.out  # no step: others read it alike
    [both] = cli.ok("deployment", "schedule", "ls", "etl")
    assert both["day_or"] is False
    assert {datetime.fromisoformat(text).isoweekday() for text in both["next"]} == {1}
    assert all(datetime.fromisoformat(text).day <= 7 for text in both["next"])
    assert "cron 0 6 1-7 * 1 (both days)" in " ".join(cli("deployment", "inspect", "etl", "--wide").out.split())
    assert "--day-or goes with --cron" in error(cli, *words, "--interval", "60", "--no-day-or")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rrule", "FREQ=DAILY;INTERVAL=00"), "rrule: INTERVAL must be a whole number of 1 or more, not 00"),
        (("--interval", "P7D", "--anchor-date", "9999-12-31T00:00:00+00:00"), "anchor: must be from 1970-01-03"),
        (
            ("--rrule", "FREQ=DAILY;COUNT=3"),
            "rrule: never comes again: it ends in the past, and COUNT is counted from 2020-01-01",
        ),
        (("--cron", "*/90 * * * *"), "only 0 would be left: write 0"),
        (("--cron", "0 6 * * *", "--timezone", "localtime"), "timezone: localtime is another clock on each host"),
    ],
)
def test_a_schedule_that_never_comes_or_an_option_without_effect_is_refused(cli, etl, words, says):
    assert says in error(cli, "deployment", "schedule", "create", "etl", *words)


def test_a_paused_deployment_is_marked_and_has_no_next_windows(cli, etl):
    assert cli.ok("deployment", "pause", "etl")["paused"] is True
    assert cli.ok("deployment", "schedule", "ls", "etl")[0]["next"] == []
    assert "(**) denotes a paused deployment" in cli("deployment", "ls").out
    assert "its schedules create no runs" in cli("deployment", "inspect", "etl").out
    assert cli.ok("deployment", "resume", "etl")["paused"] is False


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("update", "etl", "--cron", "x"), "schedules[0].cron: must have five fields"),
        (("update", "etl", "--timezone", "Europe/Paris"), "--timezone goes with --cron, --interval or --rrule"),
        (("update", "etl", "--cron", "0 0 * * *", "--timezone", "Europe/Pris"), "did you mean Europe/Paris"),
        (("update", "etl", "--interval", "15x"), "interval: must be a number of seconds, or a length of time, as 15m"),
        (("update", "etl", "--interval", "60", "--anchor-date", "x"), "anchor_date: 'x' is not a time"),
        (("update", "etl", "--interval", "60", "--anchor-date", "2026-01-31"), "anchor: must be a time in UTC"),
        (("update", "etl", "--retry-delay", "60"), "retries: --retries is missing; nothing is retried without it"),
        (("update", "etl", "--retries", "20"), "20 is not in the range 0<=x<=19"),
        (("update", "etl", "--retries", "1", "--retry-on", "COMPLETED"), "retry.states: must be FAILED, CRASHED or both"),
        (("update", "etl", "--retries", "1", "--retry-on", "x"), "retry_on: 'x' must be FAILED, CRASHED or both"),
        (("update", "etl", "--retries", "1", "--retry-backoff", "0"), "retry.backoff: must be a number from 1 to 100"),
        (("schedule", "create", "etl"), "give exactly one of --cron, --interval and --rrule (got 0)"),
        (("schedule", "create", "etl", *CRON, "--interval", "60"), "(got 2)"),
        (("schedule", "create", "etl", *CRON, "--slug", "cron"), "slug: schedule 'cron' of deployment 'etl' already exists"),
        (("schedule", "pause", "etl", "corn"), "schedule 'corn' of 'etl' does not exist; did you mean 'cron'?"),
        (("schedule", "ls", "elt"), "did you mean 'etl'?"),
        (("update", "etl", "--job-variables", "{}"), "command: is required and missing; give it a value here or as the"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_impossible_request_is_reported_in_one_line_that_says_what_to_do(cli, etl, words, says):
    assert says in error(cli, "deployment", *words)


def test_without_the_library_for_schedules_a_line_says_what_to_install(cli, etl):
    words = ("deployment", "schedule", "create", "etl", "--cron", "0 6 * * *")
    said = cli.alone(*words, before="sys.modules['cronsim'] = None")
    assert (said.exit_code, said.errors) == (
        1,
        ("error: schedules need cronsim, which is not installed: pip install 'push-dispatcher[schedules]'",),
    )
    said = cli.alone("deployment", "schedule", "ls", "etl", before="sys.modules['cronsim'] = None")
    assert said.errors == ("error: schedules need cronsim, which is not installed: pip install 'push-dispatcher[schedules]'",)
    assert cli.alone("deployment", "ls", "--json", before="sys.modules['cronsim'] = None").exit_code == 0


def test_the_doctor_reports_schedules_that_cannot_be_read_and_only_where_there_are_some(cli, nightly):
    lacking = "sys.modules['cronsim'] = None"
    assert "libraries" not in cli.alone("doctor", "--json", before=lacking).out
    cli.ok("deployment", "create", "etl", "-p", "nightly", "-jv", "command=date", *CRON)
    said = cli.alone("doctor", "--json", before=lacking)
    [library] = [finding for finding in said.json if finding["check"] == "libraries"]
    assert (library["level"], library["text"]) == ("problem", "deployments have schedules, and this Python lacks cronsim")
    assert library["fix"].startswith("pip install 'push-dispatcher[schedules]'")
    well = [finding for finding in cli.ok("doctor") if finding["check"] == "libraries"]
    assert [finding["level"] for finding in well] == ["ok"]


def test_a_preview_marks_windows_that_are_not_runs_yet(cli, nightly):
    cli.ok("deployment", "create", "etl", "-p", "nightly", "-jv", "command=date", "--interval", "3600")
    store = SqliteStore(cli.directory / "store.db")
    deployment = store.deployment("etl")
    assert store.materialise(materialisation(deployment, deployment.created_at, WindowLimits()))
    store.close()
    shown = cli.ok("work-pool", "preview", "nightly", "--hours", "4")
    assert [run["created"] for run in shown[1:]] == [False] * (len(shown) - 1)
    assert shown[0]["created"] is True
    assert {run["schedule"] for run in shown} == {"interval"}
    out = cli("work-pool", "preview", "nightly", "--hours", "4").out
    assert "to come" in out
    assert f"Runs: 1, late: 0, to come by schedules: {len(shown) - 1}." in out


# Runs


def test_a_run_takes_the_retries_of_its_deployment_and_its_own_over_them(cli, etl):
    cli.ok("deployment", "update", "etl", "--retries", "2", "--retry-delay", "60")

    def retry(*words: str):
        made = cli.ok(*words)
        return cli.ok("run", "inspect", (made[0] if isinstance(made, list) else made)["id"])["retry"]

    kept = {"attempts": 3, "delay_seconds": 60, "backoff": 1, "states": ["CRASHED", "FAILED"]}
    assert retry("deployment", "run", "etl") == retry("run", "create", "-d", "etl") == kept
    assert retry("deployment", "run", "etl", "--retry-delay", "5") == {**kept, "delay_seconds": 5}
    assert retry("run", "create", "-d", "etl", "--retries", "0")["attempts"] == 1
    assert retry("run", "create", "-p", "nightly", "-jv", "command=date", "--retries", "1")["attempts"] == 2
    assert retry("run", "create", "-p", "nightly", "-jv", "command=date") is None


def test_an_ended_run_is_run_again_as_a_new_one(cli, etl):
    old = cli.ok("deployment", "run", "etl", "--run-name", "night")
    assert "has not ended, it is SCHEDULED" in error(cli, "run", "retry", old["id"])
    cli.ok("run", "cancel", old["id"])
    new = cli.ok("run", "retry", "night")
    assert (new["name"], new["state"], new["deployment"]) == ("night-retry", "SCHEDULED", "etl")
    assert cli.ok("run", "retry", old["id"])["id"] == new["id"] != old["id"]
    assert cli.ok("run", "inspect", old["id"])["state"] == "CANCELLED"


def test_the_timeline_of_a_run_covers_all_its_attempts(cli, etl):
    run = cli.ok("deployment", "run", "etl", "--retries", "1")
    store = SqliteStore(cli.directory / "store.db")
    stored = store.get(cli.stored()[1][0].id)
    at = stored.created_at
    past = Attempt(
        number=1,
        state=RunState.FAILED,
        reason="exit code 1",
        claimed_at=at,
        submitted_at=at + timedelta(seconds=1),
        ended_at=at + timedelta(seconds=9),
        exit_code=1,
        submission=Submission(name="r-1", handle={}, url="https://console/1"),
    )
    again = {"past": (past,), "attempt": 2, "ended_attempts": 1, "due_at": at + timedelta(seconds=69)}
    assert store.move([Move.of(stored, RunState.SCHEDULED, **again)])
    store.close()
    seen = cli.ok("run", "inspect", run["id"])
    assert [(step["event"], step["attempt"], step["wait_seconds"]) for step in seen["timeline"]] == [
        ("created", 1, None),
        ("scheduled", 1, 0),
        ("claimed", 1, 0),
        ("submitted", 1, 1),
        ("ended", 1, 8),
        ("scheduled", 2, 60),
    ]
    assert (seen["timeline"][4]["state"], seen["timeline"][4]["reason"]) == ("FAILED", "exit code 1")
    [attempt] = seen["past"]
    assert (attempt["attempt"], attempt["state"], attempt["exit_code"], attempt["url"]) == (
        1,
        "FAILED",
        1,
        "https://console/1",
    )
    shown = cli("run", "inspect", run["id"]).out
    assert "FAILED exit code 1" in shown
    assert "1 more when it ends CRASHED or FAILED" in shown
    listed = cli("run", "ls").out
    assert "SCHEDULED (2)" in listed
    assert "(2) denotes a second attempt" in listed


# What may be said beside the kind of a schedule

CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20301225
SUMMARY:Christmas
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_a_schedule_is_bounded_and_leaves_days_out(cli, etl, tmp_path):
    calendar = tmp_path / "holidays.ics"
    calendar.write_bytes(CALENDAR.encode())
    span = ("--start", "2030-12-23T00:00:00+01:00", "--end", "2030-12-26T12:00:00+01:00")
    days = ("--exclude", "2030-12-24", "--exclude-calendar", str(calendar))
    clocks = ("--when-skipped", "skip", "--when-repeated", "both", "--spread", "PT10M")
    made = cli.ok("deployment", "schedule", "create", "etl", "--cron", "0 6 * * *", "--slug", "end", *span, *days, *clocks)
    assert (made["start"], made["end"]) == ("2030-12-22T23:00:00.000+00:00", "2030-12-26T11:00:00.000+00:00")
    assert made["exclude"] == ["2030-12-24", "2030-12-25"]
    assert (made["when_skipped"], made["when_repeated"], made["spread_seconds"]) == ("skip", "both", 600)
    assert [window[:10] for window in made["next"]] == ["2030-12-23", "2030-12-26"]
    shown = cli("deployment", "schedule", "ls", "etl", "--wide").out
    assert "not on 2030-12-24, 2030-12-25" in shown


def test_a_schedule_has_job_variables_of_its_own(cli, etl, nightly):
    made = cli.ok("deployment", "schedule", "create", "etl", "--interval", "3600", "-jv", "command=hostname")
    assert made["job_variables"] == {"command": "hostname"}
    words = error(cli, "deployment", "schedule", "create", "etl", "--interval", "7200", "-jv", "comand=hostname")
    assert "schedules[2].job_variables.comand" in words


def test_a_recurrence_of_icalendar_is_a_schedule(cli, etl):
    text = "DTSTART;TZID=Europe/Paris:20260105T063000\nRRULE:FREQ=WEEKLY;BYDAY=MO"
    made = cli.ok("deployment", "schedule", "create", "etl", "--rrule", text)
    assert (made["rrule"], made["timezone"], made["anchor"]) == (
        "FREQ=WEEKLY;BYDAY=MO",
        "Europe/Paris",
        "2026-01-05T05:30:00.000+00:00",
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cron", "0 6 * * *", "--exclude", "tomorrow"), "'tomorrow' is not a day; write it as 2026-12-25"),
        (("--interval", "900", "--when-skipped", "skip"), "other intervals know no clock"),
        (("--cron", "0 6 * * *", "--end", "2020-01-01T00:00:00+00:00"), "it ends in the past"),
        (
            ("--cron", "0 6 * * *", "--start", "2031-01-01T00:00:00Z", "--end", "2030-01-01T00:00:00Z"),
            "not be before the start",
        ),
        (("--cron", "0 6 * * *", "--spread", "P2D"), "from 0 to a day"),
        (("--cron", "0 6 * * *", "--exclude-calendar", "nowhere.ics"), "nowhere.ics: No such file"),
    ],
)
def test_invalid_fields_of_a_schedule_are_refused(cli, etl, options, words):
    assert words in error(cli, "deployment", "schedule", "create", "etl", *options)
