"""What is measured on: pools, runs that wait, and stores that are filled faster than their verbs would."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from dispatcher.models import Run
from dispatcher.protocols import Store
from dispatcher.stores.rows import RUN
from dispatcher.stores.sqlite import SqliteStore
from providers import registry
from tests.benchmarks.emulated import PROVIDER_OPTIONS
from tests.builders import a_pool, a_run
from tests.stores.postgres_server import PostgresServer

POOL = "benchmark"
QUEUES = ("critical", "default", "low")
JOB_VARIABLES: Mapping[str, Any] = {
    "image": "registry.example.com/flows:2030-01-01",
    "command": "python -m flows.daily --day 2030-01-01",
    "env": {"LOG_LEVEL": "INFO", "REGION": "eu-central-1", "STAGE": "production"},
    "labels": {"team": "data", "cost-centre": "4711"},
}
"""What a run brings along, a middling one."""


def add_ecs_pool(store: Store, *, limit: int | None = None) -> None:
    """An `ecs:push` pool with our default template, as `work-pool create` makes it."""
    template = registry.default_template("ecs:push")
    pool = a_pool(POOL, limit=limit, queues=QUEUES, type="ecs:push", base_job_template=template)
    store.save_pool(pool, expected_version=None)


def waiting_run(queue: str = "default") -> Run:
    """A run that has been due for a minute."""
    now = datetime.now(UTC)
    due_at = now - timedelta(minutes=1)
    return a_run(POOL, queue, id=uuid4(), due_at=due_at, created_at=due_at, job_variables=JOB_VARIABLES)


def add_waiting(store: Store, count: int) -> None:
    """`count` runs through the store's own verb."""
    store.add_runs([waiting_run() for _ in range(count)])


def add_backlog(path: Path, count: int) -> None:
    """`count` waiting runs, each with a due time of its own, in every queue in turn."""
    with closing(SqliteStore(path)) as store:
        model = waiting_run()
        store.add_runs([model])
    queue = f"CASE i % 3 WHEN 0 THEN '{QUEUES[0]}' WHEN 1 THEN '{QUEUES[1]}' ELSE '{QUEUES[2]}' END"
    add_copies(path, model, count - 1, {"name": "name || '-' || i", "queue": queue, "due_at": "due_at - 1000 * (:count - i)"})


def add_copies(path: Path, model: Run, count: int, differs: Mapping[str, str]) -> None:
    """Copies of a run that the store itself wrote, by one SQL statement: each with an id of its own, and with what `differs`,
    where `i` is its number. The indices are taken away before and made anew after.

    Writing a million through `add_runs` would take minutes and come to the same file.
    """
    values = {"id": "lower(hex(randomblob(16)))", **differs}
    columns = ", ".join(values.get(column, column) for column in RUN.names)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN")
        indices = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        for name, _ in indices:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(
            f"""WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :count)
            INSERT INTO runs ({RUN.columns}) SELECT {columns} FROM runs, numbers WHERE runs.id = :model ORDER BY i""",
            {"count": count, "model": model.id.hex},
        )
        for _, statement in indices:
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def add_copies_to_postgres(server: PostgresServer, database: str, model: Run, count: int, differs: Mapping[str, str]) -> None:
    """The same on PostgreSQL, where `n` is a copy's number."""
    columns = {name: {"id": "md5(n::text)", **differs}.get(name, name) for name in RUN.names}
    server.administer(
        f"INSERT INTO runs ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
        f"FROM generate_series(1::bigint, {count}) AS n, (SELECT * FROM runs WHERE id = '{model.id.hex}') AS model",
        database,
    )
    server.administer("VACUUM ANALYZE", database)


def settings_environment(path: Path) -> dict[str, str]:
    """The environment of an entry point that works on the store at `path`."""
    return {
        "DISPATCHER_STORE": f"sqlite:///{path}",
        "DISPATCHER_PROVIDER_OPTIONS": json.dumps({"ecs:push": PROVIDER_OPTIONS}),
    }
