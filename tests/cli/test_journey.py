"""The way of a user: a pool, queues, runs, ticks with real processes, and every question on the way."""

from __future__ import annotations

import json

import pytest

TICKS = 400
"""Ticks until an end is seen; each takes some milliseconds, and the jobs end by themselves at once."""


@pytest.fixture
def pool(cli):
    return cli.ok(
        "work-pool", "create", "nightly", "--type", "process", "--concurrency-limit", "2", "--description", "for tests"
    )


def until(cli, run_id, *states):
    """Tick until the run is in one of the states."""
    for _ in range(TICKS):
        cli.ok("tick")
        run = cli.ok("run", "inspect", run_id)
        if run["state"] in states:
            return run
    raise AssertionError(run)


def create(cli, *words):
    return [run["id"] for run in cli.ok("run", "create", "--pool", "nightly", *words)]


def test_a_run_goes_from_create_to_its_log(cli, pool):
    (run_id,) = create(
        cli, "-jv", 'command=["sh", "-c", "echo hello from $DISPATCHER_RUN_NAME; exit 3"]', "--name", "first", "--tag", "a"
    )
    assert cli.ok("run", "explain", run_id)["reason"] == "NEXT"
    run = until(cli, run_id, "FAILED", "COMPLETED", "CRASHED")
    assert (run["state"], run["exit_code"], run["reason"], run["tags"]) == ("FAILED", 3, "exit code 3", ["a"])
    assert [step["event"] for step in run["timeline"]] == ["created", "scheduled", "claimed", "submitted", "started", "ended"]
    assert all(step["wait_seconds"] >= 0 for step in run["timeline"][1:])
    assert cli("run", "logs", run_id).out == "hello from first\n"
    assert cli.ok("run", "logs", run_id)["url"].startswith("file:///")
    assert cli.ok("run", "explain", run_id)["reason"] == "ENDED"
    assert "already ended: FAILED" in cli("run", "cancel", run_id).out


def test_limits_and_priorities_decide_and_explain_says_so(cli, pool):
    queue = cli.ok("work-queue", "create", "critical", "--pool", "nightly", "--priority", "1", "--limit", "1")
    assert queue["moved"] == {"default": 2}
    low = create(cli, "-jv", "command=sleep 100", "--count", "3", "--name", "low")
    high = create(cli, "-jv", "command=sleep 100", "--queue", "critical", "--count", "2")
    cli.ok("tick")
    states = {run["id"]: run["state"] for run in cli.ok("run", "ls")}
    assert [states[run] for run in (*high, *low)].count("SCHEDULED") == 3
    assert sorted(states[run] for run in high) == ["PENDING", "SCHEDULED"]
    waiting = next(run for run in low if states[run] == "SCHEDULED")
    said = cli.ok("run", "explain", waiting)
    assert said["reason"] == "POOL_FULL"
    assert len(said["holders"]) == 2
    assert "2 of 2 slots" in said["text"]
    inspected = cli.ok("work-pool", "inspect", "nightly")
    assert inspected["in_use"] == 2
    assert {queue["name"]: (queue["in_use"], queue["due"]) for queue in inspected["queues"]} == {
        "critical": (1, 1),
        "default": (1, 2),
    }
    for run in (*high, *low):
        cli.ok("run", "cancel", run)
    for run in (*high, *low):
        until(cli, run, "CANCELLED")
    cli.ok("work-pool", "delete", "nightly", "--yes")
    assert cli.ok("work-pool", "ls") == []


def test_a_paused_pool_delivers_nothing_until_it_is_resumed(cli, pool):
    (run_id,) = create(cli, "-jv", "command=date")
    assert cli.ok("work-pool", "pause", "nightly")["paused"]
    assert "nightly (**)" in cli("work-pool", "ls").out
    cli.ok("tick")
    said = cli("run", "explain", run_id)
    assert "POOL_PAUSED" in said.out
    assert "dispatcher work-pool resume nightly" in said.out
    cli.ok("work-pool", "resume", "nightly")
    until(cli, run_id, "COMPLETED")


def test_the_command_that_explain_advises_works(cli, pool):
    (run_id,) = create(cli, "-jv", "command=date")
    cli.ok("work-queue", "pause", "default", "--pool", "nightly")
    advice = cli.ok("run", "explain", run_id)["fix"].split()
    assert advice[0] == "dispatcher"
    assert not cli.ok(*advice[1:])["paused"]
    cli.ok("work-queue", "set-concurrency-limit", "default", "0", "--pool", "nightly")
    advice = cli.ok("run", "explain", run_id)["fix"].replace(" N", " 5").split()
    assert cli.ok(*advice[1:])["concurrency_limit"] == 5
    assert cli.ok("run", "explain", run_id)["reason"] == "NEXT"


