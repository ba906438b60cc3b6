"""Render + RunTask request per second, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from dispatcher.core.pinning import job_of, pin
from dispatcher.core.templates import Renderer
from dispatcher.models import Run
from dispatcher.models.records import Snapshot
from providers import registry
from providers.ecs import EcsProvider
from tests.benchmarks.emulated import emulated_ecs
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options
from tests.benchmarks.worlds import POOL, QUEUES, waiting_run
from tests.builders import a_pool


def measure(options: Options) -> Result:
    """A run's variables become the parameters of RunTask, checked and complete: all that a submission does before its call."""
    runs = [waiting_run() for _ in range(200 if options.quick else 1000)]
    with emulated_ecs():
        prepared = _preparation()
        prepared(runs[0])  # registers the task definition and asks for the subnets, once in a provider's life
        samples = [_rates(prepared, runs) for _ in range(options.runs)]
    return Result(
        "rendering",
        "Render + RunTask request",
        [
            Figure("requests per second of one core", "/s", tuple(cpu for cpu, _ in samples), Target(">=", 3000)),
            Figure("requests per second of wall time", "/s", tuple(wall for _, wall in samples)),
        ],
        ["our default ECS template; image, command, three variables and two labels per run; one thread"],
    )


def _preparation() -> Callable[[Run], object]:
    pool = a_pool(POOL, queues=QUEUES, type="ecs:push", base_job_template=registry.default_template("ecs:push"))
    snapshot = Snapshot(pool=pool, in_use={}, due=lambda *_: (), deployment=lambda _: None)
    provider = EcsProvider(call_timeout=60)  # an emulator that has just begun may take seconds
    renderer = Renderer(pool.base_job_template)

    def prepare(run: Run) -> object:
        grant = pin(snapshot, run, provider.limits.start_deadline, renderer)
        return provider._preparation.prepare(job_of(replace(run, job=grant.job)))

    return prepare


def _rates(prepare: Callable[[Run], object], runs: list[Run]) -> tuple[float, float]:
    cpu, wall = time.thread_time(), time.perf_counter()
    for run in runs:
        prepare(run)
    return len(runs) / (time.thread_time() - cpu), len(runs) / (time.perf_counter() - wall)
