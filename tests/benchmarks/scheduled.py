"""A tick of a pool whose deployments have windows to make runs of, all at once: what is due goes first."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatcher.core.windows import saving
from dispatcher.environment.clock import SystemClock
from dispatcher.models import Schedule
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import Dispatch, tick
from providers import registry
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, workspace
from tests.benchmarks.pools import Submissions
from tests.benchmarks.worlds import JOB_VARIABLES
from tests.builders import a_deployment, a_pool, a_run, an_id

SIZES = (10, 1_000, 10_000)
TICK = timedelta(seconds=50)
EVERY_TEN_MINUTES = Schedule(slug="ten", cron="*/10 * * * *", timezone="Europe/Berlin")


def measure(options: Options) -> Result:
    """SQLite, a provider that answers at once; then ticks follow one another until no window is left."""
    sizes = SIZES[:2] if options.quick else SIZES
    with workspace() as directory:
        worlds = {size: _World(directory / f"{size}.db", size) for size in sizes}
        ticks = {size: world.ticks_until_caught_up() for size, world in worlds.items()}
        steady = in_turns(options.runs, {str(size): worlds[size].steady for size in sizes})
    return Result(
        "scheduled",
        "A tick of a pool with many deployments that have schedules",
        [
            *(
                Figure(f"{size:,} deployments: urgent run submitted after", "ms", (worlds[size].urgent,), Target("<=", 500))
                for size in sizes
            ),
            *(Figure(f"{size:,} deployments: ticks until all windows are runs", "", (float(ticks[size]),)) for size in sizes),
            *(Figure(f"{size:,} deployments: windows made, CPU of one", "ms", (worlds[size].per_window,)) for size in sizes),
            *(Figure(f"{size:,} deployments: a tick that finds none near, CPU", "ms", steady[str(size)]) for size in sizes),
        ],
        [f"`{EVERY_TEN_MINUTES.cron}`; ticks of {TICK.seconds} s, of which windows may take a quarter"],
    )


class _World:
    """A pool whose deployments have all been saved just now, and one run that is due and urgent."""

    def __init__(self, path: Path, size: int) -> None:
        self._store, self._provider, self._size = SqliteStore(path), Submissions(), size
        self.urgent = self.per_window = 0.0
        template = registry.default_template("ecs:push")
        pool = a_pool("pool", queues=["urgent", "default"], type="ecs:push", base_job_template=template)
        self._store.save_pool(pool, expected_version=None)
        now = datetime.now(UTC)
        model = a_deployment("model", schedules=(EVERY_TEN_MINUTES,), job_variables=JOB_VARIABLES)
        named = [
            a_deployment(f"deployment-{n:05}", schedules=model.schedules, job_variables=JOB_VARIABLES) for n in range(size)
        ]
        self._store.restore(deployments=[saving(None, deployment, now).deployment for deployment in named])
        self._store.add_runs([a_run("pool", "urgent", id=an_id(), due_at=now, created_at=now, job_variables=JOB_VARIABLES)])

    def ticks_until_caught_up(self) -> int:
        """How many; the first of them submits the urgent run."""
        begin, spent, made, ticks = time.perf_counter(), time.process_time(), 0, 0
        while not ticks or self._store.scheduled("pool", datetime.now(UTC), limit=1):
            [report] = tick(self._dispatch(), datetime.now(UTC) + TICK).pools
            ticks, made = ticks + 1, made + report.materialised
            self.urgent = self.urgent or 1000 * (self._provider.first_at - begin)
        self.per_window = 1000 * (time.process_time() - spent) / made
        return ticks

    def steady(self) -> float:
        """Milliseconds of CPU."""
        spent = time.process_time()
        tick(self._dispatch(), datetime.now(UTC) + TICK, pools=["pool"])
        return 1000 * (time.process_time() - spent)

    def _dispatch(self) -> Dispatch:
        return Dispatch(
            store=self._store, providers=lambda _type: self._provider, clock=SystemClock(), events=lambda *_, **__: None
        )
