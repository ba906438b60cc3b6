"""Work on all runs that match a filter, in steps of at most 200 runs: cancel, retry, move to another queue, start now.

Whoever asks drives the steps: a page, a command line, a caller of the API. Nothing works in the background, so that it is the
same within a function. It may end after any step and be repeated: no run is done twice. Runs that are created after the moment
`as_of` are left alone. All steps of one piece of work share an entry of the log, which counts their runs in the transactions
that change them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, TypeVar
from uuid import UUID

from dispatcher.client.arguments import utc
from dispatcher.client.batch import Batch
from dispatcher.client.bulk_words import in_words
from dispatcher.client.counting import Count, count_step, count_steps
from dispatcher.client.cursors import page_of_runs
from dispatcher.client.mirrors import RUN, why_not
from dispatcher.client.runs import Runs
from dispatcher.client.waiting import check_waiting
from dispatcher.core.room import may_start, may_start_after
from dispatcher.core.transitions import cancelled, due_now, requeued
from dispatcher.errors import Conflict, Fault, InvalidInput, NotFound
from dispatcher.models import TERMINAL_STATES, LogEntry, Run, RunState, WorkPool
from dispatcher.models.records import Move, Requeue, RunFilter

STEP = 200
"""The most runs of one step."""

FUTURE = timedelta(minutes=1)
"""How far the caller's clock may be ahead."""

Change = TypeVar("Change", Move, Requeue)

Pools: TypeAlias = Mapping[str, WorkPool | None]
"""The pools of the runs of a step, by name; None for one that is gone."""


class BulkAction(StrEnum):
    """What is done to each run."""

    CANCEL = "cancel"
    RETRY = "retry"
    MOVE = "move"
    START_NOW = "start-now"


