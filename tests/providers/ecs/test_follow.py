"""Find, observe and cancel, over the wire."""

from __future__ import annotations

import boto3
import pytest

from providers.base import Accepted, CallFailed, JobState, Observation
from providers.ecs import EcsProvider
from providers.ecs.lookup import find_task
from providers.ecs.place import Place
from providers.ecs.sdk import SdkService
from tests.providers.ecs.builders import NAME, a_job, names


def submitted(provider, name=NAME, **variables):
    outcome = provider.submit(a_job(name, **variables))
    assert isinstance(outcome, Accepted)
    return outcome.submission


@pytest.mark.parametrize("alone", [False, True], ids=["filters-together", "started-by-alone"])
def test_a_task_is_found_by_its_name_live_and_stopped(alone, aws, provider):
    aws.tasks.started_by_alone = alone
    arn = submitted(provider).handle["task"]
    submitted(provider, names(1)[0])
    assert provider.find(a_job()).handle["task"] == arn
    aws.finish(NAME)
    submission = EcsProvider().find(a_job())
    assert submission.handle["task"] == arn
    assert provider.observe([submission])[NAME].state is JobState.SUCCEEDED


@pytest.mark.parametrize("alone", [False, True], ids=["filters-together", "started-by-alone"])
def test_a_job_never_started_is_not_found(alone, aws, provider):
    aws.tasks.started_by_alone = alone
    submitted(provider, names(1)[0])
    aws.finish(names(1)[0])
    assert provider.find(a_job()) is None


def test_a_stopped_task_is_found_among_several_pages(aws, provider):
    aws.tasks.started_by_alone = True
    aws.change_settings({"job_seconds": 0})
    for name in [*names(120), NAME]:
        submitted(provider, name)
    assert provider.find(a_job()).name == NAME


def test_too_many_stopped_tasks_count_as_no_answer(aws, provider):
    aws.tasks.started_by_alone = True
    aws.change_settings({"job_seconds": 0})
    for name in names(101):
        submitted(provider, name)
    with pytest.raises(CallFailed, match="cannot decide whether one is r0123"):
        find_task(SdkService(boto3.client("ecs"), 10.0), Place(), NAME, max_pages=1)


@pytest.mark.parametrize("fault", ["throttle", "server-error", "lose-answer", "refuse"])
def test_a_lookup_without_an_answer_fails(fault, aws, provider):
    aws.faults.add("ListTasks", fault)
    with pytest.raises(CallFailed, match="ecs find: "):
        provider.find(a_job())


def test_a_lookup_with_unknown_credentials_fails(provider):
    with pytest.raises(CallFailed, match="aws_credentials: 'x' is not an entry of"):
        provider.find(a_job(aws_credentials="x"))


def test_ends_are_reported_with_exit_codes_and_times(aws, provider):
    good, bad = submitted(provider, names(2)[0]), submitted(provider, names(2)[1])
    aws.finish(good.name)
    aws.finish(bad.name, exit_code=3)
    seen = provider.observe([good, bad])
    assert (seen[good.name].state, seen[good.name].exit_code, seen[good.name].reason) == (JobState.SUCCEEDED, 0, "")
    assert (seen[bad.name].state, seen[bad.name].exit_code) == (JobState.FAILED, 3)
    assert seen[bad.name].reason.startswith("EssentialContainerExited")
    assert seen[bad.name].started_at <= seen[bad.name].ended_at


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("TaskFailedToStart: CannotPullContainerError: no such image", "CannotPullContainerError: no such image"),
        ("SpotInterruption: Your Spot Task was interrupted.", "Your Spot Task was interrupted."),
        ("InfrastructureHealth: host gone", "host gone"),
    ],
)
def test_a_task_that_was_taken_away_crashed_with_its_reason(ending, reason, aws, provider):
    aws.faults.add("Task", "refuse", detail=ending)
    observation = provider.observe([submitted(provider)])[NAME]
    assert observation.state is JobState.CRASHED
    assert reason in observation.reason


def test_a_forgotten_task_is_missing(aws, provider):
    submission = submitted(provider)
    aws.finish(NAME)
    aws.advance(3601)
    observation = provider.observe([submission])[NAME]
    assert observation.state is JobState.MISSING
    assert "about an hour" in observation.reason


def test_a_task_that_does_not_show_yet_is_missing_too(aws, provider):
    aws.tasks.visibility_lag = 30
    submission = submitted(provider)
    assert provider.observe([submission])[NAME].state is JobState.MISSING
    aws.advance(30)
    assert provider.observe([submission])[NAME].state is JobState.RUNNING


