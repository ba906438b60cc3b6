"""`dispatcher run watch`: a run is followed to its end, however that comes."""

from __future__ import annotations

import json
import signal

import pytest

FAST = ("--every", "0.1")


@pytest.fixture
def run_id(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    return created(cli, 'command=["sh", "-c", "echo hello"]')


def created(cli, variable):
    return cli.ok("run", "create", "--pool", "nightly", "-jv", variable)[0]["id"]


def watched(cli, run_id, *words):
    """A watch in a process of its own, with ticks until it ends."""
    with cli.process("run", "watch", run_id, *FAST, *words) as process:
        lines = [process.stdout.readline()] if "--json" not in words else []
        while process.poll() is None:
            cli.ok("tick")
        out, errors = process.communicate(timeout=60)
    return process.returncode, "".join(lines) + out, errors


def test_a_run_is_followed_to_its_completion(cli, run_id):
    code, out, errors = watched(cli, run_id)
    assert (code, errors) == (0, "")
    lines = out.splitlines()
    assert "SCHEDULED  " in lines[0]
    assert "nothing is in the way" in lines[0]
    assert "COMPLETED" in lines[-2]
    assert "has completed" in lines[-1]
    assert len(lines) == len(set(lines))


def test_a_run_that_fails_ends_the_watch_with_1_and_the_reason(cli, run_id):
    failing = created(cli, 'command=["sh", "-c", "exit 3"]')
    code, out, errors = watched(cli, failing)
    assert (code, "FAILED      exit code 3" in out) == (1, True)
    assert errors.startswith("error: run 'nightly-")
    assert errors.endswith("ended as FAILED: exit code 3\n")


def test_json_output_has_only_the_end(cli, run_id):

    code, out, _errors = watched(cli, run_id, "--json")
    assert (code, json.loads(out)["state"]) == (0, "COMPLETED")


def test_an_ended_run_is_reported_at_once(cli, run_id):
    cli.ok("run", "cancel", run_id)
    said = cli("run", "watch", run_id)
    assert (said.exit_code, "CANCELLED" in said.out) == (1, True)
    assert "ended as CANCELLED" in said.errors[0]


def test_watching_a_run_ends_at_its_timeout(cli, run_id):
    said = cli("run", "watch", run_id, "--timeout", "0")
    assert said.exit_code == 1
    assert "is still SCHEDULED after 0 s; it goes on" in said.errors[0]
    assert f"Try: dispatcher run explain {run_id}" in said.out


def test_ctrl_c_stops_the_watching_alone(cli, run_id):
    with cli.process("run", "watch", run_id, *FAST) as process:
        assert "SCHEDULED" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors.strip()) == (130, "", "Stopped watching; the run goes on.")
    assert cli.ok("run", "inspect", run_id)["state"] == "SCHEDULED"


def test_a_changed_wait_reason_is_printed_again(cli, run_id):
    cli.ok("work-pool", "pause", "nightly")
    with cli.process("run", "watch", run_id, *FAST) as process:
        assert "paused" in process.stdout.readline()
        cli.ok("work-pool", "resume", "nightly")
        cli.ok("work-pool", "set-concurrency-limit", "nightly", "0")
        lines = iter(process.stdout.readline, "")
        assert any("0 of 0" in line or "limit" in line for line in lines)
        cli.ok("run", "cancel", run_id)
        assert any("CANCELLED" in line for line in lines)
        process.communicate(timeout=60)
