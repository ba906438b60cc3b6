"""An event of a provider settles one run: whenever it comes, however often, in whatever order."""

from __future__ import annotations

import pytest

from dispatcher.models import RunState, submission_name
from providers.base import JobState, Observation, Submission
from providers.testing import LOST_ANSWER
from tests.builders import NOW, SECOND, a_pool
from tests.tick.stage import Stage

RUNNING = Observation(state=JobState.RUNNING, started_at=NOW)
SUCCEEDED = Observation(state=JobState.SUCCEEDED, exit_code=0, started_at=NOW, ended_at=NOW + SECOND)


@pytest.fixture
def stage():
    return Stage(a_pool(limit=1))


@pytest.fixture
def run(stage):
    return stage.add()[0]


def where(run, attempt=1):
    name = submission_name(run.id, attempt)
    return Submission(name=name, handle={"fake": name}, url=None)


def tell(stage, run, seen, attempt=1):
    return stage.event(stage.get(run), seen, where(run, attempt))


def test_a_start_and_an_end_are_recorded_at_once(stage, run):
    stage.tick()
    assert tell(stage, run, RUNNING)
    assert stage.states(run) == ["RUNNING"]
    assert tell(stage, run, SUCCEEDED)
    ended = stage.get(run)
    assert (ended.state, ended.exit_code, ended.ended_at) == (RunState.COMPLETED, 0, NOW + SECOND)
    assert [fields["to"] for _, fields in stage.logged("run.moved")] == ["RUNNING", "COMPLETED"]


def test_an_event_that_comes_again_or_late_moves_nothing(stage, run):
    stage.tick()
    assert tell(stage, run, SUCCEEDED)
    before = stage.contents()
    for seen in (SUCCEEDED, RUNNING, Observation(state=JobState.STARTING), Observation(state=JobState.CRASHED)):
        assert not tell(stage, run, seen)
    assert stage.contents() == before


def test_an_event_of_another_attempt_moves_nothing(stage, run):
    stage.tick()
    before = stage.contents()
    assert not tell(stage, run, SUCCEEDED, attempt=2)
    assert stage.contents() == before


def test_an_event_about_a_run_that_was_moved_meanwhile_moves_nothing(stage, run):
    stage.tick()
    stale = stage.get(run)
    tell(stage, run, SUCCEEDED)
    before = stage.contents()
    assert not stage.event(stale, Observation(state=JobState.CRASHED), where(run))
    assert stage.contents() == before


def test_an_event_of_a_waiting_run_or_of_a_pool_that_is_gone_moves_nothing(stage, run):
    assert not tell(stage, run, RUNNING)
    orphan = stage.get(run)
    stage.store._runs.clear()
    stage.store.delete_pool("pool", expected_version=1)
    assert not stage.event(orphan, RUNNING, where(run))


@pytest.mark.parametrize("seen", [RUNNING, SUCCEEDED])
def test_an_event_that_arrives_before_the_record_serves_as_the_record(seen, stage, run):
    submit = stage.provider.submit

    def notified_first(job):
        answer = submit(job)
        assert tell(stage, run, seen)
        return answer

    stage.provider.submit = notified_first
    report = stage.tick_pool()
    assert report.problem == ""
    stored = stage.get(run)
    assert stored.submission.name == submission_name(run.id, 1)
    assert stored.state is (RunState.COMPLETED if seen is SUCCEEDED else RunState.RUNNING)
    assert (stored.ended_attempts, stored.submitted_at) == (int(seen is SUCCEEDED), NOW)


def test_an_event_brings_what_the_lost_answer_would_have_brought(stage, run):
    stage.provider.script("submit", LOST_ANSWER)
    stage.tick()
    assert tell(stage, run, RUNNING)
    adopted = stage.get(run)
    assert (adopted.state, adopted.submission.name, adopted.lease_until) == (
        RunState.RUNNING,
        submission_name(run.id, 1),
        None,
    )
    stage.let_the_lease_end()
    stage.provider.finish(submission_name(run.id, 1))
    report = stage.tick_pool()
    assert (report.taken_over, report.ended) == (0, 1)


def test_an_end_that_an_event_reports_makes_room_for_the_next(stage, run):
    [following] = stage.add()
    stage.tick()
    stage.provider.finish(submission_name(run.id, 1))
    tell(stage, run, SUCCEEDED)
    assert stage.admit_next().submitted == 1
    assert stage.states(run, following) == ["COMPLETED", "PENDING"]
    assert stage.provider.peak_live == 1
