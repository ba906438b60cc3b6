"""How Jobs end and why they do not start, in the cluster's own words."""

from datetime import UTC, datetime, timedelta

import pytest

from providers.base import CallFailed, JobState
from providers.kubernetes.states import BatchJob, observation_of
from tests.providers.kubernetes.builders import a_job, a_manifest, provider_for, seen, submitted

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
UID, TIME = "7a", "2030-01-01T11:59:00Z"


def an_observation(status=None, *pods, spec=None, **metadata):
    """What is seen of a Job with this status and these pods."""
    job = {
        "metadata": {"name": "r-1", "uid": UID, **metadata},
        "spec": {"template": {"spec": {"containers": [{"name": "main"}, {"name": "beside"}]}}, **(spec or {})},
        "status": status or {},
    }
    return observation_of(BatchJob(job), pods, now=NOW, patience=timedelta(minutes=10))


def a_pod(phase="Pending", *, uid=UID, name="r-1-aaaaa", conditions=(), created=TIME, before=(), **states):
    """A pod whose container `main` is in a state, as `main={"running": {}}`; other containers likewise."""
    containers = [{"name": name, "state": state} for name, state in states.items() if name in ("main", "beside")]
    status = {"phase": phase, "conditions": list(conditions), "containerStatuses": containers}
    status |= {"initContainerStatuses": list(before)} | {key: states[key] for key in ("reason", "message") if key in states}
    owner = [{"kind": "Job", "uid": uid}]
    return {"metadata": {"name": name, "creationTimestamp": created, "ownerReferences": owner}, "status": status}


def failed(reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit"):
    condition = {"type": "Failed", "status": "True", "reason": reason, "message": message, "lastTransitionTime": TIME}
    return {"failed": 1, "conditions": [condition]}


def terminated(code, reason="Error", **fields):
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": TIME, "finishedAt": TIME, **fields}}


@pytest.mark.parametrize(
    ("pod", "state", "code", "words"),
    [
        (a_pod("Failed", main=terminated(3)), JobState.FAILED, 3, "exit code 3"),
        (a_pod("Failed", main=terminated(137, "OOMKilled")), JobState.FAILED, 137, "out of memory (OOMKilled)"),
        (a_pod("Failed", main=terminated(137)), JobState.CRASHED, 137, "exit code 137 (SIGKILL)"),
        (a_pod("Failed", main=terminated(127)), JobState.FAILED, 127, "a command that is not in the image"),
        (a_pod("Failed", main=terminated(1, message="no such table")), JobState.FAILED, 1, "exit code 1: no such table"),
        (
            a_pod("Failed", reason="Evicted", message="The node was low on memory."),
            JobState.CRASHED,
            None,
            "Evicted: The node was low",
        ),
        (a_pod("Failed", reason="NodeLost", message="Node n1 is gone"), JobState.CRASHED, None, "NodeLost: Node n1 is gone"),
        (
            a_pod("Failed", main=terminated(128, "StartError", message="exec: no such file")),
            JobState.CRASHED,
            128,
            "no such file",
        ),
        (
            a_pod(
                "Failed",
                main=terminated(137),
                conditions=[
                    {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "more urgent"}
                ],
            ),
            JobState.CRASHED,
            137,
            "PreemptionByScheduler: more urgent",
        ),
        (
            a_pod("Failed", before=[{"name": "fetch", "state": terminated(2)}]),
            JobState.CRASHED,
            None,
            "the init container 'fetch' failed before the job began",
        ),
        (a_pod("Failed", main=terminated(0), beside=terminated(4)), JobState.CRASHED, 0, "the container 'beside'"),
    ],
)
def test_a_failed_job_ends_as_its_pod_says(pod, state, code, words):
    end = an_observation(failed(), pod)
    assert (end.state, end.exit_code) == (state, code)
    assert words in end.reason
    assert end.ended_at == datetime(2030, 1, 1, 11, 59, tzinfo=UTC)


def test_a_failed_job_without_a_pod_has_crashed_and_nobody_knows_its_exit_code():
    end = an_observation(failed(), a_pod("Failed", uid="another", main=terminated(3)))
    assert (end.state, end.exit_code) == (JobState.CRASHED, None)
    assert "backoff limit; its pod is gone" in end.reason


def test_a_job_that_passed_its_own_deadline_has_crashed():
    end = an_observation(failed("DeadlineExceeded", "Job was active longer than specified deadline"))
    assert end.state is JobState.CRASHED
    assert "it passed its deadline: DeadlineExceeded: Job was active longer" in end.reason


def test_a_job_whose_pods_still_end_holds_its_slot():
    assert an_observation({**failed(), "terminating": 1}, a_pod("Running", main={"running": {}})).state is JobState.RUNNING
    assert an_observation({**failed(), "terminating": 1}).state is JobState.RUNNING


def test_more_than_one_pod_is_reported():
    pods = [a_pod("Failed", main=terminated(3), name=name, created=f"2030-01-01T11:5{name}:00Z") for name in "12"]
    assert an_observation(failed(), *pods).reason == "exit code 3; the cluster made 2 pods for it"


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (
            a_pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]),
            "Unschedulable: 0/3 nodes",
        ),
        (
            a_pod(main={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            "ImagePullBackOff: no such image",
        ),
        (
            a_pod(main={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}}),
            'CreateContainerConfigError: secret "s" not found',
        ),
        (a_pod(main={"waiting": {"reason": "ContainerCreating"}}), ""),
        (a_pod("Running", main={"waiting": {"reason": "PodInitializing"}}), ""),
        (None, "the cluster has not made its pod yet"),
    ],
)
def test_a_pod_that_does_not_start_says_why(pod, words):
    observed = an_observation({"active": 1}, *([pod] if pod else []))
    assert (observed.state, observed.reason, observed.queued) == (JobState.STARTING, words, False)


