"""One RunTask call a run, over the wire."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import pytest

from providers.base import Accepted, Hold, Rejected, Throttled, Unknown, Unreachable
from providers.deadlines import OutOfTime
from providers.ecs import EcsProvider
from providers.ecs.clients import Clients
from providers.ecs.preparation import Preparation
from tests.providers.ecs.builders import NAME, a_job, names


def register(**definition):
    fields = {
        "family": "mine",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "work", "image": "busybox"}],
    }
    return boto3.client("ecs").register_task_definition(**{**fields, **definition})["taskDefinition"]["taskDefinitionArn"]


def test_an_accepted_job_can_be_addressed_from_elsewhere(aws, provider):
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Accepted)
    submission = outcome.submission
    [task] = aws.jobs()
    cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/default"
    assert submission.name == NAME
    assert submission.handle == {
        "task": task.identifier,
        "cluster": cluster,
        "region": "us-east-1",
        "container": "prefect",
    }
    assert submission.url.startswith("https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/default/tasks/")


def test_a_repeat_starts_nothing_and_is_accepted_again(aws, provider):
    assert provider.submit(a_job()) == provider.submit(a_job()) == EcsProvider().submit(a_job())
    assert aws.starts == {NAME: 1}


def test_a_repeat_after_the_end_is_the_same_task_too(aws, provider):
    first = provider.submit(a_job())
    aws.finish(NAME)
    again = provider.submit(a_job())
    assert again.submission.handle["task"] == first.submission.handle["task"]
    assert aws.starts == {NAME: 1}


def test_a_changed_repeat_is_found_not_started(aws, provider):
    first = provider.submit(a_job(command="a"))
    assert provider.submit(a_job(command="b")).submission.handle["task"] == first.submission.handle["task"]
    assert aws.starts == {NAME: 1}


@pytest.mark.parametrize("fault", ["lose-answer", "server-error-after"])
def test_after_a_lost_answer_nothing_is_claimed_and_a_repeat_finds_the_task(fault, aws, provider):
    aws.faults.add("RunTask", fault)
    assert isinstance(provider.submit(a_job()), Unknown)
    assert provider.find(a_job()) is not None
    assert isinstance(provider.submit(a_job()), Accepted)
    assert aws.starts == {NAME: 1}


@pytest.mark.parametrize("fault", ["lose-request", "server-error"])
def test_after_a_lost_request_nothing_is_claimed_either(fault, aws, provider):
    aws.faults.add("RunTask", fault)
    assert isinstance(provider.submit(a_job()), Unknown)
    assert provider.find(a_job()) is None
    assert isinstance(provider.submit(a_job()), Accepted)


@pytest.mark.parametrize("fault", ["lose-answer", "lose-request", "server-error", "throttle"])
def test_the_sdk_does_not_retry(fault, aws, provider):
    aws.faults.add("RunTask", fault, times=5)
    provider.submit(a_job())
    assert aws.calls["RunTask"] == 1


@pytest.mark.parametrize("detail", ["", "network"])
def test_both_forms_of_throttling_hold_the_pool(detail, aws, provider):
    aws.faults.add("RunTask", "throttle", detail=detail)
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Throttled)
    assert outcome.hold is not None
    assert "Rate exceeded" in outcome.reason
    assert isinstance(provider.submit(a_job()), Accepted)


def test_missing_capacity_holds_what_needs_as_much_of_it_and_the_next_attempt_starts(aws, provider):
    aws.change_settings({"capacity": 0})
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Throttled)
    assert outcome.hold == Hold(place=("", "", "FARGATE"), size={"cpu": 1024, "memory": 2048}, freed_by_end=True)
    assert outcome.reason.startswith("Capacity is unavailable at this time")
    aws.change_settings({"capacity": 1})
    assert isinstance(provider.submit(a_job(NAME[:-1] + "2")), Accepted)


def test_a_refused_placement_leaves_the_pool_free(aws, provider):
    aws.faults.add("RunTask", "no-capacity", detail="ATTRIBUTE")
    assert provider.submit(a_job()) == Throttled(reason="ATTRIBUTE", hold=None)


@pytest.mark.parametrize("operation", ["RunTask", "RegisterTaskDefinition", "DescribeTaskDefinition"])
def test_denied_access_crashes_the_run_with_awss_words_and_a_hint(operation, aws, provider):
    words = f"User: me is not authorized to perform: ecs:{operation}"
    aws.faults.add(operation, "refuse", detail=f"AccessDeniedException: {words}")
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Rejected)
    assert words in outcome.reason
    assert "aws_credentials" in outcome.reason


def test_an_unknown_cluster_crashes_the_run(provider):
    outcome = provider.submit(a_job(cluster="elsewhere"))
    assert outcome == Rejected(reason="ClusterNotFoundException: Cluster not found. (check cluster and the region)")


def test_an_arn_of_a_cluster_says_the_region(aws, provider):
    boto3.client("ecs", region_name="eu-west-3").create_cluster(clusterName="jobs")
    outcome = provider.submit(a_job(cluster="arn:aws:ecs:eu-west-3:123456789012:cluster/jobs"))
    assert outcome.submission.handle["region"] == "eu-west-3"
    assert ":eu-west-3:" in outcome.submission.handle["task"]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (
            {"capacity_provider_strategy": [{"capacityProvider": "a", "wait": 1}]},
            "task_run_request.capacityProviderStrategy[0].wait: ECS does not know wait; did you mean weight?",
        ),
        (
            {"capacity_provider_strategy": [{"weight": 1}]},
            "task_run_request.capacityProviderStrategy[0].capacityProvider: is missing, and ECS needs it",
        ),
        (
            {"task_role_arn": {"arn": 7}},
            "task_run_request.overrides.taskRoleArn: give text, not an object",
        ),
    ],
)
def test_a_value_that_does_not_fit_the_api_is_rejected_before_the_call_in_plain_words(variables, reason, aws, provider):
    outcome = provider.submit(a_job(**variables))
    assert outcome == Rejected(reason=reason)
    assert not aws.calls["RunTask"]


@pytest.mark.parametrize(
    "configuration",
    [
        {"task_run_request": "text"},
        {"task_definition": {"containerDefinitions": [5]}},
        {"task_definition": {"containerDefinitions": [{"image": "i"}], "requiresCompatibilities": 5}},
        {"task_definition": {"containerDefinitions": [{"image": "i", "environment": [5]}]}},
        {"env": ["A=1"], "task_definition": {"containerDefinitions": [{"image": "i"}]}},
        {"labels": "x"},
        {"aws_credentials": 5},
        {},
    ],
)
def test_a_configuration_of_any_shape_is_refused_and_never_raises(configuration, provider):
    assert isinstance(provider.submit(replace(a_job(), configuration=configuration)), Rejected)


def test_a_definition_is_registered_once_for_all_runs_of_its_content(aws, provider):
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda name: provider.submit(a_job(name, env={"RUN": name})), names(40)))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert aws.calls.counts == {
        "DescribeTaskDefinition": 1,
        "RegisterTaskDefinition": 1,
        "ec2.DescribeVpcs": 1,
        "ec2.DescribeSubnets": 1,
        "RunTask": 40,
    }


def test_another_invocation_finds_the_definition_again(aws, provider):
    provider.submit(a_job())
    assert isinstance(EcsProvider().submit(a_job(names(1)[0])), Accepted)
    assert aws.calls["RegisterTaskDefinition"] == 1


def test_other_content_is_another_definition(aws, provider):
    provider.submit(a_job(names(2)[0]))
    provider.submit(a_job(names(2)[1], image="alpine"))
    assert aws.calls["RegisterTaskDefinition"] == 2


def test_a_definition_that_was_deregistered_is_registered_again_by_the_next_submission(aws, provider):
    provider.submit(a_job(names(3)[0]))
    [request] = aws.calls.requests("RunTask")
    boto3.client("ecs").deregister_task_definition(taskDefinition=request["taskDefinition"])
    outcome = provider.submit(a_job(names(3)[1]))
    assert isinstance(outcome, Throttled)
    assert outcome.hold is None
    assert "inactive" in outcome.reason
    assert isinstance(provider.submit(a_job(names(3)[1])), Accepted)


def test_a_race_of_registrations_gives_the_run_back(aws, provider):
    words = "Too many concurrent attempts to create a new revision of the specified family."
    aws.faults.add("RegisterTaskDefinition", "refuse", detail=f"ClientException: {words}")
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Throttled)
    assert words in outcome.reason
    assert isinstance(provider.submit(a_job()), Accepted)


@pytest.mark.parametrize("operation", ["DescribeTaskDefinition", "RegisterTaskDefinition", "ec2.DescribeSubnets"])
@pytest.mark.parametrize("fault", ["throttle", "server-error", "lose-answer"])
def test_a_failure_before_the_launch_gives_the_run_back(operation, fault, aws, provider):
    aws.faults.add(operation, fault)
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Throttled if fault == "throttle" else Unreachable)
    assert not aws.calls["RunTask"]
    assert isinstance(provider.submit(a_job()), Accepted)


def test_a_given_definition_is_used_as_it_is(aws, provider):
    arn = register()
    assert isinstance(provider.submit(a_job(image=None, task_definition_arn=arn, command="x")), Accepted)
    [request] = aws.calls.requests("RunTask")
    assert request["taskDefinition"] == arn
    assert request["overrides"]["containerOverrides"][0]["name"] == "work"
    assert "awsvpcConfiguration" in request["networkConfiguration"]
    assert aws.calls["RegisterTaskDefinition"] == 1, "the test's own"


@pytest.mark.parametrize("identifier", ["mine", "mine:1"])
def test_a_given_definition_may_be_a_family_or_a_revision(identifier, aws, provider):
    register()
    provider.submit(a_job(names(2)[0], image=None, task_definition_arn=identifier))
    provider.submit(a_job(names(2)[1], image=None, task_definition_arn=identifier))
    assert [request["taskDefinition"] for request in aws.calls.requests("RunTask")] == [identifier] * 2
    assert aws.calls["DescribeTaskDefinition"] == 1


def test_a_given_definition_made_for_ec2_runs_there(aws, provider):
    arn = register(networkMode="bridge", requiresCompatibilities=["EC2"])
    provider.submit(a_job(image=None, task_definition_arn=arn, launch_type=None))
    provider.submit(a_job(names(1)[0], image=None, task_definition_arn=arn, launch_type="EC2"))
    [request] = aws.calls.requests("RunTask")[1:]
    assert request["launchType"] == "EC2"
    assert "networkConfiguration" not in request


def test_a_given_definition_that_is_inactive_or_unknown_is_refused_by_name(aws, provider):
    arn = register()
    boto3.client("ecs").deregister_task_definition(taskDefinition=arn)
    inactive = provider.submit(a_job(image=None, task_definition_arn=arn))
    unknown = provider.submit(a_job(image=None, task_definition_arn="nobody"))
    assert isinstance(inactive, Rejected)
    assert inactive.reason.startswith(f"task_definition_arn: {arn} is INACTIVE; name an active revision")
    assert isinstance(unknown, Rejected)
    assert unknown.reason.startswith("task_definition_arn: nobody: ClientException")
    assert not aws.calls["RunTask"]


def test_a_given_definition_that_goes_while_it_is_remembered_crashes_the_run(aws, provider):
    arn = register()
    provider.submit(a_job(names(2)[0], image=None, task_definition_arn=arn))
    boto3.client("ecs").deregister_task_definition(taskDefinition=arn)
    outcome = provider.submit(a_job(names(2)[1], image=None, task_definition_arn=arn))
    assert isinstance(outcome, Rejected)
    assert "inactive" in outcome.reason


def test_no_answer_in_time_is_unknown(aws, provider):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        impatient = EcsProvider(endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}", call_timeout=0.2)
        assert isinstance(impatient.submit(a_job()), Unreachable), "the definition could not even be looked up"
    prepared = provider._preparation.prepare(a_job())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        deaf = EcsProvider(endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}", call_timeout=0.2)
        ecs = deaf._clients.client("ecs", prepared.place)
        outcome = deaf._run(a_job(), replace(prepared, ecs=ecs))
    assert isinstance(outcome, Unknown)
    assert outcome.cause.startswith("no whole answer within")


def test_a_refused_connection_proves_that_nothing_was_sent(aws, provider):
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}"
    unreachable = EcsProvider(endpoint_url=closed)
    before = unreachable.submit(a_job())
    prepared = provider._preparation.prepare(a_job())
    launch = unreachable._run(a_job(), replace(prepared, ecs=unreachable._clients.client("ecs", prepared.place)))
    for outcome in (before, launch):
        assert isinstance(outcome, Unreachable)
        assert outcome.cause.startswith("EndpointConnectionError")


def test_a_launch_that_could_end_too_late_is_not_begun(aws):
    clients = Clients(credentials={}, endpoint_url=None, region=None, call_timeout=10, connections=10)
    times = iter([0.0, 0.5, 1.0, 1.0, 9.0, 9.5, 9.5, 10.5])  # from 1.0 to 9.0 a client is loaded, which does not count
    preparation = Preparation(clients, call_timeout=10, monotonic=lambda: next(times))
    with pytest.raises(OutOfTime):
        preparation.prepare(a_job())
    again = Preparation(clients, call_timeout=10, monotonic=lambda: 0.0)
    assert again.prepare(a_job()).request["clientToken"] == NAME


def test_the_limits_are_awss_and_a_raised_quota_raises_them():
    published, raised = EcsProvider().limits, EcsProvider(launches_per_second=100).limits
    assert [(rate.burst, rate.per_second) for rate in published.submit_rates] == [(100, 20.0), (20, 20.0)]
    assert [(rate.burst, rate.per_second) for rate in raised.submit_rates] == [(100, 100), (100, 100)]
    assert (published.call_timeout, published.observe_batch, published.memory, published.lingers) == (10.0, 100, 3600.0, False)
