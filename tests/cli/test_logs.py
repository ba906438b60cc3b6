"""What a run wrote: of each attempt, and while it goes on."""

from __future__ import annotations

import pytest

from dispatcher.cli.commands.logs import new_lines

TICKS = 400
WRITES = 'command=["sh", "-c", "echo attempt $DISPATCHER_ATTEMPT; exit 3"]'


@pytest.fixture
def pool(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")


def a_run(cli, *words: str) -> str:
    [run] = cli.ok("run", "create", "--pool", "nightly", *words)
    return run["id"]


def tick_until(cli, run_id: str, reached) -> dict:
    for _ in range(TICKS):
        cli.ok("tick")
        run = cli.ok("run", "inspect", run_id)
        if reached(run):
            return run
    raise AssertionError(run)


def test_the_log_of_a_failed_attempt_is_there_while_its_retry_waits(cli, pool):
    run_id = a_run(cli, "-jv", WRITES, "--retries", "2", "--retry-delay", "3600")
    run = tick_until(cli, run_id, lambda run: run["past"])
    assert (run["state"], run["attempt"]) == ("SCHEDULED", 2)
    for words in ((), ("--attempt", "1"), ("--attempt", "1", "--follow")):
        assert cli("run", "logs", run_id, *words).out == "attempt 1\n"
    assert cli.ok("run", "logs", run_id)["attempt"] == 1


def test_each_attempt_has_its_own_logs_and_following_shows_all_attempts(cli, pool):
    run_id = a_run(cli, "-jv", WRITES, "--retries", "1")
    tick_until(cli, run_id, lambda run: run["state"] == "FAILED")
    assert cli("run", "logs", run_id, "--attempt", "1").out == "attempt 1\n"
    for words in ((), ("--attempt", "2"), ("--follow",)):
        assert cli("run", "logs", run_id, *words).out == "attempt 2\n"


def test_an_attempt_that_does_not_exist_is_refused_with_those_that_do(cli, pool):
    run_id = a_run(cli, "-jv", WRITES)
    tick_until(cli, run_id, lambda run: run["state"] == "FAILED")
    said = cli("run", "logs", run_id, "--attempt", "7")
    assert said.exit_code == 1
    assert said.errors[0].endswith("has no job of attempt 7; those with one: 1")


def test_following_logs_shows_both_attempts_as_they_run(cli, pool, tmp_path):
    go = tmp_path / "go"
    waits = f"for i in $(seq 600); do [ -e {go} ] && break; sleep 0.1; done"
    script = f"echo attempt $DISPATCHER_ATTEMPT begins; {waits}; rm -f {go}; echo and ends; exit 3"
    run_id = a_run(cli, "-jv", f'command=["sh", "-c", "{script}"]', "--retries", "1")
    with cli.process("run", "logs", run_id, "--follow", "--every", "0.1") as process:
        for number in (1, 2):
            tick_until(cli, run_id, lambda run, number=number: run["attempt"] == number and run["state"] == "RUNNING")
            assert process.stdout.readline() == f"attempt {number} begins\n"
            go.touch()
            assert process.stdout.readline() == "and ends\n" if number == 2 else True
            tick_until(cli, run_id, lambda run, number=number: run["attempt"] > number or run["ended_at"])
            if number == 1:
                assert process.stdout.readline() == "and ends\n"
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert errors.splitlines() == [line for line in errors.splitlines() if line.startswith("Attempt 2 of run ")]


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("abc", "xyz", "xyz"),
        ("aa", "aaa", "a"),
    ],
)
def test_followed_log_lines_are_printed_once(before, after, new):
    assert list(new_lines(list(before), list(after))) == list(new)
