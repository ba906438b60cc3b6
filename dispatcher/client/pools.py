"""Work pools and their queues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from dispatcher.client.arguments import (
    UNSET,
    check_pool_type,
    default_base_job_template,
    items,
    missing,
    naming,
    share_of,
    text,
    without_unset,
)
from dispatcher.client.change_log import ChangeLog
from dispatcher.client.checks import (
    check_job_variables,
    checked_template,
    validate,
)
from dispatcher.client.deployment_checks import check_schedules, check_variables
from dispatcher.client.mirrors import CONFIGURED, check_own
from dispatcher.client.parameters import check_deployment_parameters, check_run_parameters
from dispatcher.client.versions import check_version
from dispatcher.core.holds import position_of
from dispatcher.core.queues import holder, insert, last_priority, next_free, without
from dispatcher.core.room import gives_room
from dispatcher.core.ticks import LastHour, last_hour
from dispatcher.core.windows import runs_to_come
from dispatcher.errors import AlreadyExists, Conflict, Fault, InvalidInput, NotFound
from dispatcher.models import DEFAULT_QUEUE, Deployment, Hook, Run, RunState, Share, Status, WorkPool, WorkQueue
from dispatcher.models.records import QueueCount, RunFilter, Snapshot

MAX_RECHECKED = 10_000
"""Waiting runs that a changed template is checked against; later ones are checked when they are rendered."""

MAX_PREVIEW = 1000

WAITING = frozenset({RunState.SCHEDULED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool with its statuses and counts, as people look at it."""

    pool: WorkPool
    status: Status
    queue_status: Mapping[str, Status]
    counts: Mapping[str, QueueCount]
    last_hour: LastHour


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """A run that is due within the time of a preview."""

    run: Run
    created: bool
    """False for a window that is not a run yet. It is shown as the run that it will be, with the same id."""


