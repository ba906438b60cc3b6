"""Worlds in which a Prefect server is the source of all runs: the real bridge, over an emulated server that people, a worker
and the flows' own processes use as well. What is checked beyond the promises of every world is in `bridged_server`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dispatcher.models import WorkQueue
from dispatcher.prefect.mirroring import ForJobs
from dispatcher.prefect.server import PrefectServer
from dispatcher.prefect.source import PrefectSource, Served
from dispatcher.protocols import Store
from dispatcher.ticking import Dispatch
from tests.simulation.bridged_server import FaultyTransport, SimulatedPrefect
from tests.simulation.checks import Checks, Violation
from tests.simulation.cloud import Cloud, CloudJob, Kind
from tests.simulation.faults import Chances, FaultyStore, Pausing
from tests.simulation.life import Life
from tests.simulation.marks import Witness
from tests.simulation.stores import Views
from tests.simulation.world import World


class BridgedChecks(Checks):
    """A flow run whose runs were pruned may be scheduled again, and get the id of a run that never had a job."""

    def pruned(self, before: datetime) -> None:
        """See `Checks.pruned`."""
        super().pruned(before)
        for run_id in [run_id for run_id in self.forgotten if not self._has_started(run_id)]:
            self.ended.pop(run_id, None)
            self.forgotten.discard(run_id)
            self.bodies = {name: body for name, body in self.bodies.items() if not name.startswith(f"r{run_id.hex}-")}

    def _has_started(self, run_id: UUID) -> bool:
        return any(name.startswith(f"r{run_id.hex}-") for name in self.starts)


class BridgedWorld(World):
    """A world whose pools are those of a Prefect server."""

    def __init__(self, seed: int, views: Views, chances: Chances, write: Callable[[str], None] | None = None) -> None:
        super().__init__(seed, views, chances, write)
        self.prefect = SimulatedPrefect(self, seed)
        self.checks = BridgedChecks(self.store, self.clouds, lambda: self.now)
        self.checks.elsewhere = self.prefect

    def add_pool(self, name: str, kind: Kind, queues: tuple[WorkQueue, ...], limit: int | None) -> None:
        """Make a pool there, and the cloud behind it; the first tick mirrors it."""
        self.prefect.add_pool(name, name, self.template(), limit, [(queue.name, queue.priority) for queue in queues])
        for queue, shown in zip(queues, self.prefect.queues[name], strict=True):
            shown["concurrency_limit"] = queue.concurrency_limit
        self.clouds[name] = Cloud(kind, self.random, lambda: self.now, self._started)

    def dispatch(self, invocation: Pausing, store: Store, who: str) -> Dispatch:
        """The world as one invocation reaches it, with the bridge as its source."""
        dispatch = super().dispatch(invocation, store, who)
        own: Any = FaultyStore(store, invocation, self.weather, self.checks, Witness(self.journal, who))
        server = PrefectServer("http://prefect/api", dispatch.clock, transport=FaultyTransport(self.prefect, invocation))
        served = Served(names=tuple(self.clouds))
        source = PrefectSource(
            own, server, dispatch.clock, ForJobs(api_url="http://prefect/api"), served, problem_of=lambda _pool: ""
        )
        return Dispatch(
            store=dispatch.store,
            providers=dispatch.providers,
            clock=dispatch.clock,
            events=dispatch.events,
            limits=dispatch.limits,
            source=source,
        )

    def advance(self, step: timedelta) -> None:
        """Let time pass, for the flows' processes too."""
        super().advance(step)
        self.prefect.go_on()

    def _started(self, job: CloudJob) -> None:
        super()._started(job)
        run = next(run for run in self.checks.runs() if job.name.startswith(f"r{run.id.hex}-"))
        self.prefect.job_started(job, run)


