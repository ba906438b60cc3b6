"""Every move of a run: which there are, and what every end has in common."""

from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import transitions
from dispatcher.core.reconciliation import Absent, Forgotten, NotLookedUp, NotSubmitted, recorded, verdict
from dispatcher.core.transitions import ALLOWED_MOVES, CHANGEABLE
from dispatcher.models import TERMINAL_STATES, Attempt, PinnedJob, RetryPolicy, RunState
from dispatcher.models.lanes import lane_for, limited_by
from dispatcher.models.records import Grant, Move, Requeue
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
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_live_run, a_run, an_id

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
LIMITED = st.none() | st.just("etl")
"""The deployment whose limit applies to a run."""
ENDS = st.frozensets(st.sampled_from(sorted(TERMINAL_STATES)))
STANDS = (
    (RunState.PENDING, None),
    (RunState.RUNNING, None),
    (RunState.CANCELLING, None),
    (RunState.CANCELLING, RunState.CANCELLED),
    (RunState.CANCELLING, RunState.CRASHED),
)
EARLIER = Attempt(number=1, state=RunState.FAILED, ended_at=NOW, lingers=True)
FACTS = {
    "not_before": (None, NOW + MINUTE),
    "submitted_at": (None, NOW - 10 * MINUTE),
    "start_within": (None, 60.0),
    "past": ((), (EARLIER,), (replace(EARLIER, lingers=False),)),
    "notify_states": (frozenset(), TERMINAL_STATES),
    "retry": (None, RetryPolicy(attempts=4, delay=MINUTE)),
}


def slot_holders():
    """Every way in which a run may hold a slot."""
    claimed = {"claimed_at": NOW - HOUR, "lease_until": NOW + 5 * MINUTE, "job": PinnedJob(configuration={})}
    for (state, ending), *facts in product(STANDS, *FACTS.values()):
        fields = dict(zip(FACTS, facts, strict=True))
        reason = "stopped" if state is RunState.CANCELLING else ""
        yield a_run(state=state, ending=ending, reason=reason, fence=3, attempt=2, ended_attempts=1, **claimed, **fields)


def moves_of(run):
    """Every move that a tick may make of it: by any answer, and by anything that may be seen of its job."""
    for answer, repeat, held in product(ANSWERS, (False, True), (False, True)):
        yield recorded(run, answer, NOW, fence=3, repeat=repeat, settled=MINUTE, held=held)
    for state, exit_code in product(JobState, (None, 3)):
        yield verdict(run, Observation(state=state, exit_code=exit_code, reason="words"), NOW, LIMITS)


@cache
def every_move():
    """Each move with its run."""
    return [(run, move) for run in slot_holders() for move in moves_of(run) if move is not None]


def cancelled_by_people(run):
    return run.state is RunState.CANCELLING and run.ending in (None, RunState.CANCELLED)


def test_every_move_is_allowed_and_changes_what_moves_may_change():
    transitions.check([move for _, move in every_move()])
    assert {move.to for _, move in every_move()} == set(RunState)


def test_a_run_that_people_cancelled_stays_or_ends_cancelled():
    """Whatever is answered or seen: it never goes back to its queue, and comes to no other end."""
    for run, move in every_move():
        if cancelled_by_people(run):
            assert move.to in (RunState.CANCELLING, RunState.CANCELLED)
            assert move.changes.get("ending", run.ending) == run.ending or move.to is RunState.CANCELLED


def test_every_end_has_its_time_and_its_notification_and_remembers_what_lingers():
    for run, move in every_move():
        if move.to in TERMINAL_STATES:
            after = replace(run, state=move.to, **move.changes)
            assert after.ended_at == NOW
            assert after.ended_attempts == run.ended_attempts + 1
            assert (after.lease_until, after.ending) == (None, None)
            assert after.notify_at == (NOW if move.to in run.notify_states else None)
            assert (after.notify_tries, after.notified_hooks) == (0, frozenset())
            assert after.lingers == bool(run.left_behind), "this provider's own jobs do not linger"


def test_the_attempt_rises_only_after_an_end_or_a_clear_refusal():
    """By one, and only on the way back to the queue: with an end that is kept, or a clear refusal."""
    for run, move in every_move():
        if "attempt" in move.changes:
            assert move.to is RunState.SCHEDULED
            assert move.changes["attempt"] == run.attempt + 1
            refused = move.changes["refusals"] == run.refusals + 1
            assert ("past" in move.changes) != refused


def test_a_run_that_goes_back_to_its_queue_holds_no_claim():
    for run, move in every_move():
        if move.to is RunState.SCHEDULED:
            after = replace(run, state=move.to, **move.changes)
            assert (after.job, after.start_within, after.claimed_at, after.lease_until) == (None,) * 4
            assert (after.submission, after.ended_at, after.ending) == (None, None, None)


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
    assert len(transitions.end(a_run(), RunState.CRASHED, "x" * 5000, NOW + SECOND).changes["reason"]) == 2000