STATES: Mapping[BulkAction, frozenset[RunState]] = {
    BulkAction.CANCEL: frozenset(RunState) - TERMINAL_STATES,
    BulkAction.RETRY: TERMINAL_STATES,
    BulkAction.MOVE: frozenset({RunState.SCHEDULED}),
    BulkAction.START_NOW: frozenset({RunState.SCHEDULED}),
}
"""The states of the runs to which it can be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One piece of work. Made by `Dispatcher.bulk`, from the same arguments for each step."""

    action: BulkAction
    where: RunFilter
    """Only states in which it can be done, and runs that existed at `as_of`."""
    as_of: datetime
    id: UUID
    """The id of its entry in the log."""
    queue: str | None = None
    """Where `MOVE` moves the runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkStep:
    """What became of the runs of one step."""

    done: int
    skipped: int
    """Those for which nothing was left to do."""
    refused: Sequence[Fault]
    """Those for which it cannot be done, by id, each with the reason."""
    cursor: str | None
    """Where the next step begins; None: this was the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What became of the runs of one step, and what that gives ticks to do."""

    done: Collection[UUID]
    """The runs that were changed, or repeated."""
    ticks: Collection[str]
    """The pools in which a tick has something to do at once."""
    refused: Sequence[Fault] = ()


class BulkRuns(Runs):
    """Work on many runs."""

    def bulk(
        self,
        action: BulkAction | str,
        where: RunFilter,
        *,
        queue: str | None = None,
        as_of: datetime | None = None,
        id: UUID | None = None,  # noqa: A002 - the field
    ) -> Work:
        """The work of doing `action` to all runs that match; it changes nothing yet.

        `as_of`: runs that are created later are left alone (now). `id` names the work in the log (a new one); it and `as_of`
        are given again for the steps that follow. Raises `InvalidInput`, or `NotFound` for a pool or queue that does not exist.
        """
        doing, now = _action(action), self.clock.now()
        moment = now if as_of is None else utc(as_of, "as_of")
        if moment > now + FUTURE:
            raise InvalidInput("runs", [Fault("as_of", f"must not be in the future (got {moment.isoformat()})")])
        self._check_queue(doing, where, queue)
        until = moment + timedelta(microseconds=1)
        among = replace(where, states=_states(doing, where), until=until if where.until is None else min(where.until, until))
        return Work(action=doing, where=among, as_of=moment, id=id or self.clock.new_id(), queue=queue)

    def bulk_count(self, work: Work, cursor: str = "") -> Count:
        """How many runs match by now, by state: one step of the count. Unless it `is_exact`, its `cursor` goes on.

        Raises `InvalidInput` for a cursor of other work.
        """
        return count_step(self.store, work.where, cursor)

    def bulk_counts(self, work: Work) -> Iterator[Count]:
        """The count after each of its steps; the last one is exact."""
        return count_steps(self.store, work.where)

    def bulk_step(self, work: Work, cursor: str = "", *, limit: int = STEP) -> BulkStep:
        """Do the work for the next `limit` runs, the newest first. Raises `InvalidInput` for a cursor of other work."""
        if not 1 <= limit <= STEP:
            raise InvalidInput("runs", [Fault("limit", f"must be from 1 to {STEP}, not {limit}")])
        page = page_of_runs(self.store, work.where, cursor, limit)
        pools = {name: self.store.pool(name) for name in {run.pool for run in page.items}}
        own, refused = _of_our_own(page.items, pools, work.queue)
        result = self._do(work, own, pools, self._entry_of(work))
        skipped = len(own) - len(result.done) - len(result.refused)
        self.start_tick(sorted(result.ticks))
        return BulkStep(done=len(result.done), skipped=skipped, refused=(*refused, *result.refused), cursor=page.next)

    def bulk_steps(self, work: Work, cursor: str = "") -> Iterator[BulkStep]:
        """Do all of the work, step by step. The ticks that it asks for are started at its end, one for each pool."""
        following: str | None = cursor
        with self.starting_ticks_once() as client:
            while following is not None:
                step = client.bulk_step(work, following)
                yield step
                following = step.cursor

    def _do(self, work: Work, runs: Sequence[Run], pools: Pools, entry: LogEntry) -> _Result:
        now, queue = self.clock.now(), work.queue
        if work.action is BulkAction.RETRY:
            return self._retry_all(runs, entry)
        if work.action is BulkAction.CANCEL:
            moves = self._settle(runs, lambda run: cancelled(run, now), lambda moves: self.recorder.move(moves, entry))
            return _Result(done=moves.keys(), ticks={move.pool for _, move in moves.values() if move.to is RunState.CANCELLING})

        def change(run: Run) -> Requeue | None:
            if run.state is not RunState.SCHEDULED or run.queue == queue:
                return None
            return due_now(run, now) if queue is None else requeued(run, queue)

        made = self._settle(runs, change, lambda changes: self.recorder.requeue_all(changes, entry))
        return _Result(done=made.keys(), ticks=_pools_of_those_that_may_start(made.values(), pools, now))

    def _settle(
        self, runs: Iterable[Run], change: Callable[[Run], Change | None], write: Callable[[Sequence[Change]], frozenset[UUID]]
    ) -> Mapping[UUID, tuple[Run, Change]]:
        """Change runs, and again those that somebody has changed meanwhile, until nothing is left to do.

        Returns, by id, the runs that were changed, as they were before, and their changes.
        """
        left, done = list(runs), dict[UUID, tuple[Run, Change]]()
        while changes := {run.id: (run, made) for run in left if (made := change(run))}:
            written = write([made for _, made in changes.values()])
            done |= {run_id: changes[run_id] for run_id in changes if run_id in written}
            left = [run for run_id in changes if run_id not in written and (run := self.store.get(run_id))]
        return done

    def _retry_all(self, runs: Sequence[Run], entry: LogEntry) -> _Result:
        batch, new, refused = Batch(self), dict[UUID, Run](), list[Fault]()
        for run in runs:
            try:
                new[run.id] = self._repeated(batch, run)
                check_waiting(self.store, new.values(), batch.deployment, self.clock.now())
            except (InvalidInput, NotFound, Conflict) as problem:
                new.pop(run.id, None)
                refused.append(Fault(str(run.id), str(problem)))
        added = self.recorder.add_runs(list(new.values()), entry) if new else frozenset()
        done, now = {old: run for old, run in new.items() if run.id in added}, self.clock.now()
        ticks = {run.pool for run in done.values() if may_start(run, batch.pool(run.pool), now)}
        return _Result(done=done.keys(), ticks=ticks, refused=refused)

    def _check_queue(self, action: BulkAction, where: RunFilter, queue: str | None) -> None:
        if (queue is None) is (action is BulkAction.MOVE):
            words = "name the work queue to move the runs into" if queue is None else f"has no meaning for {action}"
            raise InvalidInput("runs", [Fault("queue", words)])
        if where.pool is not None:
            pool = self.work_pool(where.pool)
            if queue is not None:
                self._queue(pool, queue)

    def _entry_of(self, work: Work) -> LogEntry:
        """The entry that all steps of the work write: a store counts the runs of each."""
        fields = ({"path": "queue", "action": "change", "before": None, "after": work.queue},) if work.queue else ()
        entry = self.recorder.entry(work.action.replace("-", " "), "runs", in_words(work.where), id=work.id, fields=fields)
        return replace(entry, changed_at=work.as_of)


def _pools_of_those_that_may_start(made: Iterable[tuple[Run, Requeue]], pools: Pools, now: datetime) -> Collection[str]:
    return {run.pool for run, requeue in made if (pool := pools[run.pool]) and may_start_after(run, requeue, pool, now)}


def _of_our_own(runs: Sequence[Run], pools: Pools, queue: str | None) -> tuple[Sequence[Run], Sequence[Fault]]:
    """The runs that may be changed here, and why the others may not: their pool mirrors a source, or lacks the queue."""
    reasons: dict[str, str] = {}
    for name, pool in pools.items():
        if pool is not None and queue is not None and pool.queue(queue) is None:
            reasons[name] = f"work pool {name!r} has no work queue {queue!r}"
        if pool is not None and pool.mirror is not None:
            reasons[name] = why_not(pool, RUN)
    refused = [Fault(str(run.id), reasons[run.pool]) for run in runs if run.pool in reasons]
    return [run for run in runs if run.pool not in reasons], refused


def _action(action: BulkAction | str) -> BulkAction:
    try:
        return BulkAction(action)
    except ValueError:
        raise InvalidInput("runs", [Fault("action", f"must be {', '.join(BulkAction)}, not {action!r}")]) from None


def _states(action: BulkAction, where: RunFilter) -> frozenset[RunState]:
    """The states of the filter in which it can be done. Raises `InvalidInput` if there is none."""
    states = STATES[action] if where.states is None else where.states & STATES[action]
    if not states:
        words = (
            f"none of {', '.join(sorted(where.states or ()))} fits: {action} is for runs in {', '.join(sorted(STATES[action]))}"
        )
        raise InvalidInput("runs", [Fault("state", words)])
    return states