def test_limits_are_set_and_cleared(cli, pool):
    assert cli.ok("work-pool", "set-concurrency-limit", "nightly", "0")["concurrency_limit"] == 0
    assert cli.ok("work-pool", "clear-concurrency-limit", "nightly")["concurrency_limit"] is None
    assert cli.ok("work-pool", "update", "nightly", "--concurrency-limit", "7", "-d", "x")["concurrency_limit"] == 7
    assert cli.ok("work-queue", "set-concurrency-limit", "default", "4", "-p", "nightly")["concurrency_limit"] == 4
    assert cli.ok("work-queue", "clear-concurrency-limit", "default", "-p", "nightly")["concurrency_limit"] is None
    assert cli.ok("work-queue", "set-priority", "default", "9", "-p", "nightly")["priority"] == 9
    assert cli.ok("work-queue", "inspect", "default", "-p", "nightly")["priority"] == 9
    cli.ok("work-queue", "create", "low", "--pool", "nightly")
    cli.ok("work-queue", "delete", "low", "--pool", "nightly", "--yes")
    assert [queue["name"] for queue in cli.ok("work-queue", "ls", "--pool", "nightly")] == ["default"]


def test_a_template_goes_out_to_a_file_and_comes_back_in(cli, tmp_path):
    file = str(tmp_path / "template.json")
    cli.ok("work-pool", "get-default-base-job-template", "--type", "process", "--file", file)
    shown = cli("work-pool", "get-default-base-job-template", "--type", "process").out
    cli.ok("work-pool", "create", "a", "--type", "process", "--base-job-template", file)
    cli.ok("work-pool", "create", "b", "--type", "process", "--base-job-template", "-", stdin=shown)
    a, b = (cli.ok("work-pool", "inspect", name)["base_job_template"] for name in "ab")
    assert a == b == json.loads(shown)


def test_a_template_for_a_prefect_server_has_the_defaults_that_terraform_knows(cli, tmp_path):
    made = tmp_path / "job_variables.json"
    made.write_text('{"cluster": "arn:aws:ecs:eu-central-1:123456789012:cluster/batch", "subnets": ["subnet-1"]}')
    words = ("work-pool", "get-default-base-job-template", "--type", "ecs:push", "--job-variables", str(made))
    template = cli.ok(*words, "-jv", "family=batch", "-jv", "cpu=512")
    defaults = {name: schema.get("default") for name, schema in template["variables"]["properties"].items()}
    wanted = {"cluster": "arn:aws:ecs:eu-central-1:123456789012:cluster/batch", "subnets": ["subnet-1"], "family": "batch"}
    assert {name: defaults[name] for name in (*wanted, "cpu")} == {**wanted, "cpu": 512}
    refused = cli(*words, "-jv", "no_such=1")
    assert (refused.exit_code, "no_such" in str(refused.errors)) == (1, True)


def test_a_dry_run_of_an_ecs_pool_shows_the_request_without_asking_aws(cli):
    cli.ok("work-pool", "create", "aws", "--type", "ecs:push")
    cli.ok("run", "create", "--pool", "aws", "-jv", "image=busybox", "-jv", "cpu=256", "-jv", "env.STAGE=test")
    (plan,) = cli.ok("tick", "--dry-run")
    assert plan["admitted"][0]["job"]["configuration"]["task_run_request"]["overrides"]["containerOverrides"][0]["environment"]


def test_job_variables_come_from_a_file_in_place_and_by_name(cli, pool, a_file):
    file = a_file("variables.json", {"command": "date", "env": {"A": "file"}})
    create(cli, "--job-variables", file, "-jv", "env.B=5", "-jv", "labels.x=5 apples")
    create(cli, "--job-variables", '{"command": ["date", "-u"]}', "-jv", "stream_output=false")
    create(cli, "-jv", "command=echo a=b")
    variables = [cli.ok("run", "inspect", run["id"])["job_variables"] for run in cli.ok("run", "ls")]
    assert {"command": "date", "env": {"A": "file"}, "env.B": "5", "labels.x": "5 apples"} in variables
    assert {"command": ["date", "-u"], "stream_output": False} in variables
    assert {"command": "echo a=b"} in variables


def test_an_idempotency_key_makes_each_run_once(cli, pool):
    words = ("-jv", "command=date", "--idempotency-key", "k", "--count", "3", "--name", "n")
    assert create(cli, *words) == create(cli, *words)
    assert {run["name"] for run in cli.ok("run", "ls")} == {"n-1", "n-2", "n-3"}


def test_a_dry_run_shows_the_job_and_changes_nothing(cli, pool):
    (run_id,) = create(cli, "-jv", "command=date", "-jv", "env.STAGE=test")
    before = cli.stored()
    (plan,) = cli.ok("tick", "--dry-run")
    assert plan["admitted"][0]["id"] == run_id
    assert plan["admitted"][0]["job"]["configuration"]["command"] == "date"
    assert "would admit 1" in cli("tick", "--dry-run").out
    assert cli.stored() == before


