"""Invariants of every store's contents. Each violation is one line of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from dispatcher.models import DEFAULT_QUEUE, Deployment, Run, RunState, WorkPool
from dispatcher.models.records import QueueCount


class Integrity:
    """Checks all runs of a store, page by page, and returns the violations at the end."""

    def __init__(self, pools: Iterable[WorkPool], deployments: Iterable[Deployment]) -> None:
        self._pools = {pool.name: pool for pool in pools}
        self._deployments = list(deployments)
        self._held: Counter[tuple[str, str]] = Counter()
        self.runs = 0
        """How many runs were checked."""

    def of_runs(self, runs: Iterable[Run]) -> Iterator[str]:
        """The violations that can be seen in each of these runs alone."""
        for run in runs:
            self.runs += 1
            self._held[run.pool, run.queue] += run.state.holds_slot
            yield from (f"run {run.id} ({run.state}): {fault}" for fault in self._of_run(run))

    def of_pools(self, counts: Mapping[str, Mapping[str, QueueCount]]) -> Iterator[str]:
        """The violations of pools and deployments, and of the store's counts of slots (by pool, by queue)."""
        for pool in self._pools.values():
            yield from (f"work pool {pool.name!r}: {fault}" for fault in _of_pool(pool))
            for queue, count in counts.get(pool.name, {}).items():
                held = self._held[pool.name, queue]
                if count.in_use != held:
                    yield f"work queue {queue!r} of {pool.name!r}: {count.in_use} slots are counted, {held} runs hold one"
        for deployment in self._deployments:
            owner = self._pools.get(deployment.pool)
            if owner is None or owner.queue(deployment.queue) is None:
                queue = f"work queue {deployment.queue!r} of {deployment.pool!r}"
                yield f"deployment {deployment.name!r}: its {queue} does not exist"

    def _of_run(self, run: Run) -> Iterator[str]:
        pool = self._pools.get(run.pool)
        if pool is None:
            yield f"its work pool {run.pool!r} does not exist"
        elif not run.state.is_terminal and pool.queue(run.queue) is None:
            yield f"its work queue {run.queue!r} of {run.pool!r} does not exist, so that it can never be admitted"
        if run.state.is_terminal != (run.ended_at is not None):
            yield "has no time of its end" if run.state.is_terminal else "has the time of an end that it has not come to"
        if run.state.holds_slot and run.submission is None and run.lease_until is None:
            yield "holds a slot with neither a job nor a claim that could be taken over"
        if run.state.holds_slot and run.job is None:
            yield "holds a slot without the job that its claim pinned"
        if run.state is RunState.SCHEDULED and run.submission is not None:
            yield "waits, and has a job"
        if run.lingers and not (run.state.is_terminal and (run.submission or run.left_behind)):
            yield "is to be tidied up, and has no ended job"


def _of_pool(pool: WorkPool) -> Iterator[str]:
    if pool.queue(DEFAULT_QUEUE) is None:
        yield f"has no work queue {DEFAULT_QUEUE!r}"
    if len({queue.priority for queue in pool.queues}) < len(pool.queues):
        yield "has two work queues of one priority"
