"""The unit for a machine: systemd takes it, and it starts what there is."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.cli.commands.serve import serve
from dispatcher.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = ROOT / "infra" / "machine"
UNIT = (FILES / "push-dispatcher.service").read_text()


def of_unit(key):
    return re.findall(rf"^{key}=(.*)$", UNIT, re.MULTILINE)


def test_systemd_takes_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail("systemd-analyze is not installed: apt-get install systemd")
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    unit = tmp_path / "push-dispatcher.service"
    [command] = of_unit("ExecStart")
    unit.write_text(UNIT.replace(command.split()[0], sys.executable).replace("User=dispatcher", "User=root"))
    said = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert [line for line in said.stderr.splitlines() if unit.name in line] == []
    assert said.returncode == 0, said.stderr


def test_the_unit_starts_what_there_is_and_stops_later_than_a_tick_and_leaves_jobs_alone():
    [command] = of_unit("ExecStart")
    program, noun, *options = shlex.split(command)
    assert (Path(program).name, noun) == ("dispatcher", "serve")
    serve.make_context("serve", options)
    settings = Settings(store="memory://")
    assert int(of_unit("WatchdogSec")[0]) > settings.tick_seconds + settings.margin_seconds
    assert int(of_unit("TimeoutStopSec")[0]) > settings.margin_seconds + settings.telemetry_seconds
    assert (of_unit("Type"), of_unit("KillMode")) == (["notify"], ["process"])
