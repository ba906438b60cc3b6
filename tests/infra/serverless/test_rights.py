"""What the roles of serverless.yml may do: all that ticks call, and nothing that is wider than AWS allows it to be."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.functions.invocation import invoke
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.definition import TICK_ACTIONS
from dispatcher.wiring import wire
from providers.emulators.ecs import EcsEmulator
from providers.emulators.faults import FaultKind
from tests.functions.conftest import Clock
from tests.infra.serverless.template import listed, needs_npm, of_type, statements

pytestmark = [needs_npm, pytest.mark.long]  # osls is installed anew, and takes seconds each time that it packages


WITHOUT_RESOURCES = {"ec2:DescribeSubnets", "ec2:DescribeVpcs", "ecs:DescribeTaskDefinition"}
"""Actions for which AWS knows no narrower resource (the service authorization reference)."""


def test_no_right_is_wider_than_aws_allows_it_to_be(resources):
    for role in ("FunctionRole", "ScheduleRole"):
        for statement in statements(resources, role):
            assert not [action for action in listed(statement["Action"]) if "*" in action], statement
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= WITHOUT_RESOURCES, statement
    by_name = {statement["Sid"]: statement for statement in statements(resources, "FunctionRole")}
    assert by_name["GiveTasksTheirRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    assert "ecs:cluster" in by_name["RunTasks"]["Condition"]["ArnEquals"]
    assert sorted(by_name["Table"]["Action"]) == sorted(TICK_ACTIONS)
    roles = {name: role.get("Condition") for name, role in resources.items() if role["Type"] == "AWS::IAM::Role"}
    assert roles == {"FunctionRole": None, "ScheduleRole": None, "ApiRole": "HasApi"}


def test_the_function_may_start_itself_by_the_arn_that_fan_out_calls(resources):
    (function,) = of_type(resources, "AWS::Lambda::Function")
    (statement,) = [statement for statement in statements(resources, "FunctionRole") if statement["Sid"] == "FanOut"]
    arn = statement["Resource"]["Fn::Sub"]
    assert arn.partition(":function:")[2] == function["FunctionName"], "unqualified, as the call is"


ARN = "arn:aws:ecs:us-east-1:123456789012"
"""Of what the emulator makes."""


def covers(statement, arn):
    """Whether a statement speaks of that resource in the emulator's account."""
    here = {"${AWS::Partition}": "aws", "${AWS::Region}": "us-east-1", "${AWS::AccountId}": "123456789012"}
    patterns = [resource["Fn::Sub"] for resource in listed(statement["Resource"])]
    for name, value in here.items():
        patterns = [pattern.replace(name, value) for pattern in patterns]
    return any(fnmatchcase(arn, pattern) for pattern in patterns)


TRANSACTIONS = {"dynamodb:TransactWriteItems", "dynamodb:TransactGetItems"}
"""Need the rights of their parts, and none of their own."""


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cloud(clock, monkeypatch):
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with EcsEmulator(clock=clock.seconds) as emulator:
        for name, value in emulator.environment().items():
            monkeypatch.setenv(name, value)
        yield emulator


def right(call):
    """The action that a call needs: ECS's calls are counted by their own names, those of other services with theirs."""
    service, _, operation = call.rpartition(".")
    return f"{service or 'ecs'}:{operation}"


def test_all_calls_of_ticks_are_among_the_functions_rights(resources, cloud, clock):
    DynamoStore("runs", region="us-east-1", endpoint=cloud.url).create_table()
    wired = wire(Settings(store="dynamodb://runs"), clock=clock)
    people = Dispatcher(wired.store, clock=clock)
    people.create_work_pool("batch", type="ecs:push", concurrency_limit=2)
    runs = people.create_runs({"pool": "batch", "job_variables": {"image": "busybox"}} for _ in range(4))
    before = cloud.calls.counts
    cloud.faults.add("RunTask", FaultKind.LOSE_ANSWER)
    invoke(wired, {})
    clock.sleep(400)
    invoke(wired, {})  # looks up what was lost
    running = next(run for run in map(people.run, (run.id for run in runs)) if run.submission)
    people.cancel_run(running.id)
    invoke(wired, {})
    for job in cloud.jobs():
        cloud.finish(job.name) if job.live else None
    invoke(wired, {})
    wired.store.close()

    called = {right(call) for call, count in cloud.calls.counts.items() if count > before.get(call, 0)}
    assert {"ecs:RunTask", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:StopTask", "ec2:DescribeSubnets"} <= called
    rights = {action for statement in statements(resources, "FunctionRole") for action in listed(statement["Action"])}
    assert called - TRANSACTIONS <= rights

    policy = {statement["Sid"]: statement for statement in statements(resources, "FunctionRole")}
    for request in cloud.calls.requests("RunTask"):
        assert covers(policy["RunTasks"], request["taskDefinition"])
        assert request.get("cluster", "default") == "default", "the cluster that the condition names"
    for request in cloud.calls.requests("RegisterTaskDefinition"):
        assert covers(policy["RegisterTaskDefinitions"], f"{ARN}:task-definition/{request['family']}:1")
    tasks = [task for request in cloud.calls.requests("DescribeTasks") for task in request["tasks"]]
    tasks += [request["task"] for request in cloud.calls.requests("StopTask")]
    assert tasks
    for task in tasks:
        assert covers(policy["FollowTasks"], task)
        assert covers(policy["TagWhatIsMade"], task)
