"""Submissions per second through the whole tick, beside a bare boto3 loop with as many threads against the same emulator."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from dispatcher.environment.settings import Settings
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import Dispatch, tick
from dispatcher.wiring import wire
from tests.benchmarks.emulated import EmulatedCloud, emulated_ecs
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import (
    Options,
    collecting_as_functions,
    in_turns,
    logging_like_lambda,
    ratios,
    stopwatch,
    workspace,
)
from tests.benchmarks.worlds import add_ecs_pool, add_waiting, settings_environment

THREADS = 16
"""The ECS provider's default concurrency."""


def measure(options: Options) -> Result:
    """Both sides send the same requests, from this process, in turns."""
    runs = 100 if options.quick else 400
    with workspace() as directory, emulated_ecs() as ecs, logging_like_lambda():
        ticks = _Ticks(directory, runs)
        ticks.submit(1)  # the provider gets its clients, and what it asks of AWS once
        loop = _BareLoop(ecs, runs)
        ticks.cpus.clear()
        samples = in_turns(options.runs, {"loop": loop.submit, "tick": ticks.submit})
        cpus = {"loop": loop.cpus[1:], "tick": ticks.cpus[1:]}
    return Result(
        "throughput",
        f"Submissions through the whole tick ({runs} waiting runs, SQLite, {THREADS} threads, ECS emulator)",
        [
            Figure("bare boto3 loop", "/s", samples["loop"]),
            Figure("whole tick", "/s", samples["tick"]),
            Figure("whole tick to bare loop", "times", ratios(samples["tick"], samples["loop"]), Target(">=", 1.3)),
            Figure("bare boto3 loop, CPU of a run", "us", tuple(cpus["loop"])),
            Figure("whole tick, CPU of a run", "us", tuple(cpus["tick"])),
            Figure("whole tick to bare loop, CPU", "times", ratios(cpus["tick"], cpus["loop"]), Target("<=", 0.65)),
        ],
        [
            "the runs are there before: what is measured is the tick, which collects garbage as seldom as in a function",
            "the tick claims, renders, submits and records each run durably, and writes its log lines; the loop only calls",
            "`launches_per_second` is raised to 1,000: at AWS's default of 20 the pace would be all that is measured",
        ],
    )


@contextmanager
def _cpu_of(runs: int, cpus: list[float]) -> Iterator[None]:
    """Note the CPU of this process, in microseconds a run."""
    before = time.process_time()
    yield
    cpus.append((time.process_time() - before) / runs * 1e6)


class _Ticks:
    """Each time a store of its own with runs that wait, and the provider and clients of a warm function."""

    def __init__(self, directory: Path, runs: int) -> None:
        self._directory, self._runs = directory, runs
        self.cpus: list[float] = []
        self._dispatch = wire(
            Settings.from_environment({**os.environ, **settings_environment(directory / "unused.db")})
        ).dispatch

    def submit(self, runs: int | None = None) -> float:
        runs = runs or self._runs
        store = SqliteStore(self._directory / f"{uuid4().hex}.db")
        add_ecs_pool(store)
        add_waiting(store, runs)
        dispatch = Dispatch(
            store=store, providers=self._dispatch.providers, clock=self._dispatch.clock, events=self._dispatch.events
        )
        with collecting_as_functions(), stopwatch() as seconds, _cpu_of(runs, self.cpus):
            report = tick(dispatch, datetime.now(UTC) + timedelta(minutes=5))
        store.close()
        assert report.pools[0].submitted == runs, report
        return runs / seconds()


class _BareLoop:
    """The same RunTask calls, with nothing around them."""

    def __init__(self, ecs: EmulatedCloud, runs: int) -> None:
        self._request: Mapping[str, Any] = ecs.remote.get("calls", operation="RunTask")["requests"][-1]
        self._runs = runs
        self.cpus: list[float] = []
        self._client = boto3.client("ecs", config=Config(max_pool_connections=THREADS))

    def submit(self) -> float:
        names = [f"r{uuid4().hex}-1" for _ in range(self._runs)]
        with stopwatch() as seconds, _cpu_of(self._runs, self.cpus), ThreadPoolExecutor(THREADS) as executor:
            answers = list(executor.map(self._run_task, names))
        assert all(answer["tasks"] for answer in answers)
        return self._runs / seconds()

    def _run_task(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.run_task(**{**self._request, "clientToken": name, "startedBy": name})
        return answer
