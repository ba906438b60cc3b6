"""`dispatcher simulate`: past runs under other limits, from the store and from a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def a_past_run(number, queue="default", seconds=600, **fields):
    return {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "name": f"run-{number}",
        "pool": "nightly",
        "queue": queue,
        "due_at": NOON.isoformat(),
        "started_at": NOON.isoformat(),
        "ended_at": (NOON + timedelta(seconds=seconds)).isoformat(),
        **fields,
    }


@pytest.fixture
def pool(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--concurrency-limit", "1")
    cli.ok("work-queue", "create", "critical", "--pool", "nightly")


def test_a_higher_limit_is_shown_to_shorten_the_waits(cli, pool, a_file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    path = a_file("runs.json", [a_past_run(number) for number in range(3)])
    before = cli.stored()
    shape = cli.ok("simulate", "--pool", "nightly", "--from", path, "-c", "3", "--every", "60")
    old, new = ({queue["name"]: queue for queue in shape[key]["queues"]}["default"] for key in ("before", "after"))
    assert (old["median"], old["longest"], new["longest"]) == (600, 1200, 0)
    assert (shape["before"]["most_slots"], shape["after"]["most_slots"]) == (1, 3)
    assert cli.stored() == before
    said = cli("simulate", "--pool", "nightly", "--from", path, "-c", "none", "--every", "60").out
    assert "20 min 0 s  → 0.0 s" in said
    assert "Most slots at once: 1 → 3." in said


def test_priorities_and_queue_limits_can_be_changed(cli, pool, a_file):
    path = a_file("runs.json", [a_past_run(1), a_past_run(2, "critical")])
    shape = cli.ok("simulate", "--pool", "nightly", "--from", path, "--queue-priority", "critical=1")
    longest = {key: {queue["name"]: queue["longest"] for queue in shape[key]["queues"]} for key in ("before", "after")}
    assert longest == {"before": {"default": 0, "critical": 600}, "after": {"default": 600, "critical": 0}}
    never = cli.ok("simulate", "--pool", "nightly", "--from", path, "--queue-limit", "critical=0")["after"]["queues"]
    assert {queue["name"]: queue["never"] for queue in never} == {"default": 0, "critical": 1}


def test_the_stores_own_runs_are_the_history(cli, pool):
    assert "No past runs" in cli("simulate", "--pool", "nightly").out
    cli.ok("run", "create", "--pool", "nightly", "-jv", "command=echo hello", "--count", "3")
    cli.ok("dev", "--every", "0.1", "--until-done")
    shape = cli.ok("simulate", "--pool", "nightly", "-c", "5", "--every", "1")
    assert shape["runs"] == 3
    assert shape["after"]["queues"][1]["longest"] < 1
    exported = json.dumps(cli.ok("run", "ls", "--pool", "nightly"))
    assert cli.ok("simulate", "--pool", "nightly", "--from", "-", stdin=exported)["runs"] == 3
    assert cli.ok("simulate", "--pool", "nightly", "--hours", "0")["runs"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-c", "many"), "concurrency_limit: 'many' is neither a whole number nor 'none'"),
        (("--queue-limit", "critical"), "queue_limit: 'critical' is not queue=number"),
        (("--queue-limit", "critcal=1"), "did you mean 'critical'"),
        (("--queue-priority", "critical=none"), "queue_priority: critical: give a number from 1"),
        (("--from", "missing.json"), "missing.json"),
    ],
)
def test_an_invalid_argument_is_reported_in_one_line(cli, pool, words, message):
    said = cli("simulate", "--pool", "nightly", *words)
    assert (said.exit_code, said.out, len(said.errors)) == (1, "", 1)
    assert message in said.errors[0]


@pytest.mark.parametrize("content", [{}, [{"pool": "nightly"}], [a_past_run(1, id="x")], ["run"]])
def test_the_fault_of_an_invalid_history_names_the_entry(cli, pool, a_file, content):
    said = cli("simulate", "--pool", "nightly", "--from", a_file("runs.json", content))
    assert (said.exit_code, len(said.errors)) == (1, 1)
    assert said.errors[0].startswith("error: from")