def test_a_container_without_readiness_runs():
    observed = an_observation({"active": 1, "ready": 0}, a_pod("Running", main={"running": {"startedAt": TIME}}))
    assert (observed.state, observed.started_at) == (JobState.RUNNING, datetime(2030, 1, 1, 11, 59, tzinfo=UTC))


def test_a_suspended_job_waits_in_a_queue_and_its_time_to_start_does_not_run():
    observed = an_observation(spec={"suspend": True}, labels={"kueue.x-k8s.io/queue-name": "team"})
    assert (observed.state, observed.queued) == (JobState.STARTING, True)
    assert observed.reason == "suspended: it waits in a queue of Kueue, and its time to start does not run"
    assert an_observation(spec={"suspend": True}).queued


@pytest.mark.parametrize(("minutes", "queued"), [(9, True), (11, False)])
def test_the_start_deadline_of_a_job_begins_when_kueue_admits_it(minutes, queued):
    since = (NOW - timedelta(minutes=minutes)).isoformat()
    labels = {"kueue.x-k8s.io/queue-name": "team"}
    observed = an_observation({"active": 1, "startTime": since}, a_pod(), labels=labels)
    assert (observed.state, observed.queued) == (JobState.STARTING, queued)


@pytest.mark.parametrize("code", [True, "3", None, 1.5])
def test_an_exit_code_that_is_not_a_number_is_not_an_end(code):
    with pytest.raises(CallFailed):
        an_observation(failed(), a_pod("Failed", main={"terminated": {"exitCode": code, "reason": "Error"}}))


# On the emulator


def test_a_cancelled_job_is_stopped_with_its_grace_and_stays_until_it_is_discarded(cluster, provider):
    submission = submitted(provider)
    cluster.advance(5)
    provider.cancel(submission)
    job = cluster.controller.workloads["default", submission.name].job()
    assert job["spec"]["activeDeadlineSeconds"] == 1
    assert "push-dispatcher/cancelled-at" in job["metadata"]["annotations"]
    end = seen(provider, submission)
    assert (end.state, end.reason) == (JobState.STOPPED, "stopped on request")
    assert cluster.calls["DeleteJob"] == 0


def test_a_cancelled_job_that_had_not_started_is_stopped(cluster, provider):
    submission = submitted(provider, a_job(job_manifest=a_manifest(image="no-such-image:1")))
    assert seen(provider, submission).reason == 'ImagePullBackOff: Back-off pulling image "no-such-image:1"'
    cluster.advance(5)
    provider.cancel(submission)
    assert seen(provider, submission).state is JobState.STOPPED
    assert cluster.starts == {}


def test_a_cancelled_job_that_is_suspended_is_deleted_and_never_starts(cluster, provider):
    submission = submitted(provider, a_job(job_manifest=a_manifest(spec={"suspend": True})))
    assert seen(provider, submission).queued
    provider.cancel(submission)
    assert seen(provider, submission).state is JobState.MISSING
    assert cluster.starts == {}


