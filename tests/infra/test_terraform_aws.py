"""infra/examples/aws-minimal: applied with the real Terraform and AWS provider, to the emulator, and put to work there.

The zip that Terraform gave to Lambda is run as Lambda runs it, under the credentials of the role that Terraform made, while the
emulator holds every request against that role's policies. Its ticks are the payloads of the schedule that Terraform made.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from contextlib import contextmanager

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.stores.dynamodb.definition import TABLE_DEFINITION, TICK_ACTIONS
from dispatcher.waking import NotWoken, from_setting
from providers.emulators.ecs import EcsEmulator
from tests.functions.lambda_platform.packages import PYTHON, here
from tests.functions.lambda_platform.sandbox import PATIENCE
from tests.functions.test_http_api import JSON
from tests.infra import aws_promises
from tests.infra.at_work import a_function, an_api, people, the_package, tick_until_all_have_ended
from tests.infra.aws import Root, listed, of_type, policies
from tests.infra.moved import AWS, moves, plan_from
from tests.infra.terraform import INFRA, Terraform, mirror, needs

pytestmark = [needs("hashicorp/aws"), pytest.mark.long]

ACCOUNT = "210987654321"
"""Another than that of emulators that other tests of this process use."""
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"
API_ROLE = "push-dispatcher-api-us-east-1"
QUICK = {"DISPATCHER_TICK_SECONDS": "5", "DISPATCHER_FAN_OUT": "lambda"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return the_package(tmp_path_factory)


@pytest.fixture(scope="module")
def api_package(tmp_path_factory):
    return the_package(tmp_path_factory, "api.zip", api=True)


@pytest.fixture(scope="module")
def cloud():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with EcsEmulator(account=ACCOUNT, job_seconds=0.3) as emulator:
            yield emulator


@pytest.fixture(scope="module")
def deployed(cloud, directory, package, api_package):
    """The example, applied."""
    variables = {
        "package": str(shutil.copy(package, directory / "function.zip")),
        "architecture": here().arch.replace("-", "_"),  # AWS's word
        "runtime": f"python{PYTHON}",
        "environment": QUICK,
        "alarm_actions": [TOPIC],
        "wakers": {"people": f"arn:aws:iam::{ACCOUNT}:role/people"},
        "api": {"package": str(api_package), "editors": [f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/*"]},
    }
    terraform = Terraform(
        directory,
        "examples/aws-minimal",
        plugins=mirror("hashicorp/aws"),
        variables=variables,
        environment=cloud.environment(),
    )
    terraform.apply()
    return terraform


@pytest.fixture(scope="module")
def resources(deployed):
    return deployed.resources()


@pytest.fixture
def root(cloud, deployed, monkeypatch):
    """As people use the deployment; the emulator enforces what roles may do."""
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    cloud.change_settings({"enforce_permissions": True})
    yield Root(cloud, ACCOUNT)
    cloud.change_settings({"enforce_permissions": False})


def test_everything_is_formatted():
    subprocess.run(["terraform", "fmt", "-check", "-recursive", str(INFRA)], check=True)


def test_a_second_plan_after_an_apply_is_empty(deployed):
    assert deployed.settled()


def test_a_state_of_0_1_is_taken_over_as_it_is(deployed):
    printed = plan_from(deployed, {"dispatcher": AWS})
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in printed
    assert moves(printed) == {(f"module.dispatcher.{old}", f"module.dispatcher.{new}") for old, new in AWS.items()}


TABLE = "module.dispatcher.aws_dynamodb_table.this[0]"


def test_another_name_replaces_the_function_and_leaves_the_table_alone(deployed):
    deployed.change(name="renamed", table_name="push-dispatcher")
    printed = deployed.run("plan", "-input=false")
    deployed.change(name="push-dispatcher", table_name=None)
    assert 'module.dispatcher.aws_lambda_function.this["tick"] must be replaced' in printed
    assert f"# {TABLE}" not in printed, "neither replaced nor changed"


def test_a_table_that_was_restored_is_taken_over_under_its_new_name(deployed, root):
    dynamodb, before = root.client("dynamodb"), deployed.state.read_text()
    names = {"SourceTableName": "push-dispatcher", "TargetTableName": "restored"}
    dynamodb.restore_table_to_point_in_time(**names, UseLatestRestorableTime=True)
    try:
        deployed.change(table_name="restored")
        deployed.run("state", "rm", TABLE)
        deployed.run("import", "-input=false", TABLE, "restored")
        printed = deployed.run("plan", "-input=false")
    finally:
        deployed.state.write_text(before)
        deployed.change(table_name=None)
        dynamodb.update_table(TableName="restored", DeletionProtectionEnabled=False)
        dynamodb.delete_table(TableName="restored")
    assert re.search(r"Plan: 0 to add, \d+ to change, 0 to destroy\.", printed)
    assert "dynamodb://restored?region=us-east-1" in printed
    assert f"{TABLE} must be replaced" not in printed


def test_a_waker_that_may_do_nothing_else_starts_the_function(deployed, root):
    iam = root.client("iam")
    iam.create_role(RoleName="people", AssumeRolePolicyDocument="{}")
    iam.create_role(RoleName="others", AssumeRolePolicyDocument="{}")
    try:
        wake = deployed.outputs()["wake"]
        with as_a_role(root, "people"):
            from_setting(wake, seconds=PATIENCE)(["batch"])
        with as_a_role(root, "others"), pytest.raises(NotWoken, match="not authorized to perform: lambda:InvokeFunction"):
            from_setting(wake, seconds=PATIENCE)(["batch"])
    finally:
        for role in ("people", "others"):
            iam.delete_role(RoleName=role)
    assert [invocation.event for invocation in root.cloud.functions.invocations] == [{"pool": "batch"}]
    root.cloud.functions.invocations.clear()


@contextmanager
def as_a_role(root, role):
    """The environment of whoever has signed in as a role."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in root.environment(role).items():
            patch.setenv(name, value)
        yield


