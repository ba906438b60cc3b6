"""What happens to runs that are due while their deployment is full. Pure; the moves are guarded like all others.

Whether a run may start is decided in the claim (`core.admission`), by counting. This module only ends runs: even if its moves
come late or twice, no run too many can start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dispatcher.core.admission import closed_by
from dispatcher.core.transitions import REPLACED, end, stopping
from dispatcher.models import Deployment, OnCollision, Run, RunState, WorkPool
from dispatcher.models.lanes import limited_by
from dispatcher.models.records import Move, Snapshot

AT_ONCE = 200
"""The most due runs of one deployment that one look reads. The next look reads on."""


def colliding(snapshot: Snapshot, names: Sequence[str]) -> Sequence[tuple[Deployment, Sequence[Run]]]:
    """The due runs of each of these deployments that does not let its runs wait: the first `AT_ONCE` of each queue."""
    deployments = [deployment for name in names if (deployment := snapshot.deployment(name)) is not None]
    return [
        (deployment, _due(snapshot, deployment.name))
        for deployment in deployments
        if deployment.on_collision is not OnCollision.WAIT and _is_full(snapshot, deployment)
    ]


def moves(
    pool: WorkPool, deployment: Deployment, due: Sequence[Run], live: Sequence[Run], now: datetime
) -> Sequence[tuple[Run, Move]]:
    """The moves for a full deployment: for its due runs and its live ones."""
    limit = deployment.concurrency_limit
    if limit is None or len(live) < limit:
        return []
    if deployment.on_collision is OnCollision.SKIP:
        reason = f"skipped: {len(live)} of this deployment are live" if limit else "skipped: the limit of its deployment is 0"
        return [(run, end(run, RunState.CANCELLED, reason, now)) for run in due if not run.ended_attempts]
    return _replaced(limit, [run for run in due if _delivers(pool, run, now)], live, now)


def _replaced(limit: int, due: Sequence[Run], live: Sequence[Run], now: datetime) -> Sequence[tuple[Run, Move]]:
    """Keep the newest of all live and due runs, as many as may be live, and cancel the others."""
    by_age = sorted([*due, *live], key=lambda run: (run.scheduled_at, run.id))
    newest = by_age[-1] if by_age else None
    older = by_age[: max(0, len(by_age) - limit)] if limit else []
    moved: list[tuple[Run, Move]] = []
    for run in older:
        reason = f"{REPLACED}{newest.id if newest else ''}"
        if run.state is RunState.SCHEDULED:
            moved.append((run, end(run, RunState.CANCELLED, f"{reason} before it started", now)))
        elif run.state is not RunState.CANCELLING:
            moved.append((run, stopping(run, RunState.CANCELLED, reason)))
    return moved


def _due(snapshot: Snapshot, deployment: str) -> Sequence[Run]:
    """The due runs of all lanes of a deployment. The lane of runs without a priority is always read."""
    queues = [queue.name for queue in snapshot.pool.queues]
    lanes = {queue: [lane for lane in snapshot.lanes(queue) if limited_by(lane) == deployment] for queue in queues}
    lines = [(queue, lane) for queue in queues for lane in dict.fromkeys([deployment, *lanes[queue]])]
    return [run for queue, lane in lines for run in snapshot.due(queue, AT_ONCE, None, lane)]


def _is_full(snapshot: Snapshot, deployment: Deployment) -> bool:
    limit = deployment.concurrency_limit
    return limit is not None and snapshot.live(deployment.name) >= limit


def _delivers(pool: WorkPool, run: Run, now: datetime) -> bool:
    """Whether the run could start if its deployment, pool and queue had room. Nothing is cancelled for a run that could not."""
    queue = pool.queue(run.queue)
    return queue is not None and closed_by(pool, queue, {}, now) is None
