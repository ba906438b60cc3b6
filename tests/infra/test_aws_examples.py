"""infra/examples/aws-two-accounts and aws-two-regions: applied to emulators of one account each, and destroyed."""

from __future__ import annotations

import json

import pytest

from dispatcher.settings import Settings
from providers.emulators.ecs import EcsEmulator
from tests.infra.aws import of_type, policies
from tests.infra.clouds import a_package, accepted_by_validation
from tests.infra.terraform import Terraform, mirror, needs

pytestmark = [needs("hashicorp/aws"), pytest.mark.long]

OURS, JOBS = "567890123456", "678901234567"


@pytest.fixture
def account(monkeypatch):
    """An emulator of an account, for as long as the test takes."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    emulators = []

    def start(number):
        emulators.append(EcsEmulator(account=number))
        emulators[-1].start()
        return emulators[-1]

    yield start
    for emulator in emulators:
        emulator.stop()


def an_example(name, directory, **variables):
    """A root module of `infra/examples`, for tables that may be destroyed."""
    values = {"package": a_package(directory), "deletion_protection": False, **variables}
    return Terraform(directory, f"examples/{name}", plugins=mirror("hashicorp/aws"), variables=values)


def test_a_dispatcher_serves_a_pool_of_another_account_without_a_key(account, tmp_path):
    ours, jobs = account(OURS), account(JOBS)
    variables = {"emulator_endpoint": ours.url, "jobs_emulator_endpoint": jobs.url, "jobs_account": JOBS}
    terraform = an_example("aws-two-accounts", tmp_path, **variables)
    terraform.apply()
    resources, outputs = terraform.resources(), terraform.outputs()

    (role,) = [
        role for role in of_type(resources, "aws_iam_role") if role["name"] == "push-dispatcher-batch-dispatcher-us-east-1"
    ]
    (trust,) = json.loads(role["assume_role_policy"])["Statement"]
    function = f"arn:aws:iam::{OURS}:role/push-dispatcher-function-us-east-1"
    assert (role["arn"].split(":")[4], trust["Principal"]) == (JOBS, {"AWS": function})
    rights = policies(resources)
    (become,) = rights["push-dispatcher-function-us-east-1", "pool-batch"]
    assert (become["Action"], become["Resource"]) == ("sts:AssumeRole", role["arn"])
    assert {"ecs:RunTask", "iam:PassRole"} <= {
        action
        for statement in rights[role["name"], "dispatcher"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }

    (lambda_,) = of_type(resources, "aws_lambda_function")
    settings = Settings.from_environment(lambda_["environment"][0]["variables"])
    assert settings.credentials["jobs"] == {"role_arn": role["arn"], "region": "us-east-1"}
    assert outputs["job_variables"]["aws_credentials"] == "jobs"
    accepted_by_validation("ecs:push", outputs["job_variables"])

    bus = f"arn:aws:events:us-east-1:{OURS}:event-bus/default"
    forwards = [target for target in of_type(resources, "aws_cloudwatch_event_target") if target["arn"] == bus]
    assert [target["rule"] for target in forwards] == ["push-dispatcher-batch-tasks"]
    (permission,) = of_type(resources, "aws_cloudwatch_event_permission")
    assert permission["principal"] == JOBS
    patterns = [json.loads(rule["event_pattern"])["detail"] for rule in of_type(resources, "aws_cloudwatch_event_rule")]
    assert [pattern["clusterArn"] for pattern in patterns] == [[outputs["job_variables"]["cluster"]]] * 2

    terraform.destroy()
    assert terraform.resources() == {}


def test_two_regions_of_one_account_have_the_same_names_side_by_side(account, tmp_path):
    terraform = an_example("aws-two-regions", tmp_path, emulator_endpoint=account(OURS).url)
    terraform.apply()
    roles = [role["name"] for role in of_type(terraform.resources(), "aws_iam_role")]
    assert len(set(roles)) == len(roles) == 8
    assert terraform.outputs()["stores"] == {
        region: f"dynamodb://push-dispatcher?region={region}" for region in ("us-east-1", "eu-central-1")
    }
    terraform.destroy()
    assert terraform.resources() == {}