def test_the_function_has_the_zip_its_table_and_room_for_a_tick(resources):
    function = resources['module.dispatcher.aws_lambda_function.this["tick"]']
    assert function["handler"] == "dispatcher.functions.aws_lambda.handler"
    settings = Settings.from_environment(function["environment"][0]["variables"])
    assert settings.store == "dynamodb://push-dispatcher?region=us-east-1"
    default = Settings(store="memory://")
    assert function["timeout"] >= default.tick_seconds + default.margin_seconds
    assert default.lease_seconds > function["timeout"]


def test_the_table_is_the_one_that_the_store_makes(root):
    table = root.client("dynamodb").describe_table(TableName="push-dispatcher")["Table"]
    assert table["KeySchema"] == TABLE_DEFINITION["KeySchema"]
    names = {attribute["AttributeName"] for attribute in TABLE_DEFINITION["AttributeDefinitions"]}
    assert {attribute["AttributeName"] for attribute in table["AttributeDefinitions"]} == names
    (index,), (defined,) = table["GlobalSecondaryIndexes"], TABLE_DEFINITION["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["KeySchema"]) == (defined["IndexName"], defined["KeySchema"])
    assert index["Projection"]["ProjectionType"] == defined["Projection"]["ProjectionType"]
    assert sorted(index["Projection"]["NonKeyAttributes"]) == sorted(defined["Projection"]["NonKeyAttributes"])
    ttl = root.client("dynamodb").describe_time_to_live(TableName="push-dispatcher")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_a_missed_tick_is_never_repeated_and_what_failed_is_kept(resources):
    (schedule,), (queue,) = of_type(resources, "aws_scheduler_schedule"), of_type(resources, "aws_sqs_queue")
    (target,) = schedule["target"]
    assert target["retry_policy"][0]["maximum_retry_attempts"] == 0
    assert target["dead_letter_config"][0]["arn"] == queue["arn"]
    (invocations,) = of_type(resources, "aws_lambda_function_event_invoke_config")
    assert invocations["maximum_retry_attempts"] == 0
    assert invocations["destination_config"][0]["on_failure"][0]["destination"] == queue["arn"]


def test_alarms_are_those_that_every_way_onto_aws_makes(resources):
    assert {an_alarm(alarm) for alarm in of_type(resources, "aws_cloudwatch_metric_alarm")} == aws_promises.ALARMS
    (kept,) = of_type(resources, "aws_cloudwatch_log_metric_filter")
    assert kept["pattern"] == aws_promises.FILTER
    assert kept["metric_transformation"][0]["name"] == "push-dispatcher-problems"


def an_alarm(alarm):
    return aws_promises.Alarm(
        metric=alarm["metric_name"].rpartition("-")[2],
        namespace=alarm["namespace"],
        period=alarm["period"],
        periods=alarm["evaluation_periods"],
        points=alarm["datapoints_to_alarm"] or alarm["evaluation_periods"],
        comparison=alarm["comparison_operator"],
        threshold=alarm["threshold"],
        missing=alarm["treat_missing_data"],
        notifies=alarm["alarm_actions"] == [TOPIC],
        notifies_end=alarm["ok_actions"] == [TOPIC],
    )


def test_table_and_queue_are_those_that_every_way_onto_aws_makes(resources):
    (table,), (queue,) = of_type(resources, "aws_dynamodb_table"), of_type(resources, "aws_sqs_queue")
    assert {
        "encrypted": table["server_side_encryption"][0]["enabled"],
        "deletion_protection": table["deletion_protection_enabled"],
        "point_in_time_recovery": table["point_in_time_recovery"][0]["enabled"],
        "time_to_live": table["ttl"][0]["attribute_name"],
    } == aws_promises.TABLE
    assert {"encrypted": queue["sqs_managed_sse_enabled"], "seconds": queue["message_retention_seconds"]} == aws_promises.QUEUE
    logs = [group for group in of_type(resources, "aws_cloudwatch_log_group") if group["name"].startswith("/aws/lambda/")]
    assert [group["retention_in_days"] for group in logs] == [aws_promises.LOG_DAYS] * 2


def test_the_queue_keeps_what_every_way_onto_aws_keeps(resources):
    (queue,) = of_type(resources, "aws_sqs_queue")
    (schedule,), (target,) = of_type(resources, "aws_scheduler_schedule"), of_type(resources, "aws_cloudwatch_event_target")
    (invocations,) = of_type(resources, "aws_lambda_function_event_invoke_config")
    kept = {
        "schedule": schedule["target"][0]["dead_letter_config"][0]["arn"],
        "invocations": invocations["destination_config"][0]["on_failure"][0]["destination"],
        "task state changes": target["dead_letter_config"][0]["arn"],
    }
    assert {name for name, arn in kept.items() if arn == queue["arn"]} == aws_promises.DEAD_LETTERS_OF
    (policy,) = of_type(resources, "aws_sqs_queue_policy")
    (statement,) = json.loads(policy["policy"])["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert "aws:SourceArn" in statement["Condition"]["ArnEquals"], "another rule may not fill the queue"


WITHOUT_RESOURCES = {"ec2:DescribeSubnets", "ec2:DescribeVpcs", "ecs:DescribeTaskDefinition", "ecr:GetAuthorizationToken"}
"""Actions for which AWS knows no narrower resource (the service authorization reference)."""


def test_no_right_is_wider_than_aws_allows_it_to_be(resources):
    documents = policies(resources)
    assert {role for role, _ in documents} == {
        API_ROLE,
        "push-dispatcher-batch-execution-us-east-1",
        "push-dispatcher-function-us-east-1",
        "push-dispatcher-schedule-us-east-1",
    }
    for statement in (statement for statements in documents.values() for statement in statements):
        assert not [action for action in listed(statement["Action"]) if "*" in action], statement
        if "*" in listed(statement["Resource"]):
            assert set(listed(statement["Action"])) <= WITHOUT_RESOURCES, statement
    (table,) = [
        statement for statement in documents["push-dispatcher-function-us-east-1", "dispatcher"] if statement["Sid"] == "Table"
    ]
    assert sorted(table["Action"]) == sorted(TICK_ACTIONS)


def test_the_built_zip_dispatches_fifty_runs_over_three_queues_under_the_role(deployed, resources, root, package, directory):
    client = people(deployed.outputs()["store"])
    client.create_work_pool(
        "batch", type="ecs:push", concurrency_limit=8, job_variables={**deployed.outputs()["job_variables"], "image": "busybox"}
    )
    client.create_work_queue("batch", "critical", priority=1)
    client.create_work_queue("batch", "high", priority=2, concurrency_limit=3)
    queues = ["critical"] * 10 + ["high"] * 15 + ["default"] * 25
    runs = client.create_runs({"pool": "batch", "queue": queue} for queue in queues)

    with a_function(resources, package, root.environment, directory) as function:

        def tick():
            function.invoke(function.payload)
            root.cloud.advance(1)

        tick_until_all_have_ended([client], tick, function.log.read_text)

    ended = [client.run(run.id) for run in runs]
    assert Counter((run.state, run.queue) for run in ended) == Counter((RunState.COMPLETED, queue) for queue in queues)
    jobs = root.cloud.jobs()
    assert len(jobs) == 50
    assert root.cloud.peak_live == 8
    for request in root.cloud.calls.requests("RunTask"):
        assert request["cluster"].endswith("cluster/push-dispatcher-batch")
        assert request["taskDefinition"].rpartition("/")[2].startswith("push-dispatcher-batch-")
    lines = (directory / "function.log").read_text().splitlines()  # times do not decide: answers that come together have one
    admitted = [json.loads(line[line.index("{") :])["queue"] for line in lines if '"run.admitted"' in line]
    assert admitted[:10] == ["critical"] * 10, "the higher queue went first"
    assert admitted.index("default") > admitted.index("high")
    client.delete_work_pool("batch")


RUN = json.dumps({"pool": "nightly", "job_variables": {"image": "busybox"}})


def test_the_api_answers_callers_of_its_url_with_the_rights_of_its_role_and_has_none_on_jobs(
    deployed, resources, root, directory
):
    (url,) = of_type(resources, "aws_lambda_function_url")
    assert (url["authorization_type"], deployed.outputs()["api_url"]) == ("AWS_IAM", url["function_url"].rstrip("/"))
    client = people(deployed.outputs()["store"])
    client.create_work_pool("nightly", type="ecs:push", job_variables=deployed.outputs()["job_variables"])
    editor, reader = (f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session" for role in ("deploy", "others"))
    function = resources['module.dispatcher.aws_lambda_function.this["api"]']

    with an_api(function, root.environment, directory) as ask:
        status, pools = ask("GET", "/api/v1/pools", caller=reader)
        assert (status, [pool["name"] for pool in pools]) == (200, ["nightly"])
        assert ask("GET", "/api/v1/pools", caller=None)[0] == 401
        assert ask("POST", "/api/v1/runs", headers=JSON, body=RUN, caller=reader)[0] == 403
        assert client.runs() == []
        status, run = ask("POST", "/api/v1/runs", headers=JSON, body=RUN, caller=editor)
        assert (status, [str(stored.id) for stored in client.runs()]) == (201, [run["id"]])
        assert ask("GET", "/api/v1/runs", query="pool=nightly", caller=reader)[0] == 200
        bulk = json.dumps({"action": "cancel", "filter": {"pool": "nightly"}})
        assert ask("POST", "/api/v1/runs/bulk", headers=JSON, body=bulk, caller=editor)[1]["step"]["done"] == 1
    woken = [invocation.event for invocation in root.cloud.functions.invocations]
    assert woken[:1] == [{"pool": "nightly"}], "its role may wake a tick, and a new run does"
    root.cloud.functions.invocations.clear()
    rights = {action for statement in policies(resources)[API_ROLE, "api"] for action in listed(statement["Action"])}
    assert not [right for right in rights if right.startswith(("ecs:", "iam:", "sqs:"))]
    client.delete_work_pool("nightly")


def test_a_protected_table_stops_the_destroy_of_the_dispatcher(deployed):
    before = of_the_dispatcher(deployed)
    assert "Nothing of the dispatcher was removed" in deployed.refusal("destroy", "-auto-approve", "-input=false")
    assert of_the_dispatcher(deployed) == before
    deployed.run("apply", "-auto-approve", "-input=false")  # the pool beside it is made again


def of_the_dispatcher(deployed) -> set[str]:
    """The addresses of what the module `dispatcher` has made."""
    return {address for address in deployed.resources() if address.startswith("module.dispatcher.") and ".data." not in address}


def test_a_plan_needs_no_zip(deployed, directory):
    (directory / "function.zip").unlink()
    assert deployed.settled()


def test_nothing_is_left_after_a_destroy(deployed, root):
    deployed.change(deletion_protection=False)
    deployed.run("apply", "-auto-approve", "-input=false")
    deployed.destroy()
    assert deployed.resources() == {}
    assert root.client("dynamodb").list_tables()["TableNames"] == []
    assert root.client("lambda").list_functions()["Functions"] == []
    assert root.client("iam").list_roles()["Roles"] == []
