"""What an observation, or the answer to a submission, makes of a run. Pure: a run and a fact give a guarded move, or none.

The rules that keep the promises are here, each in one place:

* An end is recorded only when the provider reports it, or when the job is missing after it has had time to show up.
* An end that the run's policy retries leads back to its queue, under the next attempt's name. Nothing else does: what people
  cancelled, what the provider refused for good, and what may have run without leaving a trace, is over.
* A refusal of a first submission proves that nothing lives under its name, so the attempt number may rise. A refusal of a
  repeat proves nothing about the submission before it: the claim stays, and the name is looked up again, until two in a row,
  a whole lease apart, have found nothing and were refused.
* No answer is no refusal: the claim stays until its lease ends. The lease is cut to the time after which a look-up can tell
  what became of the request; where nothing was sent, somebody may look again almost at once.
* What keeps a refused run back belongs to what was refused: a hold of the pool, or a back-off of its own, never both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dispatcher.core import transitions
from dispatcher.core.backoff import delay
from dispatcher.models import Attempt, Run, RunState, submission_name
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

LONGEST_DELAY = timedelta(days=1)
"""Between two attempts."""

LOOKED_UP_AGAIN = timedelta(seconds=5)
"""After which a claim for which nothing was sent may be taken over again: a network that fails for a moment costs no lease."""


@dataclass(frozen=True, slots=True)
class NotSubmitted:
    """The invocation did not get round to this claim before its deadline."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotLookedUp:
    """A claim that was taken over could not be looked up: nothing was sent, and nothing is known."""

    cause: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A lookup proved that nothing was started under the name, and nothing shall be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A lookup found nothing, but too late for that to prove anything."""

    reason: str


Answer = (
    Accepted | Rejected | Throttled | Misconfigured | Unreachable | Unknown | NotSubmitted | NotLookedUp | Absent | Forgotten
)
"""Everything that can become of a claim."""

Refusal = Rejected | Throttled | Misconfigured | NotSubmitted
"""Those that say that this call started nothing."""


def cautious(limits: ProviderLimits, skew: timedelta) -> ProviderLimits:
    """A provider's limits as they hold between two invocations whose clocks may differ by `skew`."""
    seconds = skew.total_seconds()
    memory = None if limits.memory is None else limits.memory - seconds
    return replace(limits, lookup_lag=limits.lookup_lag + seconds, memory=memory)


def verdicts(live: Iterable[Run], seen: Mapping[str, Observation], now: datetime, limits: ProviderLimits) -> tuple[Move, ...]:
    """The moves that follow from looking at `live` runs; a run that was not seen, or whose state is as known, has none.

    `now` is the time at which looking began: what is missing then may have shown up since. `limits` are `cautious` ones.
    """
    moves = (verdict(run, seen.get(submission_name(run.id, run.attempt)), now, limits) for run in live)
    return tuple(move for move in moves if move is not None)


def verdict(
    run: Run, seen: Observation | None, now: datetime, limits: ProviderLimits, submission: Submission | None = None
) -> Move | None:
    """The move of one run after one observation.

    `submission` is given when the observation came as an event, which may be ahead of the record of the submission.
    """
    if seen is None or not run.state.holds_slot:
        return None
    if submission and run.submission is None:
        run, located = replace(run, submission=submission), {"submission": submission}
    else:
        located = {}
    move = _seen(run, seen, now, limits)
    return move and replace(move, changes={**located, **move.changes})


def _seen(run: Run, seen: Observation, now: datetime, limits: ProviderLimits) -> Move | None:
    if seen.state.is_end:
        return _ended(run, seen, now, lingers=limits.lingers)
    if seen.state is JobState.MISSING:
        return _missing(run, now, limits)
    if seen.state is JobState.RUNNING and run.state is RunState.PENDING:
        return transitions.started(run, seen, now)
    if seen.state is JobState.STARTING and is_overdue(run, now):
        reason = f"did not start within {run.start_within:g} s of its submission. {seen.reason}".strip()
        return transitions.stopping(run, RunState.CRASHED, reason)
    return None


def is_overdue(run: Run, now: datetime) -> bool:
    """True for a submitted run that should have started by now. One that people cancelled is no longer PENDING."""
    if run.state is not RunState.PENDING or run.submitted_at is None or run.start_within is None:
        return False
    return now - run.submitted_at > timedelta(seconds=run.start_within)


def _missing(run: Run, now: datetime, limits: ProviderLimits) -> Move | None:
    if run.submitted_at is None or now - run.submitted_at <= timedelta(seconds=limits.lookup_lag):
        return None
    gone = Observation(state=JobState.CRASHED, reason="the job is gone and its provider no longer knows how it ended")
    return _ended(run, gone, now, lingers=False)


def _ended(run: Run, seen: Observation, now: datetime, *, lingers: bool) -> Move:
    """The end of a job: that of the run, or of one attempt where the run's policy has it tried again."""
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
    """Whether the policy of a run has it tried again after this end of its current attempt."""
    return run.retry is not None and end in run.retry.states and run.ended_attempts + 1 < run.retry.attempts


