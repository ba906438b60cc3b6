"""The ends that a tick gives to runs before they start: what has expired, what collides with live runs of its deployment, and
what was missed in a pause.

The first two also take place in a pool that is paused, full or held. Every move is guarded, so that a run which another tick
claims meanwhile stays claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatcher.core.collisions import colliding, moves
from dispatcher.core.transitions import end
from dispatcher.models import SLOT_STATES, Run, RunState
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import Move, RunFilter
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.report import timed
from dispatcher.ticking.run_events import log_move

EXPIRED_AT_ONCE = 500
"""Expired runs that one tick ends."""
LIVE_AT_ONCE = 1000
"""How many live runs of one deployment are searched for those to replace."""


@timed("expire")
def expire(tick: PoolTick) -> None:
    """End runs that were not claimed in time. A claim passes them over, so that the next tick may go on."""
    now = tick.clock.now()
    over = tick.store.expired(tick.pool.name, now, limit=EXPIRED_AT_ONCE)
    tick.report.expired += len(_end(tick, [(run, end(run, RunState.CANCELLED, _too_late(run), now)) for run in over]))


def collide(tick: PoolTick, full: Sequence[str]) -> int:
    """Where a deployment is full, skip its due runs or cancel live ones for them. Returns how many runs were moved."""
    now = tick.clock.now()
    due = tick.store.look(tick.pool.name, now, lambda snapshot: (snapshot.pool, colliding(snapshot, full)))
    if due is None:
        return 0
    pool, collisions = due
    moved: list[Run] = []
    for deployment, runs in collisions:
        where = RunFilter(pool=pool.name, deployment=deployment.name, states=SLOT_STATES)
        live = tick.store.runs(where, limit=LIVE_AT_ONCE)
        moved += _end(tick, moves(pool, deployment, runs, live, now))
    tick.report.skipped += sum(run.state is RunState.SCHEDULED for run in moved)
    tick.report.replaced += sum(run.state is not RunState.SCHEDULED for run in moved)
    return len(moved)


def into_lanes(tick: PoolTick, astray: Sequence[Run]) -> int:
    """Let runs of full deployments wait in their lanes, where no claim has to read them. Returns how many were moved."""
    moves = [Move.of(run, RunState.SCHEDULED, lane=lane_for(run.deployment, run.priority)) for run in astray]
    return len(tick.store.move(moves)) if moves else 0


def leave_out(tick: PoolTick, missed: Sequence[tuple[Run, str]]) -> int:
    """End runs that were missed in a pause. Returns how many were moved."""
    now = tick.clock.now()
    ended = _end(tick, [(run, end(run, RunState.CANCELLED, reason, now)) for run, reason in missed])
    tick.report.missed += len(ended)
    return len(ended)


def _end(tick: PoolTick, moves: Sequence[tuple[Run, Move]]) -> Sequence[Run]:
    """The runs that were moved, as they were before."""
    moved = tick.store.move([move for _, move in moves]) if moves else frozenset()
    for run, move in moves:
        if run.id in moved:
            tick.report.moved(run, move)
            log_move(tick.events, run, move)
    return [run for run, _ in moves if run.id in moved]


def _too_late(run: Run) -> str:
    seconds = run.expires_after.total_seconds() if run.expires_after else 0.0
    return f"expired: not started within {seconds:g} s of its due time"
