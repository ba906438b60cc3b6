"""The move of a run that follows from an observation or from the answer to a submission. Pure.

The rules behind the product's promises are here, each in one place:

* An end is recorded only when the provider reports it, or when the job is still missing after it has had time to appear.
* A run whose end is retried by its policy goes back to its queue, under the name of its next attempt. A run is not retried if
  people have cancelled it, if the provider refused it for good, or if it may have run without a trace.
* A refusal of a first submission proves that no job exists under its name, so the attempt number may rise. A refusal of a
  repeated submission proves nothing about the earlier submission: the claim stays until two of the longest leases have passed
  since the earlier one. If no job exists under the name by then, the earlier submission has started nothing.
* A run that its source withdraws ends as CANCELLED, or waits until its source lets it start.
* A missing answer is no refusal: the claim stays until its lease ends. The lease of a first submission is cut to the time after
  which a look-up is reliable. If nothing was sent, another invocation may try again almost at once.
* Either a hold of the pool or its own back-off keeps a refused run back, never both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dispatcher.core import transitions
from dispatcher.core.backoff import delay
from dispatcher.models import Attempt, Run, RunState, submission_name
from dispatcher.models.records import Move
from dispatcher.models.source_answers import NotConfirmed, Withdrawn
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

LONGEST_DELAY = timedelta(days=1)
"""The longest delay between two attempts."""

LOOKED_UP_AGAIN = timedelta(seconds=5)
"""When nothing was sent for a claim, it may be taken over after this time: a short network failure does not cost a whole
lease."""

BELIEVED_AFTER = 2
"""Once a repeated submission was refused, the absence of a job proves that nothing was started, this many of the longest leases
after the claim. A claim's own lease may be too short for that, and a cloud that identifies submissions by a token may act late:
only a repeat would have met such a job."""


@dataclass(frozen=True, slots=True)
class NotSubmitted:
    """The invocation did not reach this claim before its deadline."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotLookedUp:
    """A claim was taken over and its look-up failed: nothing was sent, and whether a job exists is unknown."""

    cause: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up proved that no job was started under the name, and that none will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A look-up found no job, but too late to prove that none was started."""

    reason: str


Answer = (
    Accepted
    | Rejected
    | Throttled
    | Misconfigured
    | Unreachable
    | Unknown
    | NotSubmitted
    | NotLookedUp
    | NotConfirmed
    | Withdrawn
    | Absent
    | Forgotten
)
"""Every possible result of a claim."""

Refusal = Rejected | Throttled | Misconfigured | NotSubmitted | Withdrawn
"""The answers after which it is certain that this call started nothing."""


def cautious(limits: ProviderLimits, skew: timedelta) -> ProviderLimits:
    """A provider's limits, extended by the difference `skew` between two invocations' clocks."""
    seconds = skew.total_seconds()
    memory = None if limits.memory is None else limits.memory - seconds
    return replace(limits, lookup_lag=limits.lookup_lag + seconds, memory=memory)


def verdicts(live: Iterable[Run], seen: Mapping[str, Observation], now: datetime, limits: ProviderLimits) -> tuple[Move, ...]:
    """The moves that follow from observing `live` runs. A run that was not observed or has not changed gets no move.

    `now` is the time at which the observation began: a job that was missing may have appeared since. `limits` are `cautious`.
    """
    moves = (verdict(run, seen.get(submission_name(run.id, run.attempt)), now, limits) for run in live)
    return tuple(move for move in moves if move is not None)


def verdict(
    run: Run, seen: Observation | None, now: datetime, limits: ProviderLimits, submission: Submission | None = None
) -> Move | None:
    """The move of one run after one observation.

    `submission` comes with an event, which may arrive before the submission is recorded.
    """
    if seen is None or not run.state.holds_slot:
        return None
    if submission and run.submission is None:
        run, located = replace(run, submission=submission), {"submission": submission}
    else:
        located = {}
    move = _after_observation(run, seen, now, limits)
    return move and replace(move, changes={**located, **move.changes})


def _after_observation(run: Run, seen: Observation, now: datetime, limits: ProviderLimits) -> Move | None:
    if seen.state.is_end:
        return _ended(run, seen, now, lingers=limits.lingers)
    if seen.state is JobState.MISSING:
        return _missing(run, now, limits)
    if seen.state is JobState.RUNNING and run.state is RunState.PENDING:
        return transitions.started(run, seen, now)
    if seen.state is JobState.STARTING and not seen.queued and is_overdue(run, now):
        reason = f"did not start within {run.start_within:g} s of its submission. {seen.reason}".strip()
        return transitions.stopping(run, RunState.CRASHED, reason)
    if seen.state is JobState.STARTING and run.state is RunState.PENDING and says_more(run, seen):
        return transitions.starting(run, seen.reason)
    return None


def says_more(run: Run, seen: Observation) -> bool:
    """Whether a job that does not run yet has a reason that its run does not show yet."""
    return run.submission is not None and bool(seen.reason) and seen.reason[: transitions.MAX_REASON] != run.reason


def is_overdue(run: Run, now: datetime) -> bool:
    """True for a submitted run that should have started by now. A cancelled run is no longer PENDING."""
    if run.state is not RunState.PENDING or run.submitted_at is None or run.start_within is None:
        return False
    return now - run.submitted_at > timedelta(seconds=run.start_within)


def _missing(run: Run, now: datetime, limits: ProviderLimits) -> Move | None:
    if run.submitted_at is None or now - run.submitted_at <= timedelta(seconds=limits.lookup_lag):
        return None
    gone = Observation(state=JobState.CRASHED, reason="the job is gone and its provider no longer knows how it ended")
    return _ended(run, gone, now, lingers=False)


def _ended(run: Run, seen: Observation, now: datetime, *, lingers: bool) -> Move:
    """The move for a job's end: the end of the run, or only of this attempt if the run's policy retries it."""
    state, reason = _end_state(run, seen)
    ended_at = seen.ended_at or now
    observed: dict[str, Any] = {
        "exit_code": seen.exit_code,
        "submitted_at": run.submitted_at or seen.started_at or now,
        "started_at": run.started_at or seen.started_at,
    }
    if not is_retried(run, state):
        return transitions.end(run, state, reason, now, ended_at=ended_at, job_lingers=lingers, **observed)
    attempt = Attempt(
        number=run.attempt,
        state=state,
        reason=reason[: transitions.MAX_REASON],
        claimed_at=run.claimed_at,
        ended_at=ended_at,
        submission=run.submission,
        lingers=lingers,
        **observed,
    )
    why = f"attempt {run.ended_attempts + 1} of {run.retry.attempts if run.retry else 1} ended as {state}"
    return transitions.retried(run, attempt, ended_at + retry_delay(run), f"{why}: {reason}".rstrip(": "))


def is_retried(run: Run, end: RunState) -> bool:
    """Whether the run's policy retries it after this end of its current attempt."""
    return run.retry is not None and end in run.retry.states and run.ended_attempts + 1 < run.retry.attempts


