"""From a job's end on Cloud Run to the next job, by the event of the end and by a tick, over a socket and Google's SDK."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispatcher.environment.settings import Settings
from dispatcher.functions.invocation import invoke
from dispatcher.wiring import wire
from tests.benchmarks.emulated import EmulatedCloud, emulated_cloud_run
from tests.benchmarks.figures import Figure, Target
from tests.benchmarks.measuring import Options, in_turns, workspace

KIND = "cloud-run-v2:push"
OPTIONS = {KIND: {"writes_per_minute": 1_000_000, "call_timeout": 30}}
VARIABLES = {"image": "registry.example.com/flows:2030-01-01", "region": "europe-west1"}
EVENT, TICK = "event of an end", "tick after an end"
WRITES = frozenset({"CreateJob", "DeleteJob"})


def figures(options: Options) -> list[Figure]:
    """SQLite, one process, a pool that is full; each sample is one invocation, which ends one run and starts the next."""
    live = 20 if options.quick else 300
    with workspace() as directory, emulated_cloud_run() as cloud:
        function = _Function(directory / "runs.db", cloud, live)
        took = in_turns(options.runs, {EVENT: function.by_event, TICK: function.by_tick})
    made = []
    for what in (EVENT, TICK):
        name = f"Cloud Run emulator, {live} live: {what}, to the next job's start"
        spent, reads = zip(*function.spent[what][1:], strict=True)  # the first round is not counted
        asked = Target("<=", 1) if what == EVENT else None
        made += [
            Figure(name, "ms", took[what]),
            Figure(f"{name}, CPU", "ms", spent),
            Figure(f"{name}, reads", "", reads, asked),
        ]
    return made


class _Function:
    """A warm function with a pool that is full, and always one run in line."""

    def __init__(self, path: Path, cloud: EmulatedCloud, live: int) -> None:
        self._cloud = cloud
        own = {"DISPATCHER_STORE": f"sqlite:///{path}", "DISPATCHER_PROVIDER_OPTIONS": json.dumps(OPTIONS)}
        self._wiring = wire(Settings.from_environment({**os.environ, **own, "DISPATCHER_TICK_SECONDS": "250"}))
        self._wiring.client.create_work_pool("benchmark", type=KIND, concurrency_limit=live)
        self._live: deque[str] = deque(self._create() for _ in range(live))
        self._invoke({})
        assert self._cloud.calls["CreateJob"] == live
        self.spent: dict[str, list[tuple[float, float]]] = {EVENT: [], TICK: []}
        """Milliseconds of CPU and reads of Cloud Run's API, of each invocation."""

    def by_event(self) -> float:
        """Milliseconds of the invocation with the event."""
        self._end_one()
        return self._measured(EVENT, self._cloud.remote.get("events")["events"][-1])

    def by_tick(self) -> float:
        """Milliseconds of a tick, which would begin up to a minute later."""
        self._end_one()
        return self._measured(TICK, {"pool": "benchmark"})

    def _end_one(self) -> None:
        self._live.append(self._create())
        self._cloud.remote.post("finish", name=self._live.popleft())

    def _measured(self, what: str, event: Mapping[str, Any]) -> float:
        calls, begin, spent = self._cloud.calls, time.perf_counter(), time.process_time()
        self._invoke(event)
        took, spent = time.perf_counter() - begin, time.process_time() - spent
        now = self._cloud.calls
        assert now["CreateJob"] - calls["CreateJob"] == 1, now
        reads = sum(count - calls.get(name, 0) for name, count in now.items() if name not in WRITES)
        self.spent[what].append((1000 * spent, float(reads)))
        return 1000 * took

    def _invoke(self, event: Mapping[str, Any]) -> None:
        invoke(self._wiring, event, seconds_left=300)

    def _create(self) -> str:
        """The name of the new run's submission."""
        run = self._wiring.client.create_run(pool="benchmark", job_variables=VARIABLES)
        return f"r{run.id.hex}-1"
