"""The packages for Google and Azure: what these platforms look for, where they look for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from zipfile import ZipFile

import pytest

from dispatcher.packaging.build import PackageRequest, build
from dispatcher.packaging.platform_files import SITE_PACKAGES
from dispatcher.packaging.targets import target
from tests.functions.lambda_platform.packages import PYTHON
from tests.packaging.conftest import opened
from tests.packaging.wheelhouse import Wheelhouse

GOOGLE = ("functions-framework", "google-auth", "requests", "google-cloud-run", "psycopg", "psycopg-binary", "annotated-types")
AZURE = ("azure-functions", "azure-identity", "azure-mgmt-containerinstance", "psycopg", "psycopg-binary", "annotated-types")
NEEDS = {"psycopg": ["psycopg-binary ; extra == 'binary'"]}


class Platform:
    """A platform, and packages for it of distributions with nothing in them."""

    def __init__(self, name, distributions, directory, wheelhouse):
        self.target, self.distributions, self.wheelhouse = target(name, python=PYTHON), set(distributions), wheelhouse
        self.directory = directory
        self.built = self.build("function.zip")
        self.files = read(self.built)

    def build(self, output):
        extras = self.target.platform.extras
        return build(
            PackageRequest(target=self.target, extras=extras, lock=self.wheelhouse.lock, output=self.directory / output)
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Every distribution that one of the platforms wants."""
    with opened(tmp_path_factory.mktemp("built") / "wheelhouse") as wheelhouse:
        for platform in sorted({*GOOGLE, *AZURE}):
            wheelhouse.add(platform, "99.0", extras=["binary"] if platform in NEEDS else [], requires=NEEDS.get(platform, []))
        yield wheelhouse


@pytest.fixture(scope="module")
def google(house, tmp_path_factory):
    return Platform("google-cloud-function", GOOGLE, tmp_path_factory.mktemp("google"), house)


@pytest.fixture(scope="module")
def azure(house, tmp_path_factory):
    return Platform("azure-functions", AZURE, tmp_path_factory.mktemp("azure"), house)


@pytest.fixture(params=["google", "azure"])
def platform(request):
    """Each in turn."""
    return request.getfixturevalue(request.param)


def read(package):
    with ZipFile(package.order.output) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.long
def test_google_finds_its_main_and_a_locked_list_of_what_to_install(google):
    assert b"import tick" in google.files["main.py"]
    assert {name.partition("/")[0] for name in google.files} == {"main.py", "requirements.txt", "dispatcher", "providers"}
    assert "dispatcher/functions/cloud_function.py" in google.files
    assert not [name for name in google.files if name.endswith(".pyc")], "Google's build compiles what it gets"


@pytest.mark.long
def test_pip_installs_googles_list_and_refuses_a_file_with_another_hash(google, tmp_path):
    (tmp_path / "requirements.txt").write_bytes(google.files["requirements.txt"])
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--target", str(tmp_path / "installed")]
    asked = [*command, "--requirement", str(tmp_path / "requirements.txt")]
    house = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PATH": os.environ["PATH"]}
    subprocess.run(asked, check=True, env={**house, "PIP_FIND_LINKS": str(google.wheelhouse.directory)})
    installed = {path.name.partition("-99.0")[0].replace("_", "-") for path in (tmp_path / "installed").glob("*.dist-info")}
    assert installed == google.distributions

    other = Wheelhouse(tmp_path)
    for platform in GOOGLE:
        other.add(platform, "99.0", files={"other.py": ""})
    refused = subprocess.run(
        [*asked, "--upgrade"], check=False, capture_output=True, text=True, env={**house, "PIP_FIND_LINKS": str(tmp_path)}
    )
    assert refused.returncode, "a file with another hash is installed"
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in refused.stderr


@pytest.mark.long
def test_azure_finds_its_app_its_host_file_and_everything_installed(azure):
    files = azure.files
    assert b"import app" in files["function_app.py"]
    host = json.loads(files["host.json"])
    assert (host["version"], host["functionTimeout"], "retry" in host) == ("2.0", "00:01:00", False)
    assert {name for name in files if "/" not in name} == {"function_app.py", "host.json"}
    assert f"{SITE_PACKAGES}/dispatcher/functions/azure_function.py" in files
    assert f"{SITE_PACKAGES}/azure_functions/__init__.py" in files
    compiled = files[f"{SITE_PACKAGES}/dispatcher/ticking/__pycache__/line.{sys.implementation.cache_tag}.pyc"]
    assert f"/home/site/wwwroot/{SITE_PACKAGES}/dispatcher/ticking/line.py".encode() in compiled


@pytest.mark.long
def test_two_builds_of_one_input_are_the_same_bytes(platform):
    again = platform.build("elsewhere/other.zip")
    assert platform.built.order.output.read_bytes() == again.order.output.read_bytes()


@pytest.mark.long
def test_the_bill_of_materials_names_exactly_the_distributions_of_the_function(platform):
    bill = json.loads(platform.built.order.bill.read_text())
    assert {component["name"] for component in bill["components"]} == platform.distributions
    assert {part.name for part in platform.built.parts} == platform.distributions | {"push-dispatcher"}
    assert sum(part.files for part in platform.built.parts) == len(platform.files)
