"""A managed pool on a fresh machine: nothing is configured but where the home directory is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def dispatcher(tmp_path):
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    def call(*words):
        command = [sys.executable, "-m", "dispatcher", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done

    return call


def test_a_pool_with_nothing_but_a_name_runs_a_command(dispatcher):
    assert dispatcher("work-pool", "create", "easy", "--type", "managed").stderr == ""
    [run] = json.loads(dispatcher("run", "create", "--pool", "easy", "-jv", "command=echo hi", "--json").stdout)
    dispatcher("tick")
    dispatcher("dev", "--until-done", "--every", "0.1", "--json")
    ended = json.loads(dispatcher("run", "inspect", run["id"], "--json").stdout)
    assert (ended["state"], ended["exit_code"]) == ("COMPLETED", 0), ended


def test_provisioning_a_managed_pool_names_the_setting_of_the_type_behind_it(cli):
    said = cli("work-pool", "provision-infrastructure", "easy", "--type", "managed")
    assert "DISPATCHER_MANAGED" in said.out


def test_dev_says_what_managed_pools_are_on_this_machine(cli, monkeypatch):
    monkeypatch.setenv("DISPATCHER_MANAGED", '{"type": "modal:push"}')
    cli.ok("work-pool", "create", "easy", "--type", "managed")
    [run] = cli.ok("run", "create", "--pool", "easy", "-jv", "command=true")
    cli.ok("dev", "--managed", "process", "--until-done", "--every", "0.1")
    ended = cli.ok("run", "inspect", run["id"])
    assert (ended["state"], ended["submission"]["handle"]["managed_by"]) == ("COMPLETED", "process")
