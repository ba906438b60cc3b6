"""Runs: create, list, move, cancel, run again, explain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Unpack
from uuid import NAMESPACE_URL, UUID, uuid5

from dispatcher.client.arguments import due_time, expiry, plain_policy, run_id, text, texts, utc
from dispatcher.client.batch import Batch
from dispatcher.client.checks import validate
from dispatcher.client.mirrors import RUN, check_own
from dispatcher.client.priorities import check_priority, front_priority
from dispatcher.client.schedules import Schedules
from dispatcher.client.waiting import check_waiting
from dispatcher.core.automations import paused_by
from dispatcher.core.holds import order_in_queue
from dispatcher.core.names import with_end
from dispatcher.core.notifications import at_creation
from dispatcher.core.pauses import Missed
from dispatcher.core.pinning import configuration_of, fault_of
from dispatcher.core.reasons import Explanation, explain
from dispatcher.core.retries import name_of_retry, retry_id
from dispatcher.core.room import may_start, may_start_after
from dispatcher.core.surroundings import Surroundings, standing
from dispatcher.core.transitions import cancelled, due_now, requeued
from dispatcher.errors import Conflict, Fault, InvalidInput, NotFound
from dispatcher.models import DEFAULT_QUEUE, SLOT_STATES, Deployment, Run, RunFields, RunRequest, RunState, WorkPool, WorkQueue
from dispatcher.models.lanes import lane_for, limited_by
from dispatcher.models.records import Requeue, RunFilter, Snapshot
from providers import registry
from providers.base import Needs, ProviderError

MAX_RUNS_AT_ONCE = 10_000
MAX_PAGE = 1000
MAX_HOLDERS = 100
MAX_PASSED_BY = 10_000
FIRINGS_SEARCHED = 1000
"""How many firings `explain` and the drift of a plan search for the one that paused something."""


class Runs(Schedules):
    """What people do with runs."""

    # Runs

    def create_run(self, request: RunRequest | None = None, /, **fields: Unpack[RunFields]) -> Run:
        """Create one run from a `RunRequest`, or from its fields as keywords; `RunRequest` says what each field means.

        The run is due at once, or at `scheduled_at`. Runs that are due at the same time start in the order of their creation;
        runs with an `idempotency_key` have no such order among them, because their id is made from the key.

        A second call with the same `idempotency_key` returns the run of the first call, as long as the store keeps that run.
        Ended runs are deleted after `DISPATCHER_HISTORY_DAYS` (0: never); after that, the same key creates a new run.

        Fields beside a request have no effect. Raises `NotFound` or `InvalidInput` (`InvalidVariables`).
        """
        return self.create_runs([RunRequest(**fields) if request is None else request])[0]

    def create_runs(self, requests: Iterable[RunRequest | Mapping[str, Any]]) -> Sequence[Run]:
        """Create many runs, all or none; a request may be an object with the fields of `RunRequest`.

        Each request is checked as it is taken from `requests`; equal parts of several requests are checked once.
        """
        batch, runs = Batch(self), list[Run]()
        for request in requests:
            if len(runs) == MAX_RUNS_AT_ONCE:
                fault = Fault("runs", f"at most {MAX_RUNS_AT_ONCE} at once; create them in parts")
                raise InvalidInput("runs", [fault])
            runs.append(self._new_run(batch, request if isinstance(request, RunRequest) else RunRequest(**request)))
        now = self.clock.now()
        check_waiting(self.store, runs, batch.deployment, now)
        added = self.recorder.add_runs(runs)
        self.start_tick([run.pool for run in runs if run.id in added and may_start(run, batch.pool(run.pool), now)])
        made = {run.id: run for run in reversed(runs)}  # of two runs with the same key, the first
        return [made[run.id] if run.id in added else (self.store.get(run.id) or run) for run in runs]

    def run(self, reference: UUID | str) -> Run:
        """One run, by its id or by the name of one of its submissions. Raises `NotFound` or `InvalidInput`."""
        run = self.store.get(run_id(reference))
        if run is None:
            raise NotFound(f"run {reference} does not exist; `dispatcher run ls` lists what does")
        return run

    def runs(
        self,
        *,
        pool: str | None = None,
        queue: str | None = None,
        deployment: str | None = None,
        states: Iterable[RunState] | None = None,
        tag: str | None = None,
        name: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: Run | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Sequence[Run]:
        """A page of runs, newest first; `RunFilter` says what each filter means.

        `after`: the last run of the page before. Its cost is the same for every page; that of `offset` grows.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput("runs", [Fault("limit", f"must be from 1 to {MAX_PAGE}, not {limit}")])
        if offset < 0:
            raise InvalidInput("runs", [Fault("offset", f"must be 0 or more, not {offset}")])
        among = None if states is None else frozenset(states)
        where = RunFilter(
            pool=pool,
            queue=queue,
            deployment=deployment,
            states=among,
            tag=tag,
            name=name,
            since=None if since is None else utc(since, "since"),
            until=None if until is None else utc(until, "until"),
            after=None if after is None else (after.created_at, after.id),
        )
        return self.store.runs(where, limit=limit, offset=offset)

    def cancel_run(self, reference: UUID | str) -> Run:
        """Cancel a run: at once if it has no job, otherwise as soon as a tick sees that its job has ended.

        A run that has ended stays as it is. Raises `NotFound`.
        """
        while True:
            run = self.run(reference)
            if run.source_id is not None and not run.state.is_terminal:
                check_own(self.store.pool(run.pool), RUN)
            move = cancelled(run, self.clock.now())
            if move is None:
                return run
            if self.recorder.cancel(run, move):
                self.start_tick([run.pool] if move.to is RunState.CANCELLING else [])
                return self.run(run.id)

    def move_run(
        self, reference: UUID | str, *, queue: str | None = None, priority: int | None = None, front: bool = False
    ) -> Run:
        """Move a waiting run into another queue of its pool, give it another priority, or both; None leaves it as it is.

        Among the runs of equal priority its due time decides where it stands. `front`: as in `RunRequest`; a run that is
        the first of its queue already stays as it is.

        From then on it no longer belongs to its schedule: it stays when the schedule is changed or deleted. Raises `NotFound`
        (the run, or the queue), `InvalidInput`, or `Conflict` for a run that does not wait.
        """
        check_priority(priority, front=front)
        if queue is None and priority is None and not front:
            raise InvalidInput("run", [Fault("queue", "name a queue, a priority or the front")])
        change = partial(self._moved, queue=queue, priority=priority, front=front)
        return self._requeued(reference, change, "moved", queue)

    def start_run_now(self, reference: UUID | str) -> Run:
        """Make a waiting run due at once, whatever its due time, its retry delay or a refusal said. A slot must still be free.

        It keeps its `scheduled_at`, and a run that is due already keeps its position. It no longer belongs to its schedule, as
        after `move_run`. Raises `NotFound`, or `Conflict` for a run that does not wait.
        """
        return self._requeued(reference, lambda run: due_now(run, self.clock.now()), "started now")

    def retry_run(self, reference: UUID | str) -> Run:
        """Run an ended run again: create a new run with the same pool, queue, deployment, variables, tags and retry policy.

        The new run is due at once and has the old run's `scheduled_at`. Its id is derived from the old run's, so that a
        repeated call returns the same run. Raises `NotFound`, `Conflict` for a run that has not ended, or `InvalidInput` where
        the run no longer fits the pool.
        """
        old = self.run(reference)
        if not old.state.is_terminal:
            words = "it goes on by itself; `dispatcher run explain` says where it is, `dispatcher run cancel` ends it"
            raise Conflict(f"run {old.name!r} has not ended, it is {old.state}: {words}")
        if run := self.store.get(retry_id(old)):
            return run
        batch = Batch(self)
        new = self._repeated(batch, old)
        now = self.clock.now()
        check_waiting(self.store, [new], batch.deployment, now)
        field = {"path": "retry", "action": "create", "before": None, "after": str(new.id)}
        added = self.recorder.add_runs([new], self.recorder.entry("retry", "run", str(old.id), fields=(field,), note=old.name))
        self.start_tick([new.pool] if added and may_start(new, batch.pool(new.pool), now) else [])
        return self.run(new.id)

    def explain(self, reference: UUID | str) -> Explanation:
        """Why is this run not running? The one primary reason, from the code that admits. Raises `NotFound`."""
        run, now = self.run(reference), self.clock.now()
        pool = self.store.pool(run.pool) if run.state is RunState.SCHEDULED else None
        if pool is None:
            return explain(run, None, now)
        around = Surroundings(
            pool=pool,
            **self._queues_around(run, now),
            holders=self._holders(pool.name),
            fault=fault_of(pool, run, self.store.deployment),
            needs=self.needs_of(pool, run),
            **self._deployment_around(run, now),
            paused_by=self._paused_by(pool, run),
            missed=self._missed(run, now),
        )
        return explain(run, around, now)

    def _missed(self, run: Run, now: datetime) -> str:
        """Why the run does not start any more after a pause; empty if it may."""
        if run.schedule is None or run.due_at > now:
            return ""
        return self.store.look(run.pool, now, lambda snapshot: Missed(snapshot, now, self.heartbeat)(run)) or ""

    def _queues_around(self, run: Run, now: datetime) -> dict[str, Any]:
        """What waits before the run, without what waits in lanes of full deployments: a claim passes that by."""
        counts = self.store.counts(run.pool, now)
        seen = self.store.look(run.pool, now, lambda snapshot: (_passed_by(snapshot), standing(snapshot, run, now)))
        passed, place = seen if seen else ({}, None)
        for queue, number in passed.items():
            counts = {**counts, queue: replace(counts[queue], due=max(0, counts[queue].due - number))}
        ahead = place.ahead if place else self.store.ahead(run, now)
        most = max(0, counts[run.queue].due - (run.due_at <= now))
        return {"counts": counts, "ahead": min(ahead, most), "standing": place}

    def _deployment_around(self, run: Run, now: datetime) -> dict[str, Any]:
        """What the limit of the run's deployment means for it."""
        deployment = self.store.deployment(run.deployment) if run.deployment is not None else None
        if deployment is None or deployment.concurrency_limit is None:
            return {}
        where = RunFilter(pool=run.pool, deployment=run.deployment, states=SLOT_STATES)
        live = self.store.runs(where, limit=MAX_PAGE)
        most = max(0, deployment.concurrency_limit - len(live))

        def first(snapshot: Snapshot) -> Sequence[Run]:
            lanes = [lane for lane in snapshot.lanes(run.queue) if limited_by(lane) == run.deployment]
            return [other for lane in lanes for other in snapshot.due(run.queue, most, None, lane)]

        before = self.store.look(run.pool, now, first) or () if limited_by(run.lane) is not None else ()
        ahead = sum(order_in_queue(other) < order_in_queue(run) for other in before)
        left_out = deployment.windows_left_out
        limit = deployment.concurrency_limit
        return {"deployment_limit": limit, "live": live, "ahead_in_lane": ahead, "windows_left_out": left_out}

    def needs_of(self, pool: WorkPool, run: Run) -> Needs:
        """What the run's job needs of its provider. Empty if the pool has no holds, or if its needs cannot be determined."""
        configuration = configuration_of(pool, run, self.store.deployment) if pool.holds else None
        with suppress(ProviderError):
            return registry.needs(pool.type, configuration) if configuration is not None else Needs()
        return Needs()

    def _paused_by(self, pool: WorkPool, run: Run) -> str:
        """The automation that paused the pool or the queue that the run waits for; empty if none did."""
        queue = pool.queue(run.queue)
        if not pool.paused and not (queue and queue.paused):
            return ""
        return paused_by(self.store.firings(None, limit=FIRINGS_SEARCHED), pool, None if pool.paused else run.queue)

    def _moved(self, run: Run, *, queue: str | None, priority: int | None, front: bool) -> Requeue | None:
        target = run.queue if queue is None else queue
        if front:
            now = self.clock.now()
            is_first = target == run.queue and run.due_at <= now and self.store.ahead(run, now) == 0
            priority = run.priority if is_first else front_priority(self.store, run.pool, target, now)
        is_there = target == run.queue and priority in (None, run.priority)
        return None if is_there else requeued(run, target, priority)

    def _requeued(
        self, reference: UUID | str, change: Callable[[Run], Requeue | None], verb: str, queue: str | None = None
    ) -> Run:
        """The run after a change of its position; `change` returns None where nothing is to do."""
        while True:
            run = self.run(reference)
            if run.state is not RunState.SCHEDULED:
                raise Conflict(f"run {run.name!r} is {run.state}: only a waiting run (SCHEDULED) can be {verb}")
            pool = self.work_pool(run.pool)
            if run.source_id is not None:
                check_own(pool, RUN)
            if queue is not None:
                self._queue(pool, queue)
            requeue = change(run)
            if requeue is None:
                return run
            if self.recorder.requeue(run, requeue, _VERBS[verb]):
                self.start_tick([run.pool] if may_start_after(run, requeue, pool, self.clock.now()) else [])
                return self.run(run.id)

    def _repeated(self, batch: Batch, old: Run) -> Run:
        """A new run like an ended one. Raises `InvalidInput` where the run no longer fits the pool."""
        request = RunRequest(
            pool=old.pool,
            deployment=old.deployment,
            queue=old.queue,
            job_variables=old.job_variables,
            parameters=old.parameters,
            name=name_of_retry(old),
            retry=old.retry,
            expires_after=old.expires_after,
            priority=old.priority,
        )
        draft = self._new_run(batch, request)
        return replace(draft, id=retry_id(old), tags=old.tags, scheduled_at=old.scheduled_at)

    def _new_run(self, batch: Batch, request: RunRequest) -> Run:
        name = request.deployment
        source = batch.deployment(text(name, "deployment")) if name is not None else None
        owner = batch.pool(_owner(request.pool, source))
        check_own(owner, RUN)
        lane = self._queue(owner, request.queue if request.queue is not None else source.queue if source else DEFAULT_QUEUE)
        variables, parameters = batch.values(owner, source, request.job_variables, request.parameters)
        key, now, retry = request.idempotency_key, self.clock.now(), request.retry
        identity = self.clock.new_id() if key is None else _identity(owner.name, name, key)
        due = due_time(request.scheduled_at, "scheduled_at") if request.scheduled_at is not None else now
        run = Run(
            id=identity,
            name=request.name if request.name is not None else with_end(name or owner.name, f"-{identity.hex[:8]}"),
            pool=owner.name,
            queue=lane.name,
            deployment=name,
            job_variables=variables,
            parameters=parameters,
            tags=texts(request.tags, "tags") or (source.tags if source else ()),
            created_at=now,
            scheduled_at=due,
            retry=plain_policy(retry) if retry is not None else source.retry if source else None,
            due_at=due,
            expires_at=expiry(request.expires_after, source, due),
            lane=_lane(batch, request, source, owner.name, lane),
            **at_creation((*owner.hooks, *(source.hooks if source else ())), due),
        )
        validate(run)
        return run

    def _holders(self, pool: str) -> Sequence[Run]:
        return self.store.runs(RunFilter(pool=pool, states=SLOT_STATES), limit=MAX_HOLDERS)


