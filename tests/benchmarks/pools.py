"""What a tick costs with many pools, of which one has a run that is due."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatcher.environment.clock import SystemClock
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import Dispatch, tick
from providers import registry
from providers.testing import FakeProvider
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, workspace
from tests.benchmarks.worlds import JOB_VARIABLES
from tests.builders import a_pool, a_run, an_id

MINUTE = timedelta(minutes=1)
SIZES = (1, 100, 1_000)


def measure(options: Options) -> Result:
    """SQLite, pools with the default template of ECS, a provider that answers at once."""
    sizes = SIZES[:2] if options.quick else SIZES
    with workspace() as directory:
        worlds = {size: Pools(directory / f"{size}.db", size) for size in sizes}
        cpu = in_turns(options.runs, {str(size): worlds[size].cpu for size in sizes})
        figures = [figure for size in sizes for figure in _figures(size, worlds[size], cpu[str(size)])]
    return Result(
        "pools", "A tick of many pools, one with a due run", figures, ["idle pools: one read, one write, one line of log"]
    )


def _figures(size: int, world: Pools, cpu: tuple[float, ...]) -> list[Figure]:
    return [
        Figure(f"{size} pools: CPU", "ms", cpu, Target("<=", 100)),
        Figure(f"{size} pools: statements", "", (float(len(world.statements())),), Target("<=", 100)),
        Figure(f"{size} pools: from the tick's start to the submission", "ms", tuple(world.submitted_after), Target("<=", 500)),
        Figure(f"{size} pools: report", "kB", (world.report_bytes / 1000,)),
        Figure(f"{size} pools: lines of log", "", (float(world.log_lines),)),
    ]


class Pools:
    """A store with pools, and ticks of all of them; before each the first gets a run that is due."""

    def __init__(self, path: Path, size: int) -> None:
        self.store, self.provider = SqliteStore(path), Submissions()
        self.submitted_after: list[float] = []
        self.report_bytes = self.lines = self.log_lines = 0
        template = registry.default_template("ecs:push")
        for number in range(size):
            pool = a_pool(f"pool-{number:04}", type="ecs:push", base_job_template=template)
            self.store.save_pool(pool, expected_version=None)

    def cpu(self) -> float:
        """Milliseconds of CPU of one tick."""
        self._finish()
        now = datetime.now(UTC)
        self.store.add_runs([a_run("pool-0000", id=an_id(), due_at=now, created_at=now, job_variables=JOB_VARIABLES)])
        self.lines, begin, spent = 0, time.perf_counter(), time.process_time()
        report = tick(self._dispatch(), datetime.now(UTC) + MINUTE)
        milliseconds = 1000 * (time.process_time() - spent)
        self.submitted_after.append(1000 * (self.provider.submitted_at - begin))
        assert [pool.submitted for pool in report.pools] == [1], report
        self.log_lines = self.lines
        self.report_bytes = len(json.dumps(asdict(report)))
        return milliseconds

    def statements(self) -> list[str]:
        """Those of one tick."""
        statements: list[str] = []
        connection = self.store._connection
        assert connection is not None
        self._finish()
        now = datetime.now(UTC)
        self.store.add_runs([a_run("pool-0000", id=an_id(), due_at=now, created_at=now, job_variables=JOB_VARIABLES)])
        connection.set_trace_callback(statements.append)
        tick(self._dispatch(), datetime.now(UTC) + MINUTE)
        connection.set_trace_callback(None)
        return statements

    def _finish(self) -> None:
        """End what the tick before has started, so that each begins with one due run."""
        for name in list(self.provider.live):
            self.provider.finish(name)
        tick(self._dispatch(), datetime.now(UTC) + MINUTE)

    def _dispatch(self) -> Dispatch:
        return Dispatch(store=self.store, providers=self._provider, clock=SystemClock(), events=self._line)

    def _provider(self, _type: str) -> FakeProvider:
        return self.provider

    def _line(self, _event: str, /, **_fields: object) -> None:
        self.lines += 1


class Submissions(FakeProvider):
    """A provider that answers at once, and notes when."""

    submitted_at = first_at = 0.0
    """The last, and the first."""

    def submit(self, job):
        self.submitted_at = time.perf_counter()
        self.first_at = self.first_at or self.submitted_at
        return super().submit(job)
