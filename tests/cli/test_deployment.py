"""The way of a deployment on the command line."""

from __future__ import annotations

import pytest

PRINTS = 'command=["sh", "-c", "echo $WHO from $DISPATCHER_DEPLOYMENT"]'
TICKS = 400
"""Ticks until an end is seen; each takes some milliseconds, and the job ends by itself at once."""


@pytest.fixture
def etl(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    cli.ok("work-queue", "create", "critical", "--pool", "nightly")
    words = ("--pool", "nightly", "--queue", "critical", "-jv", PRINTS, "-jv", 'env={"WHO": "hello"}', "--tag", "finance")
    return cli.ok("deployment", "create", "etl", *words, "--description", "every night")


def test_a_run_of_a_deployment_takes_its_queue_tags_and_variables_and_goes_to_its_end(cli, etl):
    run = cli.ok("deployment", "run", "etl", "-jv", "env.WHO=bye")
    assert (run["deployment"], run["pool"], run["queue"]) == ("etl", "nightly", "critical")
    for _ in range(TICKS):
        cli.ok("tick")
        seen = cli.ok("run", "inspect", run["id"])
        if seen["ended_at"]:
            break
    assert (seen["state"], seen["tags"]) == ("COMPLETED", ["finance"])
    assert cli("run", "logs", run["id"]).out == "bye from etl\n"


def test_a_repeat_of_a_run_with_the_same_key_is_the_first_run(cli, etl):
    words = ("deployment", "run", "etl", "--idempotency-key", "2026-01-31")
    assert cli.ok(*words)["id"] == cli.ok(*words)["id"]
    assert len(cli.ok("run", "ls", "--deployment", "etl")) == 1


def test_a_deployment_is_listed_and_inspected_as_it_was_created(cli, etl):
    assert cli.ok("deployment", "inspect", "etl") == etl
    assert cli.ok("deployment", "ls") == cli.ok("deployment", "ls", "--pool", "nightly") == [etl]
    listed, inspected = cli("deployment", "ls").out, cli("deployment", "inspect", "etl").out
    assert {"etl", "critical", "finance"} <= set(listed.split())
    assert "every night" in inspected
    assert "variable env" in inspected


def test_an_update_changes_the_given_fields_and_nothing_else(cli, etl):
    changed = cli.ok("deployment", "update", "etl", "--queue", "default", "-jv", "command=date")
    assert changed == {**etl, "queue": "default", "job_variables": {**etl["job_variables"], "command": "date"}}


def test_whole_job_variables_replace_the_stored_ones(cli, etl):
    changed = cli.ok("deployment", "update", "etl", "--job-variables", '{"command": "date"}')
    assert changed["job_variables"] == {"command": "date"}


def test_an_update_without_a_change_is_refused(cli, etl):
    said = cli("deployment", "update", "etl")
    assert (said.exit_code, said.errors) == (1, ("error: options: nothing to change; see --help",))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("create", "other", "--pool", "nightly", "--queue", "critcal"), "did you mean 'critical'?"),
        (("create", "other", "--pool", "nigthly"), "did you mean 'nightly'?"),
        (("update", "etl", "--queue", "criticl"), "did you mean 'critical'?"),
        (("inspect", "elt"), "did you mean 'etl'?"),
        (("run", "elt"), "did you mean 'etl'?"),
        (("delete", "elt"), "did you mean 'etl'?"),
        (("ls", "--pool", "nightli"), "did you mean 'nightly'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_unknown_name_is_an_error_with_the_nearest_that_exists(cli, etl, words, expected):
    said = cli("deployment", *words)
    assert said.exit_code == 1
    assert len(said.errors) == 1
    assert expected in said.errors[0]


def test_a_deleted_deployment_is_gone_and_its_runs_stay(cli, etl):
    run = cli.ok("deployment", "run", "etl")
    assert cli.ok("deployment", "delete", "etl", "--yes") == {"deleted": "etl"}
    assert cli.ok("deployment", "ls") == []
    assert cli.ok("run", "inspect", run["id"])["state"] == "SCHEDULED"
    assert "deployment create" in cli("deployment", "ls").out


def test_a_deployment_moves_and_is_renamed_with_its_waiting_runs(cli, etl):
    run = cli.ok("deployment", "run", "etl", "--run-name", "waits")
    cli.ok("work-pool", "create", "other", "--type", "process")
    moved = cli.ok("deployment", "update", "etl", "--pool", "other", "--name", "reports")
    assert (moved["name"], moved["pool"], moved["queue"]) == ("reports", "other", "default")
    [waits] = cli.ok("run", "ls", "--state", "SCHEDULED")
    assert (waits["name"], waits["deployment"], waits["pool"]) == ("waits", "reports", "other")
    assert cli.ok("run", "inspect", run["id"])["reason"].startswith("moved with its deployment: ")
    assert cli("deployment", "inspect", "etl").exit_code == 1
    said = cli("deployment", "update", "reprots", "--pool", "nightly")
    assert "did you mean 'reports'?" in said.errors[0]


def test_a_deletion_says_what_becomes_of_waiting_runs(cli, etl):
    cli.ok("deployment", "run", "etl")
    fate = "1 waiting run of it would crash when due"
    assert fate in cli("deployment", "delete", "etl").errors[0]
    assert "1 waiting run of it will crash when due" in cli("deployment", "delete", "etl", "--yes").out
