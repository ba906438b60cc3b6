"""What becomes of a claim for each answer of its provider, and for none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.core.reconciliation import LOOKED_UP_AGAIN
from dispatcher.models import HoldKind, RunState, submission_name
from dispatcher.models.records import RunFilter
from dispatcher.ticking.holding import MAX_UNANSWERED
from providers.base import Accepted, CallFailed, Job, Rate, Rejected, Throttled, Unknown
from providers.testing import LOST_ANSWER, LOST_REQUEST, Remembers
from tests.builders import HOUR, MINUTE, SECOND, a_pool
from tests.tick.stage import LONGEST_LEASE, SETTLED, Stage

SLOW_DOWN = Throttled(reason="rate exceeded", retry_after=30.0)


def name(run, attempt=1):
    return submission_name(run.id, attempt)


def submissions(stage):
    return [called for operation, called in stage.provider.calls if operation == "submit"]


def test_a_throttled_run_is_given_back_under_its_next_name_and_its_pool_is_held():
    stage = Stage(a_pool(limit=1))
    [run] = stage.add()
    stage.provider.script("submit", SLOW_DOWN)
    report = stage.tick_pool()
    assert (report.throttled, report.submitted) == (1, 0)
    given_back = stage.get(run)
    assert (given_back.state, given_back.attempt, given_back.refusals, given_back.job) == (RunState.SCHEDULED, 2, 1, None)
    assert given_back.not_before is None, "the hold keeps it back, and it has its old place when that ends"
    [hold] = stage.store.pool("pool").holds
    assert (hold.until, hold.reason, hold.kind) == (stage.clock.time + 30 * SECOND, "rate exceeded", HoldKind.RATE)
    assert stage.logged("pool.held")[0][1]["until"] == hold.until
    stage.wait(29 * SECOND)
    assert stage.tick_pool().barriers == {"default": "POOL_HELD"}
    stage.wait(SECOND)
    assert stage.tick_pool().submitted == 1
    assert stage.provider.starts == {name(run, 2): 1}
    assert (stage.get(run).ended_attempts, stage.get(run).refusals) == (0, 0)


def test_a_throttle_stops_the_batch_and_what_was_not_submitted_keeps_its_name_and_place():
    stage = Stage()
    runs = stage.add(5)
    stage.provider.script("submit", Accepted(submission=stage.provider.submit(a_job_of(runs[0])).submission), SLOW_DOWN)
    stage.provider.calls.clear()
    report = stage.tick_pool(batch=3)
    assert (report.claimed, report.submitted, report.throttled, report.not_submitted) == (3, 1, 1, 1)
    assert stage.states(*runs) == ["PENDING", *["SCHEDULED"] * 4]
    waiting = stage.get(runs[2])
    assert (waiting.attempt, waiting.refusals, waiting.not_before, waiting.job, waiting.claimed_at) == (1, 0, None, None, None)
    assert waiting.reason == "given back: the tick ended before it was submitted"
    assert waiting.due_at == runs[2].due_at
    stage.wait(MINUTE)
    stage.tick()
    assert submissions(stage)[2:] == [name(runs[1], 2), *(name(run) for run in runs[2:])], "first come, first served"


def a_job_of(run):
    return Job(name=name(run), configuration={})


def test_a_refusal_of_one_job_alone_neither_holds_the_pool_nor_stops_the_batch():
    stage = Stage()
    runs = stage.add(3)
    stage.provider.script("submit", replace(SLOW_DOWN, hold=None))
    report = stage.tick_pool()
    assert (report.throttled, report.submitted) == (1, 2)
    assert stage.states(*runs) == ["SCHEDULED", "PENDING", "PENDING"]
    assert stage.store.pool("pool").holds == ()


def test_refusals_in_a_row_are_waited_for_longer_and_longer():
    stage = Stage()
    [run] = stage.add()
    stage.provider.script("submit", *[Throttled(reason="no capacity", hold=None)] * 5)
    waits = []
    for attempt in range(2, 7):
        stage.tick()
        given_back = stage.get(run)
        assert (given_back.attempt, given_back.refusals) == (attempt, attempt - 1)
        waits.append((given_back.not_before - stage.clock.time).total_seconds())
        stage.clock.time = given_back.not_before
    assert all(low <= wait <= 2 * low for low, wait in zip((2.5, 5, 10, 20, 40), waits, strict=True))
    stage.tick()
    assert stage.provider.starts == {name(run, 6): 1}


def test_no_answer_keeps_the_claim_and_its_slot_and_after_the_lease_the_job_is_found_and_adopted():
    stage = Stage(a_pool(limit=1))
    first, second = stage.add(2)
    stage.provider.script("submit", LOST_ANSWER)
    assert stage.tick_pool().unknown == 1
    kept = stage.get(first)
    assert (kept.state, kept.fence, kept.submission) == (RunState.PENDING, 1, None)
    assert kept.lease_until == stage.clock.time + SETTLED
    assert "no answer from the provider" in kept.reason
    stage.wait(SETTLED - SECOND)
    assert stage.tick_pool().claimed == 0
    stage.wait(SECOND)
    report = stage.tick_pool()
    assert (report.taken_over, report.submitted) == (1, 1)
    assert submissions(stage) == [name(first)]
    assert stage.states(first, second) == ["PENDING", "SCHEDULED"]
    assert (stage.get(first).fence, stage.get(first).reason) == (2, "")


def test_a_job_that_never_started_is_submitted_again_unchanged_under_its_name():
    stage = Stage()
    [run] = stage.add(job_variables={"env": {"B": "2", "A": "1"}})
    jobs = []
    submit = stage.provider.submit
    stage.provider.submit = lambda job: (jobs.append(repr(job)), submit(job))[1]
    stage.provider.script("submit", LOST_REQUEST)
    stage.tick()
    changed = {**stage.store.pool("pool").base_job_template, "job_configuration": {"command": "changed"}}
    stage.store.save_pool(replace(stage.store.pool("pool"), base_job_template=changed), expected_version=1)
    stage.let_the_lease_end()
    assert stage.tick_pool().submitted == 1
    assert len(jobs) == 2
    assert jobs[0] == jobs[1]
    assert stage.provider.starts == {name(run): 1}


def test_a_lookup_without_an_answer_sent_nothing_and_is_made_again_after_a_few_seconds():
    stage = Stage()
    [run] = stage.add()
    stage.provider.script("submit", LOST_ANSWER)
    stage.provider.script("find", LOST_REQUEST)
    stage.tick()
    stage.let_the_lease_end()
    assert stage.tick_pool().unknown == 1
    assert submissions(stage) == [name(run)], "nothing is submitted that was not looked up"
    assert stage.get(run).reason == "it could not be looked up: the request was lost, and the provider did nothing"
    stage.wait(LOOKED_UP_AGAIN)
    assert stage.tick_pool().submitted == 1
    assert stage.provider.starts == {name(run): 1}


def test_three_answers_that_do_not_come_end_the_submissions_of_a_tick():
    stage = Stage()
    stage.add(10)
    stage.provider.script("submit", *[LOST_REQUEST] * 10)
    report = stage.tick_pool(batch=5)
    assert (report.unknown, report.not_submitted, report.claimed) == (MAX_UNANSWERED, 2, 5)
    assert len(submissions(stage)) == MAX_UNANSWERED
    assert stage.store.pool("pool").holds == (), "the next tick tries again"


def test_a_provider_that_raises_gave_no_answer_and_stops_no_other():
    stage = Stage()
    first, second = stage.add(2)
    submit = stage.provider.submit

    def broken(job):
        if job.name == name(first):
            raise KeyError("task")
        return submit(job)

    stage.provider.submit = broken
    report = stage.tick_pool()
    assert (report.unknown, report.submitted) == (1, 1)
    assert stage.get(first).reason == "no answer from the provider: KeyError: 'task'"
    assert stage.states(second) == ["PENDING"]


@pytest.mark.parametrize("answer", [SLOW_DOWN, Rejected(reason="no such image"), Unknown(cause="timed out")])
def test_a_refused_repeat_proves_nothing_about_the_first_so_the_claim_stays_until_the_job_is_looked_up(answer):
    stage = Stage()
    [run] = stage.add()
    stage.provider.script("submit", LOST_REQUEST, answer)
    stage.tick()
    stage.let_the_lease_end()
    stage.tick()
    kept = stage.get(run)
    assert (kept.attempt, kept.submission, kept.state.holds_slot) == (1, None, True)
    assert kept.state is (RunState.CANCELLING if isinstance(answer, Rejected) else RunState.PENDING)
    if not isinstance(answer, Unknown):
        stage.let_the_lease_end()
        stage.tick()
        assert stage.get(run) == kept, "the first may still take effect, however short the lease of the second was"
    stage.wait(2 * LONGEST_LEASE)
    stage.tick()
    if isinstance(answer, Rejected):
        ended = stage.get(run)
        assert (ended.state, ended.reason) == (RunState.CRASHED, "no such image")
    else:
        assert stage.provider.starts == {name(run): 1}


def test_a_job_that_may_have_come_and_gone_unseen_is_not_submitted_again():
    stage = Stage()
    [run] = stage.add()
    stage.provider.script("submit", LOST_ANSWER)
    stage.tick()
    stage.provider.finish(name(run))
    stage.wait(HOUR + MINUTE)
    report = stage.tick_pool()
    assert (report.settled, report.submitted) == (1, 0)
    ended = stage.get(run)
    assert (ended.state, ended.reason) == (
        RunState.CRASHED,
        "its submission got no answer, and its provider can no longer say whether it ran",
    )
    assert stage.provider.starts == {name(run): 1}


def test_a_lookup_that_takes_the_rest_of_the_tick_leaves_the_submission_to_the_next():
    stage = Stage()
    [run] = stage.add()
    stage.provider.script("submit", LOST_REQUEST)
    stage.tick()
    stage.let_the_lease_end()
    find = stage.provider.find
    stage.provider.find = lambda job: (stage.wait(2 * MINUTE), find(job))[1]
    assert stage.tick_pool().not_submitted == 1
    kept = stage.get(run)
    assert (kept.state, kept.attempt, kept.job is not None) == (RunState.PENDING, 1, True)
    assert kept.lease_until <= stage.clock.time, "for anybody to take over at once"
    stage.provider.find = find
    assert stage.tick_pool().submitted == 1
    assert stage.provider.starts == {name(run): 1}


def test_an_answer_that_comes_after_the_claim_was_taken_over_changes_nothing():
    stage = Stage()
    [run] = stage.add()
    submit = stage.provider.submit

    def slow(job):
        answer = submit(job)
        stage.provider.submit = submit
        stage.let_the_lease_end()
        stage.tick()
        return answer

    stage.provider.submit = slow
    stage.tick()
    assert (stage.get(run).fence, stage.get(run).submission.name) == (2, name(run))
    assert stage.logged("run.answered")[-1][1]["reason"] == "somebody else has moved it on"
    assert stage.provider.starts == {name(run): 1}


def test_submissions_keep_the_providers_rate_and_a_tick_that_used_it_up_holds_the_pool_until_it_is_restored():
    stage = Stage(submit_rates=(Rate(burst=5, per_second=1),))
    stage.add(30)
    begun = stage.clock.time
    report = stage.tick_pool(lasts=10 * SECOND)
    assert report.submitted == 15
    assert len(stage.store.runs(RunFilter(states=frozenset({RunState.SCHEDULED})), limit=100)) == 15
    assert stage.clock.time == begun + 10 * SECOND
    [hold] = stage.store.pool("pool").holds
    assert (hold.until > stage.clock.time, hold.kind) == (True, HoldKind.PACE)
    stage.wait(timedelta(seconds=10))
    assert stage.tick_pool(lasts=30 * SECOND).submitted == 15
    assert set(stage.provider.starts.values()) == {1}


def test_a_cancel_that_cannot_be_asked_for_is_asked_for_again_by_the_next_tick():
    stage = Stage(remembers=Remembers.OBJECT)

    def deaf(_submission):
        raise CallFailed("no answer")

    [run] = stage.add()
    stage.tick()
    Dispatcher(stage.store, clock=stage.clock).cancel_run(run.id)
    cancel, stage.provider.cancel = stage.provider.cancel, deaf
    problem = stage.tick_pool().problem
    assert stage.logged("run.stop") == [("run.stop", {"run": run.id, "pool": "pool", "problem": "no answer"})]
    assert problem == "1 of 1 jobs could not be asked to stop: no answer"
    stage.provider.cancel = cancel
    stage.tick()
    assert stage.states(run) == ["CANCELLING"]
    stage.tick()
    assert stage.states(run) == ["CANCELLED"]
