"""What `run ls` and `dev` show first, and what only when it is asked for."""

from __future__ import annotations

import pytest

from dispatcher.client import cursors
from dispatcher.models import RunState
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import MINUTE, NOW, a_live_run
from tests.cli.test_logs import tick_until

SOON = "2099-01-01T00:00:00+00:00"


@pytest.fixture
def pool(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--concurrency-limit", "1")


def a_run(cli, name: str, *words: str) -> dict:
    [run] = cli.ok("run", "create", "--pool", "nightly", "--name", name, "-jv", "command=sleep 60", *words)
    return run


def names(cli, *words: str) -> list[str]:
    """The first column of the table."""
    lines = cli("run", "ls", *words).out.splitlines()[1:]
    return [line.split()[0] for line in lines if not line.startswith(("To come", " "))]


@pytest.fixture
def of_every_kind(cli, pool):
    a_run(cli, "ended")
    cli.ok("run", "cancel", "ended")
    a_run(cli, "second", "--at", "2020-01-02T00:00:00+00:00")
    a_run(cli, "to-come", "--at", SOON)
    a_run(cli, "running", "--at", "2020-01-01T00:00:00+00:00")
    tick_until(cli, "running", lambda run: run["state"] == "RUNNING")
    a_run(cli, "third")
    yield cli
    cli.ok("run", "cancel", "running")
    cli.ok("tick")


def test_running_runs_come_first_then_due_runs_then_ended_runs(of_every_kind):
    assert names(of_every_kind) == ["running", "second", "third", "ended"]
    assert of_every_kind("run", "ls").out.endswith("To come: 1. See: dispatcher run ls --to-come\n")
    assert [run["name"] for run in of_every_kind.ok("run", "ls")] == ["running", "second", "third", "ended", "to-come"]
    picture = of_every_kind.ok("dev", "--ticks", "1")
    assert [run["name"] for run in picture["runs"]] == ["running", "second", "third", "ended"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--to-come",), ["running", "second", "third", "to-come", "ended"]),
        (("--state", "SCHEDULED"), ["second", "third", "to-come"]),
        (("--state", "running", "--state", "cancelled"), ["running", "ended"]),
        (("--limit", "2"), ["running", "second"]),
    ],
    ids=str,
)
def test_future_runs_are_shown_on_request(words, expected, of_every_kind):
    assert names(of_every_kind, *words) == expected


def test_a_late_run_is_marked_and_shows_why_it_waits(of_every_kind):
    shown = {run["name"]: (run["late"], run["waits"]) for run in of_every_kind.ok("run", "ls")}
    assert shown == {
        "running": (False, ""),
        "second": (True, "pool full"),
        "third": (False, "pool full"),
        "to-come": (False, ""),
        "ended": (False, ""),
    }
    lines = {line.partition(" ")[0]: line for line in of_every_kind("run", "ls").out.splitlines()}
    assert "SCHEDULED late  " in lines["second"]
    assert lines["second"].endswith("pool full")
    assert "late" not in lines["third"]


def test_the_reason_is_that_of_its_own_queue(cli, pool):
    cli.ok("work-queue", "create", "low", "--pool", "nightly", "--limit", "0")
    cli.ok("work-queue", "create", "stopped", "--pool", "nightly", "--paused")
    for queue in ("default", "low", "stopped"):
        a_run(cli, queue, "--queue", queue)
    a_run(cli, "after")
    shown = {run["name"]: run["waits"] for run in cli.ok("run", "ls")}
    assert shown == {
        "default": "the next tick starts it",
        "after": "earlier runs",
        "low": "queue limit zero",
        "stopped": "queue paused",
    }


def test_one_cron_schedule_does_not_fill_the_screen(cli, pool):
    cli.ok("deployment", "create", "etl", "--pool", "nightly", "-jv", "command=date", "--cron", "*/1 * * * *")
    cli.ok("tick")
    a_run(cli, "mine")
    listed = [run["name"] for run in cli.ok("run", "ls")]
    assert names(cli)[:1] == ["mine"] == listed[:1]
    assert "To come: at least 50." in cli("run", "ls").out
    to_come = [run["due_at"] for run in cli.ok("run", "ls", "--to-come", "--state", "SCHEDULED")[1:]]
    assert len(to_come) == 49
    assert to_come == sorted(to_come)


def test_runs_that_are_due_at_one_moment_keep_the_order_in_which_they_were_made(cli, pool):
    at = ("--at", "2020-01-01T00:00:00+00:00")
    first = [a_run(cli, "one-by-one", *at)["id"] for _ in range(5)]
    many = cli.ok("run", "create", "--pool", "nightly", "-jv", "command=date", "--count", "30", *at)
    made = [*first, *(run["id"] for run in many)]
    assert [run["id"] for run in cli.ok("run", "ls")] == made
    assert [run["id"] for run in cli.ok("work-pool", "preview", "nightly")] == made
    [plan] = cli.ok("tick", "--dry-run")
    assert [run["id"] for run in plan["admitted"]] == made[:1]


