"""Fair shares once more, slot after slot, by brute force: between the queues of a pool, and the deployments of a queue."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from dispatcher.core.holds import order_in_queue
from dispatcher.models import Run, Share, WorkPool, WorkQueue


def is_full(limit: int | None, held: int) -> bool:
    """Whether a limit allows no further slot."""
    return limit is not None and held >= limit


def in_line(queue: WorkQueue, ready: Sequence[Run], live: Sequence[Run], weights: Mapping[str, int]) -> list[Run]:
    """The ready runs of a queue in the order in which they start, beside those that hold a slot of it."""
    waiting = sorted((run for run in ready if run.queue == queue.name), key=order_in_queue)
    if queue.share is Share.STRICT:
        return waiting
    held, line = Counter(run.deployment for run in live if run.queue == queue.name), list[Run]()

    def turn(run: Run) -> tuple[Fraction, tuple[object, ...]]:
        return Fraction(held[run.deployment] + 1, weights.get(run.deployment or "", 1)), order_in_queue(run)

    while waiting:
        first = min(waiting, key=turn)
        waiting.remove(first)
        line.append(first)
        held[first.deployment] += 1
    return line


def dealt(pool: WorkPool, lines: Mapping[str, Sequence[Run]], held: Counter[str], batch: int) -> list[Run]:
    """Slot after slot, to the queue that would hold least for its weight."""
    granted: list[Run] = []
    waiting = {name: list(line) for name, line in lines.items()}
    while len(granted) < batch and not is_full(pool.concurrency_limit, held.total()):
        open_queues = [queue for queue in pool.queues if waiting.get(queue.name) and not queue.paused]
        open_queues = [queue for queue in open_queues if not is_full(queue.concurrency_limit, held[queue.name])]
        if not open_queues:
            break
        first = min(open_queues, key=lambda queue: (Fraction(held[queue.name] + 1, queue.weight), queue.priority))
        granted.append(waiting[first.name].pop(0))
        held[first.name] += 1
    return granted
