"""Attempts of one run: which end is followed by another, when, under which name, and what is left of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.core.reasons import Reason
from dispatcher.models import RetryPolicy, RunState, submission_name
from providers.base import JobState, Observation, Rejected
from providers.testing import LOST_ANSWER, Remembers
from tests.builders import MINUTE, NOW, SECOND, a_pool
from tests.tick.stage import LONGEST_LEASE, Stage

THREE = RetryPolicy(attempts=3, delay=30 * SECOND, backoff=2.0)


def name(run, attempt=1):
    return submission_name(run.id, attempt)


def failing(stage, run, attempt, exit_code=1):
    """Let the job of an attempt start, fail and be seen to."""
    stage.tick()
    stage.tick()
    stage.provider.finish(name(run, attempt), exit_code=exit_code)
    return stage.tick_pool()


def test_an_end_that_the_policy_names_leads_back_to_the_queue_under_a_new_name():
    stage = Stage()
    [run] = stage.add(retry=THREE)
    report = failing(stage, run, 1)
    assert (report.retried, report.ended) == (1, 0)
    waiting = stage.get(run)
    assert (waiting.state, waiting.attempt, waiting.ended_attempts) == (RunState.SCHEDULED, 2, 1)
    assert (waiting.due_at, waiting.scheduled_at) == (NOW + 30 * SECOND, run.scheduled_at)
    assert waiting.reason == "attempt 1 of 3 ended as FAILED: exit code 1"
    assert (waiting.job, waiting.submission, waiting.started_at, waiting.exit_code) == (None, None, None, None)
    [first] = waiting.past
    assert (first.number, first.state, first.exit_code, first.reason) == (1, RunState.FAILED, 1, "exit code 1")
    assert (first.claimed_at, first.submitted_at, first.ended_at) == (NOW, NOW, NOW)
    assert first.submission.name == name(run)


def test_each_further_attempt_waits_longer_and_the_last_one_ends_the_run():
    stage = Stage()
    [run] = stage.add(retry=THREE)
    for attempt, wait in ((1, 30), (2, 60)):
        before = stage.clock.now()
        failing(stage, run, attempt)
        assert stage.get(run).due_at - before == wait * SECOND
        stage.tick()
        assert stage.get(run).state is RunState.SCHEDULED
        stage.wait(wait * SECOND)
    failing(stage, run, 3)
    ended = stage.get(run)
    assert (ended.state, ended.ended_attempts, ended.attempt) == (RunState.FAILED, 3, 3)
    assert [attempt.number for attempt in ended.past] == [1, 2]
    assert stage.provider.starts == {name(run, attempt): 1 for attempt in (1, 2, 3)}


def test_every_attempt_has_the_runs_scheduled_time_and_its_own_number():
    stage = Stage()
    [run] = stage.add(retry=RetryPolicy(attempts=3, delay=MINUTE), scheduled_at=NOW - MINUTE, due_at=NOW)
    for _ in range(3):
        failing(stage, run, len(stage.provider.jobs) + 1)
        stage.wait(MINUTE)
    environments = [job.job.environment for job in stage.provider.jobs]
    assert [environment["DISPATCHER_ATTEMPT"] for environment in environments] == ["1", "2", "3"]
    assert {environment["DISPATCHER_SCHEDULED_AT"] for environment in environments} == {(NOW - MINUTE).isoformat()}


def test_a_success_ends_a_run_that_was_retried():
    stage = Stage()
    [run] = stage.add(retry=RetryPolicy(attempts=5))
    failing(stage, run, 1)
    stage.tick()
    stage.provider.finish(name(run, 2))
    stage.tick()
    assert stage.states(run) == ["COMPLETED"]


def test_an_end_that_the_policy_does_not_name_is_the_end():
    stage = Stage()
    [run] = stage.add(retry=RetryPolicy(attempts=3, states=frozenset({RunState.CRASHED})))
    failing(stage, run, 1)
    assert stage.states(run) == ["FAILED"]


def test_a_run_that_the_provider_rejects_for_good_is_not_tried_again():
    stage = Stage()
    stage.provider.script("submit", Rejected(reason="no such image"))
    [run] = stage.add(retry=THREE)
    stage.tick()
    assert stage.states(run) == ["CRASHED"]


def test_a_job_that_does_not_start_in_time_is_stopped_and_then_tried_again():
    stage = Stage(start_deadline=60.0)
    [run] = stage.add(retry=THREE)
    stage.tick()
    stage.provider.jobs[0].seen = Observation(state=JobState.STARTING)
    stage.wait(2 * MINUTE)
    stage.tick()
    assert (stage.get(run).state, stage.get(run).ending) == (RunState.CANCELLING, RunState.CRASHED)
    stage.tick()
    stage.tick()
    waiting = stage.get(run)
    assert (waiting.state, waiting.attempt, waiting.ending) == (RunState.SCHEDULED, 2, None)
    assert waiting.past[0].reason.startswith("did not start within 60 s")


def test_a_run_that_people_cancel_has_no_other_attempt():
    stage = Stage()
    people = Dispatcher(stage.store, clock=stage.clock)
    running, waiting = stage.add(2, retry=THREE)
    stage.tick()
    people.cancel_run(running.id)
    failing(stage, waiting, 1)
    people.cancel_run(waiting.id)
    stage.wait(MINUTE)
    stage.tick()
    stage.tick()
    assert stage.states(running, waiting) == ["CANCELLED", "CANCELLED"]


def test_a_lost_answer_does_not_count_as_an_end():
    stage = Stage()
    stage.provider.script("submit", LOST_ANSWER)
    [run] = stage.add(retry=THREE)
    stage.tick()
    stage.let_the_lease_end()
    stage.tick()
    assert (stage.get(run).attempt, stage.get(run).ended_attempts) == (1, 0)


def test_an_event_of_an_end_is_followed_by_the_next_attempt_too():
    stage = Stage()
    [run] = stage.add(retry=RetryPolicy(attempts=2))
    stage.tick()
    submission = stage.provider.find(stage.provider.jobs[0].job)
    assert stage.event(run=stage.get(run), seen=Observation(state=JobState.FAILED, exit_code=2), submission=submission)
    assert (stage.get(run).state, stage.get(run).attempt) == (RunState.SCHEDULED, 2)
    assert not stage.event(run=stage.get(run), seen=Observation(state=JobState.FAILED, exit_code=2), submission=submission)


def test_the_next_attempt_takes_its_turn_in_the_queue_and_the_slot_is_free_meanwhile():
    stage = Stage(a_pool(limit=1))
    [first] = stage.add(retry=THREE)
    [second] = stage.add()
    failing(stage, first, 1)
    assert stage.states(first, second) == ["SCHEDULED", "PENDING"]


def test_explain_says_when_the_next_attempt_is_due_and_why():
    stage = Stage()
    people = Dispatcher(stage.store, clock=stage.clock)
    [run] = stage.add(retry=THREE)
    failing(stage, run, 1)
    why = people.explain(run.id)
    assert (why.reason, why.until) == (Reason.RETRY_DELAY, NOW + 30 * SECOND)
    assert "attempt 1 of 3 ended as FAILED: exit code 1" in why.text
    stage.wait(30 * SECOND)
    assert people.explain(run.id).reason is Reason.NEXT


@pytest.mark.parametrize("end", ["ended", "cancelled while it waits"])
def test_leftovers_of_every_attempt_are_removed_with_the_last_attempt(end):
    stage = Stage(remembers=Remembers.OBJECT, memory=None, lingers=True)
    [run] = stage.add(retry=RetryPolicy(attempts=2, delay=MINUTE))
    failing(stage, run, 1)
    assert stage.get(run).past[0].lingers
    if end == "ended":
        stage.wait(MINUTE)
        failing(stage, run, 2)
    else:
        Dispatcher(stage.store, clock=stage.clock).cancel_run(run.id)
    assert stage.get(run).lingers
    stage.wait(LONGEST_LEASE + SECOND)
    assert stage.tick_pool().discarded == 1
    assert not stage.get(run).lingers
    assert all(stage.provider.find(started.job) is None for started in stage.provider.jobs)


def test_a_delay_never_exceeds_a_day():
    stage = Stage()
    [run] = stage.add(retry=RetryPolicy(attempts=20, delay=timedelta(hours=20), backoff=100.0))
    failing(stage, run, 1)
    stage.wait(timedelta(hours=20))
    failing(stage, run, 2)
    assert stage.get(run).due_at - stage.clock.now() == timedelta(days=1)
