"""Flow runs that are due become runs, each once for every occasion on which it is scheduled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TypeVar
from uuid import UUID

from dispatcher.core.transitions import end
from dispatcher.models import Run, RunState, WorkPool
from dispatcher.models.records import Snapshot
from dispatcher.prefect.flow_runs import FlowRun, run_of, unresolved_fault
from dispatcher.prefect.identity import run_id
from dispatcher.prefect.job_variables import JobVariables
from dispatcher.prefect.server import PAGE, PrefectServer
from dispatcher.protocols import Store

Item = TypeVar("Item")

AHEAD = timedelta(seconds=60)
"""How long before its time a flow run is brought; it starts when it is due."""
MOST = 2000
"""Flow runs of one queue that one tick reads."""
WAITING = 2500
"""Waiting runs of one queue that are read to know what is here already: more than `MOST`."""


@dataclass
class Bringing:
    """One round of bringing the flow runs of one pool."""

    store: Store
    server: PrefectServer
    pool: WorkPool
    now: datetime
    is_over: Callable[[], bool]
    crashed: Callable[[FlowRun, Run], None]
    """Reports a run that could not be rendered: the server has not heard of it yet."""
    job_variables: JobVariables

    def bring(self) -> int:
        """Add the runs that are new; returns their number.

        While all that is due fits into one page, it is one call for all queues. Otherwise each queue is read for itself, so
        that none hides another; a page after the first is read only if this one had any.
        """
        waiting, added = waiting_runs(self.store, self.pool, self.now), 0
        first = list(islice(self._due(), PAGE))
        if len(first) < PAGE:
            names = {queue.name for queue in self.pool.queues}
            return self._add([flow_run for flow_run in first if flow_run.queue in names], waiting)[0]
        for queue in self.pool.queues:
            for page in pages(islice(self._due(queue.name), MOST)):
                some, had_any = self._add(page, waiting)
                added += some
                if not had_any or self.is_over():
                    break
        return added

    def _due(self, queue: str | None = None) -> Iterator[FlowRun]:
        return self.server.flow_runs(self.pool.name, ["SCHEDULED"], queue=queue, before=self.now + AHEAD)

    def _add(self, page: Sequence[FlowRun], waiting: Mapping[str, Run]) -> tuple[int, bool]:
        """Add the runs of a page. Returns how many were added, and whether any was new."""
        new = list(self._new(page, waiting))
        added = len(self.store.add_runs([run for run, _ in new])) if new else 0
        self._replace([old for _, old in new if old is not None])
        return added, bool(new)

    def _new(self, page: Sequence[FlowRun], waiting: Mapping[str, Run]) -> Iterator[tuple[Run, Run | None]]:
        """The runs to add, each with the waiting run that it replaces."""
        flow_runs = [flow_run for flow_run in page if not flow_run.retries_in_process]
        self.job_variables.read(flow_runs)
        for flow_run in flow_runs:
            variables = self.job_variables.of(flow_run, self.pool)
            stored = waiting.get(flow_run.id)
            if stored is not None and stored.job_variables == variables and stored.queue == flow_run.queue:
                continue
            last, following = latest(self.store, self.pool, flow_run)
            if stored is None and last is not None and not self._is_over(flow_run, last):
                continue
            run = run_of(flow_run, variables, self.pool, following, self.now)
            if fault := unresolved_fault(variables):
                self.crashed(flow_run, replace(run, reason=fault))
            else:
                yield run, stored

    def _is_over(self, flow_run: FlowRun, last: Run) -> bool:
        """Whether the occasion of our last run of it is over, so that this is another one."""
        if not last.state.is_terminal:
            return False
        unheard = last.state is RunState.CRASHED and last.claimed_at is None and last.scheduled_at == flow_run.due_at
        if unheard:
            self.crashed(flow_run, last)
        return not unheard

    def _replace(self, old: Sequence[Run]) -> None:
        """End waiting runs after their successors were added. Both together are safe: the server lets one of them start."""
        reason = "its flow run was changed in Prefect, and another run has taken its place"
        if moves := [end(run, RunState.CANCELLED, reason, self.now, notifies=False) for run in old]:
            self.store.move(moves)


def waiting_runs(store: Store, pool: WorkPool, now: datetime) -> dict[str, Run]:
    """Our waiting runs of a pool by flow run, in one read; a later one of the same flow run counts."""

    def waiting(snapshot: Snapshot) -> Sequence[Run]:
        return [run for queue in snapshot.pool.queues for run in snapshot.due(queue.name, WAITING)]

    runs = store.look(pool.name, now + AHEAD, waiting) or ()
    return {run.source_id: run for run in sorted(runs, key=lambda run: run.created_at) if run.source_id is not None}


def latest(store: Store, pool: WorkPool, flow_run: FlowRun) -> tuple[Run | None, UUID]:
    """Our last run of a flow run, and the id of the next."""
    runs, following = _kept(store, pool, flow_run)
    return (runs[-1] if runs else None), following


def earlier_runs(store: Store, pool: WorkPool, flow_run: FlowRun) -> Sequence[Run]:
    """Our runs of a flow run that were not pruned, oldest first."""
    return _kept(store, pool, flow_run)[0]


def _kept(store: Store, pool: WorkPool, flow_run: FlowRun) -> tuple[list[Run], UUID]:
    runs, following = _followed(store, partial(run_id, pool, flow_run.id))
    shown = flow_run.shown_run
    if runs or (shown is None and flow_run.infrastructure_pid is None):
        return runs, following
    runs, following = _followed(store, partial(run_id, pool, flow_run.id, after=shown or flow_run.infrastructure_pid))
    first = store.get(shown) if shown else None
    return ([first] if first is not None and first.source_id == flow_run.id else []) + runs, following


def _followed(store: Store, id_of: Callable[[int], UUID]) -> tuple[list[Run], UUID]:
    runs = list[Run]()
    while run := store.get(id_of(len(runs) + 1)):
        runs.append(run)
    return runs, id_of(len(runs) + 1)


def pages(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
    """The items in parts of at most one page of the server, each read when it is asked for."""
    while page := list(islice(items, PAGE)):
        yield page
