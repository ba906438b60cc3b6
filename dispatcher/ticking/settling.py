"""Settles one run by itself, when its platform reports a change of the run's job.

What an event proves is settled as it is. A hint may come before the provider itself shows the change, twice, late, or from
somebody who made it up: it causes a look-up of that one job, and the provider's answer is what counts.
"""

from __future__ import annotations

from dispatcher.core.pinning import job_of
from dispatcher.core.reconciliation import verdict
from dispatcher.models import Run, WorkPool, submission_name
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.holding import free, frees_a_slot
from dispatcher.ticking.run_events import log_move
from dispatcher.ticking.seam import attempted, words
from providers.base import JobState, Observation, Submission

Seen = tuple[Submission, Observation]

PROVES_NOTHING = frozenset({JobState.MISSING, JobState.UNREADABLE})
"""States that one look-up cannot decide. A tick decides, because it knows how long a job may stay hidden."""


def settle_event(dispatch: Dispatch, run: Run, observation: Observation, submission: Submission) -> bool:
    """Settle one run by an observation that its provider sent as an event; true when the run moved.

    An event of another attempt than the run's current one moves nothing.
    """
    pool = dispatch.store.pool(run.pool)
    if pool is None or not _is_current(run, submission):
        return False
    move = verdict(run, observation, dispatch.clock.now(), dispatch.providers(pool.type).limits, submission)
    if move is None or not dispatch.store.move([move]):
        return False
    log_move(dispatch.events, run, move)
    if frees_a_slot([move]):
        free(dispatch.store, pool.name, pool.holds)
    return True


def _is_current(run: Run, submission: Submission) -> bool:
    """Whether a submission is that of the run's current attempt: an earlier one has ended, and holds nothing."""
    return submission.name == submission_name(run.id, run.attempt)


def look_at(dispatch: Dispatch, run: Run) -> Observation | None:
    """Ask the provider about the job of one run, and settle the run by the answer. Returns the answer if it moved the run.

    A job whose submission is not recorded yet is looked up first.
    """
    pool = dispatch.store.pool(run.pool)
    if pool is None or not run.state.holds_slot:
        return None
    seen = attempted(lambda: _observation_of(dispatch, pool, run), lambda problem: _failed(dispatch, run, words(problem)))
    if seen is None or seen[1].state in PROVES_NOTHING:
        return None
    submission, observation = seen
    return observation if settle_event(dispatch, run, observation, submission) else None


def _observation_of(dispatch: Dispatch, pool: WorkPool, run: Run) -> Seen | None:
    provider = dispatch.providers(pool.type)
    submission = run.submission or provider.find(job_of(run))
    observation = provider.observe([submission]).get(submission.name) if submission else None
    return (submission, observation) if submission and observation else None


def _failed(dispatch: Dispatch, run: Run, problem: str) -> None:
    reason = f"the job could not be looked at: {problem}"
    dispatch.events("event.ignored", reason=reason, run=submission_name(run.id, run.attempt))
