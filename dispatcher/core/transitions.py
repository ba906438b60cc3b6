"""Every move of a run, and what it changes. Pure, and the same for every store.

Other modules decide when to move a run (`core.reconciliation` for ticks, the client for people). This module decides what the
run is like afterwards. `end` makes every end: its time, its reason, what lingers, and whether hooks are notified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from dispatcher.core import notifications
from dispatcher.models import MAX_PAST, PINNED_BY_CREATION, TERMINAL_STATES, Attempt, Run, RunState
from dispatcher.models.lanes import lane_for, limited_by
from dispatcher.models.records import Grant, Move, Requeue
from providers.base import Observation, Submission

ALLOWED_MOVES: Mapping[RunState, frozenset[RunState]] = {
    RunState.SCHEDULED: frozenset({RunState.SCHEDULED, RunState.PENDING, RunState.CRASHED, RunState.CANCELLED}),
    RunState.PENDING: frozenset(RunState),
    RunState.RUNNING: frozenset({RunState.RUNNING, RunState.SCHEDULED, RunState.CANCELLING}) | TERMINAL_STATES,
    RunState.CANCELLING: frozenset({RunState.CANCELLING, RunState.SCHEDULED}) | TERMINAL_STATES,
    **dict.fromkeys(TERMINAL_STATES, frozenset[RunState]()),
}
"""Every move that a store accepts. A state may move to itself to change what it carries (a submission, a lease). A refused or
retried run goes back to SCHEDULED; from CANCELLING only if its job did not start in time, never if people have cancelled it."""

CHANGEABLE = frozenset(field.name for field in fields(Run)) - PINNED_BY_CREATION - {"state", "fence", "automate_at"}
"""The fields that a move may change; a store sets `automate_at` with an end."""

REQUEUED = frozenset({"due_at", "expires_at", "lane", "not_before", "notify_at", "reason"})
"""The fields that a `Requeue` may change, besides queue and fence."""

TAKEN_OVER_IN = frozenset({RunState.PENDING, RunState.CANCELLING})
"""The states in which a claim is taken over if its lease ended without a submission."""

MAX_REASON = 2000
"""The most characters of a provider's message that a run keeps."""

REPLACED = "replaced by run "
"""The beginning of the reason when a run is cancelled in favour of a newer run of its deployment. It stays until the run's
end."""

UNCLAIMED: Mapping[str, Any] = {"job": None, "start_within": None, "claimed_at": None, "lease_until": None}
"""The fields that are cleared when a run is given back; `attempt` decides whether its old name may be used again."""


def check(moves: Iterable[Move]) -> None:
    """Raise ValueError for a move that is forbidden, or that changes what no move may change."""
    for move in moves:
        if move.to not in ALLOWED_MOVES[move.expected]:
            raise ValueError(f"run {move.run_id}: no move leads from {move.expected} to {move.to}")
        if pinned := set(move.changes) - CHANGEABLE:
            raise ValueError(f"run {move.run_id}: a move cannot change {', '.join(sorted(pinned))}")


def check_requeues(requeues: Iterable[Requeue]) -> None:
    """Raise ValueError for a field that no `Requeue` may change."""
    for requeue in requeues:
        if others := set(requeue.changes) - REQUEUED:
            raise ValueError(f"run {requeue.run_id}: moving it in its queue cannot change {', '.join(sorted(others))}")


# Claims: the fields that a claiming transaction writes


def granted(grant: Grant, now: datetime, lease: timedelta) -> Mapping[str, Any]:
    """The fields of a run that is claimed for the first time in its attempt."""
    return {
        "state": RunState.PENDING,
        "fence": grant.run.fence + 1,
        "claimed_at": now,
        "lease_until": now + lease,
        "job": grant.job,
        "start_within": grant.start_within,
        "reason": "",
        "not_before": None,
        "notify_at": None,
    }


def taken_over(run: Run, now: datetime, lease: timedelta) -> Mapping[str, Any]:
    """The fields of a run whose claim is taken over: only its fence and lease change.

    The note that its last claim was refused (`not_before` is the end of that claim's lease) stays for one more claim.
    """
    refused = run.not_before is not None and run.not_before == run.lease_until
    return {"fence": run.fence + 1, "lease_until": now + lease, "not_before": run.not_before if refused else None}


def crashed(run: Run, reason: str, now: datetime) -> Mapping[str, Any]:
    """The fields of a run that cannot be rendered."""
    return {"state": RunState.CRASHED, **end(run, RunState.CRASHED, reason, now).changes}


# Under a claim


def accepted(run: Run, submission: Submission, now: datetime) -> Move:
    """The provider has the job. The run stays in its state until its job is seen to run."""
    return Move.of(
        run,
        run.state,
        submission=submission,
        submitted_at=run.submitted_at or now,
        refusals=0,
        not_before=None,
        lease_until=None,
        reason=run.reason if run.state is RunState.CANCELLING else "",
    )


def kept(run: Run, reason: str, **changes: Any) -> Move:
    """The claim stays. A run that is being stopped keeps the reason for that."""
    return Move.of(run, run.state, reason=run.reason if run.state is RunState.CANCELLING else reason[:MAX_REASON], **changes)


