"""What every provider type must do. One suite, many providers: a type is supported when it passes.

A type takes part with a small harness (`tests.providers.harness`), which stands for its cloud:

    class TestEcs(ProviderContract):
        @pytest.fixture
        def harness(self):
            with EcsEmulator() as emulator:
                yield EcsHarness(emulator)

What a type cannot be asked for stands in its harness's `lacks`, with the reason; the tests that need it are reported as skipped
with that reason, and `test_lacking_abilities_have_known_names_and_a_reason` keeps the list honest.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta

import pytest

from providers.base import (
    Accepted,
    CallFailed,
    Job,
    JobState,
    Outcome,
    Provider,
    ProviderError,
    Rejected,
    Submission,
    Throttled,
    Unknown,
    Unreachable,
)
from tests.providers.contract_leftovers import LeftoversContract
from tests.providers.garbage import garbage
from tests.providers.harness import ABILITIES, ENVIRONMENT, LABELS, SECRET, ProviderHarness

__all__ = ["ProviderContract", "ProviderHarness"]


class ProviderContract(LeftoversContract):
    """Derive `TestX` from it and give it a fixture `harness`."""

    def test_lacking_abilities_have_known_names_and_a_reason(self, harness):
        assert set(harness.lacks) <= set(ABILITIES)
        assert all(harness.lacks.values())

    # Once

    def test_a_submission_starts_one_job(self, harness):
        job = harness.job()
        submission = harness.submitted(job)
        assert submission.name == job.name
        assert harness.state(submission) is JobState.RUNNING
        assert harness.starts(job.name) == 1

    def test_a_repeat_finds_the_running_job_and_starts_nothing(self, harness):
        job = harness.job()
        harness.submitted(job)
        harness.settle()
        assert isinstance(harness.provider.submit(job), Accepted)
        assert isinstance(harness.another().submit(job), Accepted)
        assert harness.starts(job.name) == 1

    def test_a_repeat_leads_to_the_same_job(self, harness):
        job = harness.job()
        harness.submitted(job)
        harness.settle()
        again = harness.another().submit(job).submission
        harness.finish(job.name, 4)
        assert harness.another().observe([again])[job.name].exit_code == 4

    def test_a_repeat_after_the_end_starts_nothing(self, harness):
        harness.needs("repeat_after_end")
        job = harness.job()
        harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 0)
        assert isinstance(harness.another().submit(job), Accepted)
        harness.settle()
        assert harness.starts(job.name) == 1

    def test_simultaneous_submissions_of_one_name_start_one_job(self, harness):
        harness.needs("unique")
        job = harness.job()
        with ThreadPoolExecutor(8) as threads:
            outcomes = list(threads.map(lambda _: harness.another().submit(job), range(8)))
        assert any(isinstance(outcome, Accepted) for outcome in outcomes)
        assert not any(isinstance(outcome, Rejected) for outcome in outcomes), outcomes
        harness.settle()
        assert harness.starts(job.name) == 1

    def test_fifty_at_once_are_fifty_jobs(self, harness):
        jobs = [harness.job() for _ in range(50)]
        submissions = _all_submitted(harness, jobs)
        harness.settle()
        assert {job.name: harness.starts(job.name) for job in jobs} == {job.name: 1 for job in jobs}
        assert set(_seen(harness.another(), submissions).values()) == {JobState.RUNNING}

    # Found again

    def test_nothing_is_found_under_a_name_that_was_never_submitted(self, harness):
        assert harness.provider.find(harness.job()) is None

    def test_a_lost_answer_is_unknown_and_the_job_is_found(self, harness):
        harness.needs("lose")
        job = harness.job()
        harness.lose_next_answer()
        assert isinstance(harness.provider.submit(job), Unknown)
        harness.settle()
        submission = harness.another().find(job)
        assert submission is not None
        assert submission.name == job.name
        assert harness.state(submission) is JobState.RUNNING
        assert harness.starts(job.name) == 1

    def test_a_repeat_after_a_lost_answer_starts_nothing(self, harness):
        harness.needs("lose")
        job = harness.job()
        harness.lose_next_answer()
        assert isinstance(harness.provider.submit(job), Unknown)
        harness.settle()
        assert isinstance(harness.another().submit(job), Accepted)
        assert harness.starts(job.name) == 1

    def test_a_lost_request_is_unknown_and_the_repeat_starts_the_job(self, harness):
        harness.needs("lose")
        job = harness.job()
        harness.lose_next_request()
        assert isinstance(harness.provider.submit(job), Unknown)
        harness.settle()
        assert harness.another().find(job) is None
        assert isinstance(harness.another().submit(job), Accepted)
        assert harness.starts(job.name) == 1

    def test_a_submitted_job_is_found_running_and_ended(self, harness):
        job = harness.job()
        harness.submitted(job)
        harness.settle()
        running = harness.another().find(job)
        harness.finish(job.name, 0)
        ended = harness.another().find(job)
        assert running is not None
        assert ended is not None
        assert running.name == ended.name == job.name
        assert harness.state(ended) is JobState.SUCCEEDED

    def test_a_submission_survives_being_stored_as_json(self, harness):
        submission = harness.submitted(harness.job())
        stored = Submission(**json.loads(json.dumps(asdict(submission))))
        assert stored == submission
        assert harness.state(stored) is JobState.RUNNING

    def test_a_submission_holds_nothing_of_the_jobs_environment(self, harness):
        assert SECRET not in json.dumps(asdict(harness.submitted(harness.job())))

    # Ends

    def test_exit_code_0_is_success(self, harness):
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 0)
        seen = harness.another().observe([submission])[job.name]
        assert (seen.state, seen.exit_code) == (JobState.SUCCEEDED, 0)

    @pytest.mark.parametrize("exit_code", [1, 3, 255])
    def test_another_exit_code_is_a_failure_and_is_reported(self, harness, exit_code):
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, exit_code)
        seen = harness.another().observe([submission])[job.name]
        assert (seen.state, seen.exit_code) == (JobState.FAILED, exit_code)

    def test_times_are_aware_utc_and_in_order(self, harness):
        harness.needs("times")
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 0)
        seen = harness.another().observe([submission])[job.name]
        assert seen.ended_at is not None
        assert seen.ended_at.utcoffset() == timedelta(0)
        assert seen.started_at is None or seen.started_at <= seen.ended_at

    def test_an_end_stays_as_it_was(self, harness):
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 3)
        first = harness.another().observe([submission])[job.name]
        harness.provider.cancel(submission)
        harness.settle()
        assert harness.another().observe([submission])[job.name] == first

    def test_observing_nothing_is_not_an_error(self, harness):
        assert dict(harness.provider.observe([])) == {}

    def test_one_call_observes_jobs_in_every_state(self, harness):
        jobs = [harness.job() for _ in range(3)]
        submissions = [harness.submitted(job) for job in jobs]
        harness.settle()
        harness.finish(jobs[0].name, 0)
        harness.finish(jobs[1].name, 7)
        seen = _seen(harness.another(), submissions)
        assert [seen[job.name] for job in jobs] == [JobState.SUCCEEDED, JobState.FAILED, JobState.RUNNING]

    def test_a_job_that_is_forgotten_is_missing_and_found_no_more(self, harness):
        harness.needs("forget")
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 0)
        harness.forget(job.name)
        assert harness.state(submission) is JobState.MISSING
        assert harness.another().find(job) is None

    # Cancelled

    def test_a_cancelled_job_ends_as_stopped(self, harness):
        submission = harness.submitted(harness.job())
        harness.settle()
        harness.another().cancel(submission)
        assert harness.state(submission) is JobState.STOPPED

    def test_cancelling_twice_is_not_an_error(self, harness):
        submission = harness.submitted(harness.job())
        harness.settle()
        harness.provider.cancel(submission)
        harness.another().cancel(submission)
        assert harness.state(submission) is JobState.STOPPED

    def test_cancelling_a_job_that_is_gone_is_not_an_error(self, harness):
        harness.needs("forget")
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        harness.finish(job.name, 0)
        harness.forget(job.name)
        harness.provider.cancel(submission)

    def test_cancelling_one_job_leaves_the_others_alone(self, harness):
        stopped, other = (harness.submitted(harness.job()) for _ in range(2))
        harness.settle()
        harness.provider.cancel(stopped)
        assert harness.state(other) is JobState.RUNNING

    # Refused

    def test_a_throttle_surfaces_at_once_and_starts_nothing(self, harness):
        harness.needs("throttle")
        job = harness.job()
        harness.throttle_next()
        outcome = harness.provider.submit(job)
        assert isinstance(outcome, Throttled), outcome
        assert outcome.reason
        harness.settle()
        assert harness.starts(job.name) == 0

    def test_a_job_is_accepted_after_a_throttle_under_its_next_name(self, harness):
        harness.needs("throttle")
        job = harness.job()
        harness.throttle_next()
        refused = harness.provider.submit(job)
        assert isinstance(refused, Throttled)
        harness.wait(refused.retry_after or 60)
        again = Job(name=job.name[:-1] + "2", configuration=job.configuration, environment=job.environment, labels=job.labels)
        assert harness.state(harness.submitted(again)) is JobState.RUNNING

    def test_a_permanent_refusal_is_reported_in_the_providers_own_words(self, harness):
        configuration, words = harness.refuse_next()
        job = harness.job(configuration=configuration)
        outcome = harness.provider.submit(job)
        assert isinstance(outcome, Rejected), outcome
        assert words in outcome.reason
        harness.settle()
        assert harness.starts(job.name) == 0

    def test_a_missing_answer_does_not_count_as_a_refusal(self, harness):
        harness.needs("unreachable")
        assert isinstance(harness.unreachable().submit(harness.job()), Unknown | Unreachable)

    def test_reads_and_cancels_without_an_answer_say_so(self, harness):
        harness.needs("unreachable")
        job = harness.job()
        submission = harness.submitted(job)
        harness.settle()
        unreachable = harness.unreachable()
        with pytest.raises(CallFailed):
            unreachable.find(job)
        with pytest.raises(CallFailed):
            unreachable.cancel(submission)
        seen = unreachable.observe([submission])[submission.name]
        assert seen.state is JobState.UNREADABLE
        assert seen.reason

    def test_submit_answers_and_never_raises_for_any_configuration(self, harness):
        for configuration in garbage(harness.configuration()):
            outcome = harness.provider.submit(harness.job(configuration=configuration))
            assert isinstance(outcome, Outcome), configuration

    def test_find_raises_only_provider_errors_for_any_configuration(self, harness):
        for configuration in garbage(harness.configuration()):
            try:
                submission = harness.provider.find(harness.job(configuration=configuration))
            except ProviderError:
                continue
            assert submission is None, configuration

    # What reaches the job

    def test_the_dispatchers_environment_reaches_the_job(self, harness):
        job = harness.job()
        harness.submitted(job)
        harness.settle()
        assert ENVIRONMENT.items() <= harness.environment(job.name).items()

    def test_labels_reach_the_job(self, harness):
        harness.needs("labels")
        job = harness.job()
        harness.submitted(job)
        harness.settle()
        assert set(LABELS.values()) <= set(harness.labels(job.name).values())

    def test_limits_are_sane(self, harness):
        limits = harness.provider.limits
        assert limits.concurrency >= 1
        assert limits.observe_batch >= 1
        assert 0 < limits.call_timeout <= 10
        assert limits.lookup_lag >= 0
        assert all(rate.burst >= 1 and rate.per_second > 0 for rate in limits.submit_rates)


def _all_submitted(harness: ProviderHarness, jobs: Sequence[Job]) -> list[Submission]:
    """Submit from eight threads, and what is throttled again when its time has come, as a tick would."""
    accepted: list[Submission] = []
    with ThreadPoolExecutor(8) as threads:
        for _ in range(20):
            outcomes = list(threads.map(harness.provider.submit, jobs))
            accepted += [outcome.submission for outcome in outcomes if isinstance(outcome, Accepted)]
            throttled = [outcome for outcome in outcomes if isinstance(outcome, Throttled)]
            assert len(throttled) + sum(isinstance(outcome, Accepted) for outcome in outcomes) == len(jobs), outcomes
            jobs = [job for job, outcome in zip(jobs, outcomes, strict=True) if isinstance(outcome, Throttled)]
            if not jobs:
                break
            harness.wait(max(outcome.retry_after or 60 for outcome in throttled))
    assert not jobs, "still throttled after twenty rounds"
    return accepted


def _seen(provider: Provider, submissions: Sequence[Submission]) -> dict[str, JobState]:
    size = provider.limits.observe_batch
    batches = [submissions[start : start + size] for start in range(0, len(submissions), size)]
    return {name: seen.state for batch in batches for name, seen in provider.observe(batch).items()}
