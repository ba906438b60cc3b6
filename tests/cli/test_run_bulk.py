"""`run cancel|retry|move|start-now` by a filter: counted, confirmed, done in steps, interruptible, repeatable."""

from __future__ import annotations

import pytest

from dispatcher.client import cursors
from dispatcher.client.bulk import BulkRuns


@pytest.fixture
def pool(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--job-variable", "command=true")
    cli.ok("work-queue", "create", "slow", "--pool", "nightly")
    return "nightly"


@pytest.fixture
def waiting(cli, pool):
    """Five waiting runs with a tag, and two without."""
    cli.ok("run", "create", "--pool", pool, "--count", "5", "--tag", "backfill")
    cli.ok("run", "create", "--pool", pool, "--count", "2")


def states(cli, *words):
    return sorted(run["state"] for run in cli.ok("run", "ls", *words))


def test_all_that_match_are_cancelled_after_they_were_counted(cli, waiting):
    counted = cli.ok("run", "cancel", "--tag", "backfill", "--dry-run")
    assert counted["matching"] == {
        "total": 5,
        "exact": True,
        "by_state": {"CANCELLING": 0, "PENDING": 0, "RUNNING": 0, "SCHEDULED": 5},
    }
    assert counted["done"] == 0
    done = cli.ok("run", "cancel", "--tag", "backfill", "--yes")
    assert (done["done"], done["skipped"], done["refused"]) == (5, 0, [])
    assert states(cli, "--tag", "backfill") == ["CANCELLED"] * 5
    assert cli("run", "cancel", "--tag", "backfill", "--yes").out == "Runs that match: 0 runs. Nothing was changed.\n"
    [entry, *_] = cli.ok("log")["items"]
    assert (entry["id"], entry["verb"], entry["noun"], entry["runs"]) == (done["id"], "cancel", "runs", 5)


def test_work_on_many_runs_needs_consent_and_a_selection(cli, waiting):
    refused = cli("run", "cancel", "--pool", "nightly")
    assert (refused.exit_code, "cancel 7 runs (7 SCHEDULED) as of" in refused.errors[0]) == (1, True)
    assert cli("run", "cancel", "--yes").exit_code == 1
    assert cli("run", "cancel", "0123abcd", "--pool", "nightly", "--yes").exit_code == 1
    assert cli("run", "cancel", "--pool", "nigthly", "--yes").exit_code == 1
    assert "retry is for runs in" in cli("run", "retry", "--state", "RUNNING", "--yes").errors[0]
    assert states(cli) == ["SCHEDULED"] * 7
    assert cli.ok("run", "cancel", "--all", "--yes")["done"] == 7


def test_ended_runs_are_retried_and_waiting_ones_moved_and_started(cli, waiting):
    cli.ok("run", "cancel", "--pool", "nightly", "--yes")
    assert cli("run", "retry", "--state", "CANCELLED", "--since", "1h ago", "--yes").out == "Run again: 7 runs.\n"
    again = cli("run", "retry", "--state", "CANCELLED", "--yes")
    assert again.out == "Run again: 0 runs; nothing was left to do for 7.\n"
    assert (
        cli("run", "move", "--pool", "nightly", "--from-queue", "default", "--queue", "slow", "--yes").out == "Moved: 7 runs.\n"
    )
    assert {run["queue"] for run in cli.ok("run", "ls", "--state", "SCHEDULED")} == {"slow"}
    cli.ok("run", "create", "--pool", "nightly", "--at", "in 3 hours")
    assert cli("run", "start-now", "--queue", "default", "--yes").out == "Made due now: 1 runs.\n"


def test_interrupted_work_says_how_far_it_came_and_the_same_command_continues(cli, waiting, monkeypatch):
    step, steps = BulkRuns.bulk_step, []

    def interrupted(self, work, cursor="", *, limit=200):
        if len(steps) == 1:
            raise KeyboardInterrupt
        steps.append(step(self, work, cursor, limit=3))
        return steps[-1]

    with monkeypatch.context() as patch:
        patch.setattr(BulkRuns, "bulk_step", interrupted)
        said = cli("run", "cancel", "--pool", "nightly", "--yes")
    assert said.exit_code == 130
    assert said.errors[0] == "stopped after 3 of 7 runs (7 SCHEDULED); the same command continues, and does none twice"
    assert states(cli) == ["CANCELLED"] * 3 + ["SCHEDULED"] * 4
    assert cli.ok("run", "cancel", "--pool", "nightly", "--yes")["done"] == 4
    assert [entry["runs"] for entry in cli.ok("log")["items"][:2]] == [4, 3]


def test_runs_that_cannot_be_done_are_named_and_the_others_are_done(cli, waiting):
    cli.ok("work-pool", "create", "other", "--type", "process", "--job-variable", "command=true")
    cli.ok("run", "create", "--pool", "other")
    said = cli("run", "move", "--all", "--queue", "slow", "--yes")
    assert (said.exit_code, said.out) == (1, "Moved: 7 runs.\n")
    assert "work pool 'other' has no work queue 'slow'" in said.errors[0]


def test_all_that_match_are_counted_before_anybody_is_asked_however_many_steps_it_takes(cli, waiting, monkeypatch):
    monkeypatch.setattr(cursors, "SEARCHED_AT_ONCE", 1)
    asked = ("run", "cancel", "--tag", "backfill", "--queue", "default", "--name", "nightly")
    refused = cli(*asked)
    assert "cancel 5 runs (5 SCHEDULED) as of" in refused.errors[0]
    assert cli.ok(*asked, "--dry-run")["matching"]["exact"] is True
    assert cli.ok(*asked, "--yes")["done"] == 5
