"""What a tick does itself for each run: claim, render, record and log, beside a provider that answers at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from dispatcher.environment.clock import SystemClock
from dispatcher.environment.events import log_event
from dispatcher.models import Run
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import Dispatch, tick
from providers.base import Accepted, Job, Needs, ProviderLimits, Submission
from providers.testing import FakeProvider
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, collecting_as_functions, in_turns, logging_like_lambda, workspace
from tests.benchmarks.worlds import JOB_VARIABLES, POOL, add_ecs_pool, waiting_run
from tests.builders import a_deployment

THREADS = 16
DEPLOYMENT = "daily"


def measure(options: Options) -> Result:
    """Each time a store of its own. Runs bring all of their job variables, or leave them to their deployment."""
    runs = 50 if options.quick else 200
    with workspace() as directory, logging_like_lambda(), collecting_as_functions():
        sides: Mapping[str, Callable[[], float]] = {
            "variables of the run": lambda: _cpu(directory, [waiting_run() for _ in range(runs)]),
            "variables of its deployment": lambda: _cpu(directory, [_deployed() for _ in range(runs)]),
        }
        samples = in_turns(options.runs, sides)
    return Result(
        "own_part",
        f"A tick's own part ({runs} waiting runs, SQLite, {THREADS} threads)",
        [Figure(f"CPU of a run, {name}", "us", samples[name], Target("<=", 300)) for name in sides],
        ["the provider answers at once and calls nobody; its threads and the log lines count"],
    )


class _AtOnce(FakeProvider):
    """Accepts everything and remembers nothing."""

    def __init__(self) -> None:
        super().__init__(limits=ProviderLimits(concurrency=THREADS))

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        return Needs()

    def submit(self, job: Job) -> Accepted:
        handle = {"task": f"arn:aws:ecs:eu-central-1:111122223333:task/default/{job.name}", "cluster": "default"}
        return Accepted(submission=Submission(name=job.name, handle=handle, url=f"https://example.com/{job.name}"))


def _deployed() -> Run:
    return replace(waiting_run(), deployment=DEPLOYMENT, job_variables={})


def _cpu(directory: Path, runs: list[Run]) -> float:
    """Microseconds of this process for each run."""
    provider = _AtOnce()
    with closing(SqliteStore(directory / f"{uuid4().hex}.db")) as store:
        add_ecs_pool(store)
        deployment = a_deployment(DEPLOYMENT, pool=POOL, job_variables=JOB_VARIABLES)
        store.save_deployment(deployment, expected_version=None, now=datetime.now(UTC))
        store.add_runs(runs)
        dispatch = Dispatch(store=store, providers=lambda _: provider, clock=SystemClock(), events=log_event)
        began = time.process_time()
        report = tick(dispatch, datetime.now(UTC) + timedelta(minutes=5))
        cpu = time.process_time() - began
    assert report.pools[0].submitted == len(runs), report
    return cpu / len(runs) * 1e6
