"""Which changes of a pool give its runs room, so that a tick may admit runs that it could not admit before."""

from __future__ import annotations

from collections.abc import Sequence

from dispatcher.models import WorkPool, WorkQueue


def gives_room(before: WorkPool, after: WorkPool) -> bool:
    """Whether a pause of the pool or a queue ends, or a limit rises."""
    queues = [(queue, after.queue(queue.name)) for queue in before.queues]
    return _is_wider(before, after) or any(_is_wider(queue, same) for queue, same in queues if same)


def with_room(before: Sequence[WorkPool], after: Sequence[WorkPool]) -> Sequence[str]:
    """The names of the pools that get room from a change of several pools."""
    stored = {pool.name: pool for pool in before}
    return [pool.name for pool in after if pool.name in stored and gives_room(stored[pool.name], pool)]


def _is_wider(before: WorkPool | WorkQueue, after: WorkPool | WorkQueue) -> bool:
    goes_on = before.paused and not after.paused
    return goes_on or _is_more(before.concurrency_limit, after.concurrency_limit)


def _is_more(before: int | None, after: int | None) -> bool:
    return before is not None and (after is None or after > before)
