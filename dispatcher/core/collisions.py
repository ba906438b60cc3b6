"""What becomes of runs that are due while their deployment is full. Pure; the moves are guarded like all others.

Whether a run may start is decided in the claim (`core.admission`), by counting. What is decided here only ends runs: nothing
that comes too late, or twice, can let one run too many start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dispatcher.core.admission import closed_by
from dispatcher.core.transitions import REPLACED, end, stopping
from dispatcher.models import Deployment, OnCollision, Run, RunState, WorkPool
from dispatcher.models.lanes import limited_by
from dispatcher.records import Move, Snapshot

AT_ONCE = 200
"""Due runs of one deployment that one look reads. The next look goes on."""


def colliding(snapshot: Snapshot, names: Sequence[str]) -> Sequence[tuple[Deployment, Sequence[Run]]]:
    """For each of these deployments that does not let its runs wait: its due runs, the first `AT_ONCE` of each queue."""
    deployments = [deployment for name in names if (deployment := snapshot.deployment(name)) is not None]
    return [
        (deployment, _due(snapshot, deployment.name))
        for deployment in deployments
        if deployment.on_collision is not OnCollision.WAIT and _is_full(snapshot, deployment)
    ]


def moves(
    pool: WorkPool, deployment: Deployment, due: Sequence[Run], live: Sequence[Run], now: datetime
) -> Sequence[tuple[Run, Move]]:
    """The moves that follow for a full deployment: of its due runs, and of its live ones."""
    limit = deployment.concurrency_limit
    if limit is None or len(live) < limit:
        return []
    if deployment.on_collision is OnCollision.SKIP:
        reason = f"skipped: {len(live)} of this deployment are live" if limit else "skipped: the limit of its deployment is 0"
        return [(run, end(run, RunState.CANCELLED, reason, now)) for run in due if not run.ended_attempts]
    return _replaced(limit, [run for run in due if _delivers(pool, run, now)], live, now)


def _replaced(limit: int, due: Sequence[Run], live: Sequence[Run], now: datetime) -> Sequence[tuple[Run, Move]]:
    """Of all runs that are live or due, the newest stay, as many as may be live. The others are cancelled."""
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
    """The due runs of all lanes of a deployment: that of the runs without a priority is always looked into."""
    queues = [queue.name for queue in snapshot.pool.queues]
    lanes = {queue: [lane for lane in snapshot.lanes(queue) if limited_by(lane) == deployment] for queue in queues}
    lines = [(queue, lane) for queue in queues for lane in dict.fromkeys([deployment, *lanes[queue]])]
    return [run for queue, lane in lines for run in snapshot.due(queue, AT_ONCE, None, lane)]


def _is_full(snapshot: Snapshot, deployment: Deployment) -> bool:
    limit = deployment.concurrency_limit
    return limit is not None and snapshot.live(deployment.name) >= limit


def _delivers(pool: WorkPool, run: Run, now: datetime) -> bool:
    """Whether the run could start if its deployment, pool and queue had room: nothing is cancelled for one that could not."""
    queue = pool.queue(run.queue)
    return queue is not None and closed_by(pool, queue, {}, now) is None
