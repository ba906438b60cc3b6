"""serverless.yml: packaged offline by the real framework, and read as the CloudFormation that would be deployed.

osls is installed from npm, once for a test run, in the version that serverless.yml names.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from dispatcher.client import Dispatcher
from dispatcher.functions.invocation import SCHEDULED, invoke
from dispatcher.packaging.archive import digest, write
from dispatcher.settings import Settings
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.definition import TABLE_DEFINITION, TICK_ACTIONS, TIME_TO_LIVE
from dispatcher.wiring import wire
from providers.emulators.ecs import EcsEmulator
from providers.emulators.faults import FaultKind
from tests.functions.conftest import Clock
from tests.infra import aws_promises

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"
"""What a request over the network would have to pass, if one were made."""

pytestmark = [
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed, and osls comes from there"),
    pytest.mark.long,  # osls is installed anew, and takes seconds each time that it packages
]


def shared(tmp_path_factory):
    """A directory of this test run, whatever the number of its processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="module")
def osls(tmp_path_factory):
    """The framework's command, in the version that the head of serverless.yml names."""
    version = re.search(r"npx (osls@[\d.]+) deploy", (ROOT / "serverless.yml").read_text()).group(1)
    home = shared(tmp_path_factory) / "osls"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "node_modules/.bin/osls").exists():
            subprocess.run(["npm", "install", "--no-fund", "--no-audit", "--silent", version], cwd=home, check=True)
    return home / "node_modules/.bin/osls"