def test_an_evicted_and_an_oom_killed_pod_end_as_what_they_are(cluster, provider):
    evicted, exhausted = submitted(provider), submitted(provider)
    cluster.advance(1)
    cluster.take(evicted.name, "Evicted", "The node was low on resource: memory.")
    cluster.exhaust_memory(exhausted.name)
    assert seen(provider, evicted).state is JobState.CRASHED
    assert "The node was low on resource: memory." in seen(provider, evicted).reason
    assert seen(provider, exhausted).state is JobState.FAILED
    assert "OOMKilled" in seen(provider, exhausted).reason


def test_a_pod_that_somebody_deletes_ends_its_job_as_crashed(cluster, provider):
    submission = submitted(provider)
    cluster.advance(1)
    with cluster.book.lock:
        cluster.controller.delete_pod(cluster.controller.workloads["default", submission.name])
    end = seen(provider, submission)
    assert (end.state, end.exit_code) == (JobState.CRASHED, 143)


def test_a_job_that_was_made_again_under_the_same_name_is_not_the_one_that_was_submitted(cluster, provider):
    job = a_job()
    first = submitted(provider, job)
    with cluster.book.lock:
        cluster.controller.delete(cluster.controller.workloads["default", job.name], "Background")
    second = submitted(provider, job)
    assert first.handle["uid"] != second.handle["uid"]
    assert seen(provider, first).state is JobState.MISSING
    provider.cancel(first)
    assert provider.discard([first]) == {job.name}
    assert seen(provider, second).state is JobState.RUNNING


def test_logs_are_the_last_lines_and_nothing_before_the_job_runs_or_after_it_is_gone(cluster, provider):
    submission = submitted(provider)
    waiting = submitted(provider, a_job(job_manifest=a_manifest(image="no-such-image:1")))
    cluster.log(submission.name, "one\ntwo\nthree\n")
    assert provider.logs(submission, 2) == "two\nthree\n"
    assert provider.logs(waiting) == ""
    provider.discard([submission])
    assert provider.logs(submission) == ""


def test_five_hundred_jobs_are_read_page_by_page(cluster, provider, monkeypatch):
    monkeypatch.setattr("providers.kubernetes.lookup.PAGE", 3)
    submissions = [submitted(provider) for _ in range(8)]
    assert {each.state for each in provider.observe(submissions).values()} == {JobState.RUNNING}
    assert cluster.calls["ListJobs"] == 3


def test_a_list_that_grew_old_is_begun_again(cluster, provider, monkeypatch):
    monkeypatch.setattr("providers.kubernetes.lookup.PAGE", 3)
    submissions = [submitted(provider) for _ in range(5)]
    real = cluster.service._list

    def old(call):
        if "continue" in call.query and cluster.calls["ListJobs"] == 2:
            cluster.advance(301)
        return real(call)

    monkeypatch.setitem(cluster.service._acts, "list", old)
    assert len(provider.observe(submissions)) == 5
    assert cluster.calls["ListJobs"] == 4


def test_an_unnamed_cluster_that_is_another_one_here_is_unreadable(cluster, provider, start):
    submission = submitted(provider)
    observed = seen(provider_for(start()), submission)
    assert observed.state is JobState.UNREADABLE
    assert "another cluster than its own; name clusters by cluster_config" in observed.reason
    assert provider_for(start()).discard([submission]) == frozenset()


def test_a_quota_that_lets_no_pod_be_made_is_named_and_frees_the_job_when_there_is_room(cluster, provider):
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "1"}}}
    cluster.objects["ResourceQuota", "default", "team"] = quota
    first, second = submitted(provider), submitted(provider)
    observed = provider.observe([first, second])
    assert observed[first.name].state is JobState.RUNNING
    assert observed[second.name].state is JobState.STARTING
    assert "the cluster has not made its pod yet: Error creating: pods" in observed[second.name].reason
    assert "exceeded quota: team, requested: pods=1" in observed[second.name].reason
    cluster.finish(first.name)
    assert seen(provider, second).state is JobState.RUNNING


def test_a_missing_right_to_list_events_hides_no_job(cluster, provider):
    cluster.objects["ResourceQuota", "default", "team"] = {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "0"}}}
    submission = submitted(provider)
    cluster.faults.add("ListEvents", "refuse", detail='Forbidden: events is forbidden: User "u" cannot list resource "events"')
    observed = seen(provider, submission)
    assert (observed.state, observed.reason) == (JobState.STARTING, "the cluster has not made its pod yet")
