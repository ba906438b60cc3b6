"""The last step of a tick: removing what ended jobs left at their provider, and forgetting history that is old."""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatcher.models import Run, submission_name
from dispatcher.store import Store
from providers.base import Provider, Submission


def discard(store: Store, provider: Provider, pool: str, now: datetime, *, lease: timedelta, limit: int) -> int:
    """Remove what the jobs of ended runs left behind; how many runs left nothing any more.

    Only once no request for such a job can be on its way any more: what is left behind keeps its name taken, and until a lease
    after the submission that guards against a late repeat.
    """
    if not provider.limits.lingers:
        return 0
    lingering = store.lingering(pool, limit=limit)
    ended = [run for run in lingering if (since := run.submitted_at or run.ended_at) and now - since > lease]
    gone = provider.discard([left for run in ended for left in left_by(run)]) if ended else frozenset()
    discarded = [run.id for run in ended if {left.name for left in left_by(run)} <= gone]
    if discarded:
        store.discarded(discarded)
    return len(discarded)


def left_by(run: Run) -> list[Submission]:
    """The submissions of an ended run, and of its attempts before, whose jobs linger."""
    past = [Submission(**attempt.submission) for attempt in run.left_behind if attempt.submission]
    return past + ([Submission(**run.submission)] if run.submission else [])


def names_of(run: Run) -> set[str]:
    """The names under which a run may have jobs: of its current attempt, and of those before it that linger."""
    return {submission_name(run.id, number) for number in (run.attempt, *(attempt.number for attempt in run.left_behind))}