@pytest.fixture(scope="module")
def package(osls, tmp_path_factory):
    """`osls package` in a directory with serverless.yml and a zip, without a network, an account or a home."""

    def run(*words, name="service"):
        service = tmp_path_factory.mktemp(name)
        shutil.copy(ROOT / "serverless.yml", service)
        write(service / "function.zip", {"dispatcher/functions/aws_lambda.py": b"handler = print\n"})
        environment = {"PATH": os.environ["PATH"], "HOME": str(service), "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
        command = [str(osls), "package", "--package", "out", *words]
        done = subprocess.run(command, cwd=service, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return service / "out/cloudformation-template-update-stack.json"

    return run


@pytest.fixture(scope="module")
def template(package):
    return package()


@pytest.fixture(scope="module")
def resources(template):
    return json.loads(template.read_text())["Resources"]


def of_type(resources, kind):
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


def statements(resources, role):
    """Those that are there whatever the parameters are."""
    (policy,) = [policy for policy in resources[role]["Properties"]["Policies"] if "Fn::If" not in policy]
    return policy["PolicyDocument"]["Statement"]


def further_statements(resources, given):
    """Those that the function has for these parameters alone."""
    policies = [resolved(policy, given) for policy in resources["FunctionRole"]["Properties"]["Policies"] if "Fn::If" in policy]
    return [statement for policy in policies if policy for statement in policy["PolicyDocument"]["Statement"]]


def listed(value):
    return value if isinstance(value, list) else [value]


def test_the_template_has_nothing_that_cfn_lint_objects_to(template):
    from cfnlint.api import ManualArgs, lint_file  # noqa: PLC0415 -- a second, which each process would take

    problems = lint_file(template, ManualArgs(ignore_checks=["W3005"]))  # W3005: a DependsOn that osls adds by itself
    assert [str(match) for match in problems] == []


def test_the_function_is_the_zip_that_was_given_with_room_for_a_tick(resources, template):
    (function,) = of_type(resources, "AWS::Lambda::Function")
    assert function["Handler"] == "dispatcher.functions.aws_lambda.handler"
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    settings = Settings.from_environment({"DISPATCHER_STORE": "memory://"})
    assert function["Timeout"] >= settings.tick_seconds + settings.margin_seconds
    assert settings.lease_seconds > function["Timeout"]
    environment = function["Environment"]["Variables"]
    assert environment.pop("DISPATCHER_STORE") == {"Fn::Sub": "dynamodb://${Table}"}
    assert set(resolved(environment, {}).values()) == {""}, "nothing else is set unless it is asked for"
    state = json.loads((template.parent / "serverless-state.json").read_text())
    assert state["package"]["artifact"] == "function.zip"
    assert digest(template.parents[1] / "function.zip")


def test_a_missed_tick_is_never_repeated_and_what_failed_is_kept(resources):
    (schedule,) = of_type(resources, "AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    (invocations,) = of_type(resources, "AWS::Lambda::EventInvokeConfig")
    assert invocations["MaximumRetryAttempts"] == 0
    queue = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    assert schedule["Target"]["DeadLetterConfig"]["Arn"] == queue
    assert invocations["DestinationConfig"]["OnFailure"]["Destination"] == queue
    (logs,) = of_type(resources, "AWS::Logs::LogGroup")
    assert logs["RetentionInDays"] == aws_promises.LOG_DAYS


def test_what_the_schedule_sends_is_a_tick(resources):
    (schedule,) = of_type(resources, "AWS::Scheduler::Schedule")
    event = json.loads(schedule["Target"]["Input"])
    assert event["detail-type"] in SCHEDULED
    assert invoke(wire(Settings(store="memory://")), event)["pools"] == []


def test_the_rule_matches_the_tasks_of_the_dispatcher_alone(resources):
    (rule,) = of_type(resources, "AWS::Events::Rule")
    pattern = rule["EventPattern"]
    assert pattern["detail-type"] == ["ECS Task State Change"]
    assert pattern["detail"]["startedBy"] == [{"prefix": "r"}]
    assert pattern["detail"]["lastStatus"] == ["RUNNING", "STOPPED"]


def test_alarms_are_those_that_every_way_onto_aws_makes(resources):
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    assert {an_alarm(alarm) for alarm in alarms} == aws_promises.ALARMS
    watched = {dimension["Name"]: dimension["Value"] for alarm in alarms for dimension in alarm.get("Dimensions", ())}
    assert watched == {
        "FunctionName": {"Ref": "TickLambdaFunction"},
        "ScheduleGroup": {"Ref": "ScheduleGroup"},
        "QueueName": {"Fn::GetAtt": ["DeadLetters", "QueueName"]},
    }
    (kept,) = of_type(resources, "AWS::Logs::MetricFilter")
    assert kept["FilterPattern"] == aws_promises.FILTER
    (problems,) = [alarm for alarm in alarms if alarm["Namespace"] == "PushDispatcher"]
    assert kept["MetricTransformations"][0]["MetricName"] == problems["MetricName"]


def an_alarm(alarm):
    return aws_promises.Alarm(
        metric=alarm["MetricName"].rpartition("-")[2],
        namespace=alarm["Namespace"],
        period=alarm["Period"],
        periods=alarm["EvaluationPeriods"],
        points=alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]),
        comparison=alarm["ComparisonOperator"],
        threshold=alarm["Threshold"],
        missing=alarm["TreatMissingData"],
        notifies=alarm["AlarmActions"]["Fn::If"][0] == "HasAlarmTopic",
        notifies_end=alarm["OKActions"]["Fn::If"][0] == "HasAlarmTopic",
    )


def test_table_and_queue_are_those_that_every_way_onto_aws_makes(resources):
    (table,), (queue,) = of_type(resources, "AWS::DynamoDB::Table"), of_type(resources, "AWS::SQS::Queue")
    assert {
        "encrypted": table["SSESpecification"]["SSEEnabled"],
        "deletion_protection": table["DeletionProtectionEnabled"],
        "point_in_time_recovery": table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        "time_to_live": table["TimeToLiveSpecification"]["AttributeName"],
    } == aws_promises.TABLE
    assert {"encrypted": queue["SqsManagedSseEnabled"], "seconds": queue["MessageRetentionPeriod"]} == aws_promises.QUEUE


def test_the_queue_keeps_what_every_way_onto_aws_keeps(resources):
    queue = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    (schedule,), (rule,) = of_type(resources, "AWS::Scheduler::Schedule"), of_type(resources, "AWS::Events::Rule")
    (invocations,) = of_type(resources, "AWS::Lambda::EventInvokeConfig")
    kept = {
        "schedule": schedule["Target"]["DeadLetterConfig"]["Arn"],
        "invocations": invocations["DestinationConfig"]["OnFailure"]["Destination"],
        "task state changes": rule["Targets"][0]["DeadLetterConfig"]["Arn"],
    }
    assert {name for name, target in kept.items() if target == queue} == aws_promises.DEAD_LETTERS_OF
    (policy,) = of_type(resources, "AWS::SQS::QueuePolicy")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert "aws:SourceArn" in statement["Condition"]["ArnLike"], "another account's rule may not fill the queue"


def test_the_table_is_the_one_that_the_store_makes(resources):
    (table,) = of_type(resources, "AWS::DynamoDB::Table")
    assert {key: table[key] for key in TABLE_DEFINITION} == TABLE_DEFINITION
    assert table["TimeToLiveSpecification"] == TIME_TO_LIVE
    assert resources["Table"]["DeletionPolicy"] == "Retain"


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


def test_whatever_ticks_call_is_among_the_functions_rights(resources, cloud, clock):
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


CONDITIONS = {
    "HasPrefectKey": lambda given: bool(given.get("PrefectApiKeySecret")),
    "HasPrefectAuth": lambda given: bool(given.get("PrefectApiAuthStringSecret")),
    "HasVpc": lambda given: bool(given.get("Subnets")),
}


def resolved(value, given):
    """A value as CloudFormation makes it, for these parameters of the stack."""
    if isinstance(value, list):
        return [resolved(item, given) for item in value]
    if not isinstance(value, dict):
        return value
    match [*value.items()]:
        case [("Fn::If", [condition, yes, no])]:
            return resolved(yes if CONDITIONS[condition](given) else no, given)
        case [("Fn::Sub", str(text))]:
            return re.sub(r"\$\{(\w+)\}", lambda match: given.get(match[1], match[0]), text)
        case [("Ref", "AWS::NoValue")]:
            return None
        case [("Ref", name)]:
            return given.get(name, value)
    return {name: resolved(item, given) for name, item in value.items()}


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


def test_parameters_reach_the_policies(package):
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


def test_a_waker_may_start_the_function_and_nobody_may_without_one(package, template):
    whole = json.loads(package("--param", "waker=arn:aws:iam::123456789012:role/people", name="waker").read_text())
    permission = whole["Resources"]["WakerPermission"]
    assert permission["Properties"]["Action"] == "lambda:InvokeFunction"
    assert (permission["Properties"]["Principal"], permission["Condition"]) == ({"Ref": "Waker"}, "HasWaker")
    assert whole["Parameters"]["Waker"]["Default"] == "arn:aws:iam::123456789012:role/people"
    assert whole["Outputs"]["Wake"]["Value"] == {"Fn::GetAtt": ["TickLambdaFunction", "Arn"]}
    assert json.loads(template.read_text())["Parameters"]["Waker"]["Default"] == ""
