"""What people's reads cost after a long history: each follows an index, so that it costs what it shows, not what has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from dispatcher.client import Dispatcher
from dispatcher.client.simulations import MOST
from dispatcher.models import TERMINAL_STATES, Run, RunState
from dispatcher.models.records import RunFilter
from dispatcher.protocols import Store
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.sqlite import SqliteStore
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, workspace
from tests.benchmarks.worlds import JOB_VARIABLES, POOL, add_copies, add_copies_to_postgres, add_ecs_pool, waiting_run
from tests.builders import a_deployment
from tests.stores.postgres_server import PostgresServer

DEPLOYMENTS = 20
WAITING = 100
LONG_AGO = timedelta(days=20)
SECOND = timedelta(seconds=1)
SIMULATED = timedelta(hours=2)
PLAN = "plan of ten changed deployments"
READ = "two hours of ended runs, read"
SIMULATE = "simulate of two hours"


def measure(options: Options) -> Result:
    """A world on SQLite, and one on a PostgreSQL server of this machine."""
    size = options.size or (20_000 if options.quick else 1_000_000)
    server = PostgresServer(autovacuum=True)
    try:
        with workspace() as directory:
            figures = [
                *_figures("SQLite", _on_sqlite(directory / "history.db", size), options.runs),
                *_figures("PostgreSQL", _on_postgres(server, size), options.runs),
            ]
    finally:
        server.stop()
    return Result(
        "history",
        f"CPU of reads after {size:,} ended runs, {WAITING} waiting",
        figures,
        [
            "half of the history has a tag; one run in a thousand failed; one has a rare tag, name and deployment",
            "PostgreSQL: CPU of this process and of its backend together",
        ],
    )


def _figures(database: str, world: _World, rounds: int) -> list[Figure]:
    took = in_turns(rounds, {name: world.cpu_of(verb) for name, verb in world.verbs().items()})
    world.store.close()
    return [Figure(f"{database}: {name}", "ms", samples, TARGETS.get(name, Target("<=", 20))) for name, samples in took.items()]


TARGETS = {PLAN: Target("<=", 500), READ: Target("<=", 500), SIMULATE: None}


class _World:
    """A store with a history, and what people ask of it."""

    def __init__(self, store: Store, backend_cpu: Callable[[], float] = lambda: 0.0) -> None:
        self.store, self._backend_cpu = store, backend_cpu
        self.client = Dispatcher(store)

    def cpu_of(self, verb: Callable[[], object]) -> Callable[[], float]:
        """Milliseconds."""

        def once() -> float:
            begin = time.process_time() + self._backend_cpu()
            verb()
            return 1000 * (time.process_time() + self._backend_cpu() - begin)

        return once

    def verbs(self) -> Mapping[str, Callable[[], object]]:
        """By name."""
        [waiting] = self.store.runs(RunFilter(states=frozenset({RunState.SCHEDULED})), limit=1)
        configuration = self.client.export()
        for number in range(10):
            configuration["deployments"][f"deployment-{number}"]["job_variables"] = {**JOB_VARIABLES, "env": {"CHANGED": "1"}}
        now = datetime.now(UTC)
        return {
            "explain of a waiting run": lambda: self.client.explain(waiting.id),
            **{f"page of {name}": _page(self.store, where) for name, where in _filters(now).items()},
            "page 10,000 of all, by cursor": _page(self.store, RunFilter(after=(now - LONG_AGO / 2, UUID(int=0)))),
            "deployment update": lambda: self.client.update_deployment("deployment-1", job_variables=self._other()),
            PLAN: lambda: self.client.plan(configuration),
            READ: lambda: self.store.ended(POOL, now - SIMULATED, limit=MOST),
            SIMULATE: lambda: self._simulate(now - SIMULATED),
        }

    def _simulate(self, since: datetime) -> object:
        pool = self.client.work_pool(POOL)
        return self.client.simulate(pool, replace(pool, concurrency_limit=5), since=since)

    def _other(self) -> Mapping[str, object]:
        return {**JOB_VARIABLES, "env": {"N": str(time.monotonic_ns())}}


def _page(store: Store, where: RunFilter) -> Callable[[], object]:
    return lambda: store.runs(where, limit=50)


def _filters(now: datetime) -> Mapping[str, RunFilter]:
    return {
        "all": RunFilter(),
        "those that hold slots": RunFilter(pool=POOL, states=frozenset({RunState.RUNNING, RunState.PENDING})),
        "a rare state": RunFilter(states=frozenset({RunState.CRASHED})),
        "a pool": RunFilter(pool=POOL, states=TERMINAL_STATES),
        "a queue": RunFilter(pool=POOL, queue="critical"),
        "a deployment": RunFilter(deployment="deployment-1"),
        "a rare deployment": RunFilter(deployment="rare"),
        "a tag": RunFilter(tag="often"),
        "a tag, in a rare state": RunFilter(tag="often", states=frozenset({RunState.CRASHED})),
        "a rare tag": RunFilter(tag="rare"),
        "a name that many begin with": RunFilter(name="run"),
        "a rare name": RunFilter(name="rare"),
        "an hour": RunFilter(since=now - LONG_AGO / 2, until=now - LONG_AGO / 2 + timedelta(hours=1)),
    }


def _ended(now: datetime, **fields: object) -> Run:
    run = replace(waiting_run(), id=uuid4(), created_at=now - LONG_AGO, due_at=now - LONG_AGO, **fields)
    return replace(run, state=RunState.COMPLETED, fence=1, started_at=run.due_at, ended_at=run.due_at + SECOND)


def _contents(store: Store) -> Run:
    """Everything but the copies of the run that is returned."""
    now = datetime.now(UTC)
    add_ecs_pool(store, limit=0)
    names = [*(f"deployment-{number}" for number in range(DEPLOYMENTS)), "rare"]
    store.restore(deployments=[a_deployment(name, POOL, job_variables=JOB_VARIABLES) for name in names])
    store.add_runs([replace(waiting_run(), deployment=f"deployment-{number % DEPLOYMENTS}") for number in range(WAITING)])
    rare = replace(_ended(now, deployment="rare", name="rare", tags=("rare", "often")), state=RunState.CRASHED)
    model = _ended(now, deployment="deployment-0", name="run", tags=("often",))
    store.restore(runs=[rare, model])
    return model


def _differs(number: str, step: int) -> dict[str, str]:
    return {
        "name": f"'run-' || {number}",
        "deployment": f"'deployment-' || ({number} % {DEPLOYMENTS})",
        "tags": f"CASE {number} % 2 WHEN 0 THEN tags ELSE '[]' END",
        "state": f"CASE {number} % 1000 WHEN 0 THEN 'FAILED' ELSE state END",
        **{name: f"{name} + {step} * {number}" for name in ("created_at", "scheduled_at", "due_at", "started_at", "ended_at")},
    }


def _on_sqlite(path: Path, size: int) -> _World:
    with_model = SqliteStore(path)
    model = _contents(with_model)
    with_model.close()
    add_copies(path, model, size, _differs("i", LONG_AGO // size // timedelta(microseconds=1)))
    return _World(SqliteStore(path))


def _on_postgres(server: PostgresServer, size: int) -> _World:
    database = server.fresh_database()
    store = PostgresStore(server.url(database), statement_timeout=600)
    model = _contents(store)
    add_copies_to_postgres(server, database, model, size, _differs("n", LONG_AGO // size // timedelta(microseconds=1)))
    store.pools()
    assert store._connection
    statistics = Path(f"/proc/{store._connection.info.backend_pid}/schedstat")
    return _World(store, lambda: int(statistics.read_text().split()[0]) / 1e9)