def given_back(run: Run, reason: str) -> Move:
    """Nothing was sent: the same attempt goes back to its position in the queue."""
    return Move.of(run, RunState.SCHEDULED, reason=reason[:MAX_REASON], **UNCLAIMED)


def refused(run: Run, reason: str, not_before: datetime | None) -> Move:
    """No job exists under the attempt's name, so the run goes back under the next name and keeps its position in the queue."""
    changes = {"attempt": run.attempt + 1, "refusals": run.refusals + 1, "not_before": not_before}
    return Move.of(run, RunState.SCHEDULED, reason=reason[:MAX_REASON], **changes, **UNCLAIMED)


def withdrawn(run: Run, reason: str, not_before: datetime | None, now: datetime) -> Move:
    """The source does not let the run start before a time, or at all. Nothing was sent to the provider.

    It waits under its next name, because a late request to the source may still carry the old one.
    """
    if not_before is None:
        return end(run, RunState.CANCELLED, reason, now)
    changes = {"attempt": run.attempt + 1, "not_before": not_before}
    return Move.of(run, RunState.SCHEDULED, reason=reason[:MAX_REASON], **changes, **UNCLAIMED)


# On observations


def started(run: Run, seen: Observation, now: datetime) -> Move:
    """Its job runs."""
    times = {"started_at": seen.started_at or now, "submitted_at": run.submitted_at or now}
    return Move.of(run, RunState.RUNNING, **times, lease_until=None, reason="")


def starting(run: Run, reason: str) -> Move:
    """Its job does not run yet, and its provider says why."""
    return Move.of(run, run.state, reason=reason[:MAX_REASON])


def stopping(run: Run, ending: RunState, reason: str, **changes: Any) -> Move:
    """Its job must be stopped; the run goes to `ending` once the job is seen to have stopped."""
    return Move.of(run, RunState.CANCELLING, ending=ending, reason=reason[:MAX_REASON], **changes)


def retried(run: Run, ended: Attempt, due_at: datetime, reason: str) -> Move:
    """The run goes back into its queue, to the position of its new due time; the ended attempt is kept as it was."""
    cleared = dict.fromkeys(("submission", "submitted_at", "started_at", "exit_code", "not_before", "ending"))
    return Move.of(
        run,
        RunState.SCHEDULED,
        reason=reason[:MAX_REASON],
        attempt=run.attempt + 1,
        ended_attempts=run.ended_attempts + 1,
        refusals=0,
        due_at=due_at,
        expires_at=due_at + run.expires_after if run.expires_after is not None else None,
        past=(*run.past, ended)[-MAX_PAST:],
        **cleared,
        **UNCLAIMED,
    )


# Ends


def end(
    run: Run,
    state: RunState,
    reason: str,
    now: datetime,
    *,
    ended_at: datetime | None = None,
    job_lingers: bool = False,
    notifies: bool = True,
    **observed: Any,
) -> Move:
    """The move of a run to a terminal state. Every such move is made here.

    `ended_at` is the time its job ended, if known. `job_lingers` says that this job still occupies something at its provider;
    earlier attempts have their own note of that. A run that held a slot has one more attempt behind it. `observed` are further
    fields, by name.
    """
    return Move.of(
        run,
        state,
        reason=reason[:MAX_REASON],
        ended_at=ended_at or now,
        ended_attempts=run.ended_attempts + run.state.holds_slot,
        lease_until=None,
        ending=None,
        lingers=job_lingers or bool(run.left_behind),
        **notifications.of_end(run, state, now if notifies else None),
        **observed,
    )


def cancelled(run: Run, now: datetime) -> Move | None:
    """The move of a run that people cancel: an end at once if it has no job. None if there is nothing left to do."""
    if run.state.is_terminal or (run.state is RunState.CANCELLING and run.ending is RunState.CANCELLED):
        return None
    if run.state is RunState.SCHEDULED:
        return end(run, RunState.CANCELLED, "cancelled before it was submitted", now)
    return stopping(run, RunState.CANCELLED, "cancelled")


# What people change of a waiting run


def requeued(run: Run, queue: str, priority: int | None = None) -> Requeue:
    """The waiting run goes into another queue of its pool, or gets another priority.

    Among runs of equal priority, its due time decides its position.
    """
    lane = run.lane if priority is None else lane_for(limited_by(run.lane), priority)
    changes = {} if lane == run.lane else {"lane": lane}
    return Requeue(run_id=run.id, pool=run.pool, fence=run.fence, queue=queue, changes=changes)


def due_now(run: Run, now: datetime) -> Requeue | None:
    """The waiting run is due at once, and no back-off holds it; None if that is so already.

    A run that is due already keeps its position. The time at which it counts as late moves with its due time.
    """
    due_at = min(run.due_at, now)
    held = run.not_before is not None and run.not_before > now
    if due_at == run.due_at and not held:
        return None
    changes: dict[str, Any] = {"due_at": due_at, "not_before": None, "reason": ""}
    if run.expires_at is not None:
        changes["expires_at"] = run.expires_at - (run.due_at - due_at)
    if run.notify_at is not None and due_at < run.due_at:
        changes["notify_at"] = run.notify_at - (run.due_at - due_at)
    return Requeue(run_id=run.id, pool=run.pool, fence=run.fence, queue=run.queue, changes=changes)