@dataclass
class BridgedLife(Life):
    """What people do at a Prefect server."""

    world: BridgedWorld
    deployments: list[str] = field(default_factory=list)

    def build(self) -> None:
        """Pools, queues, deployments, some with a limit, and the first flow runs."""
        for number in range(self.pick.choice([1, 1, 2])):
            names = ["default", "high", "low"][: self.pick.randint(1, 3)]
            limits = [self.pick.choice([None, None, None, 1, 2]) for _ in names]
            queues = [
                WorkQueue(name=name, priority=place, concurrency_limit=limit)
                for place, (name, limit) in enumerate(zip(names, limits, strict=True), start=1)
            ]
            kind = self.pick.choice(self.kinds)
            self.world.add_pool(f"pool-{number}", kind, tuple(queues), self.pick.choice([None, 1, 2, 2, 3, 4]))
        for strategy in ("ENQUEUE", "CANCEL_NEW"):
            limit = self.pick.choice([None, 1, 2])
            self.deployments.append(self.world.prefect.add_deployment(strategy, limit=limit, strategy=strategy))
        for _ in range(self.pick.randint(4, 10)):
            self.add_run()

    def act(self) -> None:
        """See `Life.act`."""
        super().act()
        self.world.prefect.go_on()

    def add_run(self) -> None:
        """Somebody wants a flow run."""
        prefect, pool = self.world.prefect, self.pick.choice(sorted(self.world.prefect.pools))
        flow_run = prefect.add_flow_run(
            pool=pool,
            queue=self.pick.choice(prefect.queues[pool])["name"],
            at=self.world.now + timedelta(seconds=self.pick.choice([-60, 0, 0, 0, 30, 300])),
            deployment=self.pick.choice([None, *self.deployments]),
            job_variables=self.variables(),
        )
        prefect.occasions[flow_run] += 1
        self._record("runs", lambda: f"adds the flow run {flow_run} to {pool}")

    def cancel(self) -> None:
        """Somebody cancels a flow run, wherever it stands."""
        if flow_run := self._any(lambda run: run["state"]["type"] in ("SCHEDULED", "PENDING", "RUNNING")):
            self._record("cancels", lambda: f"cancels {flow_run}")
            self.world.prefect.propose(flow_run, "CANCELLING")

    def change_pool(self) -> None:
        """Somebody changes a limit, a gate, the template or a queue there."""
        prefect, name = self.world.prefect, self.pick.choice(sorted(self.world.prefect.pools))
        pool, queue = prefect.pools[name], self.pick.choice(prefect.queues[name])
        change = self.pick.choice(["limit", "pause", "template", "queue"])
        self._record("changes", lambda: f"changes the {change} of {name}")
        if change == "limit":
            pool["concurrency_limit"] = self.pick.choice([None, 0, 1, 2, 3, 4])
        elif change == "pause":
            pool["is_paused"] = not pool["is_paused"]
        elif change == "template":
            pool["base_job_template"] = self.world.template()
        else:
            queue["concurrency_limit"] = self.pick.choice([None, None, 0, 1, 3])

    def change_deployment(self) -> None:
        """Somebody retries, changes or deletes a flow run from the page; or a worker takes one."""
        change = self.pick.choice([self._retry, self._retry, self._change, self._delete, self._worker, self._worker])
        change()

    def _retry(self) -> None:
        prefect = self.world.prefect
        if flow_run := self._any(lambda run: run["state"]["type"] in ("CRASHED", "FAILED", "CANCELLED")):
            self._record("retries", lambda: f"retries {flow_run}")
            prefect.occasions[flow_run] = prefect.starts[flow_run] + 1
            prefect.holders[flow_run] = ""
            prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=self.world.now.isoformat())

    def _change(self) -> None:
        if flow_run := self._any(lambda run: run["state"]["type"] == "SCHEDULED"):
            self._record("changed flow runs", lambda: f"changes the job variables of {flow_run}")
            self.world.prefect.flow_runs[flow_run]["job_variables"] = self.variables()

    def _delete(self) -> None:
        if self.pick.random() < 0.3 and (flow_run := self._any(lambda _run: True)):
            self._record("deletions", lambda: f"deletes {flow_run}")
            self.world.prefect.worker.pop(flow_run, None)
            del self.world.prefect.flow_runs[flow_run]

    def _worker(self) -> None:
        now = self.world.now.isoformat()
        is_due = lambda run: run["state"]["type"] == "SCHEDULED" and run["next_scheduled_start_time"] <= now  # noqa: E731
        if flow_run := self._any(is_due):
            self._record("taken by a worker", lambda: f"a worker takes {flow_run}")
            self.world.prefect.worker_takes(flow_run)

    def _any(self, is_wanted: Callable[[dict[str, Any]], bool]) -> str | None:
        there = [key for key, run in self.world.prefect.flow_runs.items() if is_wanted(run)]
        return self.pick.choice(there) if there else None

    # The calm phase

    def open_gates(self) -> None:
        """Nothing paused, no limit of 0; the worker has gone."""
        prefect = self.world.prefect
        for pool in prefect.pools.values():
            pool.update(is_paused=False, concurrency_limit=pool["concurrency_limit"] or 2)
        for queue in [queue for queues in prefect.queues.values() for queue in queues]:
            queue["concurrency_limit"] = queue["concurrency_limit"] or 1
        for flow_run in list(prefect.worker):
            prefect.end_of_worker(flow_run)

    def end_schedules(self) -> None:
        """There are none."""

    def calm(self) -> None:
        """See `Life.calm`; the server shows the end of every flow run too."""
        super().calm()
        if left := self.world.prefect.unended():
            raise Violation(f"never stuck: in Prefect {left}")

    def _is_over(self) -> bool:
        return super()._is_over() and not self.world.prefect.unended()


def simulate_bridged(
    seed: int, views: Views, *, steps: int = 300, write: Callable[[str], None] | None = None
) -> tuple[Counter[str], Counter[str]]:
    """Live through one seed with a Prefect server, and give its counts and its marks. Raises `Violation`."""
    world = BridgedWorld(seed, views, Chances(), write)
    life = BridgedLife(world)
    life.through(steps)
    return world.counts, world.journal.marks + world.prefect.marks
