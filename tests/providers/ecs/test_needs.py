"""Where a task goes and how much it takes there, computed without a call and without the SDK."""

from __future__ import annotations

import subprocess
import sys

import pytest

from providers import registry
from providers.base import ConfigurationError, Needs
from providers.ecs import EcsProvider
from providers.ecs.needs import cpu_units, mebibytes, needs_of
from tests.providers.ecs.builders import PREFECT, a_configuration
from tests.providers.garbage import garbage

ABROAD = "arn:aws:ecs:eu-west-3:123456789012:cluster/jobs"


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, ("", "", "FARGATE", "")),
        ({"launch_type": "FARGATE_SPOT"}, ("", "", "FARGATE_SPOT", "")),
        ({"launch_type": "EC2"}, ("", "", "default", "")),
        ({"launch_type": "EC2", "cluster": "gpus", "aws_credentials": "team"}, ("team", "", "gpus", "")),
        ({"launch_type": "EC2", "cluster": ABROAD}, ("", "eu-west-3", "jobs", "")),
        ({"cluster": ABROAD}, ("", "eu-west-3", "FARGATE", "")),
        ({"capacity_provider_strategy": [{"capacityProvider": "asg"}], "cluster": "gpus"}, ("", "", "gpus/asg", "")),
        (
            {"capacity_provider_strategy": [{"capacityProvider": "FARGATE"}, {"capacityProvider": "FARGATE_SPOT"}]},
            ("", "", "FARGATE+FARGATE_SPOT", ""),
        ),
        ({"task_definition_arn": "mine:3"}, ("", "", "FARGATE", "mine:3")),
    ],
)
def test_the_place_consists_of_all_parts_from_credentials_to_capacity(variables, place):
    assert needs_of(a_configuration(**variables)).place == place


@pytest.mark.parametrize(
    ("variables", "size"),
    [
        ({}, {"cpu": 1024, "memory": 2048}),
        ({"cpu": 256, "memory": 512}, {"cpu": 256, "memory": 512}),
        ({"launch_type": "EC2"}, {"cpu": 1024, "memory": 2048}),
        ({"launch_type": "EC2", "subnets": ["subnet-1"]}, {"cpu": 1024, "memory": 2048, "eni": 1}),
        ({"task_definition_arn": "mine"}, {}),
        ({"task_definition_arn": "mine", "cpu": 512}, {"cpu": 512}),
    ],
)
@pytest.mark.parametrize("template", [PREFECT, None], ids=["prefect", "ours"])
def test_the_size_is_the_tasks(template, variables, size):
    if "subnets" in variables and template:
        variables = {"launch_type": "EC2", "network_configuration": {"subnets": ["subnet-1"]}}
    templates = [template] if template else []
    assert needs_of(a_configuration(*templates, **variables)).size == size


def a_gpu(value):
    return [{"type": "GPU", "value": value}]


def test_gpus_are_summed_over_containers_as_their_overrides_have_them():
    containers = [
        {"name": "a", "cpu": 512, "resourceRequirements": a_gpu("2")},
        {"name": "b", "resourceRequirements": a_gpu(1)},
    ]
    overrides = {"containerOverrides": [{"name": "a", "memory": 256, "resourceRequirements": a_gpu("4")}]}
    configuration = {
        "task_definition": {"containerDefinitions": containers},
        "task_run_request": {"launchType": "EC2", "overrides": overrides},
    }
    assert needs_of(configuration).size == {"cpu": 512, "memory": 256, "gpu": 5}


@pytest.mark.parametrize(("text", "units"), [("1 vCPU", 1024), (".5 vcpu", 512), ("256", 256), (True, None), ("much", None)])
def test_cpu_is_read_in_every_spelling_of_ecs(text, units):
    assert cpu_units(text) == units


@pytest.mark.parametrize(("text", "mib"), [("2 GB", 2048), ("0.5GB", 512), (512, 512), ([], None)])
def test_memory_is_read_in_every_spelling_of_ecs(text, mib):
    assert mebibytes(text) == mib


def test_every_configuration_has_needs_or_cannot_be_used():
    for template in ({}, {"template": PREFECT}):
        for configuration in garbage(a_configuration(**template, cluster="c", aws_credentials="team", env={"A": "1"})):
            try:
                needs = needs_of(configuration)
            except ConfigurationError:
                continue
            assert isinstance(needs, Needs)
            assert all(isinstance(part, str) for part in needs.place)


def test_the_provider_and_the_registry_say_the_same():
    configuration = a_configuration(cpu=512, memory=1024)
    expected = Needs(place=("", "", "FARGATE", ""), size={"cpu": 512, "memory": 1024})
    assert EcsProvider().needs(configuration) == registry.needs("ecs:push", configuration) == expected
    assert registry.needs("ecs", configuration) == expected


def test_needs_load_no_sdk():
    code = "import sys; from providers import registry; registry.needs('ecs:push', {}); assert 'botocore' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