def retry_delay(run: Run) -> timedelta:
    """The time from the end of this attempt to the next: the policy's delay, multiplied by its back-off, at most a day."""
    if run.retry is None:
        return timedelta(0)
    return min(run.retry.delay * min(run.retry.backoff**run.ended_attempts, 1e6), LONGEST_DELAY)


def _end_state(run: Run, seen: Observation) -> tuple[RunState, str]:
    by_itself = seen.state in (JobState.SUCCEEDED, JobState.FAILED)
    if run.state is RunState.CANCELLING and run.ending in (None, RunState.CANCELLED):
        note = f"the job had ended by itself with exit code {seen.exit_code}" if by_itself else seen.reason
        return RunState.CANCELLED, run.reason if _is_replaced(run) else note
    if run.state is RunState.CANCELLING and not by_itself:
        return run.ending or RunState.CANCELLED, run.reason or seen.reason
    if seen.state is JobState.SUCCEEDED:
        return RunState.COMPLETED, ""
    if seen.state is JobState.FAILED:
        return RunState.FAILED, seen.reason or f"exit code {seen.exit_code}"
    if seen.state is JobState.STOPPED:
        return RunState.CRASHED, f"stopped from outside: {seen.reason}".rstrip(": ")
    return RunState.CRASHED, seen.reason or "the job crashed; its provider gave no reason"


def settled_in(limits: ProviderLimits) -> timedelta:
    """The time from an unanswered submission until a look-up is reliable. `limits` are `cautious`.

    The request may take effect until a second timeout of its call, and then stay hidden for the look-up lag.
    """
    return timedelta(seconds=limits.call_timeout + limits.lookup_lag)


def recorded(
    run: Run,
    answer: Answer,
    now: datetime,
    *,
    fence: int,
    repeat: bool,
    settled: timedelta | None = None,
    longest_lease: timedelta = timedelta(0),
    held: bool = False,
) -> Move | None:
    """The move of the stored `run` that follows from an answer; None if there is nothing to record.

    `fence` and `repeat` are the claim's: a run with another fence belongs to another claim. `settled` is the provider's
    `settled_in`, and `longest_lease` the longest that a claim of any invocation may have. `held` says that a hold of the pool
    keeps the run back, so that it needs no back-off of its own.
    """
    if run.fence != fence or not run.state.holds_slot or run.submission is not None:
        return None
    if isinstance(answer, Accepted):
        return transitions.accepted(run, answer.submission, now)
    if isinstance(answer, Unknown):
        return _kept_claim(run, f"no answer from the provider: {answer.cause}", now, None if repeat else settled)
    if isinstance(answer, NotLookedUp):
        return _kept_claim(run, f"it could not be looked up: {answer.cause}", now, LOOKED_UP_AGAIN)
    if isinstance(answer, Forgotten):
        return transitions.end(run, _ending(run) or RunState.CRASHED, answer.reason, now)
    if isinstance(answer, Absent):
        return transitions.end(run, _ending(run) or RunState.CANCELLED, _why_absent(run, answer), now)
    if isinstance(answer, Unreachable | NotConfirmed):
        cause = _not_sent_because(answer)
        if repeat:
            return _kept_claim(run, cause, now, LOOKED_UP_AGAIN)
        answer = NotSubmitted(f"given back: {cause}")
    if not repeat:
        return _not_started(run, answer, now, held=held)
    return _refused_again(run, answer, now, believed_at=_believed_at(run, now, longest_lease), held=held)


