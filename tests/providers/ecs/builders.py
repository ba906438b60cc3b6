"""Jobs to submit, rendered from our default template or from one in the shape of Prefect's."""

from __future__ import annotations

from dispatcher.core.templates import render
from providers import registry
from providers.base import Job

NAME = "r0123456789abcdef0123456789abcdef-1"
OURS = registry.default_template("ecs:push")
CREDENTIALS_BLOCK = {"type": "object", "block_type_slug": "aws-credentials", "properties": {}}
WORKER_ONLY = {
    "stream_output",
    "task_watch_poll_interval",
    "auto_deregister_task_definition",
    "match_latest_revision_in_family",
}
"""Variables of Prefect's template that mean something to its worker alone."""

WITHOUT_DEFAULTS = [
    "name", "env", "labels", "command", "task_definition_arn", "cluster", "family", "capacity_provider_strategy", "image",
    "cpu", "memory", "container_name", "task_role_arn", "execution_role_arn", "vpc_id", "configure_cloudwatch_logs",
    "cloudwatch_logs_options", "cloudwatch_logs_prefix", "network_configuration", "stream_output",
]  # fmt: skip

PREFECT = {
    "job_configuration": {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "labels": "{{ labels }}",
        "name": "{{ name }}",
        "aws_credentials": "{{ aws_credentials }}",
        "task_definition": {
            "containerDefinitions": [{"image": "{{ image }}", "name": "{{ container_name }}"}],
            "cpu": "{{ cpu }}",
            "family": "{{ family }}",
            "memory": "{{ memory }}",
            "executionRoleArn": "{{ execution_role_arn }}",
        },
        "task_run_request": {
            "launchType": "{{ launch_type }}",
            "cluster": "{{ cluster }}",
            "overrides": {
                "containerOverrides": [
                    {
                        "name": "{{ container_name }}",
                        "command": "{{ command }}",
                        "environment": "{{ env }}",
                        "cpu": "{{ cpu }}",
                        "memory": "{{ memory }}",
                    }
                ],
                "cpu": "{{ cpu }}",
                "memory": "{{ memory }}",
                "taskRoleArn": "{{ task_role_arn }}",
            },
            "tags": "{{ labels }}",
            "taskDefinition": "{{ task_definition_arn }}",
            "capacityProviderStrategy": "{{ capacity_provider_strategy }}",
        },
        "configure_cloudwatch_logs": "{{ configure_cloudwatch_logs }}",
        "cloudwatch_logs_options": "{{ cloudwatch_logs_options }}",
        "cloudwatch_logs_prefix": "{{ cloudwatch_logs_prefix }}",
        "network_configuration": "{{ network_configuration }}",
        "stream_output": "{{ stream_output }}",
        "task_start_timeout_seconds": "{{ task_start_timeout_seconds }}",
        "task_watch_poll_interval": "{{ task_watch_poll_interval }}",
        "auto_deregister_task_definition": "{{ auto_deregister_task_definition }}",
        "vpc_id": "{{ vpc_id }}",
        "container_name": "{{ container_name }}",
        "cluster": "{{ cluster }}",
        "match_latest_revision_in_family": "{{ match_latest_revision_in_family }}",
    },
    "variables": {
        "type": "object",
        "properties": {
            **{name: {} for name in WITHOUT_DEFAULTS},
            "aws_credentials": {"allOf": [{"$ref": "#/definitions/AwsCredentials"}]},
            "launch_type": {"default": "FARGATE"},
            "task_start_timeout_seconds": {"default": 300},
            "task_watch_poll_interval": {"default": 5.0},
            "auto_deregister_task_definition": {"default": False},
            "match_latest_revision_in_family": {"default": False},
        },
        "definitions": {"AwsCredentials": CREDENTIALS_BLOCK},
    },
}
"""The placeholders of Prefect's `ecs` template, each where it stands there; the schema cut down to names and defaults."""


def a_configuration(template=OURS, **variables):
    return render(template, {"image": "busybox", **variables})


def a_job(name=NAME, template=OURS, *, environment=None, labels=None, **variables):
    return Job(
        name=name,
        configuration=a_configuration(template, **variables),
        environment={"DISPATCHER_RUN_ID": "0123"} if environment is None else environment,
        labels=labels or {},
    )


def names(count):
    return [f"r{number:032x}-1" for number in range(count)]
