"""What a tick asks of the source of runs, where there is one: before the pools, before a submission, after it, and at the end.

A dispatcher without a source pays one comparison with None for each of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from dispatcher.core.reconciliation import Answer, NotSubmitted
from dispatcher.models import Run
from dispatcher.models.source_answers import NotConfirmed
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.report import TickReport
from dispatcher.ticking.seam import attempted, words
from providers.base import Misconfigured, Submission

SHARE = 0.3
"""The part of a tick's remaining time that a source may take before the pools are ticked."""


KEPT_FREE = 0.15
"""The part of a tick's remaining time that is kept for the source after the pools."""
LONGEST_KEPT_FREE = timedelta(seconds=10)


def ticked_until(dispatch: Dispatch, deadline: datetime) -> datetime:
    """When the ticks of pools end, so that the source still learns what became of its runs."""
    if dispatch.source is None:
        return deadline
    left = max(deadline - dispatch.clock.now(), timedelta())
    return deadline - min(left * KEPT_FREE, LONGEST_KEPT_FREE)


def bring(dispatch: Dispatch, pools: Sequence[str] | None, deadline: datetime, report: TickReport) -> None:
    """Let the source mirror its pools and add its runs, within its share of the time."""
    if dispatch.source is not None and not dispatch.is_over(deadline):
        now = dispatch.clock.now()
        _note(dispatch, report, partial(dispatch.source.bring, pools, now + (deadline - now) * SHARE))


def report_back(dispatch: Dispatch, pools: Sequence[str] | None, deadline: datetime, report: TickReport) -> None:
    """Let the source report what became of its runs, and prune old history of the pools whose ends it has all reported."""
    source = dispatch.source
    if source is None or dispatch.is_over(deadline):
        return
    _note(dispatch, report, partial(source.report, pools, deadline))
    for pool in report.pools:
        if source.has_reported(pool.pool) and not dispatch.is_over(deadline):
            pool.pruned = attempted(partial(dispatch.prune, pool.pool), partial(_not_pruned, report))


def withheld(tick: PoolTick, run: Run) -> Answer | None:
    """Why a claimed run is not submitted: its source withdraws it, or does not answer. None if it may start."""
    if tick.pool.mirror is None:
        return None
    source = tick.dispatch.source
    if source is None or source.name != tick.pool.mirror.source:
        return Misconfigured(reason=_no_source(tick.pool.mirror.source))
    answer = attempted(partial(source.may_start, run), lambda problem: NotConfirmed(words(problem)))
    if answer is None and tick.dispatch.is_over(tick.deadline):
        return NotSubmitted("given back: asking its source took the rest of the tick")
    return answer


def note_started(tick: PoolTick, run: Run, submission: Submission) -> None:
    """Let the source know of an accepted job. A failure costs nothing: the source compares again at the end of each tick."""
    source = tick.dispatch.source
    if tick.pool.mirror is not None and source is not None and not tick.dispatch.is_over(tick.deadline):
        attempted(partial(source.started, run, submission), lambda _problem: None)


def _note(dispatch: Dispatch, report: TickReport, step: Callable[[], Sequence[str]]) -> None:
    problems = attempted(step, lambda problem: [words(problem)])
    for problem in problems:
        dispatch.events("source.problem", problem=problem)
    report.source_problems += problems


def _not_pruned(report: TickReport, problem: Exception) -> int:
    report.source_problems += [words(problem)]
    return 0


def _no_source(name: str) -> str:
    setting = f"DISPATCHER_{name.upper()}_API_URL"
    return f"this pool mirrors one of {name}, and no run of it starts without {name}: set {setting} where the ticks run"
