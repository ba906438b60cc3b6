from __future__ import annotations

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

NOW = 1_800_000_000.0
HOUR = 3600.0

SESSION = boto3.session.Session()
"""One, because it reads each service's model once."""


def client(service, emulator, *, region=None):
    """The vendor's client, unmodified; only its retries are off."""
    return SESSION.client(
        service,
        endpoint_url=emulator.url,
        region_name=region or emulator.region,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=20),
    )


def refusal(call, **parameters):
    """The error body with which a call is refused."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response
    raise AssertionError("the call was accepted")


def a_container(name="main", **other):
    return {"name": name, "image": "busybox", **other}


def a_fargate_definition(family="job", containers=None):
    return {
        "family": family,
        "containerDefinitions": containers or [a_container()],
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
    }


class Ecs:
    """The calls that every test makes, with what they all say filled in."""

    def __init__(self, emulator, boto):
        self.emulator, self.boto = emulator, boto

    def register(self, family="job", *, containers=None, **other):
        definition = {**a_fargate_definition(family, containers), **other}
        return self.boto.register_task_definition(**definition)["taskDefinition"]

    def request(self, **other):
        request = {
            "taskDefinition": "job",
            "launchType": "FARGATE",
            "networkConfiguration": self.emulator.network,
            "startedBy": "run-1",
            **other,
        }
        return {name: value for name, value in request.items() if value is not None}

    def run(self, **other):
        return self.boto.run_task(**self.request(**other))

    def start(self, **other):
        """The ARN of one new task."""
        return self.run(**other)["tasks"][0]["taskArn"]

    def refusal(self, **other):
        """The code and the words with which RunTask refuses."""
        error = refusal(self.boto.run_task, **self.request(**other))["Error"]
        return error["Code"], error["Message"]

    def describe(self, arn, **other):
        return self.boto.describe_tasks(tasks=[arn], **other)["tasks"][0]

    def listed(self, **filters):
        return self.boto.list_tasks(**filters)["taskArns"]
