"""`dispatcher automation`, from its creation to what it did."""

from __future__ import annotations

import time

import pytest

WHEN = "ended: {states: [COMPLETED], deployment: a}"


@pytest.fixture
def _two(cli):
    cli.ok("work-pool", "create", "p", "--type", "process")
    for name in "ab":
        cli.ok("deployment", "create", name, "--pool", "p", "-jv", "command=true")


@pytest.mark.usefixtures("_two")
def test_an_automation_is_created_listed_paused_and_deleted(cli):
    made = cli.ok("automation", "create", "chain", "--when", WHEN, "--then", "run: {deployment: b}", "--then", "notify: ops")
    assert made["when"] == {"ended": {"states": ["COMPLETED"], "deployment": "a"}}
    assert made["then"] == [{"run": {"deployment": "b"}}, {"notify": "ops"}]
    assert cli.ok("automation", "ls") == [made]
    assert "run deployment=b; notify ops" in cli("automation", "ls", "--wide").out
    assert cli.ok("automation", "pause", "chain")["paused"]
    assert "chain (**)" in cli("automation", "ls").out
    assert not cli.ok("automation", "resume", "chain")["paused"]
    assert cli("automation", "delete", "chain").exit_code == 1
    assert cli.ok("automation", "delete", "chain", "--yes") == {"deleted": "chain"}
    assert "No automations." in cli("automation", "ls").out


@pytest.mark.usefixtures("_two")
@pytest.mark.parametrize(
    ("when", "then", "says"),
    [
        ("ended", "notify: ops", "--when: must be one entry, as 'notify: ops' (got 'ended')"),
        ("ended: [", "notify: ops", "--when:2:1: is not YAML"),
        (WHEN, "run: {deployment: c}", "then[0].run.deployment: deployment 'c' does not exist"),
        (WHEN, "run: {deployment: b, parameters: {day: 1, day.x: 2}}", "then[0].run.parameters"),
        (
            WHEN,
            "run: {deployment: b, parameters_from_run: {day: now}}",
            "then[0].run.parameters_from_run.day: must be one of id",
        ),
        ("ended: {states: [DONE]}", "notify: ops", "when.ended.states[0]: must be a set of COMPLETED"),
    ],
)
def test_a_fault_is_reported_in_one_line_with_its_path(cli, when, then, says):
    said = cli("automation", "create", "x", "--when", when, "--then", then)
    assert said.exit_code == 1
    assert len(said.errors) == 1
    assert says in said.errors[0]


@pytest.mark.usefixtures("_two")
def test_ticks_let_an_automation_act_and_inspect_shows_what_it_did(cli):
    taking = "run: {deployment: b, job_variables: {command: 'true'}, from_run: {env.OF: id}}"
    cli.ok("automation", "create", "chain", "--when", WHEN, "--then", taking)
    first = cli.ok("deployment", "run", "a")
    deadline = time.monotonic() + 30
    while not (shape := cli.ok("automation", "inspect", "chain"))["firings"] and time.monotonic() < deadline:
        cli.ok("tick")
    [firing] = shape["firings"]
    assert (firing["run"], firing["problems"]) == (first["id"], [])
    [made] = [run for run in cli.ok("run", "ls") if run["deployment"] == "b"]
    whole = cli.ok("run", "inspect", made["id"])
    assert whole["cause"] == {"automation": "chain", "run": first["id"], "depth": 1}
    assert whole["job_variables"] == {"command": "true", "env.OF": first["id"]}
    shown = cli("automation", "inspect", "chain").out
    assert f"run '{first['name']}' ended COMPLETED" in shown
    assert f"made run '{made['name']}' of deployment 'b'" in shown
