"""Every move of a run: which there are, and what every end has in common."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import transitions
from dispatcher.core.reconciliation import Absent, Forgotten, NotLookedUp, NotSubmitted, recorded, verdict
from dispatcher.core.transitions import ALLOWED_MOVES, CHANGEABLE
from dispatcher.models import SLOT_STATES, TERMINAL_STATES, Attempt, PinnedJob, RetryPolicy, RunState
from dispatcher.records import Move
from providers.base import (
    Accepted,
    JobState,
    Misconfigured,
    Observation,
    ProviderLimits,
    Rejected,
    Submission,
    Throttled,
    Unknown,
    Unreachable,
)
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_live_run, a_run

LIMITS = ProviderLimits(lookup_lag=60, memory=3600)
ANSWERS = (
    Accepted(submission=Submission(name="r0-1", handle={})),
    Rejected(reason="no such image"),
    Throttled(reason="rate", retry_after=30),
    Throttled(reason="no room", hold=None),
    Misconfigured(reason="no region"),
    Unknown(cause="timed out"),
    Unreachable(cause="refused"),
    NotSubmitted("deadline"),
    NotLookedUp("reset"),
    Absent("cancelled"),
    Forgotten("too late"),
)
STATES = st.sampled_from(sorted(SLOT_STATES))
ENDS = st.frozensets(st.sampled_from(sorted(TERMINAL_STATES)))


@st.composite
def a_slot_holder(draw):
    """A run that holds a slot, in any way in which it may."""
    state = draw(STATES)
    earlier = Attempt(number=1, state=RunState.FAILED, ended_at=NOW, lingers=draw(st.booleans()))
    return a_run(
        state=state,
        fence=3,
        attempt=draw(st.integers(2, 5)),
        ended_attempts=draw(st.integers(0, 3)),
        refusals=draw(st.integers(0, 3)),
        not_before=draw(st.sampled_from([None, NOW + MINUTE])),
        claimed_at=NOW - HOUR,
        lease_until=NOW + 5 * MINUTE,
        job=PinnedJob(configuration={}),
        start_within=draw(st.sampled_from([None, 60.0])),
        submitted_at=draw(st.sampled_from([None, NOW - 10 * MINUTE])),
        ending=draw(st.sampled_from([RunState.CANCELLED, RunState.CRASHED, None])) if state is RunState.CANCELLING else None,
        reason="cancelled" if state is RunState.CANCELLING else "",
        past=draw(st.sampled_from([(), (earlier,)])),
        notify_states=draw(ENDS),
        retry=draw(st.sampled_from([None, RetryPolicy(attempts=3, delay=MINUTE)])),
    )


@st.composite
def a_move(draw):
    """Any move that a tick may make of a run, with the run."""
    run = draw(a_slot_holder())
    if draw(st.booleans()):
        answer, repeat, held = draw(st.sampled_from(ANSWERS)), draw(st.booleans()), draw(st.booleans())
        return run, recorded(run, answer, NOW, fence=3, repeat=repeat, settled=MINUTE, held=held)
    seen = Observation(state=draw(st.sampled_from(JobState)), exit_code=draw(st.sampled_from([None, 0, 3])), reason="words")
    return run, verdict(run, seen, NOW, LIMITS)


def cancelled_by_people(run):
    return run.state is RunState.CANCELLING and run.ending in (None, RunState.CANCELLED)


@given(a_move())
def test_a_move_is_allowed_and_changes_what_moves_may_change(case):
    _, move = case
    if move is not None:
        transitions.check([move])


@given(a_move())
def test_what_people_cancelled_stays_so_or_ends_cancelled(case):
    """Whatever is answered or seen: it never goes back to its queue, and comes to no other end."""
    run, move = case
    if move is not None and cancelled_by_people(run):
        assert move.to in (RunState.CANCELLING, RunState.CANCELLED)
        assert move.changes.get("ending", run.ending) == run.ending or move.to is RunState.CANCELLED


@given(a_move())
def test_every_end_has_its_time_and_its_notification_and_remembers_what_lingers(case):
    run, move = case
    if move is None or move.to not in TERMINAL_STATES:
        return
    after = replace(run, state=move.to, **move.changes)
    assert after.ended_at == NOW
    assert after.ended_attempts == run.ended_attempts + 1
    assert (after.lease_until, after.ending) == (None, None)
    assert after.notify_at == (NOW if move.to in run.notify_states else None)
    assert (after.notify_tries, after.notified_hooks) == (0, frozenset())
    assert after.lingers or not run.left_behind


@given(a_move())
def test_the_attempt_rises_only_with_what_is_behind_it(case):
    """By one, and only on the way back to the queue: with an end that is kept, or a clear refusal."""
    run, move = case
    if move is None or "attempt" not in move.changes:
        return
    assert move.to is RunState.SCHEDULED
    assert move.changes["attempt"] == run.attempt + 1
    assert ("past" in move.changes) != ("not_before" in move.changes and move.changes.get("refusals") == run.refusals + 1)


@given(st.sampled_from(sorted(RunState)), st.sampled_from(sorted(RunState)))
def test_check_refuses_exactly_what_the_table_does_not_have(state, to):
    move = Move.of(a_run(state=state), to)
    if to in ALLOWED_MOVES[state]:
        transitions.check([move])
    else:
        with pytest.raises(ValueError, match=f"no move leads from {state} to {to}"):
            transitions.check([move])


@pytest.mark.parametrize("field", ["state", "fence", "id", "pool", "scheduled_at", "job_variables"])
def test_check_refuses_a_change_of_what_is_pinned(field):
    assert field not in CHANGEABLE
    with pytest.raises(ValueError, match=f"a move cannot change {field}"):
        transitions.check([Move.of(a_run(), RunState.SCHEDULED, **{field: None})])


@given(ENDS, st.booleans())
def test_a_run_that_cannot_be_rendered_ends_as_any_other(states, lingers):
    earlier = Attempt(number=1, state=RunState.FAILED, lingers=lingers)
    fields = transitions.crashed(a_run(notify_states=states, past=(earlier,), ended_attempts=1), "no image", NOW)
    assert (fields["state"], fields["reason"], fields["ended_at"]) == (RunState.CRASHED, "no image", NOW)
    assert fields["notify_at"] == (NOW if RunState.CRASHED in states else None)
    assert (fields["lingers"], fields["ended_attempts"]) == (lingers, 1)


def test_cancelling_ends_what_waits_and_stops_what_has_a_job():
    waiting = transitions.cancelled(a_run(notify_states=frozenset({RunState.CANCELLED})), NOW)
    assert (waiting.to, waiting.changes["notify_at"], waiting.changes["ended_attempts"]) == (RunState.CANCELLED, NOW, 0)
    live = a_live_run()
    stopping = transitions.cancelled(live, NOW)
    assert (stopping.to, stopping.changes["ending"]) == (RunState.CANCELLING, RunState.CANCELLED)
    late = replace(live, state=RunState.CANCELLING, ending=RunState.CRASHED)
    assert transitions.cancelled(late, NOW).changes["ending"] is RunState.CANCELLED
    assert transitions.cancelled(replace(late, ending=RunState.CANCELLED), NOW) is None
    assert transitions.cancelled(replace(live, state=RunState.FAILED), NOW) is None


def test_an_end_keeps_no_more_of_the_words_than_a_run_holds():
    assert len(transitions.end(a_run(), RunState.CRASHED, "x" * 5000, NOW + SECOND).changes["reason"]) == transitions.MAX_REASON
