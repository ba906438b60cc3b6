"""Drift: what people and automations changed since a configuration was last applied."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.models import Paused, Target
from dispatcher.models.records import Automated
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW, a_firing

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


def test_pauses_and_changes_by_people_are_listed_with_the_current_value(cli, file):
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


def test_a_pool_never_applied_does_not_drift_until_an_equal_file_is_applied(cli, tmp_path):
    cli.ok("work-pool", "create", "batch", "--type", "process")
    (tmp_path / "file.yaml").write_text("pools: {batch: {type: process}}\n")
    file = str(tmp_path / "file.yaml")
    cli.ok("work-pool", "pause", "batch")
    assert drift(cli, file) == {}
    assert cli.ok("apply", "-f", file)["changes"] == []
    assert drift(cli, file) == {("batch", "paused"): True}


def test_the_doctor_warns_of_drift_and_still_shows_other_fixes(cli, file):
    cli.ok("deployment", "update", "etl", "-d", "by hand")
    findings = [finding for finding in cli("doctor", "--json").json if finding["check"] == "drift"]
    assert [(finding["subject"], finding["level"]) for finding in findings] == [("etl", "warning")]
    assert "description" in findings[0]["text"]
    assert "dispatcher plan" in findings[0]["fix"]


def firing_on(cli, *targets, paused=True):
    """Let an automation pause or resume targets of the file, as a tick would."""
    store = SqliteStore(cli.directory / "store.db")
    pool, deployment = store.pool("batch"), store.deployment("etl")
    done = [Paused(target=target, paused=paused, version=2 + paused) for target in targets]
    queues = {target.queue for target in targets}
    changed = tuple(replace(queue, paused=paused) if queue.name in queues else queue for queue in pool.queues)
    acted = Automated(
        pools=(replace(pool, queues=changed),) if queues - {None} else (),
        deployments=(replace(deployment, paused=paused),) if any(target.deployment for target in targets) else (),
        firings=(a_firing("breaker", "batch", because="3 of the last 3 runs ended FAILED", paused=tuple(done)),),
        now=NOW,
    )
    assert store.automate(acted)
    versions = store.pool("batch").version, store.deployment("etl").version
    store.close()
    return versions


def test_a_pause_by_an_automation_is_listed_apart_with_its_reason(cli, file):
    cli.ok("work-pool", "set-concurrency-limit", "batch", "9")
    queue, deployment = Target(pool="batch", queue="critical"), Target(deployment="etl")
    assert firing_on(cli, queue, deployment) == (3, 2)
    lines = {line["path"]: line for line in cli("plan", "-f", file, "--json").json["drift"] if line["automation"]}
    words = "paused by automation 'breaker' at 2030-01-01 12:00:00Z, because 3 of the last 3 runs ended FAILED"
    assert lines["queues.critical.paused"]["because"] == words
    assert lines["paused"]["because"] == words + "; it has been changed since"
    assert {line["automation"] for line in lines.values()} == {"breaker"}
    said = cli("plan", "-f", file).out
    by_hand, by_automations = said.split("Changed by automations since the last apply:")
    assert "work pool batch: concurrency_limit is now 9" in by_hand
    assert "queues.critical.paused" not in by_hand
    assert f"work pool batch: queues.critical.paused: {words}" in by_automations
    assert "| `queues.critical.paused` | `true` | automation `breaker` |" in cli("plan", "-f", file, "--format", "markdown").out
    found = {finding["text"]: finding for finding in cli("doctor", "--json").json if finding["check"] == "drift"}
    assert found[f"queues.critical.paused: {words}"]["fix"] == "resume it once the reason is gone, or say so in the file"
    assert "changed by hand since the last apply: concurrency_limit" in found


def test_a_queue_that_people_pause_again_counts_as_changed_by_hand(cli, file):
    firing_on(cli, Target(pool="batch", queue="critical"), paused=False)
    cli.ok("work-queue", "pause", "critical", "--pool", "batch")
    [line] = cli("plan", "-f", file, "--json").json["drift"]
    assert (line["path"], line["automation"], line["because"]) == ("queues.critical.paused", None, None)


def test_an_automation_that_was_changed_by_hand_is_listed_too(cli, tmp_path):
    when, then = "{ended: {states: [FAILED]}}", "[{notify: ops}]"
    (tmp_path / "file.yaml").write_text(f"automations: {{breaker: {{when: {when}, then: {then}}}}}\n")
    cli.ok("apply", "-f", str(tmp_path / "file.yaml"))
    cli.ok("automation", "pause", "breaker")
    assert drift(cli, str(tmp_path / "file.yaml")) == {("breaker", "paused"): True}
    assert [finding["subject"] for finding in cli("doctor", "--json").json if finding["check"] == "drift"] == ["breaker"]


def test_secrets_stay_hidden(cli, file):
    cli.ok("deployment", "update", "etl", "-jv", "env.TOKEN=hush")
    assert "hush" not in cli("plan", "-f", file, "--json").out
    assert ("etl", "job_variables") in drift(cli, file)
