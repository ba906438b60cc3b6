"""Parameters on the command line: of a deployment, its schedules, and a run, to the environment of the job."""

from __future__ import annotations

import json

import pytest

SCHEMA = {
    "type": "object",
    "properties": {
        "day": {"type": "string"},
        "limit": {"type": "integer", "default": 10},
        "tables": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["day"],
}
PRINTS = 'command=["sh", "-c", "echo $DISPATCHER_PARAMETERS; echo $DISPATCHER_PARAMETER_LIMIT"]'
TICKS = 400
"""Ticks until an end is seen; each takes some milliseconds, and the job ends by itself at once."""


@pytest.fixture
def etl(cli, tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    words = ("--pool", "nightly", "-jv", PRINTS, "--parameter-schema", f"@{tmp_path / 'schema.json'}")
    return cli.ok("deployment", "create", "etl", *words, "--param", "day=2026-01-01")


def test_a_job_gets_the_parameters_of_its_run(cli, etl):
    run = cli.ok("deployment", "run", "etl", "--params", '{"tables": ["a"]}', "--param", "limit=7")
    assert cli.ok("run", "inspect", run["id"])["parameters"] == {"tables": ["a"], "limit": 7}
    for _ in range(TICKS):
        cli.ok("tick")
        if cli.ok("run", "inspect", run["id"])["ended_at"]:
            break
    assert cli("run", "logs", run["id"]).out == '{"day":"2026-01-01","limit":7,"tables":["a"]}\n7\n'


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("deployment", "run", "etl", "--param", "limit=x"), 'parameters.limit: must be a whole number (got "x")'),
        (
            ("run", "create", "--deployment", "etl", "--param", "lmit=1"),
            "parameters.lmit: is not a parameter of this deployment",
        ),
        (("deployment", "run", "etl", "--params", '{"tables": ["a", true]}'), "parameters.tables[1]: must be text (got true)"),
        (("deployment", "run", "etl", "--params", "[]"), "No such file"),
        (("deployment", "run", "etl", "--param", "limit"), "param: 'limit' is not name=value; write it as day=2026-01-31"),
        (
            ("deployment", "schedule", "create", "etl", "--cron", "0 6 * * *", "--param", "limit=a"),
            'schedules[0].parameters.limit: must be a whole number (got "a")',
        ),
        (("deployment", "update", "etl", "--params", '{"day": true}'), "parameters.day: must be text (got true)"),
        (
            ("deployment", "update", "etl", "--parameter-schema", '{"properties": {"day": {"type": "txt"}}}'),
            "parameter_openapi_schema.properties.day.type",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_parameter_is_refused_with_its_path(cli, etl, words, error):
    said = cli(*words)
    assert said.exit_code == 1
    assert error in "\n".join(said.errors)
    assert cli.ok("run", "ls") == []


def test_an_update_sets_single_parameters_or_replaces_all(cli, etl):
    assert etl["parameters"] == {"day": "2026-01-01"}
    changed = cli.ok("deployment", "update", "etl", "--param", "limit=5")
    assert changed["parameters"] == {"day": "2026-01-01", "limit": 5}
    assert cli.ok("deployment", "update", "etl", "--params", '{"day": "x"}')["parameters"] == {"day": "x"}
    assert cli.ok("deployment", "update", "etl", "--params", "{}")["parameters"] == {}
    assert cli.ok("deployment", "update", "etl", "--parameter-schema", "{}")["parameter_openapi_schema"] == {}


def test_a_schedule_has_parameters_of_its_own_and_all_are_shown(cli, etl):
    cli.ok("deployment", "schedule", "create", "etl", "--cron", "0 6 * * *", "--param", "limit=3")
    assert cli.ok("deployment", "inspect", "etl")["schedules"][0]["parameters"] == {"limit": 3}
    shown = " ".join(cli("deployment", "inspect", "etl").out.split())
    assert "parameter day 2026-01-01" in shown
    assert "takes day string, required takes limit integer, default 10 takes tables array" in shown
    exported = cli("export").out
    assert "parameter_openapi_schema:" in exported
    assert "limit: 3" in exported


def test_a_file_of_requests_has_parameters(cli, etl):
    lines = "\n".join(json.dumps({"deployment": "etl", "parameters": {"limit": number}}) for number in (1, 2))
    cli.ok("run", "create", "--from", "-", stdin=lines)
    runs = [cli.ok("run", "inspect", run["id"]) for run in cli.ok("run", "ls")]
    assert sorted(run["parameters"]["limit"] for run in runs) == [1, 2]
