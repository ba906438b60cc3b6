"""The provider against the emulator: what a look-up, an end, a refusal and a second job of one name lead to."""

from __future__ import annotations

import pytest

from providers.base import Hold, JobState, Misconfigured, Rejected, Throttled, Unknown
from providers.emulators.faults import FaultKind
from providers.vertex_ai import VertexAiProvider
from providers.vertex_ai.observation import observation_of
from tests.providers.vertex_ai.builders import NAME, a_configuration, a_job, a_provider, named, submitted

CREATE = "CreateCustomJob"


def states(provider, submissions):
    return {name: seen.state for name, seen in provider.observe(submissions).items()}


def test_the_older_of_two_jobs_with_one_name_is_kept_and_the_younger_ends(emulator, provider):
    first, second = submitted(provider, a_job(), a_job(named(2)))
    twin = emulator.book.named(named(2))[0]
    twin.created_at += 60
    twin.detail.body["labels"]["push_dispatcher_name"] = NAME
    emulator.advance(120)
    assert provider.find(a_job()).handle["job_id"] == first.handle["job_id"]
    assert states(provider, [first]) == {NAME: JobState.RUNNING}
    assert [job.state for job in emulator.jobs()] == ["JOB_STATE_RUNNING", "JOB_STATE_CANCELLED"]
    assert second.handle["job_id"] != first.handle["job_id"]


def test_vertex_ai_itself_starts_a_second_job_while_the_list_is_behind(emulator, provider):
    emulator.change_settings({"list_lag": 60})
    submitted(provider, a_job(), a_job())
    assert emulator.starts == {NAME: 2}, "so a look-up is believed only after `lookup_lag`"
    assert VertexAiProvider().limits.lookup_lag == 120


def test_a_job_that_waits_for_quota_is_starting_and_has_an_hour(emulator, provider):
    row = {"state": "JOB_STATE_QUEUED", "createTime": "2026-11-28T20:00:00Z"}
    assert (observation_of(row).state, observation_of(row).reason) == (
        JobState.STARTING,
        "queued: Vertex AI waits for quota or capacity",
    )
    assert provider.limits.start_deadline == 3600
    assert a_provider(emulator, start_deadline=90_000).limits.start_deadline == 90_000


@pytest.mark.parametrize(
    ("message", "state", "code"),
    [
        ("The replica workerpool0-0 exited with a non-zero status of 3. Termination reason: Error.", JobState.FAILED, 3),
        ("Replica exited with a non-zero status code 1", JobState.FAILED, 1),
        ("The replica workerpool0-0 exited with a non-zero status of 137.", JobState.CRASHED, 137),
        ("The replica workerpool0-0 exited with a non-zero status.", JobState.FAILED, None),
        ("Resources are insufficient in region: us-central1.", JobState.CRASHED, None),
        ("Internal error occurred for the current attempt.", JobState.CRASHED, None),
        (None, JobState.CRASHED, None),
    ],
)
def test_a_failure_is_read_from_the_words_of_its_error(message, state, code):
    seen = observation_of({"state": "JOB_STATE_FAILED", "error": {"code": 3, "message": message}})
    assert (seen.state, seen.exit_code) == (state, code)
    assert seen.reason


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("JOB_STATE_PENDING", JobState.STARTING),
        ("JOB_STATE_CANCELLING", JobState.RUNNING),
        ("JOB_STATE_PAUSED", JobState.RUNNING),
        ("JOB_STATE_EXPIRED", JobState.CRASHED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", JobState.FAILED),
    ],
)
def test_every_state_means_one_thing(word, state):
    assert observation_of({"state": word}).state is state


def test_a_job_that_runs_for_too_long_has_expired(emulator, provider):
    [submission] = submitted(provider, a_job(maximum_run_time_hours=1))
    emulator.advance(3700)
    seen = provider.observe([submission])[NAME]
    assert (seen.state, seen.reason) == (JobState.CRASHED, "the job ran into its timeout")