class WorkPools(ChangeLog):
    """What people do with work pools and queues."""

    # Work pools

    def create_work_pool(
        self,
        name: str,
        *,
        type: str,  # noqa: A002 - the users' word
        base_job_template: Mapping[str, Any] | None = None,
        job_variables: Mapping[str, Any] | None = None,
        concurrency_limit: int | None = None,
        paused: bool = False,
        description: str = "",
        hooks: Iterable[Hook] = (),
        share: Share | str = Share.STRICT,
    ) -> WorkPool:
        """Create a pool with its `default` queue. Without a template, it gets the default template of its type.

        `job_variables` become the defaults of the template's variables. `hooks` name entries of `DISPATCHER_HOOKS`. The setting
        of the process that ticks counts, so this process need not have them.

        `share`: `strict` (by priority) or `fair` (by weight), as `Share` says.

        Raises `InvalidInput` (`InvalidTemplate`) or `AlreadyExists`.
        """
        template = base_job_template if base_job_template is not None else default_base_job_template(type)
        check_pool_type(type)
        template = checked_template(template, job_variables)
        pool = WorkPool(
            id=self.clock.new_id(),
            name=name,
            type=type,
            base_job_template=template,
            queues=(WorkQueue(name=DEFAULT_QUEUE, priority=1),),
            concurrency_limit=concurrency_limit,
            paused=paused,
            description=description,
            hooks=items(hooks, "hooks"),
            created_at=self.clock.now(),
            share=share_of(share),
        )
        validate(pool)
        self.jobs.check_pool(pool)
        self.jobs.warn_of_defaults(template, job_variables)
        return self.recorder.save_pool(pool, None)

    def update_work_pool(
        self,
        name: str,
        *,
        base_job_template: Mapping[str, Any] = UNSET,
        job_variables: Mapping[str, Any] | None = None,
        concurrency_limit: int | None = UNSET,
        paused: bool = UNSET,
        description: str = UNSET,
        hooks: Iterable[Hook] = UNSET,
        share: Share | str = UNSET,
    ) -> WorkPool:
        """Change the fields that are passed; `job_variables` become defaults of the template's variables.

        `hooks` replace all existing ones. Existing runs keep the notification settings that they were created with.

        A new template is checked with every deployment of the pool, and with its waiting runs (the first
        `MAX_RECHECKED`). Raises `NotFound`, `InvalidInput`, or `Conflict` when somebody else changed the pool meanwhile.
        """
        pool = self.work_pool(name)
        check_own(pool, CONFIGURED)
        if job_variables and base_job_template is UNSET:
            base_job_template = pool.base_job_template
        if base_job_template is not UNSET:
            base_job_template = checked_template(base_job_template, job_variables)
        changes = without_unset(
            base_job_template=base_job_template,
            concurrency_limit=concurrency_limit,
            paused=paused,
            description=description,
            hooks=hooks if hooks is UNSET else items(hooks, "hooks"),
            share=share if share is UNSET else share_of(share),
        )
        changed = replace(pool, **changes)
        if base_job_template is not UNSET:
            self.jobs.check_pool(changed)
            self.jobs.warn_of_defaults(changed.base_job_template, job_variables)
            self._check_dependents(changed)
        return self._save_pool(changed, before=pool)

    def work_pools(self) -> Sequence[WorkPool]:
        """Every pool, by name."""
        return self.store.pools()

    def work_pool(self, name: str) -> WorkPool:
        """One pool. Raises `NotFound`."""
        pool = self.store.pool(text(name, "pool"))
        if pool is None:
            raise NotFound(missing("work pool", name, [other.name for other in self.store.pools()]))
        check_version(pool, self.pool_version)
        return pool

    def inspect_work_pool(self, name: str) -> PoolView:
        """One pool with its statuses and how full its queues are. Raises `NotFound`."""
        pool, now = self.work_pool(name), self.clock.now()
        return PoolView(
            pool=pool,
            status=pool.status(now, self.heartbeat),
            queue_status={queue.name: pool.queue_status(queue, now, self.heartbeat) for queue in pool.queues},
            counts=self.store.counts(name, now),
            last_hour=last_hour(pool, now, self.heartbeat),
        )

    def preview_work_pool(self, name: str, *, within: timedelta = timedelta(hours=1), limit: int = 100) -> Sequence[Upcoming]:
        """The waiting runs that are due `within` that time, late ones included, and those that schedules will make by then.

        By due time, at most `limit` (from 1 to `MAX_PREVIEW`). The cost depends on `limit`, not on the number of waiting runs.
        Raises `NotFound` or `InvalidInput`.
        """
        if not 1 <= limit <= MAX_PREVIEW:
            raise InvalidInput("preview", [Fault("limit", f"must be from 1 to {MAX_PREVIEW}, not {limit}")])
        pool, now = self.work_pool(name), self.clock.now()
        made = self._waiting_runs(pool, now + within, limit)
        coming = (runs_to_come(deployment, now, now + within) for deployment in self.store.deployments(name))
        first = islice(merge(*coming, key=lambda run: run.due_at), limit)
        upcoming = [Upcoming(run=run, created=True) for run in made] + [Upcoming(run=run, created=False) for run in first]
        return sorted(upcoming, key=lambda item: (item.run.due_at, item.run.id))[:limit]

    def oldest_due(self, name: str) -> Run | None:
        """The due run of the pool that has waited longest, paused queues included; None when nothing is due.

        Reads one row for each queue and each lane of it, however many runs wait.
        """

        def oldest(snapshot: Snapshot) -> Run | None:
            return min(_first_due(snapshot, 1), key=position_of, default=None)

        return self.store.look(name, self.clock.now(), oldest)

    def _waiting_runs(self, pool: WorkPool, until: datetime, limit: int) -> Sequence[Run]:
        """The first waiting runs of the pool that are due by then."""
        return self.store.look(pool.name, until, lambda snapshot: _first_due(snapshot, limit)) or ()

    def delete_work_pool(self, name: str) -> None:
        """Delete a pool, its queues, deployments and ended runs. Raises `NotFound`, or `Conflict` if a run has not ended."""
        pool = self.work_pool(name)
        check_own(pool, CONFIGURED)
        self.recorder.delete_pool(pool)

    # Work queues

    def create_work_queue(
        self,
        pool: str,
        name: str,
        *,
        priority: int | None = None,
        concurrency_limit: int | None = None,
        paused: bool = False,
        description: str = "",
        weight: int = 1,
        share: Share | str = Share.STRICT,
        shift: bool = True,
    ) -> WorkPool:
        """Add a queue; without a priority it goes last. With `shift`, a queue that has this priority moves down.

        Without `shift`, a priority that another queue has is refused. `share`: `strict` (runs start by priority and due time)
        or `fair` (its deployments have equal rank, and share its slots by their weight), as `Share` says.

        Raises `NotFound` (the pool), `AlreadyExists` or `InvalidInput`.
        """
        owner = self.work_pool(pool)
        if owner.queue(name) is not None:
            raise AlreadyExists(f"name: work queue {name!r} already exists in work pool {pool!r}; choose another")
        queue = WorkQueue(
            name=name,
            priority=last_priority(owner.queues) if priority is None else priority,
            concurrency_limit=concurrency_limit,
            paused=paused,
            description=description,
            weight=weight,
            share=share_of(share),
        )
        return self._save_queue(owner, queue, shift=shift)

    def work_queue(self, pool: str, name: str) -> WorkQueue:
        """One queue. Raises `NotFound` (the pool, or the queue)."""
        return self._queue(self.work_pool(pool), name)

    def update_work_queue(
        self,
        pool: str,
        name: str,
        *,
        priority: int = UNSET,
        concurrency_limit: int | None = UNSET,
        paused: bool = UNSET,
        description: str = UNSET,
        weight: int = UNSET,
        share: Share | str = UNSET,
        shift: bool = True,
    ) -> WorkPool:
        """Change the fields that are passed; `shift` as for a new queue. Raises `NotFound`, `InvalidInput` or `Conflict`."""
        owner = self.work_pool(pool)
        changes = without_unset(
            priority=priority,
            concurrency_limit=concurrency_limit,
            paused=paused,
            description=description,
            weight=weight,
            share=share if share is UNSET else share_of(share),
        )
        return self._save_queue(owner, replace(self._queue(owner, name), **changes), shift=shift)

    def delete_work_queue(self, pool: str, name: str) -> WorkPool:
        """Delete a queue; the others keep their priorities.

        Raises `NotFound`, `Conflict` while it has runs that have not ended or is the queue of a deployment, or `InvalidInput`
        for the default queue.
        """
        owner = self.work_pool(pool)
        if self._queue(owner, name).name == DEFAULT_QUEUE:
            fault = Fault("name", "the default queue cannot be deleted; pause it, or delete the whole work pool")
            raise InvalidInput(f"work queue {name!r}", [fault])
        named_by = [deployment.name for deployment in self.store.deployments(pool) if deployment.queue == name]
        if named_by:
            words = f"{name!r} of {pool!r} is the queue of deployment {named_by[0]!r}"
            more = f" and {len(named_by) - 1} more" if len(named_by) > 1 else ""
            raise Conflict(f"work queue {words}{more}; give it another queue first (`dispatcher deployment update --queue`)")
        return self._save_pool(replace(owner, queues=without(owner.queues, name)), before=owner)

    def _save_pool(self, pool: WorkPool, *, before: WorkPool) -> WorkPool:
        """Check and save the pool. Start a tick of it when the change gives it room."""
        check_own(pool, CONFIGURED)
        validate(pool)
        saved = self.recorder.save_pool(pool, before)
        if gives_room(before, pool):
            self.start_tick([pool.name])
        return saved

    def _save_queue(self, pool: WorkPool, queue: WorkQueue, *, shift: bool) -> WorkPool:
        validate(queue)
        if not shift:
            _check_free(pool, queue)
        return self._save_pool(replace(pool, queues=insert(pool.queues, queue)), before=pool)

    def _queue(self, pool: WorkPool, name: str) -> WorkQueue:
        queue = pool.queue(text(name, "queue"))
        if queue is None:
            raise NotFound(missing("work queue", name, [other.name for other in pool.queues], of=pool.name))
        return queue

    def _check_dependents(self, pool: WorkPool) -> None:
        """Check a changed template with the pool's deployments and waiting runs; the error names what no longer fits."""
        deployments = {deployment.name: deployment for deployment in self.store.deployments(pool.name)}
        for deployment in deployments.values():
            with naming(f"deployment {deployment.name!r}"):
                check_deployment_parameters(pool, deployment)
                check_variables(pool, deployment, self.jobs, quiet=True)
                check_schedules(pool, deployment, self.jobs, quiet=True)
        self._check_waiting(RunFilter(pool=pool.name, states=WAITING), pool, deployments)

    def _check_waiting(
        self,
        where: RunFilter,
        pool: WorkPool,
        deployments: Mapping[str, Deployment],
        *,
        goes: Callable[[Run], bool] = lambda _run: False,
    ) -> None:
        """Check waiting runs, with their deployments, against a pool's template; not those that `goes` selects."""
        for run in self.store.runs(where, limit=MAX_RECHECKED):
            if goes(run):
                continue
            with naming(f"waiting run {run.id}"):
                deployment = deployments.get(run.deployment) if run.deployment else None
                parameters = check_run_parameters(pool, deployment, run.parameters, run.job_variables)
                levels: dict[str, Any] = {"deployment_variables": deployment.job_variables if deployment else None}
                check_job_variables(pool.base_job_template, run.job_variables, parameters=parameters, **levels)


def _check_free(pool: WorkPool, queue: WorkQueue) -> None:
    """Refuse a priority that another queue holds."""
    held_by = holder(pool.queues, queue)
    if held_by is not None:
        free = next_free(pool.queues, queue.priority)
        words = f"{queue.priority} is held by work queue {held_by.name!r}; take the next free number, {free}, or let it shift"
        raise InvalidInput(f"work queue {queue.name!r}", [Fault("priority", words)])


def _first_due(snapshot: Snapshot, limit: int) -> Sequence[Run]:
    """The first due runs of each queue and of each of its lanes."""
    lines = [(queue.name, lane) for queue in snapshot.pool.queues for lane in (None, *snapshot.lanes(queue.name))]
    return [run for queue, lane in lines for run in snapshot.due(queue, limit, None, lane)]
