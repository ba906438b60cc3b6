"""The log events of runs in a tick: claimed, answered, moved, crashed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatcher.core.reconciliation import Answer
from dispatcher.environment.events import Events
from dispatcher.models import Run
from dispatcher.models.records import Claim, Move
from dispatcher.ticking.report import seconds_between


def log_move(events: Events, run: Run, move: Move) -> None:
    """Log that an observation moved a run."""
    reason = move.changes.get("reason", "")
    events("run.moved", run=run.id, pool=run.pool, queue=run.queue, source=str(run.state), to=str(move.to), reason=reason)


def log_claim(events: Events, claim: Claim) -> None:
    """Log that a run was claimed, or its claim taken over."""
    run, event = claim.run, "run.taken_over" if claim.repeat else "run.admitted"
    waited = {} if claim.repeat or run.claimed_at is None else {"waited": seconds_between(run.due_at, run.claimed_at)}
    events(event, run=run.id, pool=run.pool, queue=run.queue, attempt=run.attempt, fence=run.fence, **waited)


def log_crash(events: Events, run: Run) -> None:
    """Log that a run could not be rendered."""
    outcome = {"answer": "RenderError", "to": str(run.state), "reason": run.reason}
    events("run.answered", run=run.id, pool=run.pool, queue=run.queue, attempt=run.attempt, **outcome)


def log_answer(events: Events, run: Run, answer: Answer, move: Move | None, call: Mapping[str, Any]) -> None:
    """Log the provider's answer and the run's new state."""
    reason = move.changes.get("reason", "") if move else "somebody else has moved it on"
    outcome = {"answer": type(answer).__name__, "to": str(move.to) if move else None, "reason": reason, **call}
    events("run.answered", run=run.id, pool=run.pool, queue=run.queue, attempt=run.attempt, **outcome)
