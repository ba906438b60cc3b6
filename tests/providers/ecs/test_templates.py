"""Both templates, ours and Prefect's, come to correct requests: the emulator checks each against botocore's model."""

from __future__ import annotations

import pytest

from providers.base import Accepted, Rejected
from tests.providers.ecs.builders import NAME, OURS, PREFECT, WORKER_ONLY, a_configuration, a_job

ROLE = "arn:aws:iam::123456789012:role/x"
TEMPLATES = pytest.mark.parametrize("template", [PREFECT, OURS], ids=["prefect", "ours"])


@TEMPLATES
def test_an_image_is_all_a_job_needs(template, aws, provider):
    assert isinstance(provider.submit(a_job(template=template)), Accepted)
    [definition] = aws.calls.requests("RegisterTaskDefinition")
    family = definition.pop("family")
    assert family.startswith("push-dispatcher-")
    assert definition == {
        "containerDefinitions": [{"image": "busybox", "name": "prefect"}],
        "cpu": "1024",
        "memory": "2048",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
    }
    [request] = aws.calls.requests("RunTask")
    network = request.pop("networkConfiguration")["awsvpcConfiguration"]
    assert set(network) == {"subnets", "assignPublicIp"}
    assert request == {
        "taskDefinition": f"arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:1",
        "launchType": "FARGATE",
        "count": 1,
        "clientToken": NAME,
        "startedBy": NAME,
        "overrides": {
            "containerOverrides": [{"name": "prefect", "environment": [{"name": "DISPATCHER_RUN_ID", "value": "0123"}]}]
        },
    }


@TEMPLATES
def test_every_variable_reaches_its_place(template, aws, provider):
    job = a_job(
        template=template,
        command="python -m job --text 'two words'",
        env={"B": "2", "A": ""},
        labels={"team": "data"},
        cpu=256,
        memory=512,
        family="nightly load",
        container_name="main",
        task_role_arn=ROLE,
        execution_role_arn=ROLE,
        configure_cloudwatch_logs=True,
        cloudwatch_logs_options={"awslogs-group": "jobs"},
        cloudwatch_logs_prefix="nightly",
        network_configuration={**aws.network["awsvpcConfiguration"], "assignPublicIp": "DISABLED"},
    )
    assert isinstance(provider.submit(job), Accepted)
    [definition] = aws.calls.requests("RegisterTaskDefinition")
    [request] = aws.calls.requests("RunTask")
    assert definition["family"].startswith("nightly-load-")
    assert (definition["cpu"], definition["memory"], definition["executionRoleArn"]) == ("256", "512", ROLE)
    assert definition["containerDefinitions"][0]["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {
            "awslogs-create-group": "true",
            "awslogs-group": "jobs",
            "awslogs-region": "us-east-1",
            "awslogs-stream-prefix": "nightly",
        },
    }
    assert request["tags"] == [{"key": "team", "value": "data"}]
    assert request["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    assert request["overrides"] == {
        "cpu": "256",
        "memory": "512",
        "taskRoleArn": ROLE,
        "containerOverrides": [
            {
                "name": "main",
                "command": ["python", "-m", "job", "--text", "two words"],
                "environment": [
                    {"name": "A", "value": ""},
                    {"name": "B", "value": "2"},
                    {"name": "DISPATCHER_RUN_ID", "value": "0123"},
                ],
                "cpu": 256,
                "memory": 512,
            }
        ],
    }


@TEMPLATES
def test_without_an_image_or_a_definition_the_refusal_names_both_variables(template, aws, provider):
    job = a_job(template=template, image=None)
    outcome = provider.submit(job)
    assert isinstance(outcome, Rejected)
    assert "image" in outcome.reason
    assert "task_definition_arn" in outcome.reason
    assert not aws.calls["RunTask"]


def test_our_template_has_prefects_variables_and_their_defaults():
    prefect, ours = PREFECT["variables"]["properties"], OURS["variables"]["properties"]
    assert set(prefect) - WORKER_ONLY <= set(ours)
    for name in set(prefect) - WORKER_ONLY:
        assert ours[name].get("default") == prefect[name].get("default"), name


def test_our_template_takes_subnets_groups_secrets_and_storage(aws, run_task):
    network = aws.network["awsvpcConfiguration"]
    request = run_task(
        a_job(
            subnets=network["subnets"][:1],
            security_groups=network["securityGroups"],
            assign_public_ip=True,
            ephemeral_storage=30,
            execution_role_arn=ROLE,
            secrets={"TOKEN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token"},
        )
    )
    assert request["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": network["subnets"][:1],
        "securityGroups": network["securityGroups"],
        "assignPublicIp": "ENABLED",
    }
    assert request["overrides"]["ephemeralStorage"] == {"sizeInGiB": 30}
    [definition] = aws.calls.requests("RegisterTaskDefinition")
    assert definition["containerDefinitions"][0]["secrets"] == [
        {"name": "TOKEN", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token"}
    ]


def test_stream_output_turns_logs_on_as_in_prefect(aws, provider):
    provider.submit(a_job(template=PREFECT, stream_output=True, execution_role_arn=ROLE, family="f"))
    [definition] = aws.calls.requests("RegisterTaskDefinition")
    options = definition["containerDefinitions"][0]["logConfiguration"]["options"]
    assert options["awslogs-group"] == "push-dispatcher"
    assert options["awslogs-stream-prefix"] == "f"


def test_a_command_may_be_a_list(run_task):
    request = run_task(a_job(command=["echo", "a b", ""]))
    assert request["overrides"]["containerOverrides"][0]["command"] == ["echo", "a b", ""]


def test_rendering_leaves_no_placeholder_behind():
    assert "{{" not in str(a_configuration(OURS)) + str(a_configuration(PREFECT))
