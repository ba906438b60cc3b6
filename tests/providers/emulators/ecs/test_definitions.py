"""Task definitions and overrides that ECS is documented to refuse."""

from __future__ import annotations

import pytest

from providers.ecs.needs import FARGATE, fargate_problem
from providers.emulators.ecs.definitions import SIZES
from tests.providers.emulators.ecs.builders import a_container, a_fargate_definition, refusal


def refused(ecs, **definition):
    error = refusal(ecs.boto.register_task_definition, **{**a_fargate_definition(), **definition})["Error"]
    return f"{error['Code']}: {error['Message']}"


AWSLOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}}
TOKEN = [{"name": "A", "valueFrom": "arn:a"}]
PLAIN = [{"name": "A", "value": "1"}]


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"cpu": "300"}, "No Fargate configuration exists for given values: 300 CPU, 512 memory."),
        ({"cpu": "256", "memory": "4096"}, "No Fargate configuration exists"),
        ({"containerDefinitions": [a_container(essential=False)]}, "At least one container must be essential"),
        ({"containerDefinitions": [{"image": "busybox"}]}, "Container.name should not be null or empty."),
        ({"containerDefinitions": [{"name": "a"}]}, "Container.image should not be null or empty."),
        ({"containerDefinitions": [a_container(), a_container()]}, "names must be unique"),
        ({"containerDefinitions": [a_container(cpu=512)]}, "is more than that of the task"),
        ({"containerDefinitions": [a_container(memory=1024)]}, "is more than that of the task"),
        (
            {"containerDefinitions": [a_container("a", memory=300), a_container("b", memory=300)]},
            "is more than that of the task",
        ),
        ({"networkMode": "bridge"}, "Fargate only supports network mode 'awsvpc'"),
        ({"containerDefinitions": [a_container(logConfiguration=AWSLOGS)]}, "to support log driver awslogs"),
        ({"containerDefinitions": [{"name": "a", "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a"}]}, "ECR images"),
        ({"containerDefinitions": [a_container(secrets=TOKEN)]}, "to support secrets"),
        ({"containerDefinitions": [a_container(secrets=TOKEN, environment=PLAIN)]}, "such as 'A'"),
    ],
)
def test_every_definition_that_ecs_documents_as_invalid_is_refused(definition, words, ecs):
    assert words in refused(ecs, **definition)


@pytest.mark.parametrize("size", [("1 vCPU", "2 GB"), (".25 vcpu", "0.5GB"), ("16384", "122880")])
def test_sizes_are_taken_in_every_spelling_of_the_documentation(size, ecs):
    assert ecs.register(cpu=size[0], memory=size[1])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"cpu": "512"}, "No Fargate configuration exists for given values: 512 CPU, 512 memory."),
        ({"containerOverrides": [{"name": "main", "cpu": 512}]}, "is more than that of the task"),
        ({"containerOverrides": [{"name": "main", "memory": 1024}]}, "is more than that of the task"),
    ],
)
def test_overrides_of_a_size_that_there_is_not_are_refused(overrides, words, ecs):
    ecs.register()
    assert words in ecs.refusal(overrides=overrides)[1]


def test_a_variable_that_is_a_secret_already_is_refused(ecs):
    ecs.register(containers=[a_container(secrets=TOKEN)], executionRoleArn="arn:aws:iam::123456789012:role/x")
    override = {"name": "main", "environment": PLAIN}
    assert "such as 'A'" in ecs.refusal(overrides={"containerOverrides": [override]})[1]


def test_the_provider_and_its_emulator_know_the_same_tasks():
    assert {int(cpu): memory for cpu, memory in SIZES.items()} == {cpu: list(memory) for cpu, memory in FARGATE.items()}
    for cpu in (*FARGATE, 300):
        for memory in range(256, 130_000, 256):
            assert (fargate_problem(cpu, memory) is None) is (memory in SIZES.get(str(cpu), ()))
