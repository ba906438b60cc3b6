"""A Python function on the command line: deployed, run with parameters of the command line and a schedule, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher import __version__
from providers.emulators.ecs.server import EcsEmulator

MODULE = '''
import os
from datetime import date
from pathlib import Path

def main(day: date, limit: int = 10, out: str | None = None):
    """Load a day."""
    text = f"{day:%d.%m.%Y} {limit + 1} of {os.environ['DISPATCHER_DEPLOYMENT']}"
    Path(out).write_text(text) if out else print(text)
    if limit > 50:
        raise ValueError("too many")
'''
TICKS = 400
"""Ticks until an end is seen; each takes some milliseconds, and the job ends by itself at once."""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """The directory of the module `etl_of_test`, which is the current one."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etl_of_test.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("etl_of_test", None)


@pytest.fixture
def etl(cli, code):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    words = ("etl_of_test:main", "--name", "etl", "--pool", "nightly")
    return cli.ok("deploy", *words, "--cron", "0 6 1 1 *", "--param", "day=2026-01-31")


def ended(cli, run):
    for _ in range(TICKS):
        cli.ok("tick")
        seen = cli.ok("run", "inspect", run)
        if seen["ended_at"]:
            return seen
    raise AssertionError(seen)


def scheduled(cli, *words):
    """The run of a new schedule's first window, which is due now."""
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    cli.ok("deployment", "schedule", "create", "etl", "--interval", "3600", "--anchor-date", soon, "--replace", *words)
    cli.ok("tick")
    run = next(run["id"] for run in cli.ok("run", "ls") if run["state"] == "SCHEDULED")
    cli.ok("run", "start-now", run)
    return run


def test_a_function_runs_in_a_process_with_parameters_of_the_command_line(cli, etl):
    assert (etl["description"], etl["parameters"]) == ("Load a day.", {"day": "2026-01-31"})
    assert etl["parameter_openapi_schema"]["properties"]["limit"] == {"default": 10, "title": "Limit", "type": "integer"}
    run = cli.ok("deployment", "run", "etl", "--param", "limit=41")["id"]
    assert ended(cli, run)["state"] == "COMPLETED"
    assert cli("run", "logs", run).out == "31.01.2026 42 of etl\n"


def test_an_exception_fails_the_run_with_a_traceback_of_its_code(cli, etl):
    run = cli.ok("deployment", "run", "etl", "--param", "limit=51")["id"]
    assert ended(cli, run)["state"] == "FAILED"
    log = cli("run", "logs", run).out
    assert "etl_of_test.py" in log.splitlines()[2]
    assert log.endswith("ValueError: too many\n")


def test_a_schedule_gives_parameters_of_its_own(cli, etl, code):
    run = scheduled(cli, "--param", "limit=6")
    assert ended(cli, run)["state"] == "COMPLETED"
    assert cli("run", "logs", run).out == "31.01.2026 7 of etl\n"


def chained(cli, pool, fixed):
    """A run that ends well, the day for which it was scheduled, and the run that an automation makes of its end."""
    cli.ok("deployment", "create", "first", "--pool", pool, "-jv", "command=true")
    when = "ended: {states: [COMPLETED], deployment: first}"
    then = f"run: {{deployment: etl, parameters: {json.dumps(fixed)}, parameters_from_run: {{day: scheduled_at}}}}"
    cli.ok("automation", "create", "chain", "--when", when, "--then", then)
    first = ended(cli, cli.ok("deployment", "run", "first")["id"])
    for _ in range(TICKS):
        firings = cli.ok("automation", "inspect", "chain")["firings"]
        if firings:
            break
        cli.ok("tick")
    [firing] = firings
    name = firing["did"][0].split("'")[1]
    run = next(run["id"] for run in cli.ok("run", "ls") if run["name"] == name)
    return datetime.fromisoformat(first["scheduled_at"]), run


def test_an_automation_gives_fixed_parameters_and_those_of_the_run_that_ended(cli, etl):
    day, run = chained(cli, "nightly", {"limit": 6})
    assert ended(cli, run)["state"] == "COMPLETED"
    assert cli("run", "logs", run).out == f"{day:%d.%m.%Y} 7 of etl\n"
    whole = cli.ok("run", "inspect", run)
    assert (whole["parameters"], whole["cause"]["automation"]) == ({"limit": 6, "day": f"{day:%Y-%m-%d}"}, "chain")