def test_a_taken_over_claim_changes_only_fence_and_lease_and_remembers_the_last_refusal():
    claim = a_run(state=RunState.PENDING, fence=3, lease_until=NOW, claimed_at=NOW - HOUR)
    fresh = {"fence": 4, "lease_until": NOW + MINUTE, "not_before": None}
    assert transitions.taken_over(claim, NOW, MINUTE) == fresh
    assert transitions.taken_over(replace(claim, not_before=NOW), NOW, MINUTE) == {**fresh, "not_before": NOW}
    assert transitions.taken_over(replace(claim, not_before=NOW - SECOND), NOW, MINUTE) == fresh


def test_a_claim_pins_the_job_and_clears_what_was_before():
    run = a_run(fence=2, reason="refused", not_before=NOW, notify_at=NOW)
    job = PinnedJob(configuration={"a": 1})
    fields = transitions.granted(Grant(run=run, job=job, start_within=60.0), NOW, MINUTE)
    assert fields == {
        "state": RunState.PENDING,
        "fence": 3,
        "claimed_at": NOW,
        "lease_until": NOW + MINUTE,
        "job": job,
        "start_within": 60.0,
        "reason": "",
        "not_before": None,
        "notify_at": None,
    }


CLAIM = {
    "state": RunState.PENDING,
    "fence": 3,
    "refusals": 2,
    "not_before": NOW,
    "lease_until": NOW + MINUTE,
    "reason": "refused",
}
PLACED = Submission(name="r0-1", handle={"arn": "x"})


def test_an_accepted_job_ends_the_claim_and_all_that_was_refused_before():
    changes = {"submission": PLACED, "refusals": 0, "not_before": None, "lease_until": None}
    pending = transitions.accepted(a_run(**CLAIM), PLACED, NOW)
    assert (pending.to, pending.changes) == (RunState.PENDING, {**changes, "submitted_at": NOW, "reason": ""})
    stopped = a_run(**{**CLAIM, "state": RunState.CANCELLING, "submitted_at": NOW - HOUR})
    stopping = transitions.accepted(stopped, PLACED, NOW)
    assert stopping.changes == {**changes, "submitted_at": NOW - HOUR, "reason": "refused"}, "why it is stopped is kept"


def test_a_refused_run_goes_back_under_the_next_name_with_the_providers_words():
    move = transitions.refused(a_run(**CLAIM), "no room", NOW + HOUR)
    assert (move.to, move.changes) == (
        RunState.SCHEDULED,
        {"reason": "no room", "attempt": 2, "refusals": 3, "not_before": NOW + HOUR, **transitions.UNCLAIMED},
    )


def test_a_run_that_nothing_was_sent_for_keeps_its_name():
    move = transitions.given_back(a_run(**CLAIM), "deadline")
    assert (move.to, move.changes) == (RunState.SCHEDULED, {"reason": "deadline", **transitions.UNCLAIMED})


def test_a_job_that_runs_belongs_to_no_claim_any_more():
    seen = Observation(state=JobState.RUNNING, started_at=NOW - SECOND)
    move = transitions.started(a_run(**CLAIM), seen, NOW)
    times = {"started_at": NOW - SECOND, "submitted_at": NOW}
    assert (move.to, move.changes) == (RunState.RUNNING, {**times, "lease_until": None, "reason": ""})


def test_a_retried_run_starts_again_and_keeps_its_ended_attempts():
    run = a_live_run(attempt=2, ended_attempts=1, refusals=1, exit_code=3)
    ended = Attempt(number=2, state=RunState.FAILED, ended_at=NOW)
    after = replace(run, **transitions.retried(run, ended, NOW + HOUR, "again").changes)
    assert (after.attempt, after.ended_attempts, after.refusals, after.past) == (3, 2, 0, (ended,))
    assert (after.due_at, after.reason) == (NOW + HOUR, "again")
    cleared = ("job", "start_within", "claimed_at", "lease_until", "submission", "submitted_at", "started_at", "exit_code")
    assert [getattr(after, name) for name in cleared] == [None] * len(cleared)


@pytest.mark.parametrize("state", [state for state in RunState if state not in TERMINAL_STATES])
def test_an_end_clears_the_claim_and_counts_the_attempt_that_held_a_slot(state):
    run = a_run(state=state, lease_until=NOW + MINUTE, ending=RunState.CRASHED, ended_attempts=1)
    move = transitions.end(run, RunState.FAILED, "exit code 3", NOW, ended_at=NOW - SECOND, job_lingers=True, exit_code=3)
    assert (move.to, move.changes) == (
        RunState.FAILED,
        {
            "reason": "exit code 3",
            "ended_at": NOW - SECOND,
            "ended_attempts": 1 if state is RunState.SCHEDULED else 2,
            "lease_until": None,
            "ending": None,
            "lingers": True,
            "notify_at": None,
            "notify_tries": 0,
            "notified_hooks": frozenset(),
            "exit_code": 3,
        },
    )


@pytest.mark.parametrize("notifies", [True, False])
def test_an_end_notifies_hooks_only_where_it_is_asked_to(notifies):
    run = a_run(notify_states=TERMINAL_STATES)
    move = transitions.end(run, RunState.CANCELLED, "", NOW, notifies=notifies)
    assert move.changes["notify_at"] == (NOW if notifies else None)


