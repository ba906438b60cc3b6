"""Pools as people look at them, and a change of one pool before it happens.

picture = dispatcher.picture("nightly")
for lane in picture.lanes: ...                                  # slots, waiting runs, why the next one waits
plan = dispatcher.plan_pool("nightly", concurrency_limit=4)
for change in plan.changes: ...
dispatcher.apply_pool(plan)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dispatcher.client.arguments import UNSET, share_of, without_unset
from dispatcher.client.checks import check_base_job_template, coerced_template, validate
from dispatcher.client.previews import JobPreviews
from dispatcher.core.changes import Configuration, FieldChange, changes
from dispatcher.core.holds import order_in_queue, position_of
from dispatcher.core.pinning import fault_of
from dispatcher.core.reasons import Explanation, explain
from dispatcher.core.surroundings import Surroundings, served
from dispatcher.core.ticks import LastHour, last_hour
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Run, Share, Status, WorkPool, WorkQueue
from dispatcher.models.lanes import priority_of
from dispatcher.models.records import QueueCount, Snapshot

MOST_LATE = 1000
"""Late runs that are counted in each queue."""

QUEUE_FIELDS = frozenset({"concurrency_limit", "paused", "description", "weight", "share"})
"""What a plan may change of a queue. Its priority follows from the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One queue: who holds its slots, and who waits."""

    queue: WorkQueue
    status: Status
    count: QueueCount
    holders: tuple[Run, ...]
    """The runs that hold its slots, longest first (among the first hundred of the pool)."""
    head: Run | None
    """The due run that is served next; None when nothing is due."""
    oldest: Run | None
    """The due run that has waited longest."""
    explanation: Explanation | None
    """Why the head waits."""
    late: int
    """How many runs have been due for `PoolPicture.late_after`, counted up to `MOST_LATE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPicture:
    """One pool with its queues in order of priority, at one moment."""

    pool: WorkPool
    status: Status
    lanes: tuple[Lane, ...]
    at: datetime
    late_after: timedelta
    """A run that has been due for this long is late: the time after which a pool without ticks is NOT_READY, and after which
    `dispatcher doctor` warns of a due run."""
    last_hour: LastHour
    """When the pool was ticked."""

    @property
    def in_use(self) -> int:
        """How many slots are held."""
        return sum(lane.count.in_use for lane in self.lanes)

    @property
    def due(self) -> int:
        """How many runs are due."""
        return sum(lane.count.due for lane in self.lanes)

    @property
    def later(self) -> int:
        """How many runs are scheduled for later."""
        return sum(lane.count.later for lane in self.lanes)

    @property
    def late(self) -> int:
        """How many runs are late, each queue counted up to `MOST_LATE`."""
        return sum(lane.late for lane in self.lanes)

    @property
    def has_more_late(self) -> bool:
        """Whether there may be more late runs than `late`."""
        return any(lane.late >= MOST_LATE for lane in self.lanes)

    @property
    def oldest(self) -> Run | None:
        """The due run that has waited longest."""
        oldest = [lane.oldest for lane in self.lanes if lane.oldest is not None]
        return min(oldest, key=position_of, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """A change of one pool and its queues, which is made only if nobody else has changed the pool meanwhile."""

    before: WorkPool
    after: WorkPool
    changes: tuple[FieldChange, ...]


class Pictures(JobPreviews):
    """What people look at, and plan."""

    def picture(self, name: str) -> PoolPicture:
        """One pool, with who holds its slots and why the next run of each queue waits. Raises `NotFound`.

        A fixed number of reads, none of which waits for a tick or keeps one waiting.
        """
        return self._picture(self.work_pool(name), self._holders(name))

    def overview(self) -> Sequence[PoolPicture]:
        """Every pool, by name, without who holds the slots."""
        return [self._picture(pool, ()) for pool in self.work_pools()]

    def plan_pool(
        self,
        name: str,
        *,
        concurrency_limit: int | None = UNSET,
        paused: bool = UNSET,
        description: str = UNSET,
        share: Share | str = UNSET,
        base_job_template: Mapping[str, Any] = UNSET,
        queues: Mapping[str, Mapping[str, Any]] | None = None,
        order: Sequence[str] = (),
    ) -> PoolPlan:
        """What a change of one pool would change. `queues` has new fields by name of the queue; `order` names all queues.

        Checked as `update_work_pool` checks it. The plan of a mirrored pool can be simulated, not made. Raises `NotFound` or
        `InvalidInput`.
        """
        pool = self.work_pool(name)
        fields = without_unset(
            concurrency_limit=concurrency_limit,
            paused=paused,
            description=description,
            share=share if share is UNSET else share_of(share),
        )
        changed = {queue: _changed(self._queue(pool, queue), values) for queue, values in (queues or {}).items()}
        lanes = [changed.get(queue.name, queue) for queue in pool.queues]
        after = replace(pool, **fields, queues=_ordered(lanes, order))
        if base_job_template is not UNSET:
            after = self._with_template(after, base_job_template)
        validate(after)
        for queue in after.queues:
            validate(queue)
        changed_nouns = changes(Configuration(pools=(pool,)), Configuration(pools=(after,)))
        return PoolPlan(before=pool, after=after, changes=changed_nouns[0].fields if changed_nouns else ())

    def apply_pool(self, plan: PoolPlan) -> WorkPool:
        """Make a planned change. Raises `NotFound`, or `Conflict` when somebody else changed the pool since the plan, and for
        a mirrored pool.
        """
        return self._save_pool(plan.after, before=plan.before) if plan.changes else plan.before

    def _with_template(self, pool: WorkPool, template: Mapping[str, Any]) -> WorkPool:
        template = coerced_template(template)
        check_base_job_template(template)
        changed = replace(pool, base_job_template=template)
        self.jobs.check_pool(changed)
        self._check_dependents(changed)
        return changed

    def _picture(self, pool: WorkPool, holders: Sequence[Run]) -> PoolPicture:
        now = self.clock.now()
        counts = self.store.counts(pool.name, now)
        late = self._late([name for name, count in counts.items() if count.due], pool.name, now)
        heads = self.store.look(pool.name, now, lambda snapshot: _heads(snapshot, now)) or {}
        held = sorted(holders, key=lambda run: (run.claimed_at or now, run.id))
        lanes = []
        for queue in pool.queues:
            head, oldest = heads.get(queue.name, (None, None))
            lane = Lane(
                queue=queue,
                status=pool.queue_status(queue, now, self.heartbeat),
                count=counts.get(queue.name, QueueCount(due=0, later=0, in_use=0)),
                holders=tuple(run for run in held if run.queue == queue.name),
                head=head,
                oldest=oldest,
                explanation=explain(head, self._around(pool, head, counts, held), now) if head else None,
                late=late.get(queue.name, 0),
            )
            lanes.append(lane)
        status, hour = pool.status(now, self.heartbeat), last_hour(pool, now, self.heartbeat)
        return PoolPicture(pool=pool, status=status, lanes=tuple(lanes), at=now, late_after=self.heartbeat, last_hour=hour)

    def _late(self, queues: Iterable[str], pool: str, now: datetime) -> Mapping[str, int]:
        """How many runs of these queues are late. Reads up to `MOST_LATE` entries of the index that ticks use, for each."""
        since = now - self.heartbeat
        return {queue: self.store.due_count(pool, queue, since, limit=MOST_LATE) for queue in queues}

    def _around(self, pool: WorkPool, head: Run, counts: Mapping[str, QueueCount], holders: Sequence[Run]) -> Surroundings:
        fault = fault_of(pool, head, self.store.deployment)
        needs = self.needs_of(pool, head)
        return Surroundings(pool=pool, counts=counts, ahead=0, holders=holders, fault=fault, needs=needs)


def _heads(snapshot: Snapshot, now: datetime) -> dict[str, tuple[Run, Run]]:
    """By queue: the due run that comes first, and the one that has waited longest.

    Lanes without a priority are left out where deployments do not share: most have waiting runs because a limit is reached.
    """
    heads = {}
    for queue in snapshot.pool.queues:
        is_shared = queue.share is Share.FAIR
        lanes = [lane for lane in snapshot.lanes(queue.name) if priority_of(lane) or is_shared]
        firsts = [run for lane in (None, *lanes) for run in snapshot.due(queue.name, 1, None, lane)]
        if firsts:
            line = served(snapshot, queue, now, 1) if is_shared else ()
            heads[queue.name] = line[0] if line else min(firsts, key=order_in_queue), min(firsts, key=position_of)
    return heads


def _changed(queue: WorkQueue, values: Mapping[str, Any]) -> WorkQueue:
    foreign = sorted(values.keys() - QUEUE_FIELDS)
    if foreign:
        raise InvalidInput(f"work queue {queue.name!r}", [Fault(name, "cannot be changed here") for name in foreign])
    return replace(queue, **values)


def _ordered(queues: Sequence[WorkQueue], order: Sequence[str]) -> tuple[WorkQueue, ...]:
    """The queues in a new order. The priorities stay the same numbers, dealt anew."""
    if not order:
        return tuple(queues)
    named = {queue.name: queue for queue in queues}
    if sorted(order) != sorted(named):
        raise InvalidInput("work pool", [Fault("order", f"must name each queue once: {', '.join(named)}")])
    priorities = sorted(queue.priority for queue in queues)
    return tuple(replace(named[name], priority=priority) for name, priority in zip(order, priorities, strict=True))