@pytest.mark.parametrize(
    ("run", "error"),
    [
        ("parameters: {limit: many}", 'then[0].run.parameters.limit: must be a whole number (got "many")'),
        ("parameters: {lmit: 1}", "then[0].run.parameters.lmit: is not a parameter of this deployment; did you mean limit?"),
        (
            "parameters_from_run: {day: exit_code}",
            "then[0].run.parameters_from_run.day: takes string, and `exit_code` is integer",
        ),
        ("parameters_from_run: {dya: name}", "then[0].run.parameters_from_run.dya: parameter 'dya' of 'etl' does not exist"),
    ],
)
def test_a_wrong_parameter_of_an_automation_is_refused_with_its_path(cli, etl, tmp_path, run, error):
    when = "ended: {states: [COMPLETED]}"
    said = cli("automation", "create", "chain", "--when", when, "--then", f"run: {{deployment: etl, {run}}}")
    assert (said.exit_code, error in "\n".join(said.errors)) == (1, True), said.errors
    file = tmp_path / "file.yaml"
    file.write_text(f"automations: {{chain: {{when: {{{when}}}, then: [run: {{deployment: etl, {run}}}]}}}}\n")
    said = cli("apply", "-f", str(file))
    assert (said.exit_code, f"automations.chain.{error}" in "\n".join(said.errors)) == (1, True), said.errors
    assert cli.ok("automation", "ls") == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("deployment", "run", "etl", "--param", "limit=many"), 'parameters.limit: must be a whole number (got "many")'),
        (("deployment", "run", "etl", "--param", "day=soon"), 'parameters.day: must be a valid date (got "soon")'),
        (("deployment", "run", "etl", "--param", "dya=2026-01-31"), "parameters.dya: is not a parameter of this deployment"),
        (
            ("deployment", "schedule", "create", "etl", "--cron", "@daily", "--param", "limit=x"),
            'schedules[1].parameters.limit: must be a whole number (got "x")',
        ),
        (("deploy", "etl_of_test:mian", "-n", "x", "-p", "nightly"), "target: etl_of_test has no mian; did you mean main?"),
        (("deploy", "etl_of_test:main", "-n", "x", "-p", "nightly", "--param", "limit=x"), "parameters.limit"),
        (("deploy", "etl_of_test:main", "-n", "x", "-p", "nightly", "--image", "x:1"), "image: the template of work pool"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_invalid_deployment_is_refused_with_the_path_of_its_fault(cli, etl, words, error):
    said = cli(*words)
    assert said.exit_code == 1
    assert error in "\n".join(said.errors)
    assert [deployment["name"] for deployment in cli.ok("deployment", "ls")] == ["etl"]


def test_the_answer_names_what_a_first_run_lacks(cli, code):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    said = cli("deploy", "etl_of_test.py:main", "--name", "etl", "--pool", "nightly")
    assert said.out.splitlines() == [
        "Deployed etl_of_test.py:main as 'etl' in nightly/default.",
        "Try: dispatcher deployment run etl --param day=...",
    ]


@pytest.mark.long
def test_a_function_runs_as_a_task_of_ecs_with_parameters_of_the_command_line_a_schedule_and_an_automation(
    cli, code, monkeypatch
):
    with EcsEmulator(run_commands=True) as emulator:
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        cli.ok("work-pool", "create", "aws", "--type", "ecs:push", "-jv", "image=example/etl:1")
        command = f"command={sys.executable} -m dispatcher.job etl_of_test:main"
        words = ("etl_of_test:main", "--name", "etl", "--pool", "aws", "-jv", command, "-jv", f"env.PYTHONPATH={code}")
        cli.ok("deploy", *words, "--param", "day=2026-01-31")
        run = cli.ok("deployment", "run", "etl", "--param", "limit=41", "--param", f"out={code / 'first'}")["id"]
        assert ended(cli, run)["state"] == "COMPLETED"
        assert (code / "first").read_text() == "31.01.2026 42 of etl"
        run = scheduled(cli, "--param", f"out={code / 'second'}")
        assert ended(cli, run)["state"] == "COMPLETED"
        assert (code / "second").read_text() == "31.01.2026 11 of etl"
        day, run = chained(cli, "aws", {"limit": 6, "out": str(code / "third")})
        assert ended(cli, run)["state"] == "COMPLETED"
        assert (code / "third").read_text() == f"{day:%d.%m.%Y} 7 of etl"


def test_the_example_of_a_function_is_written_and_runs(cli, tmp_path):
    answer = cli.ok("init", "--python", "--output", str(tmp_path / "first"))
    assert [path.rpartition("/")[2] for path in answer["files"]] == [".dockerignore", "Dockerfile", "etl.py"]
    assert cli("init", "--python", "--output", str(tmp_path / "first")).exit_code == 0, "they have not changed"
    (tmp_path / "first" / "etl.py").write_text("changed")
    assert "exists" in cli("init", "--python", "--output", str(tmp_path / "first")).errors[0]
    cli.ok("init", "--python", "--output", str(tmp_path / "first"), "--force")
    environment = {**os.environ, "DISPATCHER_PARAMETERS": '{"day": "2026-01-31", "limit": 1}'}
    image = (tmp_path / "first" / "Dockerfile").read_text().splitlines()
    command = json.loads(image[-1].removeprefix("CMD "))
    job = subprocess.run(
        [sys.executable, *command[1:]], cwd=tmp_path / "first", env=environment, capture_output=True, text=True, check=False
    )
    assert (job.returncode, job.stdout) == (0, "row 1 of 1 of Saturday, 31 January 2026\n")
    assert f"push-dispatcher=={__version__}" in image[2]
    said = cli("init", "--python", "--type", "process")
    assert (said.exit_code, "--python for a function" in said.errors[-1]) == (2, True)
