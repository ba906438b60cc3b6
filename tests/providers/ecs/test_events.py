from __future__ import annotations

import pytest

from providers.base import EventHost, JobState, Submission
from providers.ecs.events import TASK_EVENTS, Home, from_event, is_about
from providers.ecs.place import console_url, parse_task_arn
from tests.providers.ecs.builders import NAME, a_job


def test_an_event_says_what_an_observation_says(aws, provider):
    submission = provider.submit(a_job()).submission
    aws.finish(NAME, exit_code=3)
    event = from_event(aws.events()[-1])
    observation, reported = event.observation, event.submission
    assert reported.name == NAME
    assert observation == provider.observe([submission])[NAME]
    assert (observation.state, observation.exit_code) == (JobState.FAILED, 3)
    assert reported == submission


def test_events_report_the_whole_life_of_a_task(aws, provider):
    provider.submit(a_job())
    aws.finish(NAME)
    states = [from_event(event).observation.state for event in aws.events()]
    assert states[0] is JobState.STARTING
    assert JobState.RUNNING in states
    assert states[-1] is JobState.SUCCEEDED
    assert not any(state.is_end for state in states[:-1])


def test_the_submission_of_an_event_has_the_credentials_that_its_job_names(aws, provider):
    recorded = provider.submit(a_job()).submission.handle
    event = from_event(aws.events()[-1])
    located = TASK_EVENTS.located(event, recorded, {"aws_credentials": "team"}, EventHost())
    assert located.handle["credentials"] == "team"
    assert TASK_EVENTS.located(event, {**recorded, "task": "another"}, {}, EventHost()) is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"source": "aws.ecs", "detail-type": "ECS Deployment State Change", "detail": {}},
        {"source": "aws.ecs", "detail-type": "ECS Task State Change"},
        {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {"taskArn": "arn", "lastStatus": "RUNNING"}},
        {"source": "custom", "detail-type": "ECS Task State Change", "detail": {"taskArn": "arn", "startedBy": NAME}},
    ],
)
def test_other_events_and_unknown_tasks_are_ignored(event):
    assert from_event(event) is None


ARN = "arn:aws:ecs:eu-west-1:123456789012:{}"
TOLD = Submission(name=NAME, handle={"task": ARN.format("task/jobs/01"), "cluster": ARN.format("cluster/jobs")})
HERE, THERE = Home(account="123456789012", region="eu-west-1"), Home(account="999999999999", region="eu-west-1")


@pytest.mark.parametrize(
    ("configuration", "home", "about"),
    [
        ({"cluster": "jobs"}, HERE, True),
        ({"cluster": "jobs"}, THERE, False),
        ({"cluster": "jobs"}, Home(account="123456789012", region="eu-west-2"), False),
        ({"cluster": "jobs"}, Home(region="eu-west-1"), False),
        ({"cluster": "jobs"}, Home(account="123456789012"), False),
        ({"cluster": "others"}, HERE, False),
        ({}, HERE, False),
        ({"cluster": ARN.format("cluster/jobs")}, Home(), True),
        ({"cluster": ARN.format("cluster/other")}, HERE, False),
        ({"cluster": "jobs", "aws_credentials": "team"}, HERE, False),
    ],
)
def test_an_event_before_the_record_must_name_the_account_region_and_cluster_of_the_job(configuration, home, about):
    assert is_about(TOLD, None, configuration, {None: home, "team": THERE}) is about


def test_an_event_must_name_the_recorded_task():
    assert is_about(TOLD, dict(TOLD.handle), {}, {})
    assert not is_about(TOLD, {"task": ARN.format("task/jobs/02")}, {"cluster": ARN.format("cluster/jobs")}, {None: HERE})


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_the_console_is_that_of_the_partition(partition, region, host):
    arn = f"arn:{partition}:ecs:{region}:123456789012:task/jobs/0123abcd"
    assert console_url(arn) == f"https://{host}/ecs/v2/clusters/jobs/tasks/0123abcd/configuration?region={region}"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws-iso:ecs:us-iso-east-1:123456789012:task/jobs/0123",
        "arn:aws:ecs:eu-west-1:123456789012:task/0123",
        "arn:aws:ecs:eu-west-1:123456789012:cluster/jobs",
        "nonsense",
    ],
)
def test_a_job_without_a_page_has_no_link(arn):
    assert console_url(arn) is None


def test_a_task_arn_of_the_old_form_names_no_cluster():
    task = parse_task_arn("arn:aws:ecs:eu-west-1:123456789012:task/0123")
    assert (task.cluster, task.id) == (None, "0123")