def _lane(batch: Batch, request: RunRequest, source: Deployment | None, pool: str, queue: WorkQueue) -> str | None:
    """The lane that a new run waits in."""
    check_priority(request.priority, front=request.front)
    priority = batch.front(pool, queue.name) if request.front else request.priority
    return source.lane_at(priority, queue.share) if source else lane_for(None, priority or 0)


def _passed_by(snapshot: Snapshot) -> Mapping[str, int]:
    """By queue: how many due runs wait in lanes of full deployments; up to `MAX_PASSED_BY` of each are counted."""
    limits = snapshot.deployment_limits
    return {
        queue.name: sum(
            len(snapshot.due(queue.name, MAX_PASSED_BY, None, lane))
            for lane in snapshot.lanes(queue.name)
            if (name := limited_by(lane)) is not None
            and (limit := limits.limit(name)) is not None
            and limit <= snapshot.live(name)
        )
        for queue in snapshot.pool.queues
    }


_VERBS = {"moved": "move", "started now": "start now"}
"""The verbs of the log for these changes."""


def _identity(pool: str, deployment: str | None, key: str) -> UUID:
    """The id that belongs to a key. Names hold no slash, so that no other pool, deployment and key give the same id."""
    return uuid5(NAMESPACE_URL, f"push-dispatcher:run:{pool}/{deployment or ''}/{text(key, 'idempotency_key')}")


def _owner(pool: str | None, deployment: Deployment | None) -> str:
    """The pool that a new run belongs to."""
    if deployment is None and pool is None:
        raise InvalidInput("run", [Fault("pool", "name a work pool or a deployment")])
    if deployment is not None and pool not in (None, deployment.pool):
        words = f"deployment {deployment.name!r} belongs to work pool {deployment.pool!r}, not {pool!r}; name one of the two"
        raise InvalidInput("run", [Fault("pool", words)])
    return deployment.pool if deployment is not None else text(pool, "pool")
