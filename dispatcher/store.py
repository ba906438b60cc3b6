"""The Store protocol: the guarantees of each method, for every database.

    TickStore      what a tick needs
    PeopleStore    what people need: the client, the command line, the page
    MovingStore    what a move to another store needs
    SharedStore    what all of them do
    Store          all of them: what a database implements

Code that needs one part names this part as its type.

A store decides nothing. It reads, passes what it read to a pure function, and writes that function's result, guarded by the
state and fence that were read. One conformance suite (`tests/stores/conformance.py`) says whether a store
is supported.

What every store guarantees:

* **Claims of one pool are serial**: between the reading of the slots and the writing of the claim, no other claim of that
  pool and no change of the pool takes place.
* **Slots are counted from runs**: a run holds a slot exactly while its state is PENDING, RUNNING or CANCELLING. No
  other record of it could differ from that.
* **A move happens once**: it is applied only to a run in the state, with the fence and with the `ending` that the move names.
* **Live runs of a deployment are counted from runs** of its pool, like slots. A snapshot names the lanes in which runs are due;
  a lane is read when it is asked for.
* **A window becomes one run**: the runs of a deployment's windows are added in the transaction that notes how far the schedules
  have come, if nobody has changed the deployment or made runs of it since it was read.
* **An end that automations look at is owed**: whatever moves a run to a terminal state, its `automate_at` is set in the same
  step if an automation looks at such ends (`dispatcher.core.automations.Watch`), and taken back by `automate` alone.
* **Costs depend on what is admitted**: `claim`, `live` and `lingering` read a bounded number of rows through an index, however
  many runs wait.
* A method whose answer was lost may have taken effect; repeating it is always safe.

Every method may raise `StoreUnavailable`. It raises nothing else but what its docstring names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from dispatcher.models import Automation, Deployment, Firing, LogEntry, PoolHold, Run, WorkPool
from dispatcher.records import (
    Automated,
    ChangeHolds,
    Claims,
    Decide,
    FiringNotified,
    LogFilter,
    Materialisation,
    Move,
    Notified,
    QueueCount,
    Reconfiguration,
    Requeue,
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

    def automations(self) -> Sequence[Automation]:
        """Every automation, by name."""
        ...

    def firings(self, automation: str | None, *, limit: int) -> Sequence[Firing]:
        """The last firings (of one automation), newest first, then by id."""
        ...

    def get(self, run_id: UUID) -> Run | None:
        """One run, whole."""
        ...

    def runs(self, where: RunFilter, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """A page of runs, newest first."""
        ...

    def look(self, pool: str, now: datetime, read: Callable[[Snapshot], Seen]) -> Seen | None:
        """The result of `read` for the snapshot that a claim would get; None for an unknown pool.

        A read transaction: it notes no heartbeat, changes nothing, and waits for no claim. `read` is pure, and may be called
        again.
        """
        ...

    def waiting_in_lane(self, pool: str, lane: str, now: datetime) -> int:
        """How many SCHEDULED runs of the pool wait in the lane and are due, held back or not."""
        ...

    def move(self, moves: Sequence[Move], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """Apply each move whose run still has the state and the fence that the move names; returns the ids of the moved runs.

        If any run moves, the entry is written with it, and the number of moved runs is added to its `runs`.
        Moves are independent of each other. A move that `ALLOWED_MOVES` forbids raises `ValueError` before anything is written.
        """
        ...

    def close(self) -> None:
        """Release connections. The store can be used again afterwards."""
        ...


class TickStore(SharedStore, Protocol):
    """What a tick needs."""

    def pools_with_work(self, now: datetime, *, ended_before: datetime | None = None) -> Sequence[str]:
        """The names, in order, of the pools for which a tick has something to do.

        Such a pool has a run that is due and not held back, a run that has expired, a live submission, a claim whose lease has
        ended without one, a deployment whose `windows_at` has come, an ended run whose job lingers, a run whose `notify_at` has
        come, or, where an automation looks at the pool: a firing likewise, a run that owes its end, or an automation for what
        lasts. Whether the pool is paused, full or held makes no difference. With `ended_before`, history to `prune` is work as
        well.
        """
        ...

    def pool_names(self) -> Sequence[str]:
        """The names of all pools, in order, without what is in them."""
        ...

    def heartbeat(self, pool: str, now: datetime) -> None:
        """Note that the pool is being ticked, as a claim does. Ignores an unknown pool."""
        ...

    def heartbeats(self, pools: Sequence[str], now: datetime) -> None:
        """`heartbeat` for many pools in one step. Skips unknown pools and pools that are being claimed."""
        ...

    def live(self, pool: str, *, limit: int, start: UUID | None = None) -> Sequence[Run]:
        """Up to `limit` runs that hold a slot and have a submission, by id, from `start` on and then round from the
        beginning, so that a moving start reaches each of them in turn.

        The runs come without `job_variables`, `parameters`, `tags` and `job` (empty), so that frequent reads stay small.
        """
        ...

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """In ONE transaction per pool: note the heartbeat; take over up to `takeovers` claims whose lease has ended without
        a submission (PENDING or CANCELLING; longest over first); show the snapshot to `decide`; claim what it grants and
        crash what it says cannot be rendered.

        A granted run becomes PENDING: `fence + 1`, `claimed_at = now`, `lease_until = now + lease`, job and `start_within`
        pinned, `reason` and `not_before` cleared. One taken over keeps its state, job and `claimed_at`, and gets `fence + 1`
        and a new lease. A crashed run gets the reason and `ended_at = now`. An unknown pool answers with nothing.

        A store whose transactions are bounded may carry out only a prefix (takeovers, grants, crashes, in order). The result
        names this prefix; the rest stays as it was.
        """
        ...

    def hold(self, pool: str, change: ChangeHolds) -> tuple[PoolHold, ...]:
        """In one step: read the pool's holds, apply `change`, and write the result. Returns the holds afterwards.

        Writes nothing if nothing has changed. An unknown pool has no holds.
        """
        ...

    def scheduled(self, pool: str, now: datetime, *, limit: int) -> Sequence[Deployment]:
        """Up to `limit` deployments of the pool whose `windows_at` has come, longest ago first, then by name."""
        ...

    def materialise(self, materialisation: Materialisation) -> frozenset[UUID] | None:
        """In ONE transaction: add the runs (except those whose ids exist), and note the deployment's new `windows_until`
        and `windows_at`; its version stays. Returns the ids of the added runs.

        Does nothing and returns None if the deployment or its queue is gone, or if the deployment's version or `windows_until`
        has changed since it was read.
        """
        ...

    def expired(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` SCHEDULED runs whose `expires_at` has come, longest ago first (small, as `live`)."""
        ...

    def lingering(self, pool: str, *, limit: int) -> Sequence[Run]:
        """Up to `limit` ended runs whose jobs linger at their provider, longest ended first (small, as `live`)."""
        ...

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """Note that these runs' jobs no longer linger."""
        ...

    def to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` runs whose `notify_at` has come, longest ago first (small, as `live`). In every state: the
        notification follows from the state of the run.
        """
        ...

    def notified(self, notifications: Sequence[Notified]) -> None:
        """Note each result: `notify_at` becomes `again_at`, `notify_tries` rises by one. Skips a changed `notify_at`."""
        ...

    def to_automate(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` runs, whole, that owe their ends to automations, longest ago first."""
        ...

    def automate(self, automated: Automated) -> bool:
        """In ONE transaction: take back what the run owed; note the progress of automations, with `revision + 1`; save pools
        and deployments; add runs (except those whose ids exist) and apply moves, as `move` does; record the firings.

        Does nothing and returns False if the run does not owe its end as it did when it was read, if an automation has
        changed or progressed since, a pool or deployment has changed or is gone, a new run's queue is gone, or a firing of
        the same id is recorded: what was read is to be read again.
        """
        ...

    def due_count(self, pool: str, queue: str, now: datetime, *, limit: int) -> int:
        """How many runs of the queue are SCHEDULED and due, counted up to `limit`."""
        ...

    def firings_to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Firing]:
        """Up to `limit` firings in ticks of the pool whose `notify_at` has come, longest ago first."""
        ...

    def firing_notified(self, notifications: Sequence[FiringNotified]) -> None:
        """Note each result: `notify_at` becomes `again_at`, `notify_tries` rises by one.

        Skips a firing whose `notify_at` has changed, or is None.
        """
        ...

    def prune_firings(self, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` firings from before that time, oldest first; returns their number.

        A store that deletes them by itself does nothing here.
        """
        ...

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` runs that ended before that time and whose jobs do not linger; returns their number.

        A store that deletes them by itself does nothing here.
        """
        ...


class PeopleStore(SharedStore, Protocol):
    """What people and their client need. The cost of its reads may depend on the number of runs that they search.

    A verb that takes an `entry` of the log writes it in the transaction of the change, and not at all if it changes nothing. An
    entry whose id exists is not written again: only its `runs` rise. Whoever adds an entry deletes up to `FORGOTTEN_AT_ONCE`
    entries whose `kept_until` is before its `changed_at`; a store may also delete those by itself.
    """

    def log(self, where: LogFilter, *, limit: int) -> Sequence[LogEntry]:
        """A page of the log of changes, latest first."""
        ...

    def save_pool(self, pool: WorkPool, *, expected_version: int | None, entry: LogEntry | None = None) -> WorkPool:
        """Create (`expected_version=None`) or replace a pool and its queues in one step; the answer has the new version.

        What ticks write (`holds`, `last_tick_at`) is left as it is.
        Raises `AlreadyExists` on create, `NotFound` or `Conflict` (another version) on replace, and `Conflict` when a queue
        that would be deleted has runs that have not ended.
        """
        ...

    def delete_pool(self, name: str, *, expected_version: int, entry: LogEntry | None = None) -> None:
        """Delete a pool, its deployments and its ended runs.

        Raises `NotFound`, or `Conflict` (another version, or a run that has not ended).
        """
        ...

    def save_deployment(
        self, deployment: Deployment, *, expected_version: int | None, now: datetime, entry: LogEntry | None = None
    ) -> Deployment:
        """Create or replace; the answer has the new version.

        What ticks write (`windows_until`, `windows_at`) is kept for unchanged schedules and begins at `now` for the others
        (`dispatcher.core.windows.saving`). When a schedule is removed, paused or changed, its waiting runs are deleted: those
        whose window is after `now` and that were never claimed. A store whose transactions are bounded may delete them after
        the change; until then none of the deployment's windows becomes a run.

        Raises `AlreadyExists`, `Conflict`, or `NotFound` when the pool or the queue does not exist.
        """
        ...

    def delete_deployment(self, name: str, *, entry: LogEntry | None = None) -> None:
        """Delete a deployment and its schedules' future runs that were never claimed; other runs stay. Raises `NotFound`."""
        ...

    def automation(self, name: str) -> Automation | None:
        """One automation."""
        ...

    def save_automation(
        self, automation: Automation, *, expected_version: int | None, entry: LogEntry | None = None
    ) -> Automation:
        """Create or replace; the answer has the new version.

        What ticks write (`progress`) is kept while the automation waits for the same and is paused or not as before; otherwise
        it begins anew. Raises `AlreadyExists`, `NotFound` or `Conflict`.
        """
        ...

    def delete_automation(self, name: str, *, entry: LogEntry | None = None) -> None:
        """Delete an automation; its firings stay. Raises `NotFound`."""
        ...

    def reconfigure(self, change: Reconfiguration) -> None:
        """Carry out a change of many pools and deployments in one step: all of it, or nothing.

        First deployments are deleted, with the waiting runs of removed schedules. Then pools and deployments are saved, as by
        `save_pool` and `save_deployment`. Then pools are deleted; last, automations are deleted and saved. Raises `Conflict`
        when any pool or deployment was created, deleted or changed since it was read (an automation likewise, if they were
        read), or when a pool or queue that would be deleted has runs that have not ended;
        `NotFound` for a deployment into a queue that would not exist.

        A store whose transactions are bounded may take several for a change that is too big for one. If somebody else's change
        comes between, the rest is not written and `Conflict` is raised; the next plan shows what is left. A queue that is
        deleted must be empty.
        """
        ...

    def add_runs(self, runs: Sequence[Run], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """Add new runs (all SCHEDULED), except those whose ids exist. Returns the ids of the added runs.

        If any run is added, the entry is written with it, and the number of added runs is added to its `runs`.

        All or nothing: raises `NotFound` when a pool or queue does not exist (checked in the same transaction).
        """
        ...

    def requeue(self, requeues: Sequence[Requeue], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """Change where waiting runs stand: each run that is SCHEDULED with the fence that its `Requeue` names gets `fence + 1`,
        the queue and the other changes. Returns the ids of the changed runs.

        A run that was claimed or changed since it was read stays as it is, and a claim that read it before does not get it.
        From then on it is people's: it is no longer withdrawn with its schedule. Requeues are independent of each other.
        If any run changes, the entry is written with it, and the number of changed runs is added to its `runs`.

        Raises `NotFound` when a pool or queue does not exist (checked in the same transaction: nothing is changed), and
        `ValueError` for a change of another field. A store whose transactions are bounded may take several; then a queue that
        is deleted meanwhile leaves the rest unchanged.
        """
        ...

    def count(self, where: RunFilter, *, limit: int) -> int:
        """How many runs match, counted up to `limit`: it costs what it counts, and what it has to look through."""
        ...

    def ended(self, pool: str, since: datetime, *, limit: int) -> Sequence[Run]:
        """Up to `limit` runs of the pool that ended at `since` or later, latest first (small, as `live`).

        Through an index of ends where a store has one: it costs what it answers. A store without one looks at the newest
        `LOOKED_AT` ended runs alone.
        """
        ...

    def counts(self, pool: str, now: datetime) -> Mapping[str, QueueCount]:
        """How full each queue of the pool is. The cost may depend on how many runs wait: for people, not for a tick."""
        ...

    def ahead(self, run: Run, now: datetime) -> int:
        """How many runs of the same queue are due and come before `run`. For people, not for a tick."""
        ...


class MovingStore(SharedStore, Protocol):
    """What moving to another store needs."""

    def every_run(self) -> Iterator[Sequence[Run]]:
        """Every run, whole, in pages of at most `PAGE`, each run once, in an order of the store's own.

        Runs that are added or moved meanwhile appear in their old or new form. Reads everything: for people, not for a tick.
        """
        ...

    def log(self, where: LogFilter, *, limit: int) -> Sequence[LogEntry]:
        """See `PeopleStore.log`."""
        ...

    def restore(
        self,
        *,
        pools: Sequence[WorkPool] = (),
        deployments: Sequence[Deployment] = (),
        runs: Sequence[Run] = (),
        entries: Sequence[LogEntry] = (),
        automations: Sequence[Automation] = (),
        firings: Sequence[Firing] = (),
    ) -> None:
        """Write the contents of another store unchanged: versions, states, what ticks have written, and the log.

        Existing names and ids are skipped, so that an interrupted copy can be repeated. Pools must be written before their
        deployments and runs: raises `NotFound` for a deployment or a run of a pool that does not exist. Not for a store that
        is being ticked: nothing is guarded.
        """
        ...


class Store(TickStore, PeopleStore, MovingStore, Protocol):
    """The state that all invocations share. An instance is used by one thread at a time."""