def test_runs_are_listed_by_pool_queue_and_state(cli, pool):
    cli.ok("work-queue", "create", "high", "--pool", "nightly")
    (waiting,) = create(cli, "-jv", "command=date", "--queue", "high", "--at", "2099-01-01T00:00:00+01:00")
    (cancelled,) = create(cli, "-jv", "command=date")
    cli.ok("run", "cancel", cancelled)
    assert [run["id"] for run in cli.ok("run", "ls", "--queue", "high")] == [waiting]
    assert [run["id"] for run in cli.ok("run", "ls", "--state", "cancelled", "--pool", "nightly")] == [cancelled]
    assert [run["id"] for run in cli.ok("run", "ls", "--limit", "1")] == [cancelled]
    assert cli.ok("run", "inspect", waiting)["due_at"] == "2098-12-31T23:00:00.000+00:00"
    assert cli.ok("run", "explain", waiting)["reason"] == "NOT_DUE"


def test_a_run_is_found_by_what_the_list_shows_of_it(cli, pool):
    first, second = create(cli, "-jv", "command=date", "--count", "2")
    create(cli, "-jv", "command=date", "--count", "2", "--idempotency-key", "k", "--name", "twin")
    assert cli.ok("run", "inspect", first[:8])["id"] == first
    assert cli.ok("run", "inspect", f"nightly-{second[:8]}")["id"] == second
    assert cli.ok("run", "inspect", "twin-2")["name"] == "twin-2"
    assert cli.ok("run", "cancel", first[:13])["state"] == "CANCELLED"
    for name in ("a", "of a report that goes out every morning"):
        create(cli, "-jv", "command=date", "--name", name)
        assert cli.ok("run", "inspect", name)["name"] == name
    create(cli, "-jv", "command=date", "--name", "twin-2")
    said = cli("run", "explain", "twin-2")
    assert (said.exit_code, len(said.errors)) == (1, 1)
    assert "id: 'twin-2' may be any of 2 runs" in said.errors[0]


def test_names_are_shown_as_they_are(cli):
    name = "[bold]nächtlich 🌙"
    cli.ok("work-pool", "create", name, "--type", "process", "--paused")
    assert name in cli("work-pool", "ls").out
    assert cli.ok("work-pool", "inspect", name)["name"] == name


def test_every_table_has_its_words(cli, pool):
    (run_id,) = create(cli, "-jv", "command=date", "--tag", "a")
    assert "Concurrency Limit" in cli("work-pool", "ls").out
    assert "for tests" in cli("work-pool", "inspect", "nightly").out
    assert "default" in cli("work-queue", "ls", "--pool", "nightly").out
    assert "priority" in cli("work-queue", "inspect", "default", "--pool", "nightly").out
    assert run_id[:8] in cli("run", "ls").out
    assert "scheduled" in cli("run", "inspect", run_id).out
    assert "submitted" in cli("tick").out
    assert "No runs" in cli("run", "ls", "--state", "CRASHED").out
    assert "dispatcher tick" in cli("run", "create", "--pool", "nightly", "-jv", "command=date").out
    assert all(line == line.rstrip() for line in cli("run", "ls").out.splitlines())


def test_a_preview_shows_what_is_due_and_marks_what_is_late(cli, pool):
    assert "No runs are due" in cli("work-pool", "preview", "nightly").out
    (late,) = create(cli, "-jv", "command=date", "--at", "2020-01-01T00:00:00+00:00")
    create(cli, "-jv", "command=date", "--at", "2099-01-01T00:00:00+00:00")
    shown = cli("work-pool", "preview", "nightly", "--hours", "2")
    assert f"nightly-{late[:8]}" in shown.out
    assert "2020-01-01 00:00:00 UTC  late  nightly-" in shown.out
    assert "Runs: 1, late: 1." in shown.out
    (entry,) = cli.ok("work-pool", "preview", "nightly")
    assert (entry["id"], entry["late"], entry["not_before"]) == (late, True, None)


def test_a_dry_run_hides_secrets(cli, a_file):
    template = {
        "job_configuration": {"command": "run --key {{ key }}", "env": "{{ env }}"},
        "variables": {
            "type": "object",
            "properties": {"key": {"type": "string", "writeOnly": True}, "env": {"type": "object", "default": {}}},
        },
    }
    cli.ok("work-pool", "create", "p", "--type", "process", "--base-job-template", a_file("t.json", template))
    cli.ok("deployment", "create", "d", "--pool", "p", "-jv", "key=hunter2")
    cli.ok("run", "create", "--deployment", "d", "-jv", "env.DB_PASSWORD=hunter3", "-jv", "env.URL=redis://:hunter4@cache")
    cli.ok("run", "create", "--pool", "p", "-jv", "key=hunter5", "-jv", "env.STAGE=test")
    said, shown = cli.ok("tick", "--dry-run"), cli("tick", "--dry-run").out
    assert "hunter" not in str(said) + shown
    first, second = (run["job"]["configuration"] for run in said[0]["admitted"])
    assert first == {"command": "run --key (hidden)", "env": {"DB_PASSWORD": "(hidden)", "URL": "redis://:(hidden)@cache"}}
    assert second == {"command": "run --key (hidden)", "env": {"STAGE": "test"}}