def retry_delay(run: Run) -> timedelta:
    """From the end of the current attempt to the next: the policy's delay, longer by its back-off after each, at most a day."""
    if run.retry is None:
        return timedelta(0)
    return min(run.retry.delay * min(run.retry.backoff**run.ended_attempts, 1e6), LONGEST_DELAY)


def _end_state(run: Run, seen: Observation) -> tuple[RunState, str]:
    by_itself = seen.state in (JobState.SUCCEEDED, JobState.FAILED)
    if run.state is RunState.CANCELLING and run.ending in (None, RunState.CANCELLED):
        note = f"the job had ended by itself with exit code {seen.exit_code}" if by_itself else seen.reason
        return RunState.CANCELLED, note
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
    """After an unanswered submission: how long until a look-up can tell what became of it. `limits` are `cautious` ones.

    The request may take effect until its call would have timed out once more, and may then stay hidden for the look-up lag.
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
    held: bool = False,
) -> Move | None:
    """The move that an answer makes of `run`, as it is stored now; None when there is nothing (left) to record.

    `fence` and `repeat` are the claim's: a run with another fence belongs to somebody else. `settled` is that of the provider
    (`settled_in`). `held`: a hold of the pool keeps the run back, so that it needs no back-off of its own.
    """
    if run.fence != fence or not run.state.holds_slot or run.submission is not None:
        return None
    if isinstance(answer, Accepted):
        return transitions.accepted(run, answer.submission, now)
    if isinstance(answer, Unknown):
        return _kept_claim(run, f"no answer from the provider: {answer.cause}", now, settled)
    if isinstance(answer, NotLookedUp):
        return _kept_claim(run, f"it could not be looked up: {answer.cause}", now, LOOKED_UP_AGAIN)
    if isinstance(answer, Forgotten):
        return transitions.end(run, _ending(run) or RunState.CRASHED, answer.reason, now)
    if isinstance(answer, Absent):
        return transitions.end(run, _ending(run) or RunState.CANCELLED, _why_absent(run, answer), now)
    if isinstance(answer, Unreachable) and repeat:
        return _kept_claim(run, f"the provider could not be reached: {answer.cause}", now, LOOKED_UP_AGAIN)
    if isinstance(answer, Unreachable):
        answer = NotSubmitted(f"given back: the provider could not be reached: {answer.cause}")
    return _refused_again(run, answer, now, held=held) if repeat else _not_started(run, answer, now, held=held)


def _kept_claim(run: Run, reason: str, now: datetime, length: timedelta | None) -> Move:
    """The claim stays, at most for a while."""
    lease = {} if length is None else {"lease_until": min(run.lease_until or now + length, now + length)}
    return transitions.kept(run, reason, not_before=None, **lease)


def _ending(run: Run) -> RunState | None:
    """The terminal state that a run which is being stopped comes to; None for one that is not."""
    return run.ending or RunState.CANCELLED if run.state is RunState.CANCELLING else None


def _why_absent(run: Run, answer: Absent) -> str:
    """What people cancelled was never submitted; what ends otherwise keeps the reason that it was stopped for."""
    return answer.reason if run.ending in (None, RunState.CANCELLED) else run.reason or answer.reason


def _not_started(run: Run, answer: Refusal, now: datetime, *, held: bool) -> Move:
    """A first submission that certainly started nothing."""
    if run.state is RunState.CANCELLING:
        return transitions.end(run, run.ending or RunState.CANCELLED, run.reason, now)
    if isinstance(answer, Rejected):
        return transitions.end(run, RunState.CRASHED, answer.reason, now)
    if isinstance(answer, NotSubmitted):
        return transitions.given_back(run, answer.reason)
    return transitions.refused(run, answer.reason, None if held else refused_until(run, answer, now))


def _refused_again(run: Run, answer: Refusal, now: datetime, *, held: bool) -> Move:
    """A repeat that started nothing, which says nothing of the submission before it.

    Where the provider refuses again and again, the slot must not be kept for ever. Two claims in a row, with a whole lease
    between them, each of which found nothing under the name and was refused: then nothing came of the submission before.
    """
    if isinstance(answer, Throttled | Misconfigured) and run.state is RunState.PENDING and run.not_before is not None:
        return _not_started(run, answer, now, held=held)
    if isinstance(answer, NotSubmitted):
        return transitions.kept(run, answer.reason, lease_until=now)
    if isinstance(answer, Throttled | Misconfigured):
        return transitions.kept(run, answer.reason, not_before=run.lease_until)
    if run.state is RunState.CANCELLING:
        return transitions.kept(run, run.reason)
    return transitions.stopping(run, RunState.CRASHED, answer.reason)


def refused_until(run: Run, answer: Throttled | Misconfigured, now: datetime) -> datetime:
    """When a refused run may be tried again: as the provider says, otherwise after a back-off that grows with refusals."""
    seconds = answer.retry_after if isinstance(answer, Throttled) else None
    if seconds is None:
        seconds = delay(run.refusals + 1, submission_name(run.id, run.attempt))
    return now + timedelta(seconds=seconds)


def is_forgotten(run: Run, now: datetime, limits: ProviderLimits) -> bool:
    """True when a job of this attempt may have come and gone without leaving a trace at the provider."""
    if limits.memory is None or run.claimed_at is None:
        return False
    return now - run.claimed_at > timedelta(seconds=limits.memory)
