"""Waiting runs that go along when their deployment moves to another pool or gets another name.

What a run was created with never changes, its pool and its deployment's name among it. So a run that waits is ended, and one
like it takes its place: with the same name, times, variables, tags and retries, and with an id that is derived from the old
one's. The end comes first, guarded by what was read: a run that a tick claims meanwhile stays where it is, and none runs twice.
Where the second step did not take place, the same change of the pool made again does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from dispatcher.core.notifications import at_creation
from dispatcher.core.transitions import end
from dispatcher.models import DEFAULT_QUEUE, PINNED_BY_CREATION, Deployment, Run, RunState, WorkPool
from dispatcher.records import RunFilter
from dispatcher.store import PeopleStore

WAITING = frozenset({RunState.SCHEDULED})
MOVED = "moved with its deployment: "
MOST = 10_000


def take_along(store: PeopleStore, before: Deployment, after: Deployment, pool: WorkPool, now: datetime) -> Sequence[Run]:
    """Let the waiting runs of `before` wait for `after`, which is stored, in its pool; the answer has them as they are now."""
    moved = []
    for run in store.runs(RunFilter(deployment=before.name, states=WAITING), limit=MOST):
        if (run.pool, run.deployment) != (after.pool, after.name):
            new = successor(run, before, after, pool)
            if store.move([end(run, RunState.CANCELLED, f"{MOVED}{new.id}", now, notifies=False)]):
                store.add_runs([new])
                moved.append(new)
    return moved + mended(store, before, after, pool)


def mended(store: PeopleStore, before: Deployment, after: Deployment, pool: WorkPool) -> list[Run]:
    """Those whose end was recorded by an earlier change that went no further."""
    ended = store.runs(RunFilter(deployment=before.name, states=frozenset({RunState.CANCELLED})), limit=MOST)
    lost = [successor(run, before, after, pool) for run in ended if _went_to(run, after) and run.pool != after.pool]
    missing = [run for run in lost if store.get(run.id) is None]
    if missing:
        store.add_runs(missing)
    return missing


def successor(run: Run, before: Deployment, after: Deployment, pool: WorkPool) -> Run:
    """The run that takes the place of one."""
    queue = after.queue if run.queue == before.queue else run.queue
    created_with = {name: getattr(run, name) for name in PINNED_BY_CREATION}
    moved = {
        "id": identity(run, after),
        "pool": after.pool,
        "queue": queue if pool.queue(queue) is not None else after.queue,
        "deployment": after.name,
        "schedule": None,
        "due_at": run.due_at,
        "ended_attempts": run.ended_attempts,
    }
    return Run(**{**created_with, **moved, **at_creation((*pool.hooks, *after.hooks), run.due_at)})


def identity(run: Run, after: Deployment) -> UUID:
    """A pure function of the run and where it goes: whoever moves it makes the same one."""
    return uuid5(run.id, f"{after.pool}/{after.name}")


def queue_in(pool: WorkPool, deployment: Deployment) -> str:
    """The queue of the same name in another pool, or else its default one."""
    return deployment.queue if pool.queue(deployment.queue) is not None else DEFAULT_QUEUE


def _went_to(run: Run, after: Deployment) -> bool:
    return run.reason == f"{MOVED}{identity(run, after)}"
