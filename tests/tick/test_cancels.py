"""A cancel meets a run wherever it is: the slot is free when the job is seen to have ended, or was never started."""

from __future__ import annotations

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState, submission_name
from providers.base import Rejected, Throttled
from providers.testing import LOST_ANSWER, LOST_REQUEST
from tests.builders import SECOND, a_pool
from tests.tick.stage import Stage


@pytest.fixture
def stage():
    return Stage(a_pool(limit=1))


@pytest.fixture
def run(stage):
    return stage.add()[0]


def cancel(stage, run):
    return Dispatcher(stage.store, clock=stage.clock).cancel_run(run.id)


def name(run):
    return submission_name(run.id, 1)


def cancelled_during_submission(stage, run):
    """Let the cancel come while the job is on its way to its provider."""
    submit = stage.provider.submit

    def slow(job):
        stage.provider.submit = submit
        cancel(stage, run)
        return submit(job)

    stage.provider.submit = slow


def test_a_waiting_run_never_reaches_its_provider(stage, run):
    cancel(stage, run)
    assert stage.tick_pool().claimed == 0
    assert stage.provider.calls == []


def test_a_running_job_is_asked_to_stop_and_its_slot_is_free_once_it_has(stage, run):
    [following] = stage.add()
    stage.tick()
    stage.tick()
    cancel(stage, run)
    report = stage.tick_pool()
    assert (report.ended, report.claimed) == (0, 0)
    assert ("cancel", name(run)) in stage.provider.calls
    report = stage.tick_pool()
    assert (report.ended, report.claimed) == (1, 1)
    ended = stage.get(run)
    assert (ended.state, ended.reason, ended.ending) == (RunState.CANCELLED, "stopped on request", None)
    assert stage.states(following) == ["PENDING"]
    assert stage.provider.peak_live == 1


def test_a_cancelled_run_whose_job_had_already_ended_says_so(stage, run):
    stage.tick()
    cancel(stage, run)
    stage.provider.finish(name(run), exit_code=4)
    stage.tick()
    ended = stage.get(run)
    assert (ended.state, ended.exit_code) == (RunState.CANCELLED, 4)
    assert ended.reason == "the job had ended by itself with exit code 4"


def test_a_run_cancelled_while_it_was_submitted_is_stopped_by_the_next_tick(stage, run):
    cancelled_during_submission(stage, run)
    stage.tick()
    held = stage.get(run)
    assert (held.state, held.submission.name, held.reason) == (RunState.CANCELLING, name(run), "cancelled")
    stage.tick()
    stage.tick()
    assert stage.states(run) == ["CANCELLED"]


@pytest.mark.parametrize("answer", [Throttled(reason="later"), Rejected(reason="no such image")])
def test_a_run_cancelled_while_it_was_refused_has_ended(answer, stage, run):
    stage.provider.script("submit", answer)
    cancelled_during_submission(stage, run)
    stage.tick()
    assert stage.states(run) == ["CANCELLED"]
    assert stage.provider.starts == {}


def test_a_run_cancelled_without_an_answer_is_looked_up_and_stopped(stage, run):
    stage.provider.script("submit", LOST_ANSWER)
    stage.tick()
    cancel(stage, run)
    stage.let_the_lease_end()
    stage.tick()
    assert stage.states(run) == ["CANCELLING"]
    stage.tick()
    stage.tick()
    assert stage.states(run) == ["CANCELLED"]
    assert stage.provider.live == frozenset()


def test_a_run_cancelled_without_an_answer_and_without_a_job_ends_and_is_not_submitted_again(stage, run):
    stage.provider.script("submit", LOST_REQUEST)
    stage.tick()
    cancel(stage, run)
    stage.let_the_lease_end()
    assert stage.tick_pool().settled == 1
    assert stage.states(run) == ["CANCELLED"]
    assert stage.provider.starts == {}


def test_every_tick_asks_again_until_the_end_is_seen(stage, run):
    stage.tick()
    cancel(stage, run)
    stage.provider.script("cancel", LOST_REQUEST, LOST_REQUEST, LOST_ANSWER)
    for _ in range(3):
        stage.wait(SECOND)
        stage.tick()
        assert stage.states(run) == ["CANCELLING"]
    assert [bool(fields["problem"]) for _, fields in stage.logged("run.stop")] == [True] * 3
    stage.tick()
    assert stage.states(run) == ["CANCELLED"]
