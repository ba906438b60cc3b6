"""serverless.yml, packaged offline by the real framework: osls, in the version named there, installed once for a test run."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess

import pytest

from dispatcher.packaging.archive import write
from tests.infra.terraform import ROOT

NOWHERE = "http://127.0.0.1:9"
"""What a request over the network would have to pass, if one were made."""


def shared(tmp_path_factory):
    """A directory of this test run, whatever the number of its processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def osls(tmp_path_factory):
    """The framework's command, in the version that the head of serverless.yml names."""
    version = re.search(r"npx (osls@[\d.]+) deploy", (ROOT / "serverless.yml").read_text()).group(1)
    home = shared(tmp_path_factory) / "osls"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "node_modules/.bin/osls").exists():
            subprocess.run(["npm", "install", "--no-fund", "--no-audit", "--silent", version], cwd=home, check=True)
    return home / "node_modules/.bin/osls"


@pytest.fixture(scope="session")
def package(osls, tmp_path_factory):
    """`osls package` in a directory with serverless.yml and a zip, without a network, an account or a home."""

    def run(*words, name="service"):
        service = tmp_path_factory.mktemp(name)
        shutil.copy(ROOT / "serverless.yml", service)
        write(service / "function.zip", {"dispatcher/functions/aws_lambda.py": b"handler = print\n"})
        environment = {"PATH": os.environ["PATH"], "HOME": str(service), "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
        command = [str(osls), "package", "--package", "out", *words]
        done = subprocess.run(command, cwd=service, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return service / "out/cloudformation-template-update-stack.json"

    return run


@pytest.fixture(scope="session")
def template(package):
    return package()


@pytest.fixture(scope="session")
def resources(template):
    return json.loads(template.read_text())["Resources"]
