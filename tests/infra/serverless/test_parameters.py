"""What the parameters of serverless.yml change: a Prefect server, a network, names of roles, the HTTP API, a waker."""

from __future__ import annotations

import json
import re

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.stores.dynamodb.definition import TICK_ACTIONS
from tests.infra.serverless.template import further_statements, listed, needs_npm, of_type, resolved, statements
from tests.infra.terraform import ROOT

pytestmark = [needs_npm, pytest.mark.long]  # osls is installed anew, and takes seconds each time that it packages


PREFECT = {
    "prefectApiUrl": "http://prefect.internal:4200/api",
    "prefectJobsApiUrl": "https://prefect.example/api",
    "prefectPools": "nightly,daily",
    "prefectImage": "flows:1",
}


SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prefect"


def with_prefect(package, **more):
    """The whole template, the parameters of its stack, and the function's environment."""
    words = [word for name, value in (PREFECT | more).items() for word in ("--param", f"{name}={value}")]
    whole = json.loads(package(*words, name="prefect").read_text())
    given = {name: parameter["Default"] for name, parameter in whole["Parameters"].items() if "Default" in parameter}
    (function,) = of_type(whole["Resources"], "AWS::Lambda::Function")
    return whole, given, resolved(function["Environment"]["Variables"], given)


def test_the_parameters_for_prefect_are_the_settings_that_a_prefect_server_has(package):
    _, _, environment = with_prefect(package)
    settings = Settings.from_environment({**environment, "DISPATCHER_STORE": "memory://"})
    assert settings.prefect_api_url == PREFECT["prefectApiUrl"]
    assert settings.prefect_jobs_api_url == PREFECT["prefectJobsApiUrl"]
    assert settings.prefect_pools == {"nightly", "daily"}
    assert settings.prefect_image == PREFECT["prefectImage"]
    terraform = (ROOT / "infra/modules/settings/main.tf").read_text()
    named = {name for name in environment if name.startswith("DISPATCHER_PREFECT_")}
    assert named == set(re.findall(r"DISPATCHER_PREFECT_\w+", terraform)), "as the modules of Terraform have them"


@pytest.mark.parametrize(
    ("parameter", "variable"),
    [("prefectApiKeySecret", "PREFECT_API_KEY"), ("prefectApiAuthStringSecret", "PREFECT_API_AUTH_STRING")],
)
def test_the_key_of_a_prefect_server_is_a_secret_that_the_function_may_read(package, parameter, variable):
    whole, given, environment = with_prefect(package, **{parameter: SECRET})
    assert json.loads(environment["DISPATCHER_SECRET_ENVIRONMENT"]) == {variable: SECRET}
    (statement,) = further_statements(whole["Resources"], given)
    assert (statement["Action"], statement["Resource"]) == ("secretsmanager:GetSecretValue", SECRET)


def test_a_function_that_reaches_a_server_in_a_vpc_has_its_network_and_the_rights_for_it(package, resources):
    (function,) = of_type(resources, "AWS::Lambda::Function")
    assert (resolved(function["VpcConfig"], {}), further_statements(resources, {})) == (None, [])
    whole, given, _ = with_prefect(package, subnets="subnet-1,subnet-2", securityGroups="sg-1")
    (function,) = of_type(whole["Resources"], "AWS::Lambda::Function")
    network = resolved(function["VpcConfig"], given)
    assert network == {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}, "CloudFormation makes lists of these"
    assert whole["Parameters"]["Subnets"]["Type"] == whole["Parameters"]["SecurityGroups"]["Type"] == "CommaDelimitedList"
    (statement,) = further_statements(whole["Resources"], given)
    rights = (ROOT / "infra/modules/aws-dispatcher/iam.tf").read_text().partition("Network = {")[2].partition("]")[0]
    assert statement["Action"] == re.findall(r'"(ec2:\w+)"', rights)


def test_serverless_parameters_reach_the_policies(package):
    words = [word for name in ("cluster=batch", "family=nightly", "taskRole=worker") for word in ("--param", name)]
    text = package(*words, name="parameters").read_text()
    for expected in ("cluster/batch", "task/batch/*", "task-definition/nightly-*:*", "role/worker"):
        assert expected in text
    assert "cluster/default" not in text


def test_the_api_is_there_only_where_it_is_asked_for(package, template):
    from cfnlint.api import ManualArgs, lint_file  # noqa: PLC0415 -- as above

    without = json.loads(template.read_text())
    assert not [name for name in without["Resources"] if name.startswith("ApiLambdaFunction")]
    assert without["Parameters"]["Api"]["Default"] == "false"
    editors = "arn:aws:sts::123456789012:assumed-role/deploy/*"
    path = package("--param", "api=true", "--param", f"editors={editors}", name="api")
    whole = json.loads(path.read_text())
    known = ["W3005", "W1001", "E3005"]  # the last two: the function is there exactly where the condition of its role is true
    assert [str(match) for match in lint_file(path, ManualArgs(ignore_checks=known))] == []
    resources = whole["Resources"]
    assert whole["Parameters"]["Api"]["Default"] == "true"
    function = resources["ApiLambdaFunction"]["Properties"]
    assert function["Handler"] == "dispatcher.functions.aws_lambda_api.handler"
    assert function["Environment"]["Variables"]["DISPATCHER_UI_EDITORS"] == editors
    (url,) = of_type(resources, "AWS::Lambda::Url")
    assert url["AuthType"] == "AWS_IAM"
    assert not [right for right in of_type(resources, "AWS::Lambda::Permission") if right["Principal"] == "*"]
    rights = {action for statement in statements(resources, "ApiRole") for action in listed(statement["Action"])}
    assert {right.partition(":")[0] for right in rights} == {"dynamodb", "lambda", "logs"}
    assert {right for right in rights if right.startswith("dynamodb:")} == {*TICK_ACTIONS, "dynamodb:ConditionCheckItem"}


def test_the_function_may_be_started_by_a_waker_and_by_nobody_else(package, template):
    whole = json.loads(package("--param", "waker=arn:aws:iam::123456789012:role/people", name="waker").read_text())
    permission = whole["Resources"]["WakerPermission"]
    assert permission["Properties"]["Action"] == "lambda:InvokeFunction"
    assert (permission["Properties"]["Principal"], permission["Condition"]) == ({"Ref": "Waker"}, "HasWaker")
    assert whole["Parameters"]["Waker"]["Default"] == "arn:aws:iam::123456789012:role/people"
    assert whole["Outputs"]["Wake"]["Value"] == {"Fn::GetAtt": ["TickLambdaFunction", "Arn"]}
    assert json.loads(template.read_text())["Parameters"]["Waker"]["Default"] == ""
