"""Drift: what people changed by hand since a configuration was last applied."""

from __future__ import annotations

import pytest

FILE = """\
pools:
  batch: {type: process, concurrency_limit: 2, queues: {critical: {concurrency_limit: 1}, default: {}}}
deployments:
  etl:
    pool: batch
    job_variables: {command: "true", env: {TOKEN: secret}}
    schedules: {daily: {cron: 0 2 * * *}}
"""


@pytest.fixture
def file(cli, tmp_path):
    """Applied."""
    (tmp_path / "file.yaml").write_text(FILE)
    cli.ok("apply", "-f", str(tmp_path / "file.yaml"))
    return str(tmp_path / "file.yaml")


def drift(cli, file):
    return {(line["name"], line["path"]): line["now"] for line in cli("plan", "-f", file, "--json").json["drift"]}


def test_nothing_has_drifted_right_after_an_apply(cli, file):
    assert drift(cli, file) == {}
    assert cli("plan", "-f", file).exit_code == 0


def test_what_people_paused_and_changed_is_listed_with_its_value_now(cli, file):
    cli.ok("work-pool", "pause", "batch")
    cli.ok("work-pool", "set-concurrency-limit", "batch", "9")
    cli.ok("work-queue", "pause", "critical", "--pool", "batch")
    cli.ok("deployment", "pause", "etl")
    assert drift(cli, file) == {
        ("batch", "paused"): True,
        ("batch", "concurrency_limit"): 9,
        ("batch", "queues.critical.paused"): True,
        ("etl", "paused"): True,
    }
    said = cli("plan", "-f", file).out
    assert "Changed by hand since the last apply:" in said
    assert "work pool batch: concurrency_limit is now 9" in said
    assert "| work pool `batch` | `concurrency_limit` | `9` |" in cli("plan", "-f", file, "--format", "markdown").out


def test_queues_that_people_added_and_deleted_are_listed(cli, file):
    cli.ok("work-queue", "create", "new", "--pool", "batch")
    cli.ok("work-queue", "delete", "critical", "--pool", "batch", "--yes")
    found = drift(cli, file)
    assert found["batch", "queues.critical"] is None
    assert found["batch", "queues.new"]["priority"] == 3


def test_an_apply_sets_back_what_the_file_says_and_a_pause_stays_drift_until_it_is_in_the_file(cli, file, tmp_path):
    cli.ok("work-pool", "set-concurrency-limit", "batch", "9")
    cli.ok("work-pool", "pause", "batch")
    cli.ok("apply", "-f", file)
    assert drift(cli, file) == {("batch", "paused"): True}
    (tmp_path / "file.yaml").write_text(FILE.replace("type: process,", "type: process, paused: true,"))
    cli.ok("apply", "-f", file)
    assert drift(cli, file) == {}
    cli.ok("work-pool", "resume", "batch")
    assert drift(cli, file) == {("batch", "paused"): False}


def test_what_no_file_has_applied_does_not_drift_and_an_equal_file_notes_it(cli, tmp_path):
    cli.ok("work-pool", "create", "batch", "--type", "process")
    (tmp_path / "file.yaml").write_text("pools: {batch: {type: process}}\n")
    file = str(tmp_path / "file.yaml")
    cli.ok("work-pool", "pause", "batch")
    assert drift(cli, file) == {}
    assert cli.ok("apply", "-f", file)["changes"] == []
    assert drift(cli, file) == {("batch", "paused"): True}


def test_the_doctor_warns_of_it_and_hides_no_fix(cli, file):
    cli.ok("deployment", "update", "etl", "-d", "by hand")
    findings = [finding for finding in cli("doctor", "--json").json if finding["check"] == "drift"]
    assert [(finding["subject"], finding["level"]) for finding in findings] == [("etl", "warning")]
    assert "description" in findings[0]["text"]
    assert "dispatcher plan" in findings[0]["fix"]


def test_secrets_stay_hidden(cli, file):
    cli.ok("deployment", "update", "etl", "-jv", "env.TOKEN=hush")
    assert "hush" not in cli("plan", "-f", file, "--json").out
    assert ("etl", "job_variables") in drift(cli, file)
