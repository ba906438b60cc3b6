"""Every module's own tests (`terraform test`): what it refuses, what it takes, and that it plans with values not known yet.

AWS's plug-in is mocked by Terraform itself; Google and Azure have the stub provider with their real schemas.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from dispatcher.environment.settings import OF_PLATFORMS, Settings
from tests.infra.clouds import a_package, on_the_stub
from tests.infra.terraform import INFRA, Terraform, installed, mirror, needs

MODULES = sorted(path.name for path in (INFRA / "modules").iterdir())
ON_AWS = {"aws-dispatcher", "ecs-pool"}
WITHOUT_A_CLOUD = {"settings"}
ON_THE_STUB = sorted(set(MODULES) - ON_AWS - WITHOUT_A_CLOUD)


def passes(terraform):
    """Whether all tests of the module passed."""
    terraform.run("init", "-input=false")
    return ", 0 failed" in terraform.run("test")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_tried_with_values_that_are_not_known_yet(module):
    tests = INFRA / "modules" / module / "tests"
    assert module in WITHOUT_A_CLOUD or 'source = "./tests/unknown"' in "".join(
        path.read_text() for path in tests.glob("*.tftest.hcl")
    )


def test_the_readme_of_every_module_says_what_its_inputs_and_outputs_are():
    done = subprocess.run([sys.executable, INFRA / "document.py", "--check"], check=False, capture_output=True, text=True)
    assert done.stdout == "", "write them anew: python infra/document.py"


@pytest.mark.parametrize("example", sorted(path.name for path in (INFRA / "examples").iterdir()))
def test_every_example_is_applied_or_planned_by_a_test_and_linked_from_a_page(example):
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert f'"{example}"' in tests or f'"examples/{example}"' in tests
    assert any(f"(examples/{example})" in page.read_text() for page in INFRA.glob("*.md"))


@installed
@pytest.mark.parametrize("module", sorted(WITHOUT_A_CLOUD))
def test_a_module_without_a_cloud(module, tmp_path):
    assert passes(Terraform(tmp_path, f"modules/{module}", plugins=None, variables={}))


@pytest.mark.long  # most of a minute, of which AWS's plug-in takes most to start
@needs("hashicorp/aws")
@pytest.mark.parametrize("module", sorted(ON_AWS))
def test_a_module_for_aws(module, tmp_path):
    assert passes(Terraform(tmp_path, f"modules/{module}", plugins=mirror("hashicorp/aws"), variables={}))


@installed
@pytest.mark.parametrize("module", ON_THE_STUB)
def test_a_module_for_google_or_azure(module, tmp_path):
    variables = {"package": a_package(tmp_path)} if module.endswith("-dispatcher") else {}
    with on_the_stub(tmp_path, f"modules/{module}", **variables) as terraform:
        assert passes(terraform)


def test_the_settings_that_the_modules_know_are_those_of_the_code():
    text = (INFRA / "modules/settings/main.tf").read_text()
    names = set(re.findall(r'^    "(DISPATCHER_\w+)",$', text, re.MULTILINE))
    own = {f"DISPATCHER_{setting.name.upper()}" for setting in fields(Settings)}
    assert names == own | OF_PLATFORMS - {"DISPATCHER_PACKAGE"}
