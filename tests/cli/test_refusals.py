"""Bad input: one line each that names the field and the fix, exit code 1, and nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

VARIABLES = {
    "type": "object",
    "properties": {"command": {"type": "string"}, "cpu": {"type": "integer", "default": 1}},
    "required": ["command"],
}
UNDECLARED = {"job_configuration": {"command": "{{ command }}", "image": "{{ image }}"}, "variables": VARIABLES}
WRONG_DEFAULT = {
    "job_configuration": {"command": "{{ command }}"},
    "variables": {"type": "object", "properties": {"command": {"type": "string", "default": True}}},
}
GOOD = {"job_configuration": {"command": "{{ command }}", "env": {"CPU": "{{ cpu }}"}}, "variables": VARIABLES}


@dataclass(frozen=True)
class Case:
    """A command line that is refused, and the words that its one line has to hold."""

    words: tuple[str, ...]
    says: tuple[str, ...]
    template: Any = None
    before: str = field(default="", kw_only=True)


TEMPLATE = "{template}"
CASES = {
    "an undeclared placeholder": Case(
        ("work-pool", "create", "new", "--type", "process", "--base-job-template", TEMPLATE),
        ("job_configuration.image: ", "image", "declare"),
        UNDECLARED,
    ),
    "a wrong default": Case(
        ("work-pool", "create", "new", "--type", "process", "--base-job-template", TEMPLATE),
        ("variables.properties.command.default: ", "must be text (got true)"),
        WRONG_DEFAULT,
    ),
    "a job variable of the wrong type": Case(
        ("run", "create", "--pool", "pool", "-jv", "command=date", "-jv", "cpu=many"),
        ("cpu: ", 'must be a whole number (got "many")'),
    ),
    "a missing required job variable": Case(
        ("run", "create", "--pool", "pool"), ("command: ", "required and missing; give it")
    ),
    "an unknown pool type": Case(
        ("work-pool", "create", "new", "--type", "ecs:pusch"), ("type: ", "'ecs:pusch' is unknown; did you mean ecs:push")
    ),
    "a negative limit of a new pool": Case(
        ("work-pool", "create", "new", "--type", "process", "--concurrency-limit", "-1"),
        ("concurrency_limit: must be 0 or more", "(got -1)"),
    ),
    "a negative limit of a pool": Case(
        ("work-pool", "set-concurrency-limit", "pool", "-1"), ("concurrency_limit: must be 0 or more", "(got -1)")
    ),
    "a negative limit of a queue": Case(
        ("work-queue", "set-concurrency-limit", "high", "-12", "--pool", "pool"),
        ("concurrency_limit: must be 0 or more", "(got -12)"),
    ),
    "a negative priority": Case(
        ("work-queue", "set-priority", "high", "-1", "--pool", "pool"),
        ("priority: must be a whole number of 1 or more (got -1)",),
    ),
    "an occupied priority of a new queue": Case(
        ("work-queue", "create", "new", "--pool", "pool", "--priority", "1", "--no-shift"),
        ("priority: ", "1 is held by work queue 'high'", "next free number, 3"),
    ),
    "an occupied priority of a queue": Case(
        ("work-queue", "set-priority", "default", "1", "--pool", "pool", "--no-shift"),
        ("priority: ", "1 is held by work queue 'high'", "next free number, 3"),
    ),
    "a deleted default queue": Case(
        ("work-queue", "delete", "default", "--pool", "pool"), ("name: ", "default queue cannot be deleted; pause it")
    ),
    "an unknown store URL": Case(
        ("--store", "mysql://host/db", "work-pool", "ls"), ("--store: ", "'mysql://host/db' names no store", "sqlite://")
    ),
    "a store URL without a file": Case(("--store", "sqlite://", "work-pool", "ls"), ("--store: ", "sqlite:///relative.db")),
    "a store in a directory that is not there": Case(
        ("--store", "sqlite:////nowhere/at/all.db", "work-pool", "ls"), ("/nowhere/at", "does not exist: create it")
    ),
    "a file that is not there": Case(
        ("work-pool", "create", "new", "--type", "process", "--base-job-template", "missing.json"),
        ("base_job_template: missing.json: ", "name a file that can be read"),
    ),
    "a file that is a directory": Case(
        ("run", "create", "--pool", "pool", "--job-variables", "/"), ("job_variables: /: ", "name a file that can be read")
    ),
    "a file that is not JSON": Case(
        ("work-pool", "update", "pool", "--base-job-template", TEMPLATE),
        ("base_job_template: ", "template.json, line 2, column 3: is not JSON"),
        "{\n  nope\n}",
    ),
    "a file that is not UTF-8": Case(
        ("work-pool", "update", "pool", "--base-job-template", TEMPLATE),
        ("base_job_template: ", "template.json, line 2, column 4: is not UTF-8"),
        b'{\n  "\xff": 1}',
    ),
    "a template that is not an object": Case(
        ("work-pool", "update", "pool", "--base-job-template", TEMPLATE), ("must be an object",), "[1, 2]"
    ),
    "a job variable without a value": Case(
        ("run", "create", "--pool", "pool", "-jv", "command"), ("job_variable: ", "write it as cpu=256")
    ),
    "a time that is none": Case(
        ("run", "create", "--pool", "pool", "-jv", "command=date", "--at", "soon"),
        ("at: ", 'tomorrow 08:00 Europe/Berlin" or 2026-01-31T08:00:00+00:00'),
    ),
    "a time without a zone": Case(
        ("run", "create", "--pool", "pool", "-jv", "command=date", "--at", "2026-01-31T08:00:00"),
        ("scheduled_at: ", "has no time zone; add one"),
    ),
    "a pool that does not exist": Case(
        ("work-pool", "pause", "pol"), ("work pool 'pol' does not exist; did you mean 'pool'?",)
    ),
    "a queue that does not exist": Case(
        ("run", "create", "--pool", "pool", "--queue", "hig", "-jv", "command=date"),
        ("'hig' of 'pool' does not exist; did you mean 'high'?",),
    ),
    "runs of a pool that does not exist": Case(("run", "ls", "--pool", "pol"), ("did you mean 'pool'?",)),
    "a tick of a pool that does not exist": Case(("tick", "--pool", "pol"), ("did you mean 'pool'?",)),
    "a run that does not exist": Case(
        ("run", "explain", "00000000-0000-0000-0000-000000000001"), ("does not exist", "dispatcher run ls")
    ),
    "the beginning of no id": Case(("run", "explain", "abcdef"), ("run 'abcdef' does not exist", "dispatcher run ls")),
    "an id that is none": Case(("run", "cancel", "x"), ("run 'x' does not exist among the latest 20000",)),
    "a pool that exists": Case(("work-pool", "create", "pool", "--type", "process"), ("'pool' already exists",)),
    "a queue that exists": Case(("work-queue", "create", "high", "--pool", "pool"), ("name: ", "'high' already exists")),
    "a name that cannot be": Case(("work-pool", "create", "a/b", "--type", "process"), ("name: must be 1 to 200",)),
    "too long a list": Case(("run", "ls", "--limit", "5000"), ("limit: must be from 1 to 1000",)),
    "logs of a run without a job": Case(("run", "logs", "{run}"), ("has no job yet, so it has no logs", "in the way")),
}


@pytest.fixture
def prepared(cli, a_file):
    """A pool with two queues and a waiting run; gives the run's id."""
    template = a_file("good.json", GOOD)
    cli.ok("work-pool", "create", "pool", "--type", "process", "--base-job-template", template)
    cli.ok("work-queue", "create", "high", "--pool", "pool", "--priority", "1", "--limit", "3")
    return cli.ok("run", "create", "--pool", "pool", "-jv", "command=date")[0]["id"]


