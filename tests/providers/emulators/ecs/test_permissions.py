"""What a role may do at the emulator: its policies' actions, resources and conditions, for whoever signs as that role."""

from __future__ import annotations

import io
import json
import zipfile

import boto3
import pytest
from botocore.exceptions import ClientError

from providers.emulators.ecs.functions import Invocation

ACCOUNT = "111111111111"
ECS = f"arn:aws:ecs:us-east-1:{ACCOUNT}"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/runs"
PASSED = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
DEFINITION = {"family": "batch", "containerDefinitions": [{"name": "main", "image": "busybox", "memory": 64}]}


@pytest.fixture
def role(emulator):
    """A client of a service under a role that has exactly these statements."""
    root = boto3.Session(region_name="us-east-1", aws_access_key_id="root", aws_secret_access_key="root")
    iam, sts = (root.client(service, endpoint_url=emulator.url) for service in ("iam", "sts"))
    made = iam.create_role(RoleName="dispatcher", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    key = sts.assume_role(RoleArn=made, RoleSessionName="tick")["Credentials"]
    session = boto3.Session(
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
    )

    def client(service, *statements):
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
        iam.put_role_policy(RoleName="dispatcher", PolicyName="only", PolicyDocument=json.dumps(policy))
        return session.client(service, endpoint_url=emulator.url)

    ecs = root.client("ecs", endpoint_url=emulator.url)
    ecs.register_task_definition(**DEFINITION)
    table = {"TableName": "runs", "BillingMode": "PAY_PER_REQUEST"}
    table |= {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    table |= {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    root.client("dynamodb", endpoint_url=emulator.url).create_table(**table)
    emulator.change_settings({"enforce_permissions": True})
    ecs.list_clusters()  # whoever signs as nobody's role may do everything
    return client


def refused(call, right, on=""):
    """What AWS says in place of carrying it out."""
    with pytest.raises(ClientError) as raised:
        call()
    error = raised.value.response["Error"]
    assert error["Code"] in {"AccessDeniedException", "UnauthorizedOperation"}
    assert f"assumed-role/dispatcher/tick is not authorized to perform: {right} on resource: {on}" in error["Message"]


def run(ecs, **more):
    return ecs.run_task(taskDefinition="batch:1", launchType="EC2", **more)


def test_a_task_is_started_where_definition_and_cluster_are_allowed(role, emulator):
    statement = {"Action": "ecs:RunTask", "Resource": f"{ECS}:task-definition/batch:*"}
    here = {"ArnEquals": {"ecs:cluster": f"{ECS}:cluster/default"}}
    run(role("ecs", {**statement, "Condition": here}))
    assert len(emulator.jobs()) == 1

    for other in (
        {**statement, "Condition": {"ArnEquals": {"ecs:cluster": f"{ECS}:cluster/other"}}},
        {**statement, "Resource": f"{ECS}:task-definition/other:*"},
        {**statement, "Action": "ecs:StopTask"},
    ):
        refused(lambda statement=other: run(role("ecs", statement)), "ecs:RunTask", f"{ECS}:task-definition/batch:1")
    assert len(emulator.jobs()) == 1, "what was refused was not carried out"


def test_tags_and_roles_need_rights_of_their_own(role):
    task = {"Action": "ecs:RunTask", "Resource": "*"}
    tag = {"Action": "ecs:TagResource", "Resource": f"{ECS}:task/default/*"}
    tags = [{"key": "a", "value": "b"}]
    refused(lambda: run(role("ecs", task), tags=tags), "ecs:TagResource", f"{ECS}:task/default/*")
    run(role("ecs", task, {**tag, "Condition": {"StringEquals": {"ecs:CreateAction": ["RunTask"]}}}), tags=tags)

    worker = f"arn:aws:iam::{ACCOUNT}:role/worker"
    overrides = {"overrides": {"taskRoleArn": worker}}
    refused(lambda: run(role("ecs", task), **overrides), "iam:PassRole", worker)
    passing = {"Action": "iam:PassRole", "Resource": worker}
    elsewhere = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    refused(lambda: run(role("ecs", task, {**passing, "Condition": elsewhere}), **overrides), "iam:PassRole", worker)
    run(role("ecs", task, {**passing, "Condition": PASSED}), **overrides)


def test_a_transaction_needs_the_rights_of_its_parts(role):
    put = {"Put": {"TableName": "runs", "Item": {"pk": {"S": "one"}}}}
    check = {"Key": {"pk": {"S": "two"}}, "ConditionExpression": "attribute_not_exists(pk)"}
    items = [put, {"ConditionCheck": {"TableName": "runs", **check}}]
    allowed = {"Action": ["dynamodb:PutItem"], "Resource": TABLE}
    refused(lambda: role("dynamodb", allowed).transact_write_items(TransactItems=items), "dynamodb:ConditionCheckItem", TABLE)
    allowed["Action"].append("dynamodb:ConditionCheckItem")
    role("dynamodb", allowed).transact_write_items(TransactItems=items)


def test_a_deny_beats_every_allow_and_star_stands_for_whatever_has_no_resource(role):
    everything = {"Action": "ec2:Describe*", "Resource": "*"}
    role("ec2", everything).describe_vpcs()
    refused(
        lambda: role("ec2", everything, {"Effect": "Deny", "Action": "*", "Resource": "*"}).describe_vpcs(), "ec2:DescribeVpcs"
    )
    narrow = {"Action": "ec2:DescribeVpcs", "Resource": "arn:aws:ec2:us-east-1:111111111111:vpc/vpc-1"}
    refused(lambda: role("ec2", narrow).describe_vpcs(), "ec2:DescribeVpcs", "*")


FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:dispatcher"
EVENT = {"FunctionName": "dispatcher", "InvocationType": "Event", "Payload": b'{"pool": "batch"}'}


def test_an_invocation_is_held_against_the_arn_that_it_names(role, emulator):
    granted = {"Action": "lambda:InvokeFunction", "Resource": FUNCTION}
    functions = role("lambda", granted)
    for qualifier in ("$LATEST", "7"):
        refused(
            lambda qualifier=qualifier: functions.invoke(**EVENT, Qualifier=qualifier),
            "lambda:InvokeFunction",
            f"{FUNCTION}:{qualifier}",
        )
    with pytest.raises(ClientError, match=r"Function not found: .*:function:dispatcher"):
        functions.invoke(**EVENT)  # allowed, but there is none
    assert list(emulator.functions.invocations) == []


def test_an_invocation_that_is_allowed_is_kept(role, emulator):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "")
    root = boto3.Session(region_name="us-east-1", aws_access_key_id="root", aws_secret_access_key="root")
    root.client("lambda", endpoint_url=emulator.url).create_function(
        FunctionName="dispatcher",
        Role=f"arn:aws:iam::{ACCOUNT}:role/dispatcher",
        Code={"ZipFile": code.getvalue()},
        Runtime="python3.13",
        Handler="main.handler",
    )
    functions = role("lambda", {"Action": "lambda:InvokeFunction", "Resource": [FUNCTION, f"{FUNCTION}:*"]})
    assert functions.invoke(**EVENT)["StatusCode"] == 202
    functions.invoke(**EVENT, Qualifier="$LATEST")
    assert list(emulator.functions.invocations) == [
        Invocation(function="dispatcher", event={"pool": "batch"}),
        Invocation(function="dispatcher:$LATEST", event={"pool": "batch"}),
    ]


OURS = "push-dispatcher/run_id"
STOP = {"Action": "ecs:StopTask", "Resource": f"{ECS}:task/default/*"}


def test_a_right_on_tagged_tasks_does_not_allow_other_tasks_or_a_second_stop(role, emulator):
    root = boto3.Session(region_name="us-east-1", aws_access_key_id="root", aws_secret_access_key="root")
    tagged, other = (
        run(root.client("ecs", endpoint_url=emulator.url), **tags)["tasks"][0]["taskArn"]
        for tags in ({"tags": [{"key": OURS, "value": "1"}]}, {})
    )
    ecs = role("ecs", {**STOP, "Condition": {"Null": {f"aws:ResourceTag/{OURS}": "false"}}})
    refused(lambda: ecs.stop_task(task=other), "ecs:StopTask", other)
    ecs.stop_task(task=tagged)
    refused(lambda: ecs.stop_task(task=tagged), "ecs:StopTask", tagged)  # a stopping task has no tags any more


def trust(principal):
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": principal}}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


@pytest.mark.parametrize("principal", [f"arn:aws:iam::{ACCOUNT}:role/dispatcher", f"arn:aws:iam::{ACCOUNT}:root"])
def test_a_role_becomes_another_where_its_own_policy_and_the_trust_of_the_other_allow_it(principal, role, emulator):
    root = boto3.Session(region_name="us-east-1", aws_access_key_id="root", aws_secret_access_key="root")
    iam = root.client("iam", endpoint_url=emulator.url)
    jobs, closed = (
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(who))["Role"]["Arn"]
        for name, who in (("jobs", principal), ("closed", f"arn:aws:iam::{ACCOUNT}:role/somebody"))
    )
    session = {"RoleSessionName": "tick"}
    allowed = {"Action": "sts:AssumeRole", "Resource": [jobs, closed]}
    assert role("sts", allowed).assume_role(RoleArn=jobs, **session)["Credentials"]["AccessKeyId"]
    refused(lambda: role("sts", allowed).assume_role(RoleArn=closed, **session), "sts:AssumeRole", closed)
    other = {"Action": "sts:AssumeRole", "Resource": closed}
    refused(lambda: role("sts", other).assume_role(RoleArn=jobs, **session), "sts:AssumeRole", jobs)


def test_a_function_may_be_started_by_the_principals_of_its_policy(role, emulator):
    root = boto3.Session(region_name="us-east-1", aws_access_key_id="root", aws_secret_access_key="root")
    functions = root.client("lambda", endpoint_url=emulator.url)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "")
    functions.create_function(
        FunctionName="dispatcher",
        Role=f"arn:aws:iam::{ACCOUNT}:role/dispatcher",
        Code={"ZipFile": code.getvalue()},
        Runtime="python3.13",
        Handler="main.handler",
    )
    nothing = role("lambda", {"Action": "ecs:RunTask", "Resource": "*"})
    granted = {"FunctionName": "dispatcher", "Action": "lambda:InvokeFunction"}
    functions.add_permission(**granted, StatementId="other", Principal=f"arn:aws:iam::{ACCOUNT}:role/somebody")
    refused(lambda: nothing.invoke(**EVENT), "lambda:InvokeFunction", FUNCTION)
    functions.add_permission(**granted, StatementId="wake", Principal=f"arn:aws:iam::{ACCOUNT}:role/dispatcher")
    assert nothing.invoke(**EVENT)["StatusCode"] == 202
