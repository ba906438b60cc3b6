"""The promises as checks, made at the very step that could break them.

once        a name never starts a second job; what is submitted under one name is always the same bytes
never over  a job starts only for a run that holds a slot under that name; a run gives its slot up only when no job of
            it lives; after a claim that granted anything, no limit is passed
order       a claim grants exactly the runs that the rules give, worked out here once more, by brute force
end         ended runs never move; a job never starts for a run that has ended; a cancelled run whose claim was taken over is
            submitted by nobody
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatcher.models import Run, RunState, WorkPool, parse_submission_name, submission_name
from dispatcher.moving import check
from dispatcher.store import Claims, RunFilter, Store
from tests.simulation.cloud import Cloud, CloudJob

EVERYTHING = 1000
UNENDED = frozenset(state for state in RunState if not state.is_end)


class Violation(BaseException):
    """A promise was broken. Not an `Exception`, since a tick takes one from a provider for a missing answer."""


class Checks:
    """What every step of a world is held against. `store` reads without faults."""

    def __init__(self, store: Store, clouds: dict[str, Cloud]) -> None:
        self.store = store
        self.clouds = clouds
        self.ended: dict[UUID, Run] = {}
        self.starts: Counter[str] = Counter()
        self.bodies: dict[str, str] = {}
        self.cancelled: set[str] = set()

    def runs(self) -> Sequence[Run]:
        """Every run."""
        return self.store.runs(RunFilter(), limit=EVERYTHING)

    def unended(self, pool: str | None = None) -> Sequence[Run]:
        """Every run that has not ended."""
        return self.store.runs(RunFilter(pool=pool, states=UNENDED), limit=EVERYTHING)

    def submitted(self, name: str, body: Any) -> None:
        """A submission is on its way."""
        if name in self.cancelled:
            raise Violation(f"end: {name} is submitted, though its run was cancelled before its claim was taken over")
        sent = json.dumps(body)
        first = self.bodies.setdefault(name, sent)
        if first != sent:
            raise Violation(f"once: {name} is submitted again with another body: {first} -> {sent}")

    def started(self, job: CloudJob) -> None:
        """A job has started in a cloud."""
        self.starts[job.name] += 1
        if self.starts[job.name] > 1:
            raise Violation(f"once: {job.name} was started {self.starts[job.name]} times")
        known = parse_submission_name(job.name)
        run = self.store.get(known[0]) if known else None
        if run is None or known is None:
            raise Violation(f"once: {job.name} is the job of no run")
        if not run.state.holds_slot or run.attempt != known[1]:
            raise Violation(f"never over: {job.name} starts while its run is {run.state}, attempt {run.attempt}")

    def moved(self, run_ids: Iterable[UUID]) -> None:
        """Runs have been moved by a store."""
        for run_id in run_ids:
            self._look_at(run_id)

    def _look_at(self, run_id: UUID) -> None:
        if run_id in self.ended:
            raise Violation(f"end: ended run {run_id} was moved")
        run = self.store.get(run_id)
        if run is None:
            raise Violation(f"never lost: run {run_id} is gone")
        if run.state.is_end:
            self.ended[run_id] = run
        if not run.state.holds_slot:
            self._no_job_lives(run)

    def _no_job_lives(self, run: Run) -> None:
        living = [job.name for job in self.clouds[run.pool].live() if job.name.startswith(f"r{run.id.hex}-")]
        if living:
            raise Violation(f"never over: run {run.id} is {run.state} while {living} live")

    def expected(self, pool: WorkPool | None, now: datetime, batch: int) -> list[UUID]:
        """The runs that a claim must grant, worked out the slow way: one run after the other, all of them sorted."""
        if pool is None or pool.paused or (pool.held_until and now < pool.held_until):
            return []
        runs = self.unended(pool.name)
        held = Counter(run.queue for run in runs if run.state.holds_slot)
        priority = {queue.name: queue.priority for queue in pool.queues}
        ready = [run for run in runs if run.state is RunState.SCHEDULED and run.due_at <= now]
        ready = [run for run in ready if run.not_before is None or run.not_before <= now]
        granted: list[UUID] = []
        for run in sorted(ready, key=lambda run: (priority[run.queue], run.due_at, run.id)):
            queue = pool.queue(run.queue)
            if queue is None or queue.paused or len(granted) == batch or _full(pool.concurrency_limit, held.total()):
                continue
            if not _full(queue.concurrency_limit, held[run.queue]):
                granted.append(run.id)
                held[run.queue] += 1
        return granted

    def claimed(self, pool: WorkPool | None, expected: list[UUID], claims: Claims) -> None:
        """A claim has been made; `pool` and `expected` are from the instant before it."""
        fresh = [claim.run.id for claim in claims.claims if not claim.repeat] + [run.id for run in claims.crashed]
        if sorted(fresh) != sorted(expected):
            raise Violation(f"order: granted {fresh}, but the rules give {expected}")
        self.moved(run.id for run in claims.crashed)
        taken_over = [claim.run for claim in claims.claims if claim.repeat and claim.run.state is RunState.CANCELLING]
        self.cancelled.update(submission_name(run.id, run.attempt) for run in taken_over)
        if fresh and pool is not None:
            runs = self.unended(pool.name)
            held = Counter(run.queue for run in runs if run.state.holds_slot)
            served = {run.queue for run in runs if run.id in fresh}
            over = [queue.name for queue in pool.queues if queue.name in served]
            over = [name for name in over if _over(pool.queue(name).concurrency_limit, held[name])]
            if over or _over(pool.concurrency_limit, held.total()):
                raise Violation(f"never over: {dict(held)} in {pool.name}, limits {pool.concurrency_limit}, {over}")

    def whole(self) -> None:
        """Everything at once, from time to time: ended runs are as they were, living jobs have their slots."""
        runs = {run.id: run for run in self.runs()}
        for run_id, ended in self.ended.items():
            now = runs.get(run_id)
            if now is None or (now.state, now.fence, now.ended_at) != (ended.state, ended.fence, ended.ended_at):
                raise Violation(f"end: run {run_id} was {ended.state} and is {now}")
        for cloud in self.clouds.values():
            for job in cloud.live():
                run_id, attempt = parse_submission_name(job.name) or (UUID(int=0), 0)
                run = runs.get(run_id)
                if run is None or not run.state.holds_slot or run.attempt != attempt:
                    raise Violation(f"never over: {job.name} lives while its run is {run and run.state}")
        torn = list(check(self.store))
        if torn:
            raise Violation(f"whole: {torn}")

    def calm(self) -> None:
        """After the calm phase: every run has ended, nothing lives or lingers."""
        self.whole()
        left = [f"{run.id} is {run.state} ({run.reason})" for run in self.unended()]
        if left:
            raise Violation(f"never stuck: {left}")
        lingering = [run.id for run in self.runs() if run.lingers]
        if lingering:
            raise Violation(f"never stuck: {lingering} still linger")


def _full(limit: int | None, held: int) -> bool:
    return limit is not None and held >= limit


def _over(limit: int | None, held: int) -> bool:
    return limit is not None and held > limit
