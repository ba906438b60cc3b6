"""The first steps of a pool's tick: observe its live jobs, settle their runs, stop the jobs of runs in CANCELLING."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from dispatcher.core.holds import freed
from dispatcher.core.reconciliation import verdicts
from dispatcher.models import Run, RunState
from dispatcher.models.records import Move, Snapshot
from dispatcher.ticking.holding import frees_a_slot
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.report import timed
from dispatcher.ticking.run_events import log_move
from dispatcher.ticking.seam import attempted, words
from providers.base import JobState, Observation, Submission, unreadable

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The observations of the pool's live jobs."""

    at: datetime
    """When the observation began: a job that was missing may have appeared since."""
    live: Sequence[Run]
    observations: Mapping[str, Observation]
    """By the name of the submission; a job that was not reached in time has none."""


@timed("observe")
def observe(tick: PoolTick) -> Seen:
    """Observe the pool's live jobs, up to a limit."""
    now = tick.clock.now()
    live = tick.store.live(tick.pool.name, limit=tick.limits.observations, start=_start(now))
    tick.report.live = len(live)
    batches = _batches([run.submission for run in live if run.submission], tick.provider.limits.observe_batch)
    observations: dict[str, Observation] = {}
    for answers in tick.calls(partial(_observe_batch, tick)).run(batches):
        for _, answer in answers:
            observations.update(answer or {})
    seen = Seen(at=now, live=live, observations=observations)
    _report_unreadable(tick, seen)
    return seen


def _observe_batch(tick: PoolTick, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
    return attempted(partial(tick.provider.observe, submissions), lambda problem: unreadable(submissions, words(problem)))


def _report_unreadable(tick: PoolTick, seen: Seen) -> None:
    """Report jobs that cannot be observed: they keep their slots."""
    observations = seen.observations.values()
    reasons = [observation.reason for observation in observations if observation.state is JobState.UNREADABLE]
    if reasons:
        tick.report_problem(f"{len(reasons)} of {len(seen.live)} live jobs could not be looked at: {reasons[0]}")


@timed("settle")
def settle(tick: PoolTick, seen: Seen) -> Sequence[Run]:
    """Record the observations; an end frees its slot. Returns the runs whose jobs must be stopped."""
    moves = moves_of(tick, seen)
    moved = tick.store.move(list(moves.values())) if moves else frozenset()
    for run in seen.live:
        if run.id in moved:
            tick.report.moved(run, moves[run.id])
            log_move(tick.events, run, moves[run.id])
    if frees_a_slot([moves[run_id] for run_id in moved]):
        tick.holding.ended()
    states = {run.id: moves[run.id].to if run.id in moved else run.state for run in seen.live}
    return [run for run in seen.live if states[run.id] is RunState.CANCELLING]


def moves_of(tick: PoolTick, seen: Seen) -> Mapping[UUID, Move]:
    """By run: the move that follows from its observation."""
    return {move.run_id: move for move in verdicts(seen.live, seen.observations, seen.at, tick.provider_limits)}


def after_ends(tick: PoolTick, seen: Seen, snapshot: Snapshot) -> Snapshot:
    """The snapshot as it will be after the observed ends are recorded."""
    moves = moves_of(tick, seen)
    ended = [run for run in seen.live if run.id in moves and not moves[run.id].to.holds_slot]
    if not ended:
        return snapshot
    in_use = Counter(snapshot.in_use)
    in_use.subtract(Counter(run.queue for run in ended))
    return replace(snapshot, pool=replace(snapshot.pool, holds=freed(snapshot.pool.holds)), in_use=+in_use)


@timed("stop")
def stop(tick: PoolTick, runs: Sequence[Run]) -> None:
    """Request that these runs' jobs stop; every tick repeats the request until it observes the end."""
    problems: list[str] = []
    for answers in tick.calls(partial(_cancel, tick)).run(runs):
        for run, problem in answers:
            tick.events("run.stop", run=run.id, pool=tick.pool.name, problem=problem)
            problems += [problem] if problem else []
    if problems:
        tick.report_problem(f"{len(problems)} of {len(runs)} jobs could not be asked to stop: {problems[0]}")


def _cancel(tick: PoolTick, run: Run) -> str:
    """Empty if the provider accepted the request, otherwise the problem."""

    def cancel() -> str:
        if run.submission:
            tick.provider.cancel(run.submission)
        return ""

    return attempted(cancel, words)


def _start(now: datetime) -> UUID:
    """Where to begin if there are more live runs than one tick observes: somewhere else every second."""
    return uuid5(NAMESPACE_OID, str(int(now.timestamp())))


def _batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[index : index + size] for index in range(0, len(items), size)]
