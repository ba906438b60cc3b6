"""`dispatcher doctor`: silent about what is well, one line with the fix for what is not, and it changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dispatcher.models.records import Decision, Materialisation
from dispatcher.stores.sqlite import SqliteStore
from providers.emulators.faults import FaultKind
from tests.stores.steps import hold

pytest_plugins = ["providers.emulators.fixtures"]

ONE_RUN = ("-jv", "command=echo hello")


def problems(cli, **environment):
    """The findings that are not well, by what was checked."""
    before = "import os; " + "".join(f"os.environ[{name!r}] = {value!r}; " for name, value in environment.items())
    said = cli.alone("doctor", "--json", before=before)
    by_check = {finding["check"]: finding for finding in said.json if finding["level"] != "ok"}
    assert said.exit_code == any(finding["level"] == "problem" for finding in by_check.values())
    assert len(said.errors) == sum(finding["level"] == "problem" for finding in by_check.values())
    assert all(finding["fix"] for finding in by_check.values())
    return by_check


def test_the_doctor_is_silent_about_passed_checks_and_changes_nothing(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    cli.ok("run", "create", "--pool", "nightly", *ONE_RUN)
    cli.ok("tick")
    before = cli.stored()
    said = cli("doctor")
    assert (said.exit_code, said.errors) == (0, ())
    assert said.out == "9 of 9 checks passed.\n"
    assert cli.stored() == before


def test_a_setting_that_is_wrong(cli):
    by_check = problems(cli, DISPATCHER_LEASE_SECONDS="10")
    assert by_check.keys() == {"settings"}
    assert "DISPATCHER_LEASE_SECONDS: 10 is too short" in by_check["settings"]["text"]


def test_a_store_that_cannot_be_reached_keeps_its_password(cli):
    by_check = problems(cli, DISPATCHER_STORE="postgresql://me:hush@127.0.0.1:1/state")
    assert by_check.keys() == {"store"}
    assert by_check["store"]["subject"] == "postgresql://***@127.0.0.1:1/state"
    assert "hush" not in str(by_check)


def test_due_runs_without_ticks(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    assert problems(cli) == {}
    cli.ok("run", "create", "--pool", "nightly", *ONE_RUN)
    assert problems(cli)["schedule"]["text"] == "due runs: 1, and no tick comes; there was none yet"
    cli.ok("tick")
    assert problems(cli) == {}


def test_due_runs_of_a_paused_pool_are_a_warning(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--paused")
    cli.ok("run", "create", "--pool", "nightly", *ONE_RUN)
    problem = problems(cli)["schedule"]
    assert (problem["level"], problem["fix"]) == ("warning", "dispatcher work-pool resume nightly")
    assert cli("doctor").exit_code == 0


def test_a_clock_that_is_ahead_and_a_pool_that_is_held(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    store = SqliteStore(cli.directory / "store.db")
    ahead = datetime.now(UTC) + timedelta(minutes=5)
    store.claim("nightly", ahead, lease=timedelta(minutes=5), takeovers=0, decide=lambda _: Decision())
    hold(store, ahead, "slow down", pool="nightly")
    store.close()
    by_check = problems(cli)
    assert "in the future: two clocks differ by more than 10 s" in by_check["clock"]["text"]
    assert "slow down" in by_check["schedule"]["text"]


def test_a_lease_that_is_too_short_for_the_provider(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "ecs:push")
    by_check = problems(cli, DISPATCHER_LEASE_SECONDS="61")
    assert "one provider call" in by_check["provider"]["text"]


def test_an_sdk_that_is_missing(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "ecs:push")
    said = cli.alone("doctor", before="sys.modules['boto3'] = None")
    assert said.exit_code == 1
    assert "pip install 'push-dispatcher[aws]'" in said.errors[0]


def test_a_right_that_is_missing_is_named(cli, ecs_emulator):
    cli.ok("work-pool", "create", "nightly", "--type", "ecs:push")
    assert problems(cli) == {}
    ecs_emulator.faults.add("ListTasks", FaultKind.REFUSE, times=10)
    problem = problems(cli)["credentials"]
    assert "ecs find: AccessDeniedException: You are not authorized" in problem["text"]
    assert ecs_emulator.starts == {}


def test_a_place_that_only_a_run_names_is_asked_for_later(cli, container_instance_emulator):
    cli.ok("work-pool", "create", "nightly", "--type", "azure-container-instance:push")
    assert problems(cli)["credentials"]["level"] == "warning"
    variables = ("image=busybox", "subscription_id=00000000-0000-0000-0000-000000000000", "resource_group_name=jobs")
    cli.ok("run", "create", "--pool", "nightly", *(word for variable in variables for word in ("-jv", variable)))
    cli.ok("tick")
    assert problems(cli) == {}


def test_windows_that_ticks_leave_behind_are_named(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    cli.ok("deployment", "create", "report", "--pool", "nightly", "--cron", "0 3 29 2 *", *ONE_RUN)
    cli.ok("tick")
    assert problems(cli) == {}
    store, now = SqliteStore(cli.directory / "store.db"), datetime.now(UTC)
    deployment = store.deployment("report")
    overdue = {"windows_until": deployment.windows_until, "windows_at": now - timedelta(hours=1)}
    store.materialise(Materialisation(deployment=deployment, runs=(), **overdue))
    store.heartbeat("nightly", now)
    store.close()
    left = problems(cli)["windows"]
    assert (left["level"], left["subject"]) == ("warning", "nightly")
    assert left["text"].startswith("windows of 1 deployments have not become runs, 'report' since ")
    cli.ok("tick")
    assert problems(cli) == {}


def test_gaps_between_ticks_are_named_and_are_not_a_problem_by_themselves(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    store, now = SqliteStore(cli.directory / "store.db"), datetime.now(UTC)
    for minutes in (70, 60, 59, 58, 57, *range(30, -1, -1)):
        store.heartbeat("nightly", now - timedelta(minutes=minutes))
    store.close()
    [gap] = cli.ok("work-pool", "inspect", "nightly")["ticks_last_hour"]["gaps"]
    begin, end = (f"{datetime.fromisoformat(gap[name]):%H:%M}" for name in ("since", "until"))
    schedules = [finding for finding in cli.ok("doctor") if finding["check"] == "schedule"]
    assert [(finding["level"], finding["text"]) for finding in schedules] == [
        ("ok", f"ticks come, or nothing is due; no tick from {begin} to {end} UTC")
    ]
    assert f"no tick        {gap['since'][:10]} {begin}" in cli("work-pool", "inspect", "nightly").out