def test_many_tasks_are_described_by_the_hundred(aws, provider):
    submissions = [submitted(provider, name) for name in names(101)]
    assert set(provider.observe(submissions)) == set(names(101))
    assert sorted(len(request["tasks"]) for request in aws.calls.requests("DescribeTasks")) == [1, 100]


def test_clusters_and_regions_are_asked_apart_and_one_that_fails_leaves_the_others(aws, provider):
    boto3.client("ecs").create_cluster(clusterName="other")
    boto3.client("ecs", region_name="eu-west-3").create_cluster(clusterName="jobs")
    abroad = "arn:aws:ecs:eu-west-3:123456789012:cluster/jobs"
    submissions = [
        submitted(provider, name, cluster=cluster) for name, cluster in zip(names(3), [None, "other", abroad], strict=True)
    ]
    aws.faults.add("DescribeTasks", "throttle")
    seen = provider.observe(submissions)
    assert [name for name, observation in seen.items() if observation.state is JobState.UNREADABLE] == names(3)[:1]
    assert set(EcsProvider().observe(submissions)) == set(names(3))


def test_observing_nothing_makes_no_call(aws, provider):
    assert provider.observe([]) == {}
    assert not aws.calls.counts


def test_tasks_of_a_deleted_cluster_are_missing(aws, provider):
    boto3.client("ecs").create_cluster(clusterName="other")
    submission = submitted(provider, cluster="other")
    aws.finish(NAME)
    boto3.client("ecs").delete_cluster(cluster="other")
    assert provider.observe([submission])[NAME].state is JobState.MISSING
    provider.cancel(submission)


def test_jobs_of_credentials_that_went_away_cannot_be_read(aws, provider):
    submission = submitted(EcsProvider(credentials={"team": {"region": "us-east-1"}}), aws_credentials="team")
    seen = provider.observe([submission])[NAME]
    assert seen.state is JobState.UNREADABLE
    assert "aws_credentials" in seen.reason


def test_a_cancelled_task_is_seen_stopped(aws, provider):
    submission = submitted(provider)
    provider.cancel(submission)
    observation = provider.observe([submission])[NAME]
    assert observation.state is JobState.STOPPED
    assert "Cancelled by push-dispatcher" in observation.reason
    assert aws.calls.requests("StopTask")[0]["task"] == submission.handle["task"]


def test_cancelling_a_task_that_is_gone_is_not_an_error(aws, provider):
    submission = submitted(provider)
    aws.finish(NAME)
    provider.cancel(submission)
    aws.advance(3601)
    provider.cancel(submission)


@pytest.mark.parametrize("fault", ["throttle", "server-error", "lose-answer", "refuse"])
def test_a_cancel_without_an_answer_fails(fault, aws, provider):
    submission = submitted(provider)
    aws.faults.add("StopTask", fault)
    with pytest.raises(CallFailed, match="ecs cancel: "):
        provider.cancel(submission)


def test_an_ended_job_leaves_nothing_to_discard_or_sweep(aws, provider):
    submission = submitted(provider)
    aws.calls.reset()
    assert provider.discard([submission]) == {NAME}
    assert provider.sweep({}, frozenset()) == ()
    assert not aws.calls.counts


def test_the_container_that_was_asked_for_decides_the_end(aws, provider):
    submission = submitted(provider, container_name="work")
    assert submission.handle["container"] == "work"
    aws.finish(NAME, exit_code=4)
    assert isinstance(provider.observe([submission])[NAME], Observation)
    assert provider.observe([submission])[NAME].exit_code == 4


def test_a_role_that_may_stop_tagged_tasks_alone_may_cancel_twice(aws, provider):
    """A stopping task has lost its tags, so the repeat is denied; the task is stopping, so nothing is wrong."""
    submission = submitted(provider)
    provider.cancel(submission)
    aws.faults.add("StopTask", "refuse", detail="AccessDeniedException: not authorized to perform: ecs:StopTask")
    provider.cancel(submission)


def test_a_role_that_may_not_stop_a_task_fails_to_cancel_it(aws, provider):
    submission = submitted(provider)
    aws.faults.add("StopTask", "refuse", detail="AccessDeniedException: not authorized to perform: ecs:StopTask")
    with pytest.raises(CallFailed, match="not authorized to perform: ecs:StopTask"):
        provider.cancel(submission)