def _not_sent_because(answer: Unreachable | NotConfirmed) -> str:
    if isinstance(answer, Unreachable):
        return f"the provider could not be reached: {answer.cause}"
    return f"its source did not say whether it may start: {answer.cause}"


def _kept_claim(run: Run, reason: str, now: datetime, length: timedelta | None) -> Move:
    """The claim stays, at most for a while."""
    lease = {} if length is None else {"lease_until": min(run.lease_until or now + length, now + length)}
    return transitions.kept(run, reason, not_before=None, **lease)


def _ending(run: Run) -> RunState | None:
    """The terminal state that a run reaches when its stopping is complete; None for a run that is not being stopped."""
    return run.ending or RunState.CANCELLED if run.state is RunState.CANCELLING else None


def _why_absent(run: Run, answer: Absent) -> str:
    """The reason of the end: cancelled before it was submitted, or the reason for which it was stopped."""
    by_people = run.ending in (None, RunState.CANCELLED) and not _is_replaced(run)
    return answer.reason if by_people else run.reason or answer.reason


def _is_replaced(run: Run) -> bool:
    return run.reason.startswith(transitions.REPLACED)


def _not_started(run: Run, answer: Refusal, now: datetime, *, held: bool) -> Move:
    """The move after a first submission that certainly started nothing."""
    if run.state is RunState.CANCELLING:
        return transitions.end(run, run.ending or RunState.CANCELLED, run.reason, now)
    if isinstance(answer, Rejected):
        return transitions.end(run, RunState.CRASHED, answer.reason, now)
    if isinstance(answer, NotSubmitted):
        return transitions.given_back(run, answer.reason)
    if isinstance(answer, Withdrawn):
        return transitions.withdrawn(run, answer.reason, answer.not_before, now)
    return transitions.refused(run, answer.reason, None if held else refused_until(run, answer, now))


def _believed_at(run: Run, now: datetime, longest_lease: timedelta) -> datetime:
    """The time from which the absence of a job proves that no submission of the attempt started one. A repeat was refused
    `now`.

    The first submission was made under the claim of `claimed_at`, and the one before this repeat at that claim or a whole lease
    ago.
    """
    whole = (run.claimed_at or now) + BELIEVED_AFTER * longest_lease
    return max(run.lease_until or now, now + (BELIEVED_AFTER - 1) * longest_lease, whole)


def _refused_again(run: Run, answer: Refusal, now: datetime, *, believed_at: datetime, held: bool) -> Move:
    """The move after a repeated submission that started nothing. It proves nothing about the earlier submission.

    A provider that refuses again and again must not keep the slot for ever. If no job exists under the name at `believed_at`
    either, the earlier submission has started nothing. Nobody should take the claim over before, so the lease ends at that
    time.
    """
    if isinstance(answer, NotSubmitted):
        return transitions.kept(run, answer.reason, lease_until=now)
    later = not isinstance(answer, Rejected) and not (isinstance(answer, Withdrawn) and answer.not_before is None)
    if later and run.state is RunState.PENDING and run.not_before is not None:
        return _not_started(run, answer, now, held=held)
    if later:
        return transitions.kept(run, answer.reason, lease_until=believed_at, not_before=believed_at)
    if run.state is RunState.CANCELLING:
        return transitions.kept(run, run.reason)
    ending = RunState.CANCELLED if isinstance(answer, Withdrawn) else RunState.CRASHED
    return transitions.stopping(run, ending, answer.reason, lease_until=believed_at)


def refused_until(run: Run, answer: Throttled | Misconfigured, now: datetime) -> datetime:
    """When a refused run may be submitted again: at the provider's time, or else after a back-off that grows with refusals."""
    seconds = answer.retry_after if isinstance(answer, Throttled) else None
    if seconds is None:
        seconds = delay(run.refusals + 1, submission_name(run.id, run.attempt))
    return now + timedelta(seconds=seconds)


def is_forgotten(run: Run, now: datetime, limits: ProviderLimits) -> bool:
    """True when a job of this attempt may have run and ended without a trace at the provider."""
    if limits.memory is None or run.claimed_at is None:
        return False
    return now - run.claimed_at > timedelta(seconds=limits.memory)
