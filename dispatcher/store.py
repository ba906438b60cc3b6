"""The Store protocol: what each verb guarantees, whatever database is behind it.

    TickStore      what a tick needs
    PeopleStore    what people need: the client, the command line, the page
    MovingStore    what a move to another store needs
    SharedStore    what all of them do
    Store          all of it: what a database has to offer

Whoever needs one part names it in its type.

A store decides nothing. It reads, it hands what it read to a pure function, and it writes what that function answered,
guarded by the state and fence that were read. One conformance suite (`tests/stores/conformance.py`) says whether a store
is supported.

What every store guarantees:

* **Claims of one pool are serial**: between the reading of the slots and the writing of the claim, no other claim of that
  pool and no change of the pool takes place.
* **Slots are counted from runs**: a run holds a slot exactly while its state is PENDING, RUNNING or CANCELLING. There is no
  other record of it that could drift away.
* **A move happens once**: it is applied only to a run in the state, with the fence and with the `ending` that the move names.
* **A window is made a run once**: the runs of a deployment's windows are added in the transaction that notes how far they
  reach, on the condition that nobody has changed the deployment or made runs of it since it was read.
* **Costs follow what is admitted**: `claim`, `live` and `lingering` read a bounded number of rows through an index, however
  many runs wait.
* A verb whose answer was lost may have taken effect; repeating it is always safe.

Every verb may raise `StoreUnavailable`; nothing else is raised but what its docstring names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from dispatcher.models import Deployment, PoolHold, Run, WorkPool
from dispatcher.records import (
    ChangeHolds,
    Claims,
    Decide,
    Materialisation,
    Move,
    Notified,
    QueueCount,
    Reconfiguration,
    RunFilter,
    Seen,
    Snapshot,
)


class SharedStore(Protocol):
    """What ticks and people both do: read the nouns, and move runs."""

    def pools(self) -> Sequence[WorkPool]:
        """Every pool, by name."""
        ...

    def pool(self, name: str) -> WorkPool | None:
        """One pool with its queues."""
        ...

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """Every deployment (of one pool), by name."""
        ...

    def deployment(self, name: str) -> Deployment | None:
        """One deployment."""
        ...

    def get(self, run_id: UUID) -> Run | None:
        """One run, whole."""
        ...

    def runs(self, where: RunFilter, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """A page of runs, newest first."""
        ...

    def look(self, pool: str, now: datetime, read: Callable[[Snapshot], Seen]) -> Seen | None:
        """What `read` makes of the snapshot that a claim would be shown; None for an unknown pool.

        A read transaction: it notes no heartbeat, changes nothing, and waits for no claim. `read` is pure, and may be called
        again.
        """
        ...

    def move(self, moves: Sequence[Move]) -> frozenset[UUID]:
        """Apply each move whose run is still in the state and with the fence it names; the answer names those that moved.

        Each move stands alone. A move that `ALLOWED_MOVES` forbids raises `ValueError` before anything is written.
        """
        ...

    def close(self) -> None:
        """Give connections back. The store may be used again afterwards."""
        ...


class TickStore(SharedStore, Protocol):
    """What a tick needs."""

    def pools_with_work(self, now: datetime, *, ended_before: datetime | None = None) -> Sequence[str]:
        """The names of the pools that a tick has something to do for, in order; all others may be left out of it.

        Such a pool has a run that is due and not held back, a live submission, a claim whose lease has ended without one, a
        deployment whose `windows_at` has come, an ended run whose job lingers, or a run whose `notify_at` has come. Whether the
        pool is paused, full or held makes no difference. With `ended_before`, history to `prune` is work as well.
        """
        ...

    def pool_names(self) -> Sequence[str]:
        """The names of all pools, in order, without what is in them."""
        ...

    def heartbeat(self, pool: str, now: datetime) -> None:
        """Note that the pool is being ticked, as a claim does. An unknown pool is left alone."""
        ...

    def heartbeats(self, pools: Sequence[str], now: datetime) -> None:
        """`heartbeat` of many pools in one step. It leaves unknown pools alone, and waits for none that is being claimed."""
        ...

    def live(self, pool: str, *, limit: int, start: UUID | None = None) -> Sequence[Run]:
        """Up to `limit` runs that hold a slot and have a submission, by id, from `start` on and then round from the
        beginning, so that a moving start reaches each of them in turn.

        The runs come without `job_variables`, `tags` and `job` (empty): what is observed often stays small.
        """
        ...

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """In ONE transaction per pool: note the heartbeat; take over up to `takeovers` claims whose lease has ended without
        a submission (PENDING or CANCELLING; longest over first); show the snapshot to `decide`; claim what it grants and
        crash what it says cannot be rendered.

        A granted run becomes PENDING: `fence + 1`, `claimed_at = now`, `lease_until = now + lease`, job and `start_within`
        pinned, `reason` and `not_before` cleared. One taken over keeps its state, job and `claimed_at`, and gets `fence + 1`
        and a new lease. A crashed run gets the reason and `ended_at = now`. An unknown pool answers with nothing.

        A store whose transactions are bounded may carry out a prefix of this (takeovers, grants, crashes, in order): the answer
        names it, and the rest is as if it had not been decided.
        """
        ...

    def hold(self, pool: str, change: ChangeHolds) -> tuple[PoolHold, ...]:
        """In one step: read the pool's holds, and write what `change` makes of them. The answer is what there is then.

        Nothing is written where nothing becomes another. An unknown pool is left alone, and has none.
        """
        ...

    def scheduled(self, pool: str, now: datetime, *, limit: int) -> Sequence[Deployment]:
        """Up to `limit` deployments of the pool whose `windows_at` has come, longest ago first, then by name."""
        ...

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """In ONE transaction: add the runs (one whose id exists is left alone), and note the deployment's new `windows_until`
        and `windows_at`; its version stays. The answer names the runs that were added.

        None, and nothing is done, when the deployment is gone, has another version or another `windows_until` than it was
        read with, or when its queue is gone.
        """
        ...

    def lingering(self, pool: str, *, limit: int) -> Sequence[Run]:
        """Up to `limit` ended runs whose jobs linger at their provider, longest ended first (small, as `live`)."""
        ...

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """Note that nothing of these runs lingers any more."""
        ...

    def to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` runs whose `notify_at` has come, longest ago first (small, as `live`). In every state: the
        notification follows from the state of the run.
        """
        ...

    def notified(self, notifications: Sequence[Notified]) -> None:
        """Note what became of it: `notify_at` is `again_at`, and `notify_tries` one more; only where `notify_at` is as read."""
        ...

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` runs that ended before that and of which nothing lingers; how many were forgotten.

        A store that forgets by itself does nothing here.
        """
        ...


class PeopleStore(SharedStore, Protocol):
    """What people need, and the client that works for them. Its reads may cost what they look through."""

    def save_pool(self, pool: WorkPool, *, expected_version: int | None) -> WorkPool:
        """Create (`expected_version=None`) or replace a pool and its queues in one step; the answer has the new version.

        What ticks write (`holds`, `last_tick_at`) is left as it is.
        Raises `AlreadyExists` on create, `NotFound` or `Conflict` (another version) on replace, and `Conflict` when a queue
        that would go still has runs that have not ended.
        """
        ...

    def delete_pool(self, name: str, *, expected_version: int) -> None:
        """Delete a pool, its deployments and its ended runs.

        Raises `NotFound`, or `Conflict` (another version, or a run that has not ended).
        """
        ...

    def save_deployment(self, deployment: Deployment, *, expected_version: int | None, now: datetime) -> Deployment:
        """Create or replace; the answer has the new version.

        What ticks write (`windows_until`, `windows_at`) is kept for schedules that stay as they are, and begins at `now` for
        others (`dispatcher.core.windows.saving`). Waiting runs of a schedule that goes, is paused or becomes another, go as
        well: those whose window is after `now` and that were never claimed. A store whose transactions are bounded may remove
        them after the change; then nothing is made of the deployment's windows before they are gone.

        Raises `AlreadyExists`, `Conflict`, or `NotFound` when the pool or the queue does not exist.
        """
        ...

    def delete_deployment(self, name: str) -> None:
        """Delete; its runs stay, but for those that its schedules made and that were never claimed. Raises `NotFound`."""
        ...

    def reconfigure(self, change: Reconfiguration) -> None:
        """Carry out a change of many pools and deployments in one step: all of it, or nothing.

        Deployments go first, and the waiting runs that go with schedules; then each is saved as `save_pool` and
        `save_deployment` do it, pools first; last, pools go. Raises `Conflict` when any pool or deployment is new, gone or
        changed since it was read, or when a pool or a queue that would go still has runs that have not ended; `NotFound` for a
        deployment into a queue that would not exist.

        A store whose transactions are bounded may take several for a change that is too big for one. Then nobody else's change
        comes between, `Conflict` says when somebody's did, what is left of the change is what the next reading shows, and a
        queue that goes has to be empty.
        """
        ...

    def add_runs(self, runs: Sequence[Run]) -> frozenset[UUID]:
        """Add new runs (all SCHEDULED); the answer names those that were added. One whose id exists is left alone.

        All or nothing: raises `NotFound` when a pool or queue does not exist (checked in the same transaction).
        """
        ...

    def counts(self, pool: str, now: datetime) -> Mapping[str, QueueCount]:
        """How full each queue is; every queue of the pool is there. May cost what waits: for people, not for a tick."""
        ...

    def ahead(self, run: Run, now: datetime) -> int:
        """How many runs of the same queue are due and come before `run`. For people, not for a tick."""
        ...


class MovingStore(SharedStore, Protocol):
    """What moving to another store needs."""

    def every_run(self) -> Iterator[Sequence[Run]]:
        """Every run, whole, in pages of at most `PAGE`, each run once, in an order of the store's own.

        Runs that are added or moved meanwhile are there as they were or as they are. Costs what is stored: for people.
        """
        ...

    def restore(
        self, *, pools: Sequence[WorkPool] = (), deployments: Sequence[Deployment] = (), runs: Sequence[Run] = ()
    ) -> None:
        """Write what another store held just as it was there: versions, states, and what ticks have written.

        What is there already under a name or id is left alone, so that a copy that was broken off can be repeated. Pools come
        before what belongs to them: raises `NotFound` for a deployment or a run of a pool that does not exist. Not for a store
        that is being ticked: nothing is guarded.
        """
        ...


class Store(TickStore, PeopleStore, MovingStore, Protocol):
    """State shared by all invocations. An instance is used from one thread at a time."""
