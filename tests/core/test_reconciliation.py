from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import transitions
from dispatcher.core.reconciliation import (
    LOOKED_UP_AGAIN,
    Absent,
    Forgotten,
    NotLookedUp,
    NotSubmitted,
    cautious,
    is_forgotten,
    recorded,
    retry_delay,
    verdict,
)
from dispatcher.core.transitions import ALLOWED_MOVES
from dispatcher.models import SLOT_STATES, PinnedJob, RetryPolicy, RunState, submission_name
from dispatcher.models.source_answers import NotConfirmed, Withdrawn
from providers.base import (
    Accepted,
    JobState,
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
SUBMISSION = Submission(name="r0-1", handle={"arn": "x"})
ANSWERS = (
    Accepted(submission=SUBMISSION),
    Rejected(reason="no such image"),
    Throttled(reason="rate", retry_after=30),
    Unknown(cause="timed out"),
    NotSubmitted("deadline"),
    Absent("cancelled"),
    Forgotten("too late"),
    NotLookedUp("reset"),
    Unreachable(cause="refused"),
)


def a_claim(**fields):
    pinned = {"claimed_at": NOW, "lease_until": NOW + 5 * MINUTE, "job": PinnedJob(configuration={})}
    fields = {"state": RunState.PENDING, "fence": 3, **pinned} | fields
    return a_run(**fields)


def record(run, answer, *, repeat=False, fence=3, **named):
    return recorded(run, answer, NOW, fence=fence, repeat=repeat, **named)


def ended(run, state, **seen):
    return verdict(run, Observation(state=state, **seen), NOW, LIMITS)


@given(st.sampled_from(ANSWERS), st.sampled_from(sorted(SLOT_STATES)), st.booleans())
def test_every_answer_makes_an_allowed_move(answer, state, repeat):
    move = record(a_claim(state=state), answer, repeat=repeat)
    assert move.to in ALLOWED_MOVES[state]


@given(st.sampled_from(ANSWERS), st.booleans())
def test_an_answer_to_a_lost_claim_moves_nothing(answer, repeat):
    assert record(a_claim(fence=4), answer, repeat=repeat) is None
    assert record(a_claim(state=RunState.SCHEDULED), answer, repeat=repeat) is None
    assert record(a_claim(state=RunState.COMPLETED), answer, repeat=repeat) is None


@given(st.sampled_from((ANSWERS[1], ANSWERS[2], ANSWERS[3], ANSWERS[4])), st.sampled_from(sorted(SLOT_STATES)))
def test_no_refusal_of_a_repeat_frees_the_slot_or_the_name(answer, state):
    move = record(a_claim(state=state), answer, repeat=True)
    assert move.to.holds_slot
    assert "attempt" not in move.changes


@pytest.mark.parametrize(
    "answer", [Rejected(reason="no"), Withdrawn("deleted"), Throttled(reason="rate"), Withdrawn("later", NOW)]
)
def test_the_absence_after_a_refused_repeat_is_believed_only_two_of_the_longest_leases_after_the_claim(answer):
    """The first submission may still take effect, however short the lease of the claim that was refused."""
    soon = a_claim(lease_until=NOW + SECOND)
    assert record(soon, answer, repeat=True, longest_lease=MINUTE).changes["lease_until"] == NOW + 2 * MINUTE
    late = a_claim(claimed_at=NOW - 9 * MINUTE, lease_until=NOW + SECOND)
    assert record(late, answer, repeat=True, longest_lease=MINUTE).changes["lease_until"] == NOW + MINUTE
    assert record(soon, answer, longest_lease=MINUTE).changes.get("lease_until") is None, "a first submission proves more"


def test_a_refused_repeat_keeps_the_rest_of_its_lease_however_short_the_longest_may_be():
    rejected = Rejected(reason="no")
    assert record(a_claim(), rejected, repeat=True).changes["lease_until"] == NOW + 5 * MINUTE
    for over in (NOW - SECOND, None):
        assert record(a_claim(lease_until=over), rejected, repeat=True).changes["lease_until"] == NOW


def test_a_refused_repeat_ends_as_the_refusal_says_once_nothing_is_found():
    rejected, never = (record(a_claim(), answer, repeat=True) for answer in (Rejected(reason="no"), Withdrawn("deleted")))
    assert (rejected.to, rejected.changes["ending"]) == (RunState.CANCELLING, RunState.CRASHED)
    assert (never.to, never.changes["ending"]) == (RunState.CANCELLING, RunState.CANCELLED)
    later = record(a_claim(), Withdrawn("later", NOW + 9 * MINUTE), repeat=True)
    assert (later.to, later.changes["not_before"]) == (RunState.PENDING, later.changes["lease_until"])


def test_a_repeat_that_was_not_submitted_may_be_taken_over_at_once():
    assert record(a_claim(), NotSubmitted("deadline"), repeat=True).changes["lease_until"] == NOW


def test_the_reason_names_the_service_that_did_not_answer_if_nothing_was_sent():
    unreachable, unconfirmed = Unreachable(cause="refused"), NotConfirmed("timed out")
    for repeat, before in ((False, "given back: "), (True, "")):
        reasons = [record(a_claim(), answer, repeat=repeat).changes["reason"] for answer in (unreachable, unconfirmed)]
        assert reasons == [
            f"{before}the provider could not be reached: refused",
            f"{before}its source did not say whether it may start: timed out",
        ]


def test_a_repeat_without_an_answer_keeps_its_whole_lease():
    """What follows it, if it is refused too, counts from it."""
    claim = a_claim(lease_until=NOW + 300 * SECOND)
    assert "lease_until" not in record(claim, Unknown(cause="timed out"), repeat=True, settled=50 * SECOND).changes


def test_a_second_refusal_of_a_repeat_gives_the_run_back_and_needs_the_first_to_be_known():
    throttled = Throttled(reason="rate")
    first = record(a_claim(), throttled, repeat=True, longest_lease=MINUTE)
    kept = replace(a_claim(), **first.changes)
    again = replace(kept, **transitions.taken_over(kept, NOW + 2 * MINUTE, MINUTE))
    second = recorded(again, throttled, NOW + 2 * MINUTE, fence=again.fence, repeat=True, longest_lease=MINUTE)
    assert (first.to, second.to) == (RunState.PENDING, RunState.SCHEDULED)


def test_an_unknown_answer_keeps_the_claim_and_its_lease():
    move = record(a_claim(), Unknown(cause="timed out"))
    assert move.to is RunState.PENDING
    assert move.changes == {"reason": "no answer from the provider: timed out", "not_before": None}


def test_an_unknown_answer_cuts_the_lease_to_the_time_after_which_a_look_up_is_certain():
    claim = a_claim(lease_until=NOW + 300 * SECOND)
    answer = Unknown(cause="timed out")
    assert record(claim, answer, settled=50 * SECOND).changes["lease_until"] == NOW + 50 * SECOND
    assert record(claim, answer, settled=500 * SECOND).changes["lease_until"] == claim.lease_until
    assert record(claim, NotLookedUp("reset"), repeat=True).changes["lease_until"] == NOW + LOOKED_UP_AGAIN
    assert record(claim, Unreachable(cause="refused"), repeat=True).changes["lease_until"] == NOW + LOOKED_UP_AGAIN
    endless = replace(claim, lease_until=None)
    assert record(endless, answer, settled=50 * SECOND).changes["lease_until"] == NOW + 50 * SECOND


def test_a_refused_run_waits_for_a_hold_or_a_back_off_but_never_both():
    refused = Throttled(reason="rate", retry_after=30)
    assert record(a_claim(), refused, held=True).changes["not_before"] is None
    assert record(a_claim(), refused, held=False).changes["not_before"] == NOW + 30 * SECOND


def test_a_run_that_is_being_stopped_keeps_the_reason_for_that():
    stopped = a_claim(state=RunState.CANCELLING, ending=RunState.CANCELLED, reason="cancelled")
    for answer in (Unknown(cause="x"), NotLookedUp("x"), Throttled(reason="x"), NotSubmitted("x"), Unreachable(cause="x")):
        assert record(stopped, answer, repeat=True).changes["reason"] == "cancelled"
    assert record(stopped, Absent("cancelled before it was submitted"), repeat=True).changes["reason"] != "cancelled"


def test_a_clear_refusal_gives_the_run_back_under_a_new_name_and_not_before_the_provider_says():
    move = record(a_claim(attempt=2, refusals=1), Throttled(reason="rate", retry_after=30))
    assert move.to is RunState.SCHEDULED
    assert (move.changes["attempt"], move.changes["refusals"]) == (3, 2)
    assert move.changes["not_before"] == NOW + 30 * SECOND
    assert move.changes["job"] is None


def test_refusals_without_a_time_back_off_further_and_further():
    waits = [
        record(a_claim(refusals=refusals), Throttled(reason="capacity")).changes["not_before"] - NOW for refusals in range(12)
    ]
    assert all(2.5 * SECOND <= wait <= 15 * MINUTE for wait in waits)
    assert waits[3] > 2 * waits[0]


def test_a_claim_that_was_not_submitted_goes_back_under_its_old_name():
    move = record(a_claim(), NotSubmitted("deadline"))
    assert move.to is RunState.SCHEDULED
    assert "attempt" not in move.changes


def test_a_rejected_run_crashes_with_the_providers_words():
    move = record(a_claim(), Rejected(reason="AccessDenied: no"))
    assert (move.to, move.changes["reason"]) == (RunState.CRASHED, "AccessDenied: no")


def test_a_cancelled_claim_that_was_never_submitted_is_cancelled():
    cancelling = a_claim(state=RunState.CANCELLING, ending=RunState.CANCELLED)
    for answer in (Rejected(reason="no"), Throttled(reason="rate"), NotSubmitted("deadline")):
        assert record(cancelling, answer).to is RunState.CANCELLED
    assert record(cancelling, Absent("nothing there"), repeat=True).to is RunState.CANCELLED


def test_an_accepted_submission_of_a_cancelled_run_is_kept_to_be_stopped():
    move = record(a_claim(state=RunState.CANCELLING, ending=RunState.CANCELLED), Accepted(submission=SUBMISSION))
    assert move.to is RunState.CANCELLING
    assert move.changes["submission"].handle == {"arn": "x"}


def test_a_missing_job_proves_nothing_after_the_provider_may_have_forgotten_it():
    run = a_claim()
    assert not is_forgotten(run, NOW + timedelta(minutes=59), LIMITS)
    assert not is_forgotten(run, NOW + timedelta(minutes=60), LIMITS)
    assert is_forgotten(run, NOW + timedelta(minutes=61), LIMITS)
    assert not is_forgotten(run, NOW + timedelta(days=300), ProviderLimits())
    assert record(run, Forgotten("too late"), repeat=True).to is RunState.CRASHED


@pytest.mark.parametrize(
    ("state", "seen", "expected"),
    [
        (RunState.RUNNING, JobState.SUCCEEDED, RunState.COMPLETED),
        (RunState.PENDING, JobState.SUCCEEDED, RunState.COMPLETED),
        (RunState.RUNNING, JobState.FAILED, RunState.FAILED),
        (RunState.RUNNING, JobState.CRASHED, RunState.CRASHED),
        (RunState.RUNNING, JobState.STOPPED, RunState.CRASHED),
        (RunState.CANCELLING, JobState.STOPPED, RunState.CANCELLED),
        (RunState.CANCELLING, JobState.SUCCEEDED, RunState.CANCELLED),
    ],
)
def test_an_observed_end_ends_the_run(state, seen, expected):
    move = verdict(a_live_run(state=state), Observation(state=seen, exit_code=3), NOW, LIMITS)
    assert move.to is expected
    assert move.changes["ended_attempts"] == 1
    assert move.changes["exit_code"] == 3


@pytest.mark.parametrize(
    ("state", "seen", "reason"),
    [
        (RunState.RUNNING, Observation(state=JobState.SUCCEEDED, reason="ignored"), ""),
        (RunState.RUNNING, Observation(state=JobState.FAILED, exit_code=3), "exit code 3"),
        (RunState.RUNNING, Observation(state=JobState.FAILED, exit_code=137, reason="out of memory"), "out of memory"),
        (RunState.RUNNING, Observation(state=JobState.CRASHED), "the job crashed; its provider gave no reason"),
        (RunState.RUNNING, Observation(state=JobState.CRASHED, reason="host lost"), "host lost"),
        (RunState.RUNNING, Observation(state=JobState.STOPPED), "stopped from outside"),
        (RunState.RUNNING, Observation(state=JobState.STOPPED, reason="scaled in"), "stopped from outside: scaled in"),
        (RunState.CANCELLING, Observation(state=JobState.STOPPED, reason="asked to"), "asked to"),
        (RunState.CANCELLING, Observation(state=JobState.FAILED, exit_code=3), "the job had ended by itself with exit code 3"),
    ],
)
def test_the_reason_of_an_end_has_the_providers_words_if_there_are_any(state, seen, reason):
    assert verdict(a_live_run(state=state), seen, NOW, LIMITS).changes["reason"] == reason


def test_an_end_has_the_times_that_are_known_and_the_time_of_the_look_for_the_others():
    run = a_live_run(submitted_at=None, started_at=None)
    unknown = ended(run, JobState.FAILED).changes
    assert (unknown["submitted_at"], unknown["started_at"], unknown["ended_at"]) == (NOW, None, NOW)
    times = {"started_at": NOW - 3 * MINUTE, "ended_at": NOW - MINUTE}
    reported = ended(run, JobState.FAILED, **times).changes
    assert (reported["submitted_at"], reported["started_at"], reported["ended_at"]) == (NOW - 3 * MINUTE, *times.values())
    known = {"submitted_at": NOW - 9 * MINUTE, "started_at": NOW - 8 * MINUTE}
    kept = ended(replace(run, **known), JobState.FAILED, **times).changes
    assert {name: kept[name] for name in known} == known


def test_an_end_notes_that_its_job_lingers_unless_the_job_is_gone():
    lingering = replace(LIMITS, lingers=True)
    for job_state, lingers in ((JobState.SUCCEEDED, True), (JobState.MISSING, False)):
        move = verdict(a_live_run(), Observation(state=job_state), NOW + 61 * SECOND, lingering)
        assert move.changes["lingers"] is lingers
    assert move.changes["reason"] == "the job is gone and its provider no longer knows how it ended"


def test_the_delay_before_an_attempt_grows_with_the_attempts_up_to_a_day():
    policy = RetryPolicy(attempts=20, delay=0.001 * SECOND, backoff=10.0)
    delays = [retry_delay(a_run(retry=policy, ended_attempts=ended_attempts)) for ended_attempts in (0, 3, 6, 7, 19)]
    assert delays == [0.001 * SECOND, SECOND, 1000 * SECOND, 1000 * SECOND, 1000 * SECOND]
    assert retry_delay(a_run(retry=replace(policy, delay=HOUR), ended_attempts=9)) == timedelta(days=1)
    assert retry_delay(a_run()) == timedelta(0)


def test_a_job_that_starts_makes_its_run_running():
    move = verdict(a_live_run(state=RunState.PENDING, started_at=None), Observation(state=JobState.RUNNING), NOW, LIMITS)
    assert (move.to, move.changes["started_at"]) == (RunState.RUNNING, NOW)


def test_the_reason_that_a_job_waits_is_recorded_once_and_cleared_when_it_runs():
    run = a_live_run(state=RunState.PENDING, started_at=None)
    move = verdict(run, Observation(state=JobState.STARTING, reason="no room"), NOW, LIMITS)
    assert (move.to, dict(move.changes)) == (RunState.PENDING, {"reason": "no room"})
    shown = a_live_run(state=RunState.PENDING, started_at=None, reason="no room")
    assert verdict(shown, Observation(state=JobState.STARTING, reason="no room"), NOW, LIMITS) is None
    assert verdict(shown, Observation(state=JobState.RUNNING), NOW, LIMITS).changes["reason"] == ""


def test_a_job_may_wait_in_its_platforms_queue_without_a_time_limit():
    run = a_live_run(state=RunState.PENDING, start_within=1.0, reason="queued")
    assert verdict(run, Observation(state=JobState.STARTING, reason="queued", queued=True), NOW + 3600 * SECOND, LIMITS) is None


def test_an_observation_without_news_moves_nothing():
    assert verdict(a_live_run(), Observation(state=JobState.RUNNING), NOW, LIMITS) is None
    assert verdict(a_live_run(), None, NOW, LIMITS) is None
    ended = a_live_run(state=RunState.COMPLETED)
    assert verdict(ended, Observation(state=JobState.FAILED, exit_code=1), NOW, LIMITS) is None


def test_a_missing_job_is_an_end_only_after_it_has_had_time_to_show_up():
    run = a_live_run(state=RunState.PENDING)
    missing = Observation(state=JobState.MISSING)
    assert verdict(run, missing, NOW + 60 * SECOND, LIMITS) is None
    assert verdict(run, missing, NOW + 61 * SECOND, LIMITS).to is RunState.CRASHED


def test_clocks_that_differ_make_us_wait_longer_for_what_is_missing_and_trust_its_absence_less_long():
    wary = cautious(LIMITS, 10 * SECOND)
    assert (wary.lookup_lag, wary.memory) == (70, 3590)
    assert cautious(ProviderLimits(), 10 * SECOND).memory is None


def test_a_job_that_does_not_start_in_time_is_stopped_and_its_run_crashes_when_the_end_is_seen():
    run = a_live_run(state=RunState.PENDING, start_within=300.0, reason="pulling")
    starting = Observation(state=JobState.STARTING, reason="pulling")
    assert verdict(run, starting, NOW + 300 * SECOND, LIMITS) is None
    move = verdict(run, starting, NOW + 301 * SECOND, LIMITS)
    assert (move.to, move.changes["ending"]) == (RunState.CANCELLING, RunState.CRASHED)
    stopping = replace(run, state=RunState.CANCELLING, ending=RunState.CRASHED, reason=move.changes["reason"])
    end = verdict(stopping, Observation(state=JobState.STOPPED), NOW + 310 * SECOND, LIMITS)
    assert (end.to, "did not start" in end.changes["reason"]) == (RunState.CRASHED, True)
    late = verdict(stopping, Observation(state=JobState.SUCCEEDED, exit_code=0), NOW + 310 * SECOND, LIMITS)
    assert late.to is RunState.COMPLETED


def test_an_event_that_arrives_before_the_record_contains_the_submission():
    run = a_claim()
    reported = Submission(name=submission_name(run.id, 1), handle={"arn": "y"})
    move = verdict(run, Observation(state=JobState.RUNNING), NOW, LIMITS, reported)
    assert move.changes["submission"].handle == {"arn": "y"}
    running = replace(run, state=RunState.RUNNING, submission=move.changes["submission"])
    assert record(running, Accepted(submission=reported)) is None
    waiting = verdict(run, Observation(state=JobState.STARTING, reason="no room"), NOW, LIMITS, reported)
    assert waiting.changes == {"submission": reported, "reason": "no room"}
    retried = replace(run, retry=RetryPolicy(attempts=2, states=frozenset({RunState.FAILED})))
    past = verdict(retried, Observation(state=JobState.FAILED), NOW, LIMITS, reported).changes["past"]
    assert [attempt.submission for attempt in past] == [reported]


def test_an_observation_before_the_record_adds_no_submission():
    assert "submission" not in verdict(a_claim(), Observation(state=JobState.RUNNING), NOW, LIMITS).changes
