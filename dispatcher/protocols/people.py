"""What people and their client ask of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from dispatcher.models import Automation, Deployment, LogEntry, Run, WorkPool
from dispatcher.models.records import EndedRun, LogFilter, QueueCount, Reconfiguration, Requeue, RunFilter, Searched, Tallied
from dispatcher.protocols.shared import SharedStore


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

        What ticks write (`holds`, `last_tick_at`, `ticked_hours`) is left as it is.
        Raises `AlreadyExists` on create, `NotFound` or `Conflict` (another version) on replace, and `Conflict` when a queue
        that would be deleted has runs that have not ended.
        """
        ...

    def delete_pool(self, name: str, *, expected_version: int, entry: LogEntry | None = None) -> None:
        """Delete a pool, its deployments (as `delete_deployment` does, with what they left in other pools) and its ended runs.

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
        """Delete a deployment and its waiting runs that its schedules, present or past, made and that were never claimed; other
        runs stay. So a deployment that is created later under this name has none. Raises `NotFound`.
        """
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

        First deployments are deleted, as by `delete_deployment`, and the waiting runs of removed schedules. Then pools and
        deployments are saved, as by `save_pool` and `save_deployment`. Then pools are deleted; last, automations are deleted
        and saved. Raises `Conflict` when any pool or deployment was created, deleted or changed since it was read (an
        automation likewise, if they were read), or when a pool or queue that would be deleted has runs that have not ended;
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

    def search(self, where: RunFilter, *, limit: int, most: int) -> Searched:
        """The first `limit` runs of what `runs` lists, for a cost with a bound: it may stop before there are as many.

        Where no index of the store has all that the filter asks for, it looks at about `most` runs and says how far it came.
        `after` in the filter goes on from there. A store to which each look is a request looks at fewer.
        """
        ...

    def tally(self, where: RunFilter, *, most: int) -> Tallied:
        """How many runs match among the next `most` or so of each state: one step of a count, for a cost with a bound.

        `after` in the filter goes on from where a step ended. A store to which each look is a request looks at fewer.
        """
        ...

    def count(self, where: RunFilter, *, limit: int) -> int:
        """How many runs match, counted up to `limit`: it costs what it counts, and what it has to look through."""
        ...

    def ended(self, pool: str, since: datetime, *, limit: int) -> Sequence[EndedRun]:
        """Up to `limit` runs of the pool that ended at `since` or later, latest first.

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
