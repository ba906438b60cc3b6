"""200 due flow runs of a Prefect server, on ECS: Prefect's worker and the bridge, one after the other."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.benchmarks.emulated import EmulatedCloud, emulated_ecs
from tests.benchmarks.figures import Figure, Result
from tests.benchmarks.measuring import Options, cold, in_turns, workspace
from tests.benchmarks.worlds import JOB_VARIABLES, settings_environment
from tests.prefect.installed import template
from tests.prefect.real_server import RealPrefect, a_worker, real_prefect

TICKS = 20
"""More than it takes."""
SECONDS = 600.0
"""That the worker may take."""
LOOK_SECONDS = 0.1
OURS = "asked-by-the-benchmark"


def measure(options: Options) -> Result:
    """The pool is paused until all runs are there. The worker is ready by then; ours is a cold process, as of a function."""
    runs, rounds = (5, 1) if options.quick else (200, max(1, options.runs // 5))
    access_log = {"PREFECT_SERVER_LOGGING_LEVEL": "INFO"}
    with workspace() as directory, emulated_ecs() as ecs, real_prefect(directory, **access_log) as prefect:
        sides = _Sides(directory, ecs, prefect, runs)
        in_turns(rounds, {"worker": sides.worker, "ours": sides.ours})
    figures = []
    for side, samples in sides.samples.items():
        taken = samples[1:]  # the first of each warms the file cache
        figures += [
            Figure(f"{side}: to the first task", "s", tuple(sample.first for sample in taken)),
            Figure(f"{side}: to the last task", "s", tuple(sample.last for sample in taken)),
            Figure(f"{side}: calls of the server, per run", "", tuple(sample.server_calls / runs for sample in taken)),
            Figure(f"{side}: calls of AWS, per run", "", tuple(sample.aws_calls / runs for sample in taken)),
            Figure(f"{side}: peak memory", "MiB", tuple(sample.peak_mib for sample in taken)),
        ]
    return Result(
        "bridge",
        f"{runs} due flow runs of a Prefect server, until their tasks are started",
        figures,
        [
            "the worker is up, and its time runs from the pool's resumption; it asks every 10 s, by default",
            "ours runs from the start of a cold process, which mirrors the pool and checks its template after this change",
            "with a tick a minute, half a minute of waiting comes before it",
            "calls are counted until each flow run shows where its task is; the worker goes on to ask AWS about each task",
            "`launches_per_second` is raised to 1,000 for ours; the worker keeps to no rate of its own",
        ],
    )


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """Times are seconds since all runs were due."""

    first: float
    last: float
    server_calls: int
    aws_calls: int
    peak_mib: float


@dataclass
class _Sides:
    """Serves the same runs in turn, each time with an emulator and a server that know nothing of the last time."""

    directory: Path
    ecs: EmulatedCloud
    prefect: RealPrefect
    runs: int
    samples: dict[str, list[_Sample]] = field(default_factory=lambda: {"worker": [], "ours": []})
    _numbers: Iterator[int] = field(default_factory=count)
    _before: int = 0

    def ours(self) -> float:
        environment = {
            **settings_environment(self.directory / f"{next(self._numbers)}.db"),
            "DISPATCHER_PREFECT_API_URL": self.prefect.url,
        }
        with self._paused_pool("ecs:push"):
            self._resume()
            began, peaks = time.time(), []
            for _ in range(TICKS):
                run = cold(["-m", "tests.benchmarks.programs.scheduled_tick"], environment)
                peaks.append(run.report["peak_mib"])
                if self._is_done():
                    break
            else:
                raise AssertionError(f"not done after {TICKS} ticks: {run.report['problem']}")
            return self._note("ours", began, max(peaks))

    def worker(self) -> float:
        with (
            self._paused_pool("ecs", base_job_template=template("ecs")),
            a_worker(self.prefect.url, "pool", self.directory) as process,
        ):
            self._resume()
            began = time.time()
            while not self._is_done() and time.time() < began + SECONDS:
                time.sleep(LOOK_SECONDS)
            return self._note("worker", began, _peak_mib(process))

    @contextmanager
    def _paused_pool(self, kind: str, **fields: Any) -> Iterator[None]:
        self.ecs.reset()
        self.prefect.add_pool("pool", kind, is_paused=True, **fields)
        deployment = self.prefect.add_deployment(pool="pool", job_variables=JOB_VARIABLES)
        for _ in range(self.runs):
            self.prefect.add_flow_run(deployment)
        yield
        self.prefect.clear()

    def _resume(self) -> None:
        self._before = self._server_calls()
        self.prefect.api.patch("work_pools/pool", json={"is_paused": False}).raise_for_status()

    def _is_done(self) -> bool:
        """Whether every task is started, and its flow run shows where it is."""
        if self.ecs.calls.get("RunTask", 0) < self.runs:
            return False
        flow_runs: list[Mapping[str, Any]] = self.prefect.post(f"flow_runs/filter?{OURS}")
        return all(flow_run["infrastructure_pid"] for flow_run in flow_runs)

    def _note(self, side: str, began: float, peak_mib: float) -> float:
        server_calls, calls = self._server_calls() - self._before, self.ecs.calls
        starts = [job["started_at"] - began for job in self.ecs.remote.get("jobs")["jobs"]]
        assert len(starts) == self.runs, f"{side}: {len(starts)} tasks for {self.runs} runs"
        sample = _Sample(
            first=min(starts),
            last=max(starts),
            server_calls=server_calls,
            aws_calls=sum(calls.values()),
            peak_mib=peak_mib,
        )
        self.samples[side].append(sample)
        return sample.last

    def _server_calls(self) -> int:
        """What the server's log says, without what this benchmark itself asks."""
        with (self.directory / "server.log").open() as log:
            return sum("HTTP/1.1" in line and OURS not in line for line in log)


def _peak_mib(process: subprocess.Popen[str]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024
