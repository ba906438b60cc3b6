"""What has happened to a run, attempt by attempt."""

from dataclasses import replace

from dispatcher.core.timeline import timeline
from dispatcher.models import Attempt, RunState
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_live_run, a_run


def lines(run):
    return [(step.event, step.attempt, None if step.wait is None else step.wait / SECOND) for step in timeline(run)]


def test_a_run_that_waits_was_created_and_is_scheduled():
    assert lines(a_run(due_at=NOW + HOUR)) == [("created", 1, None), ("scheduled", 1, 3600)]


def test_the_timeline_of_a_run_without_retries_shows_the_waits_between_steps():
    run = a_live_run(
        state=RunState.COMPLETED,
        claimed_at=NOW + 2 * SECOND,
        submitted_at=NOW + 3 * SECOND,
        started_at=NOW + 13 * SECOND,
        ended_at=NOW + MINUTE,
    )
    steps = [("created", None), ("scheduled", 0), ("claimed", 2), ("submitted", 1), ("started", 10), ("ended", 47)]
    assert lines(run) == [(event, 1, wait) for event, wait in steps]
    assert [(step.state, step.reason) for step in timeline(run)][-2:] == [(None, ""), (RunState.COMPLETED, "")]


def test_past_attempts_come_first_each_with_its_end_and_the_wait_until_the_next():
    past = (
        Attempt(
            number=1,
            state=RunState.FAILED,
            reason="exit code 1",
            claimed_at=NOW,
            submitted_at=NOW + SECOND,
            started_at=NOW + 2 * SECOND,
            ended_at=NOW + 10 * SECOND,
        ),
        Attempt(number=3, state=RunState.CRASHED, reason="lost", claimed_at=NOW + 40 * SECOND, ended_at=NOW + 50 * SECOND),
    )
    run = a_live_run(
        attempt=4,
        past=past,
        scheduled_at=NOW,
        due_at=NOW + 110 * SECOND,
        claimed_at=NOW + 112 * SECOND,
        submitted_at=NOW + 113 * SECOND,
        started_at=None,
    )
    assert lines(run) == [
        ("created", 1, None),
        ("scheduled", 1, 0),
        ("claimed", 1, 0),
        ("submitted", 1, 1),
        ("started", 1, 1),
        ("ended", 1, 8),
        ("claimed", 3, 30),
        ("ended", 3, 10),
        ("scheduled", 4, 60),
        ("claimed", 4, 2),
        ("submitted", 4, 1),
    ]
    ends = [(step.attempt, step.state, step.reason) for step in timeline(run) if step.event == "ended"]
    assert ends == [(1, RunState.FAILED, "exit code 1"), (3, RunState.CRASHED, "lost")]


def test_a_run_that_waits_for_its_second_attempt_shows_when_that_is_due():
    past = (Attempt(number=1, state=RunState.FAILED, ended_at=NOW + MINUTE),)
    waiting = replace(a_run(past=past, attempt=2), due_at=NOW + 6 * MINUTE)
    assert lines(waiting)[-2:] == [("ended", 1, 60), ("scheduled", 2, 300)]


def test_clocks_that_disagree_make_no_wait_below_nothing():
    run = a_live_run(claimed_at=NOW, submitted_at=NOW - SECOND, started_at=NOW + SECOND)
    assert [wait for _, _, wait in lines(run)][3:] == [0, 1]
