"""Changes of a stored run, as pure functions: each returns the changed run, or None for a run that stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dispatcher.models import Run, RunState
from dispatcher.models.records import Move, Notified, Requeue


def moved(moves: Sequence[Move], run: Run) -> Run | None:
    """The run after all of its moves that apply, in order."""
    after = run
    for move in moves:
        expected = move.pool, move.expected, move.fence, move.ending
        if (after.pool, after.state, after.fence, after.ending) == expected:
            after = replace(after, state=move.to, **move.changes)
    return after if after is not run else None


def requeued(requeues: Sequence[Requeue], run: Run) -> Run | None:
    """The run after all of its requeues that apply, in order."""
    after = run
    for requeue in requeues:
        if (after.pool, after.state, after.fence, after.ending) == (requeue.pool, RunState.SCHEDULED, requeue.fence, None):
            after = replace(after, **requeue.after)
    return after if after is not run else None


def noted(notified: Notified, run: Run) -> Run | None:
    """The run after its hooks were notified; None if its notification has changed meanwhile."""
    if run.notify_at != notified.notify_at:
        return None
    return replace(run, notify_at=notified.again_at, notify_tries=run.notify_tries + 1, notified_hooks=notified.hooks)


def discarded(run: Run) -> Run | None:
    """The run without a lingering job; None if nothing lingers."""
    return replace(run, lingers=False) if run.lingers else None
