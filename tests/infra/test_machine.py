"""The files for a machine: systemd takes the unit, and a real Docker engine builds the image and runs it."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from pathlib import Path

import click
import pytest

from dispatcher.cli.commands.serve import PORT, serve
from dispatcher.environment.settings import Settings
from tests.infra.rootfs import PYTHON, base_image, wheels
from tests.providers.docker.engines import engine as started

ROOT = Path(__file__).parents[2]
FILES = ROOT / "infra" / "machine"
UNIT = (FILES / "push-dispatcher.service").read_text()
DOCKERFILE = (FILES / "Dockerfile").read_text()
EXTRAS = "cli,serve"
SOURCE = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements.lock",
    "dispatcher",
    "providers",
    "infra/modules",
    "serverless.yml",
)


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


def test_the_systemd_unit_starts_an_existing_command_waits_for_a_tick_and_leaves_jobs_alone():
    [command] = of_unit("ExecStart")
    program, noun, *options = shlex.split(command)
    assert (Path(program).name, noun) == ("dispatcher", "serve")
    serve.make_context("serve", options)
    settings = Settings(store="memory://")
    assert int(of_unit("WatchdogSec")[0]) > settings.tick_seconds + settings.margin_seconds
    assert int(of_unit("TimeoutStopSec")[0]) > settings.margin_seconds + settings.telemetry_seconds
    assert (of_unit("Type"), of_unit("KillMode")) == (["notify"], ["process"])


def test_the_image_starts_an_existing_command_on_the_port_of_its_health_check():
    [command] = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    noun, *options = json.loads(command)
    context = serve.make_context("serve", options)
    assert isinstance(context, click.Context)
    assert (noun, context.params["host"], context.params["port"]) == ("serve", "0.0.0.0", PORT)
    assert f"127.0.0.1:{PORT}/healthz" in DOCKERFILE


def test_the_image_has_every_extra_that_a_tick_of_any_pool_may_need():
    [extras] = re.findall(r"^ARG EXTRAS=(\S+)", DOCKERFILE, re.MULTILINE)
    ours = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert ours - set(extras.split(",")) == {"dev", "emulators", "functions-azure", "functions-google", "package", "ui"}
    assert set(extras.split(",")) <= ours


def test_the_build_sees_nothing_but_the_source():
    lines = (FILES / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == {*SOURCE, "wheels"}


def required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [project["optional-dependencies"][extra] for extra in EXTRAS.split(",")]
    return [text for requirements in (project["dependencies"], *extras) for text in requirements]


def context_of_the_build():
    """The source, the Dockerfile, and a folder of wheels."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in SOURCE:
            tar.add(ROOT / name, name, filter=lambda entry: None if "__pycache__" in entry.name else entry)
        tar.add(FILES / "Dockerfile", "Dockerfile")
        for name, content in wheels(*required(), "hatchling"):
            entry = tarfile.TarInfo(f"wheels/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    archive.seek(0)
    return archive


class Container:
    """The image, as it runs."""

    def __init__(self, engine):
        self.client = engine.client
        host = self.client.create_host_config(network_mode="none")
        self.id = self.client.create_container("push-dispatcher", host_config=host)["Id"]
        self.client.start(self.id)

    def run(self, *command):
        assert self.state()["Running"], self.client.logs(self.id)
        asked = self.client.exec_create(self.id, list(command))["Id"]
        said = self.client.exec_start(asked).decode()
        assert self.client.exec_inspect(asked)["ExitCode"] == 0, said
        return said

    def state(self):
        return self.client.inspect_container(self.id)["State"]


@pytest.mark.long
def test_the_image_is_built_without_an_index_and_serves_until_it_is_stopped():
    engine = started()
    client = engine.client
    client.import_image_from_data(base_image(*required()), repository="base", tag="1", changes=[f"ENV PATH={PYTHON}/bin:/bin"])
    arguments = {"BASE": "base:1", "EXTRAS": EXTRAS, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/source/wheels"}
    built = client.build(
        fileobj=context_of_the_build(),
        custom_context=True,
        tag="push-dispatcher",
        buildargs=arguments,
        network_mode="none",
        decode=True,
        rm=True,
    )
    said = "".join(line.get("stream", line.get("error", "")) for line in built)
    assert "Successfully tagged push-dispatcher:latest" in said, said

    container = Container(engine)
    container.run("dispatcher", "work-pool", "create", "here", "--type", "process")
    container.run("dispatcher", "run", "create", "--pool", "here", "-jv", "command=python --version")
    until(lambda: "COMPLETED" in container.run("dispatcher", "run", "ls"))
    until(lambda: container.state()["Health"]["Status"] == "healthy")
    assert container.run("python", "-c", "import os; print(os.getuid())") == "65532\n"
    client.stop(container.id, timeout=60)
    assert container.state()["ExitCode"] == 0
    assert b'"event": "serve.ended"' in client.logs(container.id)
    engine.clear()


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