@pytest.mark.parametrize(
    ("metric", "size"),
    [("custom_model_training_cpus", {"cpu": 4}), ("custom_model_training_nvidia_t4_gpus", {"nvidia_tesla_t4": 2})],
)
def test_a_quota_holds_the_jobs_that_need_as_much_until_one_ends(metric, size, emulator, provider):
    emulator.faults.add(CREATE, FaultKind.NO_CAPACITY, detail=metric)
    outcome = provider.submit(a_job(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=2))
    assert isinstance(outcome, Throttled)
    assert outcome.hold == Hold(place=("", "", "us-central1"), size=size, freed_by_end=True)
    assert metric in outcome.reason


def test_a_rate_holds_its_region_for_as_long_as_google_says(emulator, provider):
    emulator.change_settings({"submissions_per_minute": 1})
    submitted(provider, a_job())
    outcome = provider.submit(a_job(named(2)))
    assert isinstance(outcome, Throttled)
    assert outcome.hold == Hold(place=("", "", "us-central1"))
    assert 0 < outcome.retry_after <= 60


@pytest.mark.parametrize(
    ("detail", "kind", "words"),
    [
        ("PERMISSION_DENIED: Permission 'aiplatform.customJobs.create' denied", Rejected, "roles/aiplatform.user"),
        ("UNAUTHENTICATED: expired", Misconfigured, "expired"),
        ("INTERNAL: oh", Unknown, "oh"),
    ],
)
def test_only_google_refuses_for_good_and_in_its_own_words(detail, kind, words, emulator, provider):
    emulator.faults.add(CREATE, FaultKind.REFUSE, detail=detail)
    outcome = provider.submit(a_job())
    assert isinstance(outcome, kind), outcome
    assert words in (outcome.cause if kind is Unknown else outcome.reason)


def test_without_a_region_or_a_project_jobs_wait_for_one(emulator, monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    configuration = {**a_configuration(), "region": None}
    outcome = a_provider(emulator).submit(a_job(template={"job_configuration": configuration, "variables": {}}))
    assert isinstance(outcome, Misconfigured)
    assert "region: none is given" in outcome.reason


def test_one_list_shows_all_that_live_and_each_end_is_looked_at(emulator, provider):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(1, 6)))
    emulator.finish(named(1), 3)
    emulator.calls.reset()
    assert states(provider, submissions) == {
        named(1): JobState.FAILED,
        **dict.fromkeys(map(named, range(2, 6)), JobState.RUNNING),
    }
    assert emulator.calls.counts == {"ListCustomJobs": 1, "GetCustomJob": 1}
    [request] = emulator.calls.requests("ListCustomJobs")
    assert "env" not in request["query"]["readMask"]


def test_a_list_of_many_pages_is_read_to_its_end(emulator, provider):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(1, 131)))
    emulator.calls.reset()
    assert set(states(provider, submissions).values()) == {JobState.RUNNING}
    assert emulator.calls.counts == {"ListCustomJobs": 2}


def test_the_output_of_a_job_is_read_from_cloud_logging(emulator, provider):
    [submission] = submitted(provider, a_job())
    assert provider.logs(submission) == ""
    emulator.write_log(NAME, "one", "two", "three")
    assert provider.logs(submission, tail=2) == "two\nthree\n"


def test_a_sweep_leaves_other_dispatchers_jobs_alone(emulator):
    ours, theirs = (a_provider(emulator, owner=owner, delete_ended=True) for owner in ("us", "them"))
    submitted(ours, a_job())
    submitted(theirs, a_job(named(2)))
    for name in (NAME, named(2)):
        emulator.finish(name, 0)
    emulator.advance(3600)
    assert ours.sweep({"region": "us-central1"}, frozenset()) == (NAME,)


def test_the_emulator_refuses_what_the_published_messages_do_not_have(emulator, provider):
    import requests  # noqa: PLC0415 - the wire, without the provider

    url = f"{emulator.url}/v1/projects/p/locations/us-central1/customJobs"
    answer = requests.post(url, json={"displayName": "x", "jobSpec": {"workerPools": []}}, timeout=60)
    assert answer.status_code == 400
    assert "custom_job.jobSpec.workerPools; Message: Cannot find field." in answer.json()["error"]["message"]