def test_the_first_runs_are_seen_when_more_exist_than_are_read(cli, pool, monkeypatch):
    monkeypatch.setattr("dispatcher.cli.output.listing.MOST", 10)
    cli.ok("work-queue", "create", "other", "--pool", "nightly")
    for number in range(3):
        a_run(cli, f"first-{number}", "--at", "2020-01-01T00:00:00+00:00")
    cli.ok("run", "create", "--pool", "nightly", "--queue", "other", "-jv", "command=date", "--count", "20")
    assert [run["name"] for run in cli.ok("run", "ls", "--limit", "3")] == ["first-0", "first-1", "first-2"]
    assert {run["queue"] for run in cli.ok("run", "ls", "--queue", "other")} == {"other"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--deployment", "elt"), "deployment 'elt' does not exist; did you mean 'etl'?"),
        (("--queue", "defualt"), "work queue 'defualt' does not exist; did you mean 'default'?"),
        (("--pool", "nightly", "--queue", "defualt"), "of 'nightly' does not exist; did you mean 'default'?"),
        (("--pool", "nigthly"), "did you mean 'nightly'?"),
    ],
    ids=str,
)
def test_an_unknown_name_is_an_error_and_not_an_empty_list(words, hint, cli, pool):
    cli.ok("deployment", "create", "etl", "--pool", "nightly", "-jv", "command=date")
    said = cli("run", "ls", *words)
    assert (said.exit_code, len(said.errors)) == (1, 1)
    assert hint in said.errors[0]


def test_a_limit_out_of_range_is_refused(cli, pool):
    assert cli("run", "ls", "--limit", "0").errors == ("error: limit: must be from 1 to 1000, not 0",)


def test_runs_are_found_by_tag_name_and_time(cli, pool):
    for name, tag in (("red-1", "red"), ("red-2", "red"), ("blue-1", "blue")):
        a_run(cli, name, "--tag", tag)
    cli.ok("run", "cancel", "red-1")
    for words, expected in (
        (("--tag", "red"), ["red-2", "red-1"]),
        (("--tag", "red", "--state", "CANCELLED"), ["red-1"]),
        (("--name", "blue"), ["blue-1"]),
        (("--since", "2020-01-01T00:00:00+00:00", "--tag", "blue"), ["blue-1"]),
        (("--until", "2020-01-01T00:00:00+00:00"), []),
    ):
        assert [run["name"] for run in cli.ok("run", "ls", *words)] == expected, words
    for words, error in ((("--since", "yesterday"), "'yesterday' is not a time"), (("--until", "2020-01-01"), "no time zone")):
        said = cli("run", "ls", *words)
        assert said.exit_code
        assert error in "".join(said.errors)


@pytest.fixture
def refused(cli, pool, monkeypatch):
    """Twenty runs that ended, the newest last: every tenth was lost. Eight are searched at once."""
    monkeypatch.setattr(cursors, "SEARCHED", 8)
    store = SqliteStore(cli.directory / "store.db")
    moments = [NOW + number * MINUTE for number in range(20)]
    reasons = ["Exit 137 (out of memory)" if number % 10 == 7 else "exit 1" for number in range(20)]
    store.restore(
        runs=[
            a_live_run("nightly", name=f"run-{number:02}", state=RunState.FAILED, reason=reason, created_at=at, ended_at=at)
            for number, (reason, at) in enumerate(zip(reasons, moments, strict=True))
        ]
    )
    store.close()
    return cli


def test_a_reason_is_searched_among_the_newest_and_what_is_older_is_searched_next(refused):
    answer = refused("run", "ls", "--reason", "OUT of memory", "--json")
    assert [run["name"] for run in answer.json] == ["run-17"]
    [line] = answer.errors
    assert line.startswith("Searched for the reason: 8 runs. To search older ones: --until ")
    older = line.rpartition(" ")[2]
    second = refused("run", "ls", "--reason", "memory", "--until", older, "--json")
    assert [run["name"] for run in second.json] == ["run-07"]
    last = refused("run", "ls", "--reason", "memory", "--until", second.errors[-1].rpartition(" ")[2], "--json")
    assert (last.json, [line for line in last.errors if "Searched" in line]) == ([], [])


def test_a_reason_goes_with_the_other_filters_and_the_table_shows_it(refused):
    a_run(refused, "waits")
    assert names(refused, "--reason", "exit", "--state", "SCHEDULED") == []
    shown = refused("run", "ls", "--reason", "137", "--limit", "1")
    assert "run-17" in shown.out
    assert "out of memory" in shown.out
    assert "run-16" not in shown.out
    assert refused("run", "ls", "--reason", "none", "--name", "run-1").out.startswith("No runs.")


def test_a_list_that_stopped_says_how_far_it_came_and_how_to_go_on(cli, pool, monkeypatch):
    monkeypatch.setattr(cursors, "SEARCHED_AT_ONCE", 2)
    for number in range(5):
        a_run(cli, f"run-{number}", "--tag", "old" if number < 2 else "new")
    asked = ("--name", "run-", "--tag", "old", "--limit", "50")
    first = cli("run", "ls", *asked)
    assert first.errors[0].startswith("Older runs may match: only runs since ")
    listed, until = names(cli, *asked), first.errors[0].rpartition("--until ")[2].partition(";")[0]
    for _ in range(5):
        answer = cli("run", "ls", *asked, "--until", until)
        listed += names(cli, *asked, "--until", until)
        if not answer.errors:
            break
        until = answer.errors[0].rpartition("--until ")[2].partition(";")[0]
    assert set(listed) == {"run-0", "run-1"}
    assert not cli("run", "ls", *asked, "--all").errors
    assert sorted(names(cli, *asked, "--all")) == ["run-0", "run-1"]
