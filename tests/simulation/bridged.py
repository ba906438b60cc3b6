"""Worlds in which a Prefect server is the source of all runs: the real bridge, over an emulated server that people, a worker
and the flows' own processes use as well.

What is checked beyond the promises of every world, at the very step that could break it:

once         as many jobs start for a flow run as it was scheduled by others than us, whoever starts them, and each is made from
             the job variables that the flow run has
never lost   no step is taken for a repeat of another; an end is reported only when no job of the flow run lives; at last every
             flow run has ended there too
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import httpx

from dispatcher.models import Run, WorkQueue
from dispatcher.prefect.mirroring import ForJobs
from dispatcher.prefect.server import Server
from dispatcher.prefect.source import PrefectSource, Served
from dispatcher.store import Store
from dispatcher.ticking import Dispatch
from tests.prefect.emulated import ENDED, EmulatedPrefect
from tests.simulation.checks import Checks, Violation
from tests.simulation.cloud import Cloud, CloudJob, Kind
from tests.simulation.faults import Chances, FaultyStore, Pausing
from tests.simulation.life import Life
from tests.simulation.marks import Witness
from tests.simulation.stores import Views
from tests.simulation.world import World

LATEST = timedelta(seconds=10)
"""How long after its caller gave up a claim may still take effect."""
LATE_WORDS = timedelta(seconds=20)
"""How long after its end the last report of a flow's process may be on its way."""
REPEATED = "This run has already made this state transition."
SILENT = 0.1
"""How often a flow's process reports nothing of its end."""


@dataclass
class Process:
    """What a flow's own process does in a job: it reports that it runs, and how it ended."""

    flow_run: str
    job: CloudJob
    says: str
    """The state that it reports at its end; empty: none."""
    said_at: timedelta
    """How long after its end its report arrives."""
    runs: bool = False
    """Whether the server has let it run."""
    asked: bool = False


class SimulatedPrefect(EmulatedPrefect):
    """The server, who uses it, and what has to be true of it."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(lambda: world.now, world.new_id)
        self.world, self.random = world, Random(f"{seed} prefect")
        self.occasions, self.starts, self.marks = Counter[str](), Counter[str](), Counter[str]()
        self.processes: list[Process] = []
        self.worker: dict[str, datetime] = {}
        """The flow runs that a worker has taken, and when it ends them."""
        self.holders: dict[str, str] = {}

    # What has to be true

    def lets(self, run: Run) -> bool:
        """Whether the flow run of a run was claimed by us last."""
        return self.holders.get(str(run.source_id)) == "us"

    def job_started(self, job: CloudJob, run: Run) -> None:
        """A job has started: one for each time that the flow run was scheduled, made from what it is now."""
        flow_run = str(run.source_id)
        self._start(flow_run, job.name)
        shown = self.flow_runs.get(flow_run)
        if shown is not None and job.body["configuration"]["n"] != shown["job_variables"]["n"]:
            raise Violation(f"once: {job.name} starts with other job variables than its flow run has")
        exit_code, silent = job.exit_code, self.random.random() < SILENT
        says = "" if silent or (exit_code and self.random.random() < 0.5) else "FAILED" if exit_code else "COMPLETED"
        said_at = LATE_WORDS * self.random.choice([0, 0, 0.5, 1])
        self.processes.append(Process(flow_run, job, says, said_at))

    def _start(self, flow_run: str, who: str) -> None:
        self.starts[flow_run] += 1
        if self.starts[flow_run] > self.occasions[flow_run]:
            raise Violation(f"once: {who} starts, and {flow_run} was scheduled {self.occasions[flow_run]} times")

    def check_ours(self, flow_run: str, proposed: dict[str, Any], answer: dict[str, Any]) -> None:
        """We have set a state."""
        if answer.get("status") == "ACCEPT":
            self.marks[f"ours: {proposed['name']}"] += 1
            if proposed["type"] in ("PENDING", "SCHEDULED"):
                self.holders[flow_run] = "us" if proposed["type"] == "PENDING" else ""
            living = [process.job.name for process in self.processes if process.flow_run == flow_run and self._lives(process)]
            if living and proposed["type"] in ENDED:
                raise Violation(f"never over: {flow_run} is reported {proposed['type']} while {living} live")
        repeated = answer.get("details", {}).get("reason") == REPEATED
        if repeated and answer["state"]["name"] != proposed["name"]:
            raise Violation(f"never lost: {proposed['name']} is taken for a repeat of {answer['state']['name']}")

    def unended(self) -> list[str]:
        """The flow runs that have not ended."""
        return [f"{key} is {run['state']['name']}" for key, run in self.flow_runs.items() if run["state"]["type"] not in ENDED]

    def _lives(self, process: Process) -> bool:
        return process.job.live(self.now())

    def _set(self, run: dict[str, Any], state: dict[str, Any], at: datetime | None = None) -> None:
        self.world.journal.tell("Prefect", lambda: f"{run['id']} is {state['name']}")
        super()._set(run, state, at)

    # What flows and a worker do as time passes

    def go_on(self) -> None:
        """Every process reports what is to report by now."""
        now = self.now()
        for process in list(self.processes):
            ended = now >= process.job.ends_at
            if not process.asked and now >= process.job.runs_at and not (ended and process.job.stopped):
                process.asked = True
                process.runs = self._says(process.flow_run, "RUNNING")
            if ended and (process.job.stopped or now >= process.job.ends_at + process.said_at):
                if process.runs and process.says and not process.job.stopped:
                    self._says(process.flow_run, process.says)
                self.processes.remove(process)
        for flow_run in [flow_run for flow_run, until in self.worker.items() if now >= until]:
            self.end_of_worker(flow_run)

    def _says(self, flow_run: str, kind: str) -> bool:
        answer = self.propose(flow_run, kind)[1]
        return bool(answer.get("status") == "ACCEPT")

    def worker_takes(self, flow_run: str) -> None:
        """A worker claims a flow run and starts it."""
        if self._says(flow_run, "PENDING"):
            self._start(flow_run, "the worker")
            self.holders[flow_run] = "worker"
            self.flow_runs[flow_run]["infrastructure_pid"] = "cluster::arn:aws:ecs:task"
            self._says(flow_run, "RUNNING")
            self.worker[flow_run] = self.now() + timedelta(seconds=self.random.choice([1, 30, 300]))

    def end_of_worker(self, flow_run: str) -> None:
        """The worker's job ends; a worker ends what is cancelled itself."""
        del self.worker[flow_run]
        if flow_run in self.flow_runs:
            self._says(flow_run, "CANCELLED" if self.state(flow_run) == "CANCELLING" else "COMPLETED")


