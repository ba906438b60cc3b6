"""`dispatcher log`: who changed what, and which way it came in."""

from __future__ import annotations

import pytest

from dispatcher.client.actors import user


@pytest.fixture
def pool(cli):
    return cli.ok("work-pool", "create", "nightly", "--type", "process")


def test_changes_by_the_command_line_are_of_the_user_of_the_system(cli, pool):
    cli.ok("work-pool", "set-concurrency-limit", "nightly", "7")
    [entry, created] = cli.ok("log")["items"]
    assert (entry["actor"], entry["via"]) == (user(), "cli")
    assert (created["verb"], created["noun"], created["name"]) == ("create", "work pool", "nightly")
    said = cli("log")
    assert f"{user()} (cli)  change work pool nightly" in said.out
    assert "~ concurrency_limit:" in said.out
    assert "→ 7" in said.out


def test_the_changes_of_one_pool_deployment_automation_or_run(cli, pool):
    [run] = cli.ok("run", "create", "--pool", "nightly", "--job-variable", "command=true")
    cli.ok("run", "cancel", run["id"])
    cli.ok("deployment", "create", "etl", "--pool", "nightly", "--job-variable", "command=true")
    assert [entry["noun"] for entry in cli.ok("log", "--pool", "nightly")["items"]] == ["work pool"]
    assert [entry["verb"] for entry in cli.ok("log", "--run", run["id"][:8])["items"]] == ["cancel"]
    assert [entry["name"] for entry in cli.ok("log", "--deployment", "etl", "--since", "1h ago")["items"]] == ["etl"]
    when, then = "ended: {states: [FAILED], deployment: etl}", "pause: {deployment: etl}"
    cli.ok("automation", "create", "breaker", "--when", when, "--then", then)
    cli.ok("automation", "pause", "breaker")
    cli.ok("automation", "delete", "breaker", "--yes")
    of_automation = cli.ok("log", "--automation", "breaker")["items"]
    assert [(entry["verb"], entry["noun"]) for entry in of_automation] == [
        (verb, "automation") for verb in ("delete", "change", "create")
    ]
    assert cli.ok("log", "--actor", "nobody")["items"] == []
    assert cli("log", "--actor", "nobody").out == "No changes.\n"
    assert cli("log", "--pool", "a", "--deployment", "b").exit_code == 1
    assert cli("log", "--since", "soon").exit_code == 1


def test_a_cursor_leads_to_the_older_ones(cli, pool):
    for limit in ("1", "2", "3"):
        cli.ok("work-pool", "set-concurrency-limit", "nightly", limit)
    first = cli.ok("log", "--limit", "3")
    second = cli.ok("log", "--limit", "3", "--cursor", first["next"])
    assert [entry["verb"] for entry in first["items"] + second["items"]] == ["change", "change", "change", "create"]
    assert second["next"] is None
    assert f"--cursor {first['next']}" in cli("log", "--limit", "3").out
    assert cli("log", "--actor", "ada", "--cursor", first["next"]).exit_code == 1
