"""Every variable that a template declares reaches the request, or stands in the list of those that have no effect, with why."""

from __future__ import annotations

import json

import boto3
import pytest

from dispatcher.core.templates import render
from providers import registry
from providers.base import Job
from providers.ecs.blueprint import blueprint_of
from providers.ecs.checking import check
from providers.ecs.definition import existing_definition
from providers.ecs.preparation import Preparation
from providers.ecs.rules import NO_EFFECT, READ
from tests.prefect import installed
from tests.prefect.installed import INSTALLED
from tests.providers.ecs.builders import NAME, PREFECT
from tests.providers.emulators.ecs.builders import a_fargate_definition

ROLE = "arn:aws:iam::123456789012:role/marker"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:marker"
LOGS = {"configure_cloudwatch_logs": True, "execution_role_arn": ROLE}

MARKERS = {
    "image": ({}, "marker:1"),
    "command": ({}, "marker --now"),
    "env": ({}, {"MARKER": "marker"}),
    "labels": ({}, {"marker": "marker"}),
    "secrets": ({"execution_role_arn": ROLE}, {"MARKER": SECRET}),
    "prefect_api_key_secret_arn": ({"execution_role_arn": ROLE}, SECRET),
    "prefect_api_auth_string_secret_arn": ({"execution_role_arn": ROLE}, SECRET),
    "cluster": ({}, "marker"),
    "family": ({}, "marker"),
    "container_name": ({}, "marker"),
    "launch_type": ({}, "EC2"),
    "capacity_provider_strategy": ({}, [{"capacityProvider": "FARGATE_SPOT", "weight": 7}]),
    "cpu": ({"memory": 4096}, 512),
    "memory": ({"cpu": 512}, 4096),
    "ephemeral_storage": ({}, 123),
    "task_role_arn": ({}, ROLE),
    "execution_role_arn": ({}, ROLE),
    "network_configuration": ({}, {"subnets": ["SUBNET"], "assignPublicIp": "DISABLED"}),
    "subnets": ({}, ["SUBNET"]),
    "security_groups": ({"subnets": ["SUBNET"]}, ["GROUP"]),
    "assign_public_ip": ({}, False),
    "vpc_id": ({}, "VPC"),
    "configure_cloudwatch_logs": ({"execution_role_arn": ROLE}, True),
    "stream_output": ({"execution_role_arn": ROLE}, True),
    "cloudwatch_logs_options": (LOGS, {"awslogs-datetime-format": "marker"}),
    "cloudwatch_logs_prefix": (LOGS, "marker"),
    "task_definition_arn": ({"image": None}, "marker"),
}
"""A value for each variable, and what has to stand beside it; it changes what AWS is asked."""
ELSEWHERE = {
    "aws_credentials": "names whose identity the calls have: tests/providers/ecs/test_credentials.py",
    "task_start_timeout_seconds": "is the dispatcher's: it stops a task that has not started by then (tests/core)",
}
"""Variables whose effect is not in a request to ECS or EC2."""


@pytest.fixture(params=["ours", "prefect", INSTALLED])
def template(request):
    """Ours, one in the shape of Prefect's, and the one of the newest prefect-aws."""
    held = {"ours": registry.default_template("ecs:push"), "prefect": PREFECT}
    return held.get(request.param) or installed.template("ecs")


def test_every_variable_has_a_marker_or_a_reason(template):
    declared = set(template["variables"]["properties"])
    assert declared <= MARKERS.keys() | ELSEWHERE.keys() | NO_EFFECT.keys()
    assert all(reason for _, reason in NO_EFFECT.values())
    assert not MARKERS.keys() & NO_EFFECT.keys()
    assert not READ & NO_EFFECT.keys()


def asked(aws, clients, template, variables):
    """All that AWS would be asked for a job with these variables: the task, its definition, and whether for the VPC."""
    aws.calls.reset()
    configuration = render(template, {"image": "busybox", **variables})
    assert check(configuration).faults == (), variables
    job = Job(name=NAME, configuration=configuration)
    prepared = Preparation(clients, 10.0, monotonic=lambda: 0.0).prepare(job)
    definition = () if existing_definition(configuration) else blueprint_of(configuration, "us-east-1")[0]
    return prepared.request, definition, aws.calls.counts.get("ec2.DescribeVpcs", 0)


def real(value, aws):
    """A marker with the names of things that are in the account."""
    network = aws.network["awsvpcConfiguration"]
    subnet, group = network["subnets"][0], network["securityGroups"][0]
    text = json.dumps(value).replace("SUBNET", subnet).replace("GROUP", group).replace('"VPC"', json.dumps(vpc(aws)))
    return json.loads(text)


def vpc(aws):
    return boto3.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]


def test_every_variable_changes_what_aws_is_asked(template, aws, clients):
    boto3.client("ecs").register_task_definition(**a_fargate_definition("marker"))
    for variable in template["variables"]["properties"]:
        if variable not in MARKERS:
            continue
        beside, marker = MARKERS[variable]
        declared = {name: value for name, value in beside.items() if name in template["variables"]["properties"]}
        plain = {"image": "busybox"} if variable == "task_definition_arn" else real(declared, aws)
        before = asked(aws, clients, template, plain)
        after = asked(aws, clients, template, {**real(declared, aws), variable: real(marker, aws)})
        assert before != after, variable


def test_a_setting_without_effect_is_reported_with_the_reason_when_it_asks_for_something(template):
    for variable in template["variables"]["properties"].keys() & NO_EFFECT.keys():
        checked = check(render(template, {"image": "busybox", variable: "marker"}))
        if f"{{{{ {variable} }}}}" in json.dumps(template["job_configuration"]):
            assert [warning.path for warning in checked.warnings] == [variable]