@dataclass
class FaultyTransport(httpx.BaseTransport):
    """How one invocation reaches the server: every call is an IO point before and after its effect."""

    prefect: SimulatedPrefect
    invocation: Pausing

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One call."""
        path = request.url.path.removeprefix("/api/")
        call = path.rpartition("/")[2] if path.endswith(("filter", "set_state", "heartbeat")) else request.method
        self.invocation.pause(f"prefect {call} before")
        if self._strikes(0.02):
            return httpx.Response(503, json={"exception_message": "Service Unavailable"})
        if self._strikes(0.02):
            raise httpx.ConnectError("refused", request=request)
        if self._is_claim(request) and self._strikes(0.04):
            self._later(request)
            raise httpx.ReadTimeout("timed out", request=request)
        response = self._effect(request)
        self.invocation.pause(f"prefect {call} after")
        if self._strikes(0.05):
            raise httpx.ReadTimeout("timed out", request=request)
        return response

    def _strikes(self, probability: float) -> bool:
        calm = self.prefect.world.weather.chances.call_request_lost == 0
        struck = not calm and self.prefect.random.random() < probability
        self.prefect.marks["fault of the server"] += struck
        return struck

    def _is_claim(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("set_state") and json.loads(request.content)["state"]["type"] == "PENDING"

    def _later(self, request: httpx.Request) -> None:
        """Whoever asked has given up; the server acts nevertheless."""
        self.prefect.marks["late claim"] += 1
        at = self.prefect.now() + LATEST * self.prefect.random.random()
        self.prefect.world.weather.later(at, lambda: self._effect(request))

    def _effect(self, request: httpx.Request) -> httpx.Response:
        response = self.prefect.answer(request)
        if request.url.path.endswith("set_state") and response.status_code < 300:
            self.prefect.check_ours(request.url.path.split("/")[-2], json.loads(request.content)["state"], response.json())
        return response


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
        server = Server("http://prefect/api", dispatch.clock, transport=FaultyTransport(self.prefect, invocation))
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
        self._told("runs", lambda: f"adds the flow run {flow_run} to {pool}")

    def cancel(self) -> None:
        """Somebody cancels a flow run, wherever it stands."""
        if flow_run := self._any(lambda run: run["state"]["type"] in ("SCHEDULED", "PENDING", "RUNNING")):
            self._told("cancels", lambda: f"cancels {flow_run}")
            self.world.prefect.propose(flow_run, "CANCELLING")

    def change_pool(self) -> None:
        """Somebody changes a limit, a gate, the template or a queue there."""
        prefect, name = self.world.prefect, self.pick.choice(sorted(self.world.prefect.pools))
        pool, queue = prefect.pools[name], self.pick.choice(prefect.queues[name])
        change = self.pick.choice(["limit", "pause", "template", "queue"])
        self._told("changes", lambda: f"changes the {change} of {name}")
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
            self._told("retries", lambda: f"retries {flow_run}")
            prefect.occasions[flow_run] = prefect.starts[flow_run] + 1
            prefect.holders[flow_run] = ""
            prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=self.world.now.isoformat())

    def _change(self) -> None:
        if flow_run := self._any(lambda run: run["state"]["type"] == "SCHEDULED"):
            self._told("changed flow runs", lambda: f"changes the job variables of {flow_run}")
            self.world.prefect.flow_runs[flow_run]["job_variables"] = self.variables()

    def _delete(self) -> None:
        if self.pick.random() < 0.3 and (flow_run := self._any(lambda _run: True)):
            self._told("deletions", lambda: f"deletes {flow_run}")
            self.world.prefect.worker.pop(flow_run, None)
            del self.world.prefect.flow_runs[flow_run]

    def _worker(self) -> None:
        now = self.world.now.isoformat()
        is_due = lambda run: run["state"]["type"] == "SCHEDULED" and run["next_scheduled_start_time"] <= now  # noqa: E731
        if flow_run := self._any(is_due):
            self._told("taken by a worker", lambda: f"a worker takes {flow_run}")
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
    try:
        life.build()
        life.live(steps)
        life.calm()
    finally:
        world.close()
    return world.counts, world.journal.marks + world.prefect.marks
