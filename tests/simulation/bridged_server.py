"""An emulated Prefect server in a simulated world: the processes and the worker that use it, and the calls that fail.

What is checked beyond the promises of every world, at the very step that could break it:

once         as many jobs start for a flow run as it was scheduled by others than us, whoever starts them, and each is made from
             the job variables that the flow run has
never lost   no step is taken for a repeat of another; an end is reported only when no job of the flow run lives; at last every
             flow run has ended there too
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import httpx

from dispatcher.models import Run
from tests.prefect.emulated import ENDED, EmulatedPrefect
from tests.simulation.checks import Violation
from tests.simulation.cloud import CloudJob
from tests.simulation.faults import Pausing
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
        self.world.journal.log("Prefect", lambda: f"{run['id']} is {state['name']}")
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
