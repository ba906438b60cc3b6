"""What was asked for arrives, over the wire, where two things could contradict each other."""

from __future__ import annotations

import boto3
import pytest

from providers.base import Accepted, Rejected
from tests.providers.ecs.builders import NAME, a_job, names
from tests.providers.ecs.test_checking import changed, sidecar

ROLE = "arn:aws:iam::123456789012:role/x"


def test_one_name_in_env_and_in_secrets_is_the_secret_once_by_reference(aws, provider):
    job = a_job(env={"TOKEN": "plain", "MODE": "fast"}, secrets={"TOKEN": "arn:token"}, execution_role_arn=ROLE)
    assert isinstance(provider.submit(job), Accepted)
    [definition] = aws.calls.requests("RegisterTaskDefinition")
    [request] = aws.calls.requests("RunTask")
    assert definition["containerDefinitions"][0]["secrets"] == [{"name": "TOKEN", "valueFrom": "arn:token"}]
    sent = {item["name"]: item["value"] for item in request["overrides"]["containerOverrides"][0]["environment"]}
    assert "TOKEN" not in sent
    assert sent["MODE"] == "fast"


def test_a_secret_of_an_existing_definition_wins_too(aws, provider):
    container = {"name": "work", "image": "busybox", "secrets": [{"name": "TOKEN", "valueFrom": "arn:token"}]}
    boto3.client("ecs").register_task_definition(
        family="mine", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        executionRoleArn=ROLE, containerDefinitions=[container],
    )  # fmt: skip
    assert isinstance(provider.submit(a_job(image=None, task_definition_arn="mine", env={"TOKEN": "plain"})), Accepted)
    [request] = aws.calls.requests("RunTask")
    assert "plain" not in str(request)


def test_a_main_container_beside_another_leaves_room_for_it(aws, provider):
    job = a_job(template=sidecar(cpu=128, memory=256), cpu=512, memory=1024)
    assert isinstance(provider.submit(job), Accepted)
    [request] = aws.calls.requests("RunTask")
    assert request["overrides"]["cpu"] == "512"
    assert request["overrides"]["containerOverrides"][0].keys() == {"name", "environment"}


def test_the_clusters_own_strategy_can_be_asked_for(aws, provider):
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    boto3.client("ecs").put_cluster_capacity_providers(
        cluster="default", capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=strategy
    )
    assert isinstance(provider.submit(a_job(launch_type="CLUSTER_DEFAULT", assign_public_ip=True)), Accepted)
    [request] = aws.calls.requests("RunTask")
    assert not {"launchType", "capacityProviderStrategy"} & request.keys()
    assert aws.book.named(NAME)[-1].detail.provider == "FARGATE_SPOT"


def test_an_execution_role_reaches_an_existing_definition(aws, provider):
    boto3.client("ecs").register_task_definition(
        family="mine", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[{"name": "work", "image": "busybox"}],
    )  # fmt: skip
    assert isinstance(provider.submit(a_job(image=None, task_definition_arn="mine", execution_role_arn=ROLE)), Accepted)
    assert aws.calls.requests("RunTask")[0]["overrides"]["executionRoleArn"] == ROLE


@pytest.mark.parametrize("field", ["Subnets", "AwsvpcConfiguration", "security_groups"])
def test_a_network_in_another_spelling_never_becomes_the_default_vpc_with_a_public_address(field, aws, provider):
    outcome = provider.submit(a_job(network_configuration={field: ["subnet-1"]}))
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith(f"network_configuration.{field}: ")
    assert not aws.calls.counts


def test_one_run_that_cannot_be_placed_leaves_its_cluster_to_the_others(aws, provider):
    """The kind behind it: a refusal of one job, taken for the provider's."""
    gpu = {"containerDefinitions": [{"image": "{{ image }}", "resourceRequirements": [{"type": "GPU", "value": "{{ cpu }}"}]}]}
    big = a_job(names(1)[0], template=changed("task_definition", **gpu), launch_type="EC2", cpu=4, memory=512)
    small = a_job(NAME, launch_type="EC2", cpu=256, memory=512)
    aws.faults.add("RunTask", "no-capacity", detail="RESOURCE:GPU")
    hold = provider.submit(big).hold
    assert hold.size == {"gpu": 4}
    assert hold.freed_by_end
    assert hold.concerns(provider.needs(big.configuration))
    assert not hold.concerns(provider.needs(small.configuration))
