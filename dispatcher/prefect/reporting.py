"""Ends, cancellations and deletions, in both directions: what each side does not know of the other yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from dispatcher.core.transitions import cancelled
from dispatcher.models import Run, RunState, WorkPool
from dispatcher.prefect.answers import is_ours
from dispatcher.prefect.bringing import earlier_runs, latest, pages, waiting_runs
from dispatcher.prefect.flow_runs import FlowRun, run_of
from dispatcher.prefect.identity import OwnTransition, run_id, transition_id
from dispatcher.prefect.owed import Back, Cancel, Ended, Owed, Started, holds, owed, unseen
from dispatcher.prefect.pids import RUN_LABEL, pid_of, run_in
from dispatcher.prefect.server import PrefectServer
from dispatcher.protocols import Store

SLOTS = ("PENDING", "RUNNING", "CANCELLING")
MOST = 2000
"""Flow runs of one pool that one tick compares."""
LIVE = 10_000
FORGOTTEN = "its claim is given back: the dispatcher's store does not know of it"
SETTLED = timedelta(seconds=30)
"""How long after its submission a run may be in no list of the server: the lists were read at different moments."""


@dataclass
class Reporting:
    """One comparison of one pool."""

    store: Store
    server: PrefectServer
    pool: WorkPool
    now: datetime
    is_over: Callable[[], bool]
    is_last: bool = False
    """This is the last report: the claims of all waiting runs are given back."""
    _open_ends: int = field(default=0, init=False)
    """Flow runs that hold a slot for a job of ours that has ended, and may still report this itself."""
    _waiting_runs: Mapping[str, Run] | None = field(default=None, init=False)

    def compare(self) -> bool:
        """Report ends to the server, give claims back, and cancel runs that are cancelled or deleted there.

        Returns whether every flow run that holds a slot there was compared, and none still waits for its job's own report.
        """
        self._open_ends = 0
        live = {run.source_id: run for run in self.store.live(self.pool.name, limit=LIVE) if run.source_id is not None}
        seen = set[str]()
        for flow_run in islice(self.server.flow_runs(self.pool.name, SLOTS), MOST):
            seen.add(flow_run.id)
            if self.is_over():
                return False
            run = live.get(flow_run.id) or latest(self.store, self.pool, flow_run)[0] or self._waiting(flow_run.id)
            if run is not None:
                self._settle(flow_run, run)
            else:
                self._give_back_forgotten(flow_run)
        self._settle_unseen([run for run in live.values() if run.source_id not in seen])
        return len(seen) < MOST and not (self.is_last and self._open_ends)

    def _waiting(self, flow_run_id: str) -> Run | None:
        """For flow runs whose first runs here were pruned: no id leads to the run that waits now.

        Read once, but not by `cached_property`, whose lock is that of all instances: one pool's read would hold up another's.
        """
        if self._waiting_runs is None:
            self._waiting_runs = waiting_runs(self.store, self.pool, self.now)
        return self._waiting_runs.get(flow_run_id)

    def cancel_requested(self) -> None:
        """Cancel the runs whose flow runs are CANCELLING, so that this very tick stops their jobs."""
        for flow_run in islice(self.server.flow_runs(self.pool.name, ["CANCELLING"]), MOST):
            run = latest(self.store, self.pool, flow_run)[0] or self._waiting(flow_run.id)
            if run is not None and isinstance(self._owed(flow_run, run), Cancel):
                self._cancel(run)

    def _settle(self, flow_run: FlowRun, run: Run) -> None:
        match self._owed(flow_run, run):
            case Ended(state, reason):
                report_end(self.server, flow_run.id, run, state, reason)
            case Back(at):
                give_back(self.server, flow_run.id, run, at)
            case Started():
                report_started(self.server, self.pool, run, run.url)
            case Cancel():
                self._cancel(run)
            case None:
                self._open_ends += run.state.is_terminal and holds(flow_run, run, shows_ours=self._shows_ours(flow_run, run))

    def _give_back_forgotten(self, flow_run: FlowRun) -> None:
        """Give back the claim of a run that this store has forgotten, as one that was restored from an older copy has.

        Of a first attempt alone: the run that is made now has the same id, and its job the same name, so that a job that was
        submitted all the same is found. Where the flow run shows a job already, it is left to that.
        """
        following = latest(self.store, self.pool, flow_run)[1]
        run = replace(run_of(flow_run, {}, self.pool, following, self.now), reason=FORGOTTEN)
        if is_ours(flow_run.state, {transition_id(run, OwnTransition.CLAIM)}):
            give_back(self.server, flow_run.id, run, self.now)

    def _owed(self, flow_run: FlowRun, run: Run) -> Owed | None:
        shows_ours, pid = self._shows_ours(flow_run, run), pid_of(run, self.pool.type)
        waits = self.is_last and run.state is RunState.SCHEDULED and flow_run.state_type == "PENDING"
        if waits and holds(flow_run, run, shows_ours=shows_ours):
            return Back(run.due_at)
        return owed(flow_run, run, self.now, pid=pid, shows_ours=shows_ours)

    def _shows_ours(self, flow_run: FlowRun, run: Run) -> bool:
        """Whether it shows no infrastructure yet, or a job of ours. The server keeps showing that of an earlier occasion."""
        pid = flow_run.infrastructure_pid
        if pid is None or pid == pid_of(run, self.pool.type) or run_in(pid) == run.id:
            return True
        runs = earlier_runs(self.store, self.pool, flow_run)
        return any(run_in(pid) == earlier.id or pid == pid_of(earlier, self.pool.type) for earlier in runs)

    def _settle_unseen(self, runs: Sequence[Run]) -> None:
        old = [run for run in runs if run.submitted_at is not None and self.now - run.submitted_at > SETTLED]
        for some in pages(iter(old)):
            if self.is_over():
                return
            flow_runs = {
                flow_run.id: flow_run for flow_run in self.server.flow_runs_by_id([str(run.source_id) for run in some])
            }
            for run in some:
                if unseen(run, flow_runs.get(str(run.source_id))):
                    self._cancel(run)

    def _cancel(self, run: Run) -> None:
        """A guarded move: what has moved meanwhile is compared again in the next tick."""
        if (move := cancelled(run, self.now)) is not None:
            self.store.move([move])


def report_end(server: PrefectServer, flow_run_id: str, run: Run, state: RunState, reason: str) -> None:
    """Report an end. The server refuses it where the flow run has ended meanwhile, which is as good."""
    name = state.value.capitalize()
    server.set_state(flow_run_id, _state(state.value, name, transition_id(run, OwnTransition.END), message=reason))


def give_back(server: PrefectServer, flow_run_id: str, run: Run, at: datetime) -> None:
    """Give our claim of a flow run back; it is due again at that time."""
    state = _state(
        "SCHEDULED", "Scheduled", transition_id(run, OwnTransition.BACK), message=run.reason, scheduled_time=at.isoformat()
    )
    server.set_state(flow_run_id, state)


def report_started(server: PrefectServer, pool: WorkPool, run: Run, url: str | None) -> None:
    """Show where the job of a run is. All calls may be repeated, and may come too late.

    The first run of a flow run is found by its id. A later one is named in a label: its id depends on those before it, which
    may be pruned.
    """
    flow_run_id = str(run.source_id)
    if run.id != run_id(pool, flow_run_id, 1):
        server.set_labels(flow_run_id, {RUN_LABEL: str(run.id)})
    server.set_pid(flow_run_id, pid_of(run, pool.type))
    step = transition_id(run, OwnTransition.INFRASTRUCTURE)
    server.set_state(flow_run_id, _state("PENDING", "InfrastructurePending", step, message=url or ""))


def claim_state(run: Run) -> Mapping[str, Any]:
    """The state that claims a flow run for an attempt."""
    return _state("PENDING", "Pending", transition_id(run, OwnTransition.CLAIM))


def _state(kind: str, name: str, transition: str, *, message: str = "", **details: Any) -> dict[str, Any]:
    state = {"type": kind, "name": name, "state_details": {"transition_id": transition, **details}}
    return {**state, "message": message} if message else state
