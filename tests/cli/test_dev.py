"""`dispatcher dev` as users start it: in a terminal, in a pipe, and stopped at any moment."""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
import threading

import pytest

from dispatcher.models import SLOT_STATES, TERMINAL_STATES, RunState


@pytest.fixture
def pool(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process", "--concurrency-limit", "2")
    return "nightly"


def a_few_runs(cli, count=5, command="echo hello"):
    cli.ok("run", "create", "--pool", "nightly", "-jv", f"command={command}", "--count", str(count))


def test_dev_ticks_until_all_runs_are_done(cli, pool):
    a_few_runs(cli)
    said = cli("dev", "--every", "0.1", "--until-done")
    assert (said.exit_code, said.errors) == (0, ())
    lines = said.out.splitlines()
    assert lines[0] == "nightly: 2 of 2 slots; default 3 due 0 later"
    assert lines[-1].startswith("Stopped after ")
    assert len(lines) == len(set(lines))
    _, runs = cli.stored()
    assert {run.state for run in runs} == {RunState.COMPLETED}


def test_json_output_has_only_the_last_picture(cli, pool):
    a_few_runs(cli, 3, "sleep 60")
    shape = cli.ok("dev", "--ticks", "2", "--every", "0.1")
    assert shape["ticks"] == 2
    [seen] = shape["pools"]
    assert (seen["name"], seen["in_use"], seen["queues"][0]["due"]) == ("nightly", 2, 1)
    assert "base_job_template" not in seen
    assert sorted(run["state"] for run in shape["runs"]) == ["RUNNING", "RUNNING", "SCHEDULED"]
    for run in shape["runs"]:
        cli.ok("run", "cancel", run["id"])
    cli.ok("dev", "--until-done", "--every", "0.1")


def test_runs_with_a_job_are_seen_however_many_wait(cli, pool):
    a_few_runs(cli, 2, "sleep 60")
    cli.ok("dev", "--ticks", "1")
    a_few_runs(cli, 20)
    shape = cli.ok("dev", "--ticks", "1")
    assert [run["state"] for run in shape["runs"]] == ["RUNNING"] * 2 + ["SCHEDULED"] * 10
    for run in shape["runs"][:2]:
        cli.ok("run", "cancel", run["id"])
    cli.ok("dev", "--until-done", "--every", "0.1")


def test_only_the_named_pools_are_ticked(cli, pool):
    cli.ok("work-pool", "create", "other", "--type", "process")
    cli.ok("run", "create", "--pool", "other", "-jv", "command=echo hello")
    shape = cli.ok("dev", "--pool", "nightly", "--ticks", "1")
    assert [seen["name"] for seen in shape["pools"]] == ["nightly"]
    assert cli.ok("run", "ls", "--pool", "other")[0]["state"] == "SCHEDULED"
    missing = cli("dev", "--pool", "nigtly")
    assert (missing.exit_code, len(missing.errors)) == (1, 1)
    assert "did you mean 'nightly'" in missing.errors[0]


def test_a_pool_with_a_problem_is_reported_and_ends_in_exit_code_1(cli, pool):
    a_few_runs(cli, 1)
    options = """import os; os.environ["DISPATCHER_PROVIDER_OPTIONS"] = '{"process": {"x": 1}}'"""
    outcome = cli.alone("dev", "--ticks", "1", before=options)
    assert outcome.exit_code == 1
    assert "nightly" in outcome.errors[0]


@pytest.mark.parametrize("seed", range(3))
def test_ctrl_c_at_any_moment_leaves_what_the_next_one_finishes(seed, cli, pool, monkeypatch):
    for name, seconds in (("TICK", 2), ("CLOCK_SKEW", 0), ("LEASE", 13)):  # claims that a second Ctrl-C leaves wait so long
        monkeypatch.setenv(f"DISPATCHER_{name}_SECONDS", str(seconds))
    a_few_runs(cli, 8, "sleep 0.2")
    chance = random.Random(seed)
    for signals in (1, 2):
        with cli.process("dev", "--every", "0.1") as process:
            process.stdout.readline()
            threading.Event().wait(chance.uniform(0, 0.4))
            for _ in range(signals):
                process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert process.returncode in ((0,) if signals == 1 else (0, 130))
        assert errors.strip() == ""
        _, runs = cli.stored()
        assert sum(run.state in SLOT_STATES for run in runs) <= 2
    cli.ok("dev", "--until-done", "--every", "0.1")
    _, runs = cli.stored()
    assert {run.state for run in runs} <= TERMINAL_STATES
    assert len(runs) == 8


def test_a_terminal_shows_slots_queues_and_runs(cli, pool):
    a_few_runs(cli, 3, "sleep 0.5")
    code = "from dispatcher.cli.main import main\nmain()"
    ours, theirs = pty.openpty()
    environment = {**os.environ, **cli.environment, "COLUMNS": "100", "LINES": "40", "TERM": "xterm"}
    words = [sys.executable, "-c", code, "dev", "--until-done", "--every", "0.2"]
    with subprocess.Popen(words, env=environment, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        seen = read_all(ours)
        assert process.wait(timeout=60) == 0
    for words in ("push-dispatcher", "nightly", "■■", "2 of 2", "default", "RUNNING", "COMPLETED", "Stopped after"):
        assert words in seen


def read_all(descriptor):
    """What a terminal was sent, until its other side is closed."""
    seen = b""
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            part = b""
        if not part:
            os.close(descriptor)
            return seen.decode()
        seen += part
