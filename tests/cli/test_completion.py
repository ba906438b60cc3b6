"""What the shell offers at Tab, asked as the shell asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.fixture
def offered(cli):
    """The words that are offered for the last of a command line."""

    def offered(*words: str, **environment: str) -> list[str]:
        asked = {
            "_DISPATCHER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["dispatcher", *words]),
            "COMP_CWORD": str(len(words)),
        }
        code = "from dispatcher.cli.main import main\nmain()"
        answer = subprocess.run(
            [sys.executable, "-c", "import sys; sys.argv[0] = 'dispatcher'\n" + code],
            env={**os.environ, **cli.environment, **asked, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.stderr == ""
        return [line.partition(",")[2] for line in answer.stdout.splitlines() if line]

    return offered


def test_commands_and_options_are_offered(offered):
    assert "work-pool" in offered("work")
    assert offered("work-pool", "set-c") == ["set-concurrency-limit"]
    assert "--dry-run" in offered("tick", "--d")


def test_pools_queues_and_runs_are_offered_by_their_names(offered, cli):
    for name in ("nightly", "noon", "other"):
        cli.ok("work-pool", "create", name, "--type", "process")
    cli.ok("work-queue", "create", "critical", "--pool", "noon")
    [run] = cli.ok("run", "create", "--pool", "other", "-jv", "command=echo hello")
    assert offered("work-pool", "inspect", "n") == ["nightly", "noon"]
    assert offered("tick", "--pool", "o") == ["other"]
    assert offered("work-queue", "inspect", "--pool", "noon", "c") == ["critical"]
    assert offered("work-queue", "inspect", "--pool", "other", "c") == []
    assert offered("run", "explain", run["id"][:3]) == [run["id"]]
    cli.ok("deployment", "create", "etl", "-p", "noon", "-jv", "command=date", "--cron", "0 6 * * *")
    cli.ok("deployment", "create", "other", "-p", "noon", "-jv", "command=date", "--interval", "900")
    assert offered("deployment", "schedule", "pause", "e") == ["etl"]
    assert offered("deployment", "schedule", "pause", "etl", "") == ["cron"]
    assert offered("work-pool", "create", "n") == []


def test_hooks_of_the_settings_are_offered_by_their_names(offered):
    hooks = '{"ops": {"url": "https://hooks.example/ops"}, "other": {"url": "https://hooks.example/other"}}'
    assert offered("hook", "test", "op", DISPATCHER_HOOKS=hooks) == ["ops"]
    assert offered("work-pool", "create", "nightly", "--hook", "o", DISPATCHER_HOOKS=hooks) == ["ops", "other"]
    assert offered("deployment", "update", "etl", "--hook", "", DISPATCHER_HOOKS="no json") == []


def test_a_store_that_cannot_be_reached_offers_nothing_and_says_nothing(offered):
    assert offered("work-pool", "inspect", "n", DISPATCHER_STORE="postgresql://me:hush@127.0.0.1:1/state") == []
