"""The priority of a queue among the others of its pool, by Prefect's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dispatcher.models import WorkQueue


def last_priority(queues: Sequence[WorkQueue]) -> int:
    """The priority of a new queue that names none: last."""
    return max((queue.priority for queue in queues), default=0) + 1


def holder(queues: Sequence[WorkQueue], newcomer: WorkQueue) -> WorkQueue | None:
    """The other queue that has the newcomer's priority, if there is one."""
    return next((queue for queue in queues if queue.priority == newcomer.priority and queue.name != newcomer.name), None)


def next_free(queues: Sequence[WorkQueue], priority: int) -> int:
    """The first priority after `priority` that no queue has."""
    taken = {queue.priority for queue in queues}
    return next(number for number in range(priority + 1, priority + len(taken) + 2) if number not in taken)


def insert(queues: Sequence[WorkQueue], newcomer: WorkQueue) -> tuple[WorkQueue, ...]:
    """Insert `newcomer` at its priority, replacing the queue of the same name; the result is in order of priority.

    The newcomer takes its priority. A queue that has that priority moves down by one, and so on, only as far as needed: gaps
    stay.
    """
    others = sorted((queue for queue in queues if queue.name != newcomer.name), key=lambda queue: queue.priority)
    placed = [queue for queue in others if queue.priority < newcomer.priority] + [newcomer]
    for queue in others[len(placed) - 1 :]:
        placed.append(replace(queue, priority=max(queue.priority, placed[-1].priority + 1)))
    return tuple(placed)


def without(queues: Sequence[WorkQueue], name: str) -> tuple[WorkQueue, ...]:
    """All queues but one; the others keep their priorities."""
    return tuple(queue for queue in queues if queue.name != name)
