"""The source that a tick asks: `dispatcher.protocols.source.Source` over a Prefect server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from dispatcher.environment.clock import Clock
from dispatcher.models import Run, RunState, WorkPool
from dispatcher.models.source_answers import NotConfirmed, Withdrawn
from dispatcher.prefect.answers import judged
from dispatcher.prefect.bringing import Bringing
from dispatcher.prefect.flow_runs import FlowRun
from dispatcher.prefect.identity import own_transitions
from dispatcher.prefect.job_variables import JobVariables
from dispatcher.prefect.mirroring import NAME, ForJobs, Mirroring, ProblemOf
from dispatcher.prefect.reporting import Reporting, claim_state, give_back, report_end, report_started
from dispatcher.prefect.server import PrefectServer
from dispatcher.prefect.variables import ServerVariables
from dispatcher.protocols import Store
from dispatcher.ticking.seam import attempted, words
from providers import registry
from providers.base import Submission

OUR_NAME = "push-dispatcher"
"""The name under which the server shows who serves a pool."""


@dataclass(frozen=True, slots=True)
class Served:
    """Which pools of the server are ours to serve."""

    names: tuple[str, ...] = ()
    """Pools of worker types (`ecs`), each by name, because a worker may serve them as well."""
    interval: float = 60.0
    """Seconds between two ticks: how long the server takes a pool for READY follows from it."""

    @property
    def types(self) -> tuple[str, ...]:
        """The push types that a provider of ours serves."""
        return tuple(name for name in registry.types() if name.endswith(":push"))


@dataclass
class PrefectSource:
    """A Prefect server as a source of runs."""

    store: Store
    server: PrefectServer
    clock: Clock
    jobs: ForJobs
    served: Served = Served()
    name: str = NAME
    _reported: set[str] = field(default_factory=set)
    """The pools about which the last report was complete."""
    problem_of: ProblemOf | None = None
    """Why a pool of the server cannot be used; None: what is checked when a pool is saved here."""
    _pools: dict[str, WorkPool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._job_variables = JobVariables(self.server, ServerVariables(self.server))

    def bring(self, pools: Sequence[str] | None, deadline: datetime) -> Sequence[str]:
        """See `Source.bring`."""
        self._pools, self._job_variables = {}, JobVariables(self.server, ServerVariables(self.server))
        problems = list[str]()
        listed = self.server.pools(self.served.types, self.served.names)
        records = [pool for pool in listed if pools is None or pool.get("name") in pools]
        for pool in records:
            if self.clock.now() >= deadline:
                problems.append("Prefect: this tick had no time left for all work pools")
                break
            problems += attempted(partial(self._bring, pool, deadline), partial(_problem, pool.get("name")))
        if pools is None:
            problems += self._mirroring().pause_missing([str(pool.get("name")) for pool in listed])
        return problems

    def may_start(self, run: Run) -> Withdrawn | NotConfirmed | None:
        """See `Source.may_start`: makes the guarded claim, and checks that what the job was made from has not changed."""
        if run.source_id is None:
            return Withdrawn("it is not a flow run of the Prefect server that its pool mirrors")
        answer = self.server.set_state(run.source_id, claim_state(run))
        verdict = judged(answer.code, answer.body, own_transitions(run), self.clock.now())
        return verdict or self._unchanged(run)

    def started(self, run: Run, submission: Submission) -> None:
        """See `Source.started`."""
        pool = self._pools.get(run.pool) or self.store.pool(run.pool)
        if pool is not None:
            report_started(self.server, pool, replace(run, submission=submission), submission.url)

    def report(self, pools: Sequence[str] | None, deadline: datetime) -> Sequence[str]:
        """See `Source.report`."""
        del pools  # those that were brought
        self._reported = set()
        problems = list[str]()
        for pool in self._pools.values():
            problems += attempted(partial(self._compare, pool, deadline), partial(_problem, pool.name))
        return problems

    def has_reported(self, pool: str) -> bool:
        """See `Source.has_reported`."""
        return pool in self._reported

    def close(self) -> None:
        """See `Source.close`."""
        self.server.close()

    def _bring(self, record: Mapping[str, Any], deadline: datetime) -> Sequence[str]:
        """Mirror one pool and bring its runs."""
        name, now = str(record.get("name")), self.clock.now()
        pool, problem = self._mirroring().mirror(record, self.server.queues(name), now)
        if pool is None:
            return [f"Prefect: {problem}"]
        self._pools[name] = pool
        self.server.heartbeat(name, OUR_NAME, self.served.interval)
        self.server.poll(name)
        self._reporting(pool, deadline).cancel_requested()
        is_over = self._is_over(deadline)
        bringing = Bringing(self.store, self.server, pool, now, is_over, self._crashed, self._job_variables)
        bringing.bring()
        return [f"Prefect: work pool {name!r}: its newest template is not used: {problem}"] if problem else []

    def _compare(self, pool: WorkPool, deadline: datetime) -> Sequence[str]:
        if self._reporting(pool, deadline).compare():
            self._reported.add(pool.name)
        return ()

    def _unchanged(self, run: Run) -> Withdrawn | None:
        """From now on nobody can change its job variables. Where they were changed before, it is given back for a new run."""
        flow_run = self.server.flow_run(str(run.source_id))
        if flow_run is None:
            return Withdrawn("its flow run was deleted in Prefect")
        pool = self._pools.get(run.pool) or self.store.pool(run.pool)
        if pool is None or self._job_variables.of(flow_run, pool) == run.job_variables:
            return None
        give_back(self.server, flow_run.id, run, run.due_at)
        return Withdrawn("its job variables were changed in Prefect, and another run will take its place")

    def _crashed(self, flow_run: FlowRun, run: Run) -> None:
        report_end(self.server, flow_run.id, run, RunState.CRASHED, run.reason)

    def _mirroring(self) -> Mirroring:
        return Mirroring(self.store, self.jobs, self.clock.new_id, self.problem_of, self._job_variables.variables.filled)

    def _reporting(self, pool: WorkPool, deadline: datetime) -> Reporting:
        return Reporting(self.store, self.server, pool, self.clock.now(), self._is_over(deadline))

    def _is_over(self, deadline: datetime) -> Callable[[], bool]:
        return lambda: self.clock.now() >= deadline


def _problem(pool: object, problem: Exception) -> Sequence[str]:
    return [f"Prefect: work pool {pool!r}: {words(problem)}"]
