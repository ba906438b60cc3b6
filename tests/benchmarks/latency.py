"""How long a warm function takes from a request to the submission, and from a job's end to the next submission."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatcher.client import Dispatcher
from dispatcher.environment.clock import SystemClock
from dispatcher.models import submission_name
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import Dispatch, admit_next, settle_event, tick
from providers import registry
from providers.base import JobState, Observation, ProviderLimits
from tests.benchmarks import cloud_run_latency, emulated_latency
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, workspace
from tests.benchmarks.pools import Submissions
from tests.benchmarks.worlds import JOB_VARIABLES
from tests.builders import a_pool, a_run, an_id

MINUTE = timedelta(minutes=1)
SIZES = (0, 1_000, 3_000)


def measure(options: Options) -> Result:
    """SQLite, the default template of ECS, a provider that answers at once: what is ours of the wait."""
    sizes = (0, 100) if options.quick else SIZES
    with workspace() as directory:
        worlds = {size: Live(directory / f"{size}.db", size) for size in sizes}
        created = in_turns(options.runs, {str(size): worlds[size].created for size in sizes})
        ended = in_turns(options.runs, {str(size): worlds[size].ended for size in sizes})
        observations = {size: float(world.observations()) for size, world in worlds.items()}
    figures = [Figure(f"create to submission, {size} live", "ms", created[str(size)], Target("<=", 30)) for size in sizes]
    figures += [Figure(f"end to next submission, {size} live", "ms", ended[str(size)], Target("<=", 30)) for size in sizes]
    figures += [Figure(f"the same two, CPU, {size} live", "ms", tuple(worlds[size].cpu), Target("<=", 30)) for size in sizes]
    figures += [Figure(f"live jobs observed, {size} live", "", (observations[size],), Target("<=", 0)) for size in sizes]
    return Result(
        "latency",
        "From a request, and from an end, to the next submission",
        [*figures, *emulated_latency.figures(options.runs), *cloud_run_latency.figures(options)],
        [
            "a call of the cloud comes on top, but for the rows of the emulators, which hold it",
            "without `create_run`, a wake or an event, the next scheduled tick submits: up to a minute later",
            "on Cloud Run an event is a hint: the job that it names is asked about; a tick lists all that are live",
        ],
    )


class Live:
    """A pool with live jobs, as a warm function has it."""

    def __init__(self, path: Path, size: int) -> None:
        self.store, self.provider = SqliteStore(path), Submissions(limits=ProviderLimits())
        self.client = Dispatcher(self.store)
        self.cpu: list[float] = []
        self.dispatch = Dispatch(
            store=self.store, providers=lambda _type: self.provider, clock=SystemClock(), events=lambda *_, **__: None
        )
        template = registry.default_template("ecs:push")
        self.store.save_pool(a_pool("pool", type="ecs:push", base_job_template=template), expected_version=None)
        self._wait_in_line(size)
        while self.store.pools_with_work(datetime.now(UTC)) and self.provider.peak_live < size:
            tick(self.dispatch, datetime.now(UTC) + MINUTE)
        self.before = self._observed()

    def created(self) -> float:
        """Milliseconds from `create_run` to the submission."""
        return self._until_submitted(self._create)

    def ended(self) -> float:
        """Milliseconds from the event of an end to the submission of the next run."""
        run = self._create()
        admit_next(self.dispatch, "pool", datetime.now(UTC) + MINUTE)
        job = self.provider.find(next(started.job for started in self.provider.jobs if run.id.hex in started.job.name))
        assert job is not None
        self.provider.finish(job.name)
        self._wait_in_line(1)
        stored = self.store.get(run.id)
        assert stored is not None
        assert job.name == submission_name(run.id, 1)
        end = Observation(state=JobState.SUCCEEDED, exit_code=0)
        return self._until_submitted(lambda: settle_event(self.dispatch, stored, end, job))

    def observations(self) -> int:
        """How often live jobs were looked at since the world was made."""
        return self._observed() - self.before

    def _create(self):
        return self.client.create_run(pool="pool", job_variables=JOB_VARIABLES)

    def _until_submitted(self, act: Callable[[], object]) -> float:
        begin, spent = time.perf_counter(), time.process_time()
        act()
        report = admit_next(self.dispatch, "pool", datetime.now(UTC) + MINUTE)
        self.cpu.append(1000 * (time.process_time() - spent))
        assert report.submitted == 1, report
        return 1000 * (self.provider.submitted_at - begin)

    def _observed(self) -> int:
        return sum(call == "observe" for call, *_ in self.provider.calls)

    def _wait_in_line(self, count: int) -> None:
        now = datetime.now(UTC)
        runs = [a_run("pool", id=an_id(), due_at=now, created_at=now, job_variables=JOB_VARIABLES) for _ in range(count)]
        self.store.add_runs(runs)
