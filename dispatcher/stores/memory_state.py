"""The state of a store in a dictionary, and queries on it. Callers must hold the lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from threading import RLock
from typing import Any
from uuid import UUID

from dispatcher.core import transitions
from dispatcher.core.automations import Watch, owed_since, watch_of
from dispatcher.core.holds import position_of
from dispatcher.models import Automation, Deployment, Firing, LogEntry, Run, RunState, WorkPool
from dispatcher.models.records import (
    FORGOTTEN_AT_ONCE,
    Move,
    Position,
    QueueCount,
    Requeue,
    Snapshot,
)
from dispatcher.stores import refusals
from dispatcher.stores.apart import apart


class MemoryState:
    """Pools, deployments and runs, by their names and ids."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._pools: dict[str, WorkPool] = {}
        self._deployments: dict[str, Deployment] = {}
        self._runs: dict[UUID, Run] = {}
        self._log: dict[UUID, LogEntry] = {}
        self._automations: dict[str, Automation] = {}
        self._firings: dict[UUID, Firing] = {}

    def _expected_pool(self, name: str, version: int) -> WorkPool:
        if name not in self._pools:
            raise refusals.no_pool(name)
        if self._pools[name].version != version:
            raise refusals.pool_changed(name, version, self._pools[name].version)
        return self._pools[name]

    def _before_saving(self, pool: WorkPool, version: int | None) -> WorkPool:
        """The pool that is replaced; for a new pool, the pool itself."""
        if version is not None:
            stored = self._expected_pool(pool.name, version)
            self._refuse_removal_of_busy_queues(stored, pool)
            return stored
        if pool.name in self._pools:
            raise refusals.pool_exists(pool.name)
        return replace(pool, holds=(), last_tick_at=None, ticked_hours=())

    def _refuse_removal_of_busy_queues(self, stored: WorkPool, pool: WorkPool) -> None:
        busy = {run.queue for run in self._of(stored.name) if not run.state.is_terminal}
        for queue in stored.queues:
            if queue.name in busy and pool.queue(queue.name) is None:
                raise refusals.queue_busy(stored.name, queue.name)

    def _require_queue(self, pool: str, queue: str) -> None:
        if pool not in self._pools or self._pools[pool].queue(queue) is None:
            raise refusals.no_queue(pool, queue)

    def _withdraw(self, deployment: Deployment, slugs: Collection[str] | None, after: datetime | None = None) -> None:
        """Delete runs of these schedules (None: of every schedule that it ever had) that no tick ever claimed."""
        for run in list(self._runs.values()):
            untouched = run.state is RunState.SCHEDULED and run.fence == 0 and (after is None or run.scheduled_at > after)
            made = run.schedule is not None and (slugs is None or run.schedule in slugs)
            if untouched and made and run.deployment == deployment.name:
                del self._runs[run.id]

    def _note_runs(self, entry: LogEntry | None, changed: int) -> None:
        if changed:
            self._note(entry, changed)

    def _note(self, entry: LogEntry | None, runs: int = 0) -> None:
        """Write an entry of the log, and delete some old ones; an entry that exists already only counts more runs."""
        if entry is None:
            return
        over = [(old.kept_until, old.id) for old in self._log.values() if old.kept_until and old.kept_until < entry.changed_at]
        for _, old in sorted(over)[:FORGOTTEN_AT_ONCE]:
            del self._log[old]
        noted = self._log.get(entry.id) or deepcopy(entry)
        self._log[entry.id] = replace(noted, runs=noted.runs + runs)

    def _watches(self) -> Iterable[Watch]:
        return map(watch_of, self._automations.values())

    def _seen(self, pool: WorkPool) -> WorkPool:
        """A pool for a reader; `automated` is computed from the automations."""
        return replace(apart(pool), automated=any(watch.concerns(pool.name) for watch in self._watches()))

    def _deployment(self, name: str) -> Deployment | None:
        return apart(self._deployments[name]) if name in self._deployments else None

    def _of(self, pool: str) -> Sequence[Run]:
        return [run for run in self._runs.values() if run.pool == pool]

    def _waiting(self, pool: str, queue: str) -> Sequence[Run]:
        return [run for run in self._of(pool) if run.queue == queue and run.state is RunState.SCHEDULED]

    def _abandoned(self, pool: str, now: datetime) -> Sequence[Run]:
        unsubmitted = (run for run in self._of(pool) if run.state in transitions.TAKEN_OVER_IN and run.submission is None)
        over = [(run.lease_until, run.id, run) for run in unsubmitted if run.lease_until and run.lease_until <= now]
        return [run for _, _, run in sorted(over, key=lambda entry: entry[:2])]

    def _count(self, pool: str, queue: str, now: datetime) -> QueueCount:
        waiting = self._waiting(pool, queue)
        due = sum(run.due_at <= now for run in waiting)
        in_use = sum(run.queue == queue and run.state.holds_slot for run in self._of(pool))
        return QueueCount(due=due, later=len(waiting) - due, in_use=in_use)

    def _snapshot(self, pool: WorkPool, now: datetime) -> Snapshot:
        def due(queue: str, limit: int, after: Position | None = None, lane: str | None = None) -> Sequence[Run]:
            free = [run for run in self._due(pool.name, queue, now) if run.lane == lane]
            coming = sorted((run for run in free if after is None or position_of(run) > after), key=position_of)
            return [apart(run) for run in coming[: max(limit, 0)]]

        in_use = Counter(run.queue for run in self._of(pool.name) if run.state.holds_slot)
        return Snapshot(
            pool=self._seen(pool),
            in_use=in_use,
            due=due,
            deployment=self._deployment,
            lanes=lambda queue: sorted({run.lane for run in self._due(pool.name, queue, now) if run.lane is not None}),
            live=lambda name: sum(run.state.holds_slot and run.deployment == name for run in self._of(pool.name)),
            held=lambda queue: Counter(
                run.deployment or "" for run in self._of(pool.name) if run.queue == queue and run.state.holds_slot
            ),
            run=lambda run_id: apart(self._runs[run_id]) if run_id in self._runs else None,
        )

    def _due(self, pool: str, queue: str, now: datetime) -> Sequence[Run]:
        """The runs that wait in a queue or its lanes, are due and not held back, and have not expired."""
        return [run for run in self._waiting(pool, queue) if is_due(run, now)]

    def _apply(self, move: Move) -> Run | None:
        expected = move.pool, move.expected, move.fence, move.ending
        return self._change(move.run_id, expected, {"state": move.to, **move.changes})

    def _requeue(self, requeue: Requeue) -> Run | None:
        expected = requeue.pool, RunState.SCHEDULED, requeue.fence, None
        return self._change(requeue.run_id, expected, requeue.after)

    def _leave(self, pool: str, run: Run, changes: Mapping[str, Any]) -> Run | None:
        """The claim's own moves. They leave SCHEDULED, and are guarded like every move."""
        return self._change(run.id, (pool, RunState.SCHEDULED, run.fence, run.ending), changes)

    def _change(self, run_id: UUID, expected: tuple[object, ...], changes: Mapping[str, Any]) -> Run | None:
        """The run after a change; None if its pool, state, fence or ending is not as expected."""
        stored = self._runs.get(run_id)
        if stored is None or (stored.pool, stored.state, stored.fence, stored.ending) != expected:
            return None
        after = replace(stored, **changes)
        owed = owed_since(stored, after.state, after.ended_at, self._watches())
        self._runs[run_id] = apart(replace(after, automate_at=owed))
        return apart(self._runs[run_id])


def is_due(run: Run, now: datetime) -> bool:
    """Whether a waiting run is due and not held back, and has not expired."""
    return max(run.due_at, run.not_before or now) <= now and not is_expired(run, now)


def is_expired(run: Run, now: datetime) -> bool:
    """Whether a waiting run has expired."""
    return run.expires_at is not None and run.expires_at <= now


def is_work(run: Run, now: datetime, ended_before: datetime | None) -> bool:
    """Whether a tick has something to do for the run."""
    if run.notify_at and run.notify_at <= now:
        return True
    if run.state is RunState.SCHEDULED:
        return is_due(run, now) or is_expired(run, now)
    if run.state.is_terminal:
        return run.lingers or bool(ended_before and run.ended_at and run.ended_at < ended_before)
    is_over = run.lease_until is not None and run.lease_until <= now
    return run.submission is not None or (is_over and run.state in transitions.TAKEN_OVER_IN)
