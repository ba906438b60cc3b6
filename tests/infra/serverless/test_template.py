"""What serverless.yml makes: the function, its schedule, table, queue and alarms."""

from __future__ import annotations

import json

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.functions.invocation import SCHEDULED, invoke
from dispatcher.packaging.archive import digest
from dispatcher.stores.dynamodb.definition import TABLE_DEFINITION, TIME_TO_LIVE
from dispatcher.wiring import wire
from tests.infra import aws_promises
from tests.infra.serverless.template import needs_npm, of_type, resolved

pytestmark = [needs_npm, pytest.mark.long]  # osls is installed anew, and takes seconds each time that it packages


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


def test_the_request_of_the_schedule_is_a_tick(resources):
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