@pytest.mark.parametrize("name", CASES)
def test_one_line_names_the_field_and_the_fix_and_nothing_is_changed(name, cli, a_file, prepared):
    case, before = CASES[name], cli.stored()
    template = a_file("template.json", case.template)
    said = cli(*(word.format(template=template, run=prepared) if word in (TEMPLATE, "{run}") else word for word in case.words))
    assert said.exit_code == 1
    assert said.out == ""
    assert len(said.errors) == 1
    assert said.errors[0].startswith("error: ")
    for words in case.says:
        assert words in said.errors[0]
    assert cli.stored() == before


def test_every_fault_has_a_line_of_its_own(cli, prepared):
    said = cli("run", "create", "--pool", "pool", "-jv", "cpu=many", "-jv", "disk=1")
    assert (said.exit_code, len(said.errors)) == (1, 3)
    assert [line.split(":")[1].strip() for line in said.errors] == ["disk", "cpu", "command"]


def test_a_template_that_a_waiting_run_would_not_fit_names_the_run(cli, a_file, prepared):
    template = a_file(
        "new.json",
        {
            **GOOD,
            "variables": {
                **VARIABLES,
                "required": ["command", "cpu"],
                "properties": {"command": {"type": "string", "maxLength": 2}, "cpu": {"type": "integer", "default": 1}},
            },
        },
    )
    said = cli("work-pool", "update", "pool", "--base-job-template", template)
    assert said.exit_code == 1
    assert said.errors[0].startswith("error: command: must have at most 2 character(s)")
    assert prepared in said.errors[0]


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["tick", "dry run"])
def test_a_missing_extra_is_reported_with_what_adds_it_and_the_other_pools_are_ticked(dry, cli, prepared):
    cli.ok("work-pool", "create", "aws", "--type", "ecs:push")
    cli.ok("run", "create", "--pool", "aws", "-jv", "image=busybox")
    _, runs = cli.stored()
    said = cli.alone("tick", "--json", *dry, before="sys.modules['boto3'] = None")
    assert said.exit_code == 1
    assert len(said.errors) == 1
    assert said.errors[0].startswith("error: aws: provider type 'ecs:push' needs boto3, which is not installed")
    assert said.errors[0].endswith("pip install 'push-dispatcher[aws]'")
    after = {run.pool: run for run in cli.stored()[1]}
    assert after["aws"] in runs
    assert (after["pool"] in runs) is bool(dry)
    assert {pool["pool"] for pool in (said.json if dry else said.json["pools"])} == {"aws", "pool"}