# What a source withdraws


def test_a_run_that_its_source_holds_back_waits_under_its_next_name():
    move = transitions.withdrawn(a_run(**CLAIM, attempt=2), "w" * 5000, NOW + HOUR, NOW)
    assert (move.to, move.changes) == (
        RunState.SCHEDULED,
        {"reason": "w" * 2000, "attempt": 3, "not_before": NOW + HOUR, **transitions.UNCLAIMED},
    )


def test_a_run_that_its_source_gives_up_ends_cancelled():
    run = a_run(**CLAIM, attempt=2, notify_states=TERMINAL_STATES)
    move = transitions.withdrawn(run, "cancelled in its source", None, NOW)
    assert move == transitions.end(run, RunState.CANCELLED, "cancelled in its source", NOW)
    assert (move.to, "attempt" in move.changes) == (RunState.CANCELLED, False)


# What people change of a waiting run

WAITING = {"pool": "ecs", "queue": "low", "fence": 7}


def test_a_run_goes_into_another_queue_by_its_id_pool_and_fence_and_nothing_else_changes():
    run = a_run(**WAITING, not_before=NOW + HOUR)
    assert transitions.requeued(run, "high") == Requeue(run_id=run.id, pool="ecs", fence=7, queue="high", changes={})


@given(LIMITED, st.integers(-5, 5), st.none() | st.integers(-5, 5))
def test_a_run_gets_another_priority_and_keeps_its_limit_or_nothing_changes(limited, before, priority):
    run = a_run(**WAITING, lane=lane_for(limited, before))
    requeue = transitions.requeued(run, "high", priority)
    assert requeue == Requeue(run_id=run.id, pool="ecs", fence=7, queue="high", changes=requeue.changes)
    after = replace(run, **requeue.changes)
    assert (after.priority, limited_by(after.lane)) == (before if priority is None else priority, limited)
    assert requeue.changes == ({} if after == run else {"lane": after.lane})


@pytest.mark.parametrize(
    ("due_at", "not_before", "changes"),
    [
        (NOW + HOUR, None, {"due_at": NOW}),
        (NOW + HOUR, NOW + MINUTE, {"due_at": NOW}),
        (NOW + HOUR, NOW - MINUTE, {"due_at": NOW}),
        (NOW - HOUR, NOW + SECOND, {"due_at": NOW - HOUR}),
        (NOW, NOW + MINUTE, {"due_at": NOW}),
        (NOW, NOW, None),
        (NOW - HOUR, NOW, None),
        (NOW - HOUR, None, None),
    ],
)
def test_a_run_is_due_at_once_and_no_back_off_holds_it(due_at, not_before, changes):
    run = a_run(**WAITING, due_at=due_at, not_before=not_before, reason="no room")
    expected = changes and Requeue(
        run_id=run.id, pool="ecs", fence=7, queue="low", changes={**changes, "not_before": None, "reason": ""}
    )
    assert transitions.due_now(run, NOW) == expected


def test_the_time_at_which_a_run_is_late_moves_with_its_due_time():
    ahead = transitions.due_now(a_run(due_at=NOW + HOUR, notify_at=NOW + HOUR + MINUTE), NOW)
    assert ahead.changes == {"due_at": NOW, "not_before": None, "reason": "", "notify_at": NOW + MINUTE}
    held = transitions.due_now(a_run(due_at=NOW - HOUR, notify_at=NOW + MINUTE, not_before=NOW + HOUR), NOW)
    assert held.changes == {"due_at": NOW - HOUR, "not_before": None, "reason": ""}, "its due time does not move"


@pytest.mark.parametrize("field", ["due_at", "not_before", "notify_at", "reason", "state", "fence", "queue", "attempt"])
def test_people_change_only_when_a_waiting_run_is_due(field):
    run_id, other = an_id(), an_id()
    first = Requeue(run_id=other, pool="ecs", fence=1, queue="low", changes={"due_at": NOW})
    requeue = Requeue(run_id=run_id, pool="ecs", fence=1, queue="low", changes={"due_at": NOW, field: None})
    if field in ("due_at", "not_before", "notify_at", "reason"):
        transitions.check_requeues([first, requeue])
    else:
        with pytest.raises(ValueError, match=f"run {run_id}: moving it in its queue cannot change {field}$"):
            transitions.check_requeues([first, requeue])


@pytest.mark.parametrize("expires_after", [None, 2 * HOUR])
def test_a_run_may_wait_as_long_beyond_its_due_time_whenever_that_is(expires_after):
    def expiry(due_at):
        return expires_after and due_at + expires_after

    later = a_run(due_at=NOW + HOUR, expires_at=expiry(NOW + HOUR))
    assert transitions.due_now(later, NOW).changes.get("expires_at") == expiry(NOW)
    ended = Attempt(number=1, state=RunState.FAILED, ended_at=NOW)
    retried = transitions.retried(a_live_run(due_at=NOW, expires_at=expiry(NOW)), ended, NOW + MINUTE, "again")
    assert retried.changes["expires_at"] == expiry(NOW + MINUTE)
