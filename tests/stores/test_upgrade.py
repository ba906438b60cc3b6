"""A store that older code made: what is in it is there afterwards, and goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from dispatcher.core.ticks import last_hour
from dispatcher.models import RunState, WorkPool
from dispatcher.models.records import RunFilter
from dispatcher.protocols import Store
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.stores.statements import migrations
from tests.builders import HOUR, MINUTE, NOW, TEMPLATE
from tests.stores.postgres_server import PostgresServer, server
from tests.stores.steps import a_whole_life, claim

FIRST = 1
"""The schema of the first release."""
AT = 1_893_499_200_000_000
"""`NOW` in microseconds."""
POOL = ("pool", "f" * 31 + "1", "process", None, False, "", AT, 1, None, "", None, json.dumps(TEMPLATE))
RUN: Mapping[str, Any] = {
    "id": "f" * 31 + "2",
    "name": "run",
    "pool": "pool",
    "queue": "default",
    **dict.fromkeys(("created_at", "scheduled_at", "due_at"), AT),
    "state": "SCHEDULED",
    "reason": "",
    "attempt": 1,
    **dict.fromkeys(("fence", "ends", "refusals"), 0),
    "lingers": False,
    "tags": "[]",
    "job_variables": '{"command":"x"}',
}
ROWS: Sequence[tuple[str, tuple[Any, ...]]] = (
    ("work_pools", POOL),
    ("work_queues (pool, name, priority, concurrency_limit, paused, description)", ("pool", "default", 1, None, False, "")),
    ("deployments", ("nightly", "f" * 31 + "3", "pool", "default", "{}", "[]", "", AT, 1)),
    (f"runs ({', '.join(RUN)})", tuple(RUN.values())),
)


def fill(execute: Callable[[str, tuple[Any, ...]], Any], placeholder: str) -> None:
    for table, values in ROWS:
        execute(f"INSERT INTO {table} VALUES ({', '.join([placeholder] * len(values))})", values)


def goes_on(store: Store) -> None:
    """What the first release wrote reads as it was, with what is new as by default."""
    pool, deployment = store.pool("pool"), store.deployment("nightly")
    assert isinstance(pool, WorkPool)
    assert (pool.last_tick_at, pool.ticked_hours) == (None, ())
    assert (pool.hooks, [queue.name for queue in pool.queues]) == ((), ["default"])
    assert deployment
    assert (deployment.parameters, deployment.parameter_openapi_schema) == ({}, {})
    assert (deployment.schedules, deployment.retry, deployment.windows_at, deployment.paused) == ((), None, None, False)
    [run] = store.runs(RunFilter(), limit=10)
    assert (run.state, run.job_variables, run.due_at) == (RunState.SCHEDULED, {"command": "x"}, NOW)
    assert run.parameters == {}
    assert (run.past, run.retry, run.schedule, run.notify_at, run.notify_states) == ((), None, None, None, frozenset())
    [claimed] = claim(store, NOW + MINUTE).claims
    assert claimed.run.id == run.id
    ticked = store.pool("pool")
    assert ticked
    assert (ticked.last_tick_at, last_hour(ticked, NOW + HOUR - MINUTE, HOUR).minutes) == (NOW + MINUTE, (NOW + MINUTE,))
    a_whole_life(store)


def test_an_sqlite_file_of_the_first_release_is_brought_along(tmp_path: Path):
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        for version, statements in migrations("sqlite"):
            if version == FIRST:
                connection.executescript(";\n".join([*statements, f"PRAGMA user_version = {FIRST}"]))
        fill(connection.execute, "?")
    connection.close()
    store = SqliteStore(path)
    goes_on(store)
    store.close()


def test_a_postgresql_database_of_the_first_release_is_brought_along():
    running: PostgresServer = server()
    name = running.empty_database()
    with psycopg.connect(running.url(name), autocommit=True) as connection:
        for version, statements in migrations("postgres"):
            for statement in statements if version == FIRST else ():
                connection.execute(statement.encode())
        fill(lambda statement, values: connection.execute(statement.encode(), values), "%s")
    store = PostgresStore(running.url(name))
    goes_on(store)
    store.close()
