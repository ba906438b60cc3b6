"""Which changes that people make give a tick something to do at once: a run that may start, or room for runs that wait.

`dispatcher.waking` has the table of them. Whether a slot is free is not asked, because it would have to be counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dispatcher.core.barriers import closed_by
from dispatcher.models import Deployment, OnCollision, Run, WorkPool, WorkQueue
from dispatcher.models.records import Requeue


def may_start(run: Run, pool: WorkPool, now: datetime) -> bool:
    """Whether a waiting run may start as soon as a slot is free: it is due, no back-off holds it, and its queue is open."""
    queue = pool.queue(run.queue)
    is_due = run.due_at <= now and (run.not_before is None or run.not_before <= now)
    return is_due and queue is not None and closed_by(pool, queue, {}, now) is None


def may_start_after(run: Run, change: Requeue, pool: WorkPool, now: datetime) -> bool:
    """Whether a waiting run may start after people have changed its queue or due time. Another priority alone frees no slot."""
    stays = change.queue == run.queue and "due_at" not in change.changes
    return not stays and may_start(replace(run, queue=change.queue, **change.changes), pool, now)


def gives_room(before: WorkPool, after: WorkPool) -> bool:
    """Whether more runs may start after a change of a pool: a pause of it or of a queue ends, a limit rises, or holds meet
    another template, which may ask for another place or less room.
    """
    queues = [(queue, after.queue(queue.name)) for queue in before.queues]
    wider = _is_wider(before, after) or any(_is_wider(queue, same) for queue, same in queues if same)
    eased = bool(before.holds) and before.base_job_template != after.base_job_template
    return not _is_closed(after) and (wider or eased)


def gives_deployment_room(before: Deployment, after: Deployment, pool: WorkPool) -> bool:
    """Whether a tick may do more after a change of a deployment: its limit rises, its full line no longer waits, or holds meet
    other job variables.
    """
    raised = _is_more(before.concurrency_limit, after.concurrency_limit)
    ends_runs = after.on_collision not in (OnCollision.WAIT, before.on_collision) and after.concurrency_limit is not None
    eased = bool(pool.holds) and before.job_variables != after.job_variables
    return not _is_closed(pool) and (raised or ends_runs or eased)


def with_room(
    before: Sequence[WorkPool], after: Sequence[WorkPool], changed: Sequence[tuple[Deployment, Deployment]] = ()
) -> Sequence[str]:
    """The names of the pools that get room from a change of several pools and deployments, each deployment before and after."""
    stored, target = _by_name(before), _by_name(after)
    pools = [pool.name for pool in after if pool.name in stored and gives_room(stored[pool.name], pool)]
    owners = [(old, new, target[new.pool]) for old, new in changed if old.pool == new.pool]
    return list(dict.fromkeys([*pools, *(pool.name for old, new, pool in owners if gives_deployment_room(old, new, pool))]))


def _by_name(pools: Sequence[WorkPool]) -> Mapping[str, WorkPool]:
    return {pool.name: pool for pool in pools}


def _is_wider(before: WorkPool | WorkQueue, after: WorkPool | WorkQueue) -> bool:
    goes_on = before.paused and not after.paused
    return not _is_closed(after) and (goes_on or _is_more(before.concurrency_limit, after.concurrency_limit))


def _is_closed(noun: WorkPool | WorkQueue) -> bool:
    return noun.paused or noun.concurrency_limit == 0


def _is_more(before: int | None, after: int | None) -> bool:
    return before is not None and (after is None or after > before)