WRONG_USAGE = {
    "an unknown option": (("run", "ls", "--pol", "x"), "No such option '--pol'"),
    "an unknown command": (("work-pol", "ls"), "No such command 'work-pol'. Did you mean work-pool"),
    "an unknown command of a noun": (("run", "explian"), "No such command 'explian'"),
    "a missing argument": (("run", "inspect"), "Missing argument 'ID'"),
    "a missing option": (("work-queue", "ls"), "Missing option '-p' / '--pool'"),
    "no number": (("work-pool", "set-concurrency-limit", "pool", "many"), "'many' is not a valid integer"),
    "nothing to change": (("work-pool", "update", "pool"), "Nothing to change: give --base-job-template"),
    "a state that is none": (("run", "ls", "--state", "late"), "'late' is not one of"),
    "one word too many": (("work-pool", "set-concurrency-limit", "pool", "1", "2"), "unexpected extra argument"),
}


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_a_wrong_command_line_is_reported_in_one_line_and_exit_code_2(name, cli):
    words, says = WRONG_USAGE[name]
    said = cli(*words)
    assert (said.exit_code, said.out, len(said.errors)) == (2, "", 1)
    assert said.errors[0].startswith("error: ")
    assert says in said.errors[0]
    assert "--help`" in said.errors[0]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("DISPATCHER_STORE", "redis://x", "DISPATCHER_STORE: 'redis://x' names no store"),
        ("DISPATCHER_LEASE_SECONDS", "5", "DISPATCHER_LEASE_SECONDS: 5 is too short"),
        ("DISPATCHER_CREDENTIALS", "{", "DISPATCHER_CREDENTIALS: must be a JSON object"),
        ("DISPATCHER_LOG_LEVEL", "loud", "DISPATCHER_LOG_LEVEL: 'loud' is not a level"),
    ],
)
def test_a_wrong_setting_names_its_variable(variable, value, says, cli, monkeypatch):
    monkeypatch.setattr(type(cli), "environment", {**cli.environment, variable: value})
    said = cli("work-pool", "ls")
    assert said.exit_code == 1
    assert len(said.errors) == 1
    assert says in said.errors[0]


def test_a_file_that_is_not_a_store_is_reported(cli, a_file):
    notes = a_file("notes.txt", "no database, but long enough to be looked at" * 40)
    said = cli("--store", f"sqlite:///{notes}", "work-pool", "ls")
    assert said.exit_code == 1
    assert "not an SQLite database: name another file" in said.errors[0]
