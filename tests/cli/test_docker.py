"""The command line for pools of containers, on a real engine."""

from __future__ import annotations

import json

import pytest

from tests.providers.docker.engines import engine as started


@pytest.fixture
def engine(monkeypatch):
    engine = started()
    monkeypatch.setenv("DOCKER_HOST", engine.socket)
    yield engine
    engine.clear()


@pytest.mark.long
def test_the_demo_keeps_its_promises_on_a_real_engine_and_leaves_nothing(engine, cli):
    images = engine.client.images(quiet=True)
    with cli.process("demo", "--docker", "--json", "--speed", "20") as process:
        out, errors = process.communicate(timeout=240)
    assert (process.returncode, errors) == (0, "")
    said = json.loads(out)
    assert said["ok"]
    assert said["ends"] == {"COMPLETED": 27, "CRASHED": 1, "FAILED": 2}
    assert engine.client.containers(all=True) == []
    assert not engine.client.volumes()["Volumes"]
    assert engine.client.images(quiet=True) == images


def test_without_an_engine_the_demo_says_so_in_one_line(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    said = cli.alone("demo", "--docker", "--json")
    assert (said.exit_code, len(said.errors)) == (1, 1)
    assert "no Docker engine answers here" in said.errors[0]
    assert "set DOCKER_HOST" in said.errors[0]


def test_without_its_extra_one_line_names_it(cli):
    said = cli.alone("demo", "--docker", "--json", before="sys.modules['docker'] = None")
    assert (said.exit_code, len(said.errors)) == (1, 1)
    assert "pip install 'push-dispatcher[docker]'" in said.errors[0]


def test_the_doctor_asks_the_engine_and_warns_of_what_a_restart_would_end(engine, cli):
    cli.ok("work-pool", "create", "machine", "--type", "docker")
    findings = cli("doctor", "--json").json
    assert {"check": "credentials", "level": "ok"}.items() <= next(
        finding for finding in findings if finding["check"] == "credentials"
    ).items()
    [warning] = [finding for finding in findings if finding["check"] == "place"]
    assert "a restart of the engine ends its containers" in warning["text"]
    assert "live-restore" in warning["fix"]


def test_a_first_configuration_is_applied_and_its_run_accepted(engine, cli, tmp_path):
    cli.ok("init", "--type", "docker", "-f", str(tmp_path / "dispatcher.yaml"))
    cli.ok("apply", "-f", str(tmp_path / "dispatcher.yaml"), "--yes")
    variables = {"image": "job:1", "network_mode": "none", "command": "true"}
    words = [word for name, value in variables.items() for word in ("-jv", f"{name}={value}")]
    [run] = cli.ok("run", "create", "--deployment", "hello", *words)
    cli.ok("tick")
    [row] = engine.client.containers(all=True)
    assert row["Labels"]["push-dispatcher/run_id"] == run["id"]
    engine.client.wait(row["Id"])
    cli.ok("tick")
    assert cli.ok("run", "inspect", run["id"])["state"] == "COMPLETED"


def test_provisioning_says_that_nothing_is_needed_and_what_to_do_instead(cli):
    said = cli("work-pool", "provision-infrastructure", "machine", "--type", "docker")
    assert "there is nothing to provision" in said.out
    assert "DISPATCHER_DOCKER_HOSTS" in said.out


def test_the_default_template_is_printed(cli):
    template = cli.ok("work-pool", "get-default-base-job-template", "--type", "docker")
    assert template["variables"]["required"] == ["image"]
