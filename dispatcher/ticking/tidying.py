"""The step of a tick that tidies: it discards what ended jobs left at their provider, and prunes old history."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from dispatcher.errors import StoreError
from dispatcher.models import Run, submission_name
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.report import timed
from dispatcher.ticking.seam import attempted, words
from providers.base import Submission


@timed("tidy")
def tidy(tick: PoolTick) -> None:
    """Discard what ended jobs left at their provider, and prune old history."""
    now = tick.clock.now()
    if tick.dispatch.is_over(tick.deadline):
        return
    tick.report.discarded = attempted(partial(discard, tick, now), partial(_not_discarded, tick))
    if tick.pool.mirror is None and not _is_owing(tick, now):  # otherwise when its source has reported what ended
        tick.report.pruned = tick.dispatch.prune(tick.pool.name)


def discard(tick: PoolTick, now: datetime) -> int:
    """Remove the jobs that ended runs left behind. Returns the number of runs of which nothing is left.

    A job is removed only after the longest lease since its submission is over. Until then a late request for it may arrive, and
    the job that is left behind keeps its name taken, so that this request starts nothing.
    """
    if not tick.provider.limits.lingers:
        return 0
    lingering = tick.store.lingering(tick.pool.name, limit=tick.limits.discards)
    ended = [run for run in lingering if (since := run.submitted_at or run.ended_at) and now - since > tick.longest_lease]
    if not ended or tick.dispatch.is_stopped():
        return 0
    gone = tick.provider.discard([left for run in ended for left in left_by(run)])
    discarded = [run.id for run in ended if {left.name for left in left_by(run)} <= gone]
    if discarded:
        tick.store.discarded(discarded)
    return len(discarded)


def _is_owing(tick: PoolTick, now: datetime) -> bool:
    """Whether ended runs of the pool still owe their ends to automations: history is kept until these have looked."""
    return tick.pool.automated and bool(tick.store.to_automate(tick.pool.name, now, limit=1))


def _not_discarded(tick: PoolTick, problem: Exception) -> int:
    if isinstance(problem, StoreError):
        raise problem
    tick.report_problem(f"what ended jobs left could not be removed: {words(problem)}")
    return 0


def left_by(run: Run) -> list[Submission]:
    """The submissions of an ended run, and of its earlier attempts, whose jobs linger."""
    past = [attempt.submission for attempt in run.left_behind if attempt.submission]
    return past + ([run.submission] if run.submission else [])


def names_of(run: Run) -> set[str]:
    """The names under which a run may have jobs: of its current attempt, and of earlier ones that linger."""
    return {submission_name(run.id, number) for number in (run.attempt, *(attempt.number for attempt in run.left_behind))}
