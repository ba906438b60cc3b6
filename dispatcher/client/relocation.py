"""Move waiting runs when their deployment moves to another pool or gets another name.

A run's pool and deployment never change. So each waiting run is cancelled and replaced by a new run with the same name, times,
variables, tags and retry policy. The new run's id is derived from the old one's. The old run is cancelled first, and only if it
has not changed since it was read: a run that a tick claims meanwhile stays where it is, and no run is executed twice. If the
program stops between the two steps, the same change of the pool, made again, completes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from dispatcher.client.cursors import page_of_runs
from dispatcher.core.notifications import at_creation
from dispatcher.core.transitions import end, requeued
from dispatcher.core.windows import goes_with_deployment, is_withdrawn
from dispatcher.models import DEFAULT_QUEUE, PINNED_BY_CREATION, Deployment, Run, RunState, WorkPool
from dispatcher.models.records import RunFilter

if TYPE_CHECKING:
    from dispatcher.protocols import PeopleStore

WAITING = frozenset({RunState.SCHEDULED})
MOVED = "moved with its deployment: "
MOST = 10_000
"""The most cancelled runs among which an interrupted change is looked for: the newest."""
PAGE = 200
"""The most waiting runs that are read at once."""


def keep(store: PeopleStore, deployment: Deployment, now: datetime) -> None:
    """Let the due runs of a deployment's schedules stay when the deployment is deleted under its old name: from now on they are
    runs that people moved. Its other runs to come are created again under the new name.
    """
    slugs = deployment.active_schedules
    for runs in _waiting(store, deployment):
        kept = [run for run in runs if goes_with_deployment(run) and not is_withdrawn(run, slugs, now)]
        if kept:
            store.requeue([requeued(run, run.queue) for run in kept])


def take_along(store: PeopleStore, before: Deployment, after: Deployment, pool: WorkPool, now: datetime) -> Sequence[Run]:
    """Move the waiting runs of `before` to `after`, which is stored already. Returns the new runs."""
    moved = []
    for run in chain.from_iterable(_waiting(store, before)):
        if (run.pool, run.deployment) != (after.pool, after.name):
            new = successor(run, before, after, pool)
            if store.move([end(run, RunState.CANCELLED, f"{MOVED}{new.id}", now, notifies=False)]):
                store.add_runs([new])
                moved.append(new)
    return moved + mended(store, before, after, pool)


def mended(store: PeopleStore, before: Deployment, after: Deployment, pool: WorkPool) -> list[Run]:
    """Complete an earlier change that was interrupted: add the runs whose predecessors it had ended, and return them."""
    ended = store.runs(RunFilter(deployment=before.name, states=frozenset({RunState.CANCELLED})), limit=MOST)
    lost = [successor(run, before, after, pool) for run in ended if _went_to(run, after) and run.pool != after.pool]
    missing = [run for run in lost if store.get(run.id) is None]
    if missing:
        store.add_runs(missing)
    return missing


def successor(run: Run, before: Deployment, after: Deployment, pool: WorkPool) -> Run:
    """The run that replaces `run`."""
    queue = after.queue if run.queue == before.queue else run.queue
    queue = queue if pool.queue(queue) is not None else after.queue
    created_with = {name: getattr(run, name) for name in PINNED_BY_CREATION}
    moved = {
        "id": identity(run, after),
        "pool": after.pool,
        "queue": queue,
        "deployment": after.name,
        "schedule": None,
        "due_at": run.due_at,
        "expires_at": run.expires_at,
        "lane": after.lane_at(run.priority, pool.share_in(queue)),
        "ended_attempts": run.ended_attempts,
    }
    return Run(**{**created_with, **moved, **at_creation((*pool.hooks, *after.hooks), run.due_at)})


def identity(run: Run, after: Deployment) -> UUID:
    """The new run's id: a pure function of the old run and its target, so that a repeat makes the same run."""
    return uuid5(run.id, f"{after.pool}/{after.name}")


def queue_in(pool: WorkPool, deployment: Deployment) -> str:
    """The pool's queue with the name of the deployment's queue, or else its default queue."""
    return deployment.queue if pool.queue(deployment.queue) is not None else DEFAULT_QUEUE


def _waiting(store: PeopleStore, deployment: Deployment) -> Iterator[Sequence[Run]]:
    """All waiting runs of a deployment, page by page."""
    where, cursor = RunFilter(deployment=deployment.name, states=WAITING), ""
    while True:
        page = page_of_runs(store, where, cursor, PAGE)
        yield page.items
        if page.next is None:
            return
        cursor = page.next


def _went_to(run: Run, after: Deployment) -> bool:
    return run.reason == f"{MOVED}{identity(run, after)}"
