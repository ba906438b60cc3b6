"""The provider against the emulator, through Google's own client."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests
from google.cloud import run_v2

from providers.base import CallFailed, Hold, Job, JobState, Rejected, Throttled, Unknown, Unreachable
from providers.cloud_run.observation import from_execution
from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.faults import FaultKind
from providers.emulators.jobs import EndCause, Life, Phase
from tests.providers.cloud_run.builders import IMAGE, NAME, TEMPLATES, a_job, a_provider, named, submitted

EVERY_TEMPLATE = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
NOWHERE = "docker.io/nobody/nothing"


def seen(provider, submission):
    return provider.observe([submission])[submission.name]


def google_answers(emulator, method, path):
    """What somebody else does in the same project."""
    url = f"{emulator.url}/v2/projects/p/locations/us-central1/{path}"
    requests.request(method, url, timeout=60).raise_for_status()


# Submitting


@EVERY_TEMPLATE
def test_one_call_makes_the_job_and_starts_it(emulator, provider, template):
    [submission] = submitted(provider, a_job(template=template))
    assert emulator.calls.counts == {"CreateJob": 1}
    assert emulator.starts == {NAME: 1}
    assert submission.handle["execution"] == f"{NAME}-run"
    assert seen(provider, submission).state is JobState.RUNNING


def test_a_repeat_finds_the_first_and_starts_nothing(emulator, provider):
    first, again = submitted(provider, a_job(), a_job(cpu="2"))
    assert first == again
    assert emulator.starts == {NAME: 1}


def test_a_submission_names_its_place_and_a_page_of_the_console(provider):
    [submission] = submitted(provider, a_job(region="europe-west1"))
    assert submission.handle["project"] == "p"
    assert submission.handle["region"] == "europe-west1"
    assert submission.url == (
        f"https://console.cloud.google.com/run/jobs/executions/details/europe-west1/{NAME}-run/tasks?project=p"
    )
    assert json.loads(json.dumps(submission.handle)) == submission.handle


@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.SERVER_ERROR_AFTER])
def test_a_lost_answer_is_unknown_and_its_job_is_found(emulator, provider, kind):
    emulator.faults.add("CreateJob", kind)
    assert isinstance(provider.submit(a_job()), Unknown)
    submission = provider.find(a_job())
    assert [submission] == submitted(provider, a_job())
    assert emulator.starts == {NAME: 1}


@pytest.mark.parametrize("kind", [FaultKind.LOSE_REQUEST, FaultKind.SERVER_ERROR])
def test_a_lost_request_is_unknown_and_nothing_is_found(emulator, provider, kind):
    emulator.faults.add("CreateJob", kind)
    assert isinstance(provider.submit(a_job()), Unknown)
    assert provider.find(a_job()) is None


def test_a_throttle_says_how_long_google_asks_to_wait(emulator, provider):
    emulator.faults.add("CreateJob", FaultKind.THROTTLE, detail="7.5")
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Throttled)
    assert (outcome.retry_after, outcome.hold) == (7.5, Hold(place=("", "", "us-central1")))
    assert "Write requests per minute" in outcome.reason
    assert emulator.jobs() == []


def test_a_throttle_that_does_not_say_is_held_for_a_window_of_the_quota(emulator, provider):
    emulator.faults.add("CreateJob", FaultKind.THROTTLE)
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Throttled)
    assert (outcome.retry_after, outcome.hold.freed_by_end) == (60, False)


def test_a_quota_of_running_executions_holds_its_region_until_a_job_ends(emulator, provider):
    emulator.change_settings({"capacity": 1})
    submitted(provider, a_job(named(1)))
    outcome = provider.submit(a_job(named(2)))
    assert isinstance(outcome, Throttled)
    assert (outcome.retry_after, outcome.hold) == (None, Hold(place=("", "", "us-central1"), freed_by_end=True))
    emulator.finish(named(1))
    submitted(provider, a_job(named(2)))


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("", "roles/run.developer"),
        ("FAILED_PRECONDITION: the organisation forbids it", "the organisation forbids it"),
        ("NOT_FOUND: no such project", "check the project"),
    ],
)
def test_a_refusal_is_reported_in_googles_words_with_what_to_do(emulator, provider, detail, words):
    emulator.faults.add("CreateJob", FaultKind.REFUSE, detail=detail)
    outcome = provider.submit(a_job())
    assert isinstance(outcome, Rejected)
    assert words in outcome.reason


def test_a_conflict_that_is_not_the_name_is_unknown(emulator, provider):
    emulator.faults.add("CreateJob", FaultKind.REFUSE, detail="ABORTED: somebody else is at it")
    assert isinstance(provider.submit(a_job()), Unknown)


@pytest.mark.parametrize(
    ("variables", "field"),
    [({"cpu": "3"}, "cpu"), ({"cpu": "4", "memory": "1Gi"}, "memory"), ({"max_retries": 11}, "maxRetries")],
)
def test_a_job_that_breaks_cloud_runs_rules_is_rejected_with_its_field(emulator, provider, variables, field):
    outcome = provider.submit(a_job(**variables))
    assert isinstance(outcome, Rejected)
    assert field in outcome.reason
    assert emulator.jobs() == []


def test_a_key_that_googles_message_lacks_is_rejected_without_a_call(emulator, provider):
    job = Job(name=NAME, configuration={"region": "r", "image": IMAGE, "job_body": {"template": {"tasks": 2}}})
    outcome = provider.submit(job)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("job_body.template.tasks: is not a key that is read here")
    assert emulator.calls.counts == {}


def test_a_server_that_does_not_answer_in_time_is_unknown(emulator):
    provider = a_provider(emulator, call_timeout=0.2)
    with emulator.book.lock:
        assert isinstance(provider.submit(a_job()), Unknown)


def test_a_server_that_is_not_there_was_sent_nothing_and_cannot_be_asked():
    with CloudRunEmulator() as emulator:
        provider = a_provider(emulator)
    assert isinstance(provider.submit(a_job()), Unreachable)
    with pytest.raises(CallFailed):
        provider.find(a_job())


# Observing


def test_a_job_never_submitted_is_missing(emulator, provider):
    [submission] = submitted(provider, a_job())
    emulator.reset()
    assert seen(provider, submission).state is JobState.MISSING
    assert provider.find(a_job()) is None


@EVERY_TEMPLATE
def test_an_exit_code_other_than_zero_is_a_failure(emulator, provider, template):
    [submission] = submitted(provider, a_job(template=template))
    emulator.finish(NAME, exit_code=3)
    observation = seen(provider, submission)
    assert (observation.state, observation.exit_code) == (JobState.FAILED, 3)
    assert "NON_ZERO_EXIT_CODE" in observation.reason
    assert observation.ended_at == datetime.fromtimestamp(emulator.now(), UTC)


def test_an_exit_code_of_zero_is_a_success_and_costs_no_further_call(emulator, provider):
    [submission] = submitted(provider, a_job())
    emulator.finish(NAME)
    observation = seen(provider, submission)
    assert (observation.state, observation.exit_code, observation.reason) == (JobState.SUCCEEDED, 0, "")
    assert emulator.calls.counts == {"CreateJob": 1, "GetJob": 1}


def test_a_job_waits_before_it_runs():
    with CloudRunEmulator(clock=lambda: 1e9, life=Life(before=(Phase("PENDING", 30),))) as emulator:
        provider = a_provider(emulator)
        [submission] = submitted(provider, a_job())
        assert seen(provider, submission).state is JobState.STARTING
        emulator.advance(30)
        assert seen(provider, submission).state is JobState.RUNNING


def test_an_image_that_is_not_there_is_a_crash_in_googles_words():
    with CloudRunEmulator(missing_images=frozenset({NOWHERE})) as emulator:
        provider = a_provider(emulator)
        [submission] = submitted(provider, a_job(image=NOWHERE))
        observation = seen(provider, submission)
        assert observation.state is JobState.CRASHED
        assert "CONTAINER_MISSING" in observation.reason
        assert NOWHERE in observation.reason


def test_a_host_that_goes_away_is_a_crash(emulator, provider):
    [submission] = submitted(provider, a_job())
    emulator.book.take(emulator.book.named(NAME)[0], "the host went away", cause=EndCause.TAKEN)
    observation = seen(provider, submission)
    assert observation.state is JobState.CRASHED
    assert "INTERNAL" in observation.reason
    assert "the host went away" in observation.reason


@pytest.mark.parametrize(("code", "name"), [(137, "SIGKILL"), (143, "SIGTERM")])
def test_an_exit_code_of_a_signal_from_outside_is_a_crash(emulator, provider, code, name):
    [submission] = submitted(provider, a_job())
    emulator.finish(NAME, exit_code=code)
    observation = seen(provider, submission)
    assert (observation.state, observation.exit_code) == (JobState.CRASHED, code)
    assert observation.reason.endswith(f"(killed by {name})")


@pytest.mark.parametrize(("number", "state"), [(9, JobState.CRASHED), (15, JobState.CRASHED), (11, JobState.FAILED)])
def test_a_signal_that_cloud_run_reports_is_a_crash_unless_the_program_caused_it(number, state):
    failed = run_v2.Condition(type_="Completed", state="CONDITION_FAILED", execution_reason="NON_ZERO_EXIT_CODE", message="m")
    task = run_v2.Task(last_attempt_result=run_v2.TaskAttemptResult(term_signal=number))
    observation = from_execution(run_v2.Execution(conditions=[failed]), [task])
    assert (observation.state, observation.exit_code) == (state, 128 + number)


def test_an_end_for_a_reason_that_is_newer_than_the_sdk_is_an_end():
    failed = run_v2.Condition(type_="Completed", state="CONDITION_FAILED", message="m")
    failed._pb.execution_reason = 99
    with pytest.warns(UserWarning, match="Unrecognized"):
        observation = from_execution(run_v2.Execution(conditions=[failed]), [])
    assert (observation.state, observation.reason) == (JobState.CRASHED, "m")


def test_a_timeout_is_a_crash_that_says_so(emulator, provider):
    [submission] = submitted(provider, a_job(timeout=60))
    emulator.advance(60)
    observation = seen(provider, submission)
    assert observation.state is JobState.CRASHED
    assert "timeout of 60 seconds" in observation.reason


def test_a_deleted_execution_was_stopped(emulator, provider):
    [submission] = submitted(provider, a_job())
    google_answers(emulator, "DELETE", f"jobs/{NAME}/executions/{NAME}-run")
    observation = seen(provider, submission)
    assert (observation.state, observation.reason) == (JobState.STOPPED, "the execution was deleted")
    provider.cancel(submission)


def test_many_are_observed_by_one_list(emulator, provider):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(150)))
    for number in range(0, 150, 2):
        emulator.finish(named(number))
    states = {name: observation.state for name, observation in provider.observe(submissions).items()}
    assert len(states) == 150
    assert states[named(0)] is JobState.SUCCEEDED
    assert states[named(1)] is JobState.RUNNING
    assert emulator.calls.counts == {"CreateJob": 150, "ListJobs": 2}


def test_only_failed_executions_are_looked_at_in_detail(emulator, provider):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(5)))
    emulator.finish(named(1), exit_code=1)
    emulator.finish(named(2))
    assert provider.observe(submissions)[named(1)].exit_code == 1
    assert emulator.calls.counts == {"CreateJob": 5, "ListJobs": 1, "GetExecution": 1, "ListTasks": 1}


def test_a_list_that_lags_makes_no_job_missing(emulator, provider):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(3)))
    emulator.change_settings({"list_lag": 60})
    states = {observation.state for observation in provider.observe(submissions).values()}
    assert states == {JobState.RUNNING}


def test_an_unreadable_execution_says_why(emulator, provider):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(3)))
    emulator.finish(named(1), exit_code=1)
    emulator.faults.add("GetExecution", FaultKind.SERVER_ERROR)
    seen = provider.observe(submissions)
    assert [name for name, observation in seen.items() if observation.state is JobState.UNREADABLE] == [named(1)]


def test_a_region_that_cannot_be_read_does_not_hide_the_others(emulator, provider):
    submissions = submitted(provider, *(a_job(named(n), region=r) for n, r in enumerate(("a", "a", "b", "b"))))
    emulator.faults.add("ListJobs", FaultKind.SERVER_ERROR)
    seen = provider.observe(submissions)
    unread = {name for name, observation in seen.items() if observation.state is JobState.UNREADABLE}
    assert unread in ({named(0), named(1)}, {named(2), named(3)})  # they are asked at the same time
    emulator.faults.add("ListJobs", FaultKind.SERVER_ERROR, times=2)
    assert {observation.state for observation in provider.observe(submissions).values()} == {JobState.UNREADABLE}


def test_an_execution_that_somebody_starts_by_hand_is_not_mistaken_for_ours(emulator, provider):
    [submission] = submitted(provider, a_job())
    emulator.finish(NAME, exit_code=3)
    google_answers(emulator, "POST", f"jobs/{NAME}:run")
    assert seen(provider, submission).exit_code == 3


# Cancelling


def test_a_cancelled_job_is_stopped_and_a_second_cancel_changes_nothing(emulator, provider):
    [submission] = submitted(provider, a_job())
    provider.cancel(submission)
    assert seen(provider, submission).state is JobState.STOPPED
    provider.cancel(submission)
    assert emulator.calls["CancelExecution"] == 2


def test_cancelling_a_job_that_no_longer_exists_is_not_an_error(emulator, provider):
    [submission] = submitted(provider, a_job())
    emulator.reset()
    provider.cancel(submission)


def test_cancelling_a_job_that_never_started_is_not_an_error():
    with CloudRunEmulator(missing_images=frozenset({NOWHERE})) as emulator:
        provider = a_provider(emulator)
        [submission] = submitted(provider, a_job(image=NOWHERE))
        provider.cancel(submission)


@pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.REFUSE, FaultKind.LOSE_REQUEST])
def test_a_cancel_without_an_answer_is_to_be_asked_again(emulator, provider, kind):
    [submission] = submitted(provider, a_job())
    emulator.faults.add("CancelExecution", kind)
    with pytest.raises(CallFailed):
        provider.cancel(submission)
    assert seen(provider, submission).state is JobState.RUNNING


# Tidying


def test_discarded_jobs_are_gone(emulator, provider):
    submissions = submitted(provider, a_job(named(1)), a_job(named(2)))
    emulator.finish(named(1))
    emulator.finish(named(2))
    assert provider.discard(submissions) == {named(1), named(2)}
    assert provider.discard(submissions) == {named(1), named(2)}
    assert provider.find(a_job(named(1))) is None


def test_a_job_that_its_template_keeps_is_never_deleted(emulator, provider):
    submissions = submitted(provider, a_job(keep_job=True))
    emulator.finish(NAME)
    emulator.advance(86_400)
    assert provider.discard(submissions) == {NAME}
    assert provider.sweep({"region": "us-central1"}, frozenset()) == ()
    assert provider.find(a_job()) is not None


def test_deleting_stops_when_the_quota_says_no(emulator, provider):
    submissions = submitted(provider, *(a_job(named(number)) for number in range(4)))
    emulator.change_settings({"writes_per_minute": 6})
    emulator.faults.add("DeleteJob", FaultKind.THROTTLE, times=0)
    emulator.advance(60)
    assert len(provider.discard(submissions)) == 4
    more = submitted(provider, a_job(named(7)), a_job(named(8)))
    assert provider.discard(more) == frozenset()
    assert emulator.calls["DeleteJob"] == 5


def test_deletes_take_half_of_the_quota_at_most(emulator):
    provider = a_provider(emulator, writes_per_minute=6)
    submissions = submitted(provider, *(a_job(named(number)) for number in range(5)))
    assert provider.discard(submissions) == {named(0), named(1), named(2)}


def test_a_job_whose_delete_fails_is_not_reported_as_gone(emulator, provider):
    submissions = submitted(provider, a_job(named(1)), a_job(named(2)))
    emulator.faults.add("DeleteJob", FaultKind.SERVER_ERROR)
    assert provider.discard(submissions) == {named(2)}


def test_a_sweep_removes_ended_orphans_of_ours_and_nothing_else(emulator, provider):
    submitted(provider, *(a_job(named(number)) for number in range(3)), a_job("by-hand"))
    submitted(a_provider(emulator, owner="another"), a_job(named(9)))
    for name in (named(0), named(1), "by-hand", named(9)):
        emulator.finish(name)
    configuration = {"region": "us-central1"}
    assert provider.sweep(configuration, frozenset({named(1)})) == ()
    emulator.advance(600)
    assert provider.sweep(configuration, frozenset({named(1)})) == (named(0),)
    assert provider.sweep(configuration, frozenset({named(1)})) == ()
    assert provider.find(a_job(named(2))) is not None


def test_a_sweep_without_an_answer_is_to_be_asked_again(emulator, provider):
    emulator.faults.add("ListJobs", FaultKind.SERVER_ERROR)
    with pytest.raises(CallFailed):
        provider.sweep({"region": "us-central1"}, frozenset())
