"""A pool or deployment that older code saves keeps what newer code has written beside the fields that both know."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dispatcher.models import Deployment, WorkPool
from dispatcher.protocols import Store
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW, a_deployment, a_pool
from tests.stores.conformance_reconfiguration import reconfiguration
from tests.stores.dynamodb import places
from tests.stores.dynamodb_server import connect
from tests.stores.postgres_server import server

TABLES = {"work_pools": "pool", "work_queues": "high", "deployments": "deployment"}
NEWER = dict.fromkeys(TABLES, "kept")

Way = Callable[[Store, WorkPool, Deployment], object]


def one_by_one(store: Store, pool: WorkPool, deployment: Deployment) -> None:
    store.save_pool(pool, expected_version=1)
    store.save_deployment(deployment, expected_version=1, now=NOW)


def together(store: Store, pool: WorkPool, deployment: Deployment) -> None:
    store.reconfigure(reconfiguration(store, pools=[pool], deployments=[deployment]))


@pytest.fixture(params=[one_by_one, together])
def save(request: pytest.FixtureRequest) -> Callable[[Store], None]:
    """Change every noun, in a way that lets two queues swap their priorities, adds a queue and deletes one."""
    way: Way = request.param

    def change(store: Store) -> None:
        high, default, _ = a_pool(queues=["high", "default", "gone"]).queues
        swapped = (replace(high, priority=default.priority, paused=True), replace(default, priority=high.priority))
        new = replace(high, name="new", priority=9)
        deployment = store.deployment("deployment")
        pool = store.pool("pool")
        assert pool
        assert deployment
        way(store, replace(pool, description="new", queues=(*swapped, new)), replace(deployment, description="new"))
        saved = store.pool("pool")
        assert saved
        assert [(queue.name, queue.priority, queue.paused) for queue in saved.queues] == [
            ("default", high.priority, False),
            ("high", default.priority, True),
            ("new", 9, False),
        ]
        changed = store.deployment("deployment")
        assert (saved.description, changed and changed.description) == ("new", "new")

    return change


def fill(store: Store) -> None:
    store.save_pool(a_pool(queues=["high", "default", "gone"]), expected_version=None)
    store.save_deployment(a_deployment(), expected_version=None, now=NOW)


def add_columns(execute: Callable[[str], Any]) -> None:
    for table, name in TABLES.items():
        execute(f"ALTER TABLE {table} ADD COLUMN newer TEXT NOT NULL DEFAULT 'default'")
        execute(f"UPDATE {table} SET newer = 'kept' WHERE name = '{name}'")


def columns(execute: Callable[[str], Any]) -> Mapping[str, str]:
    return {table: execute(f"SELECT newer FROM {table} WHERE name = '{name}'").fetchone()[0] for table, name in TABLES.items()}


def test_sqlite_keeps_the_columns_of_newer_code(tmp_path: Path, save: Callable[[Store], None]):
    store = SqliteStore(tmp_path / "store.db")
    fill(store)
    assert store._connection
    execute = store._connection.execute
    add_columns(execute)
    save(store)
    assert columns(execute) == NEWER
    store.close()


def test_postgresql_keeps_the_columns_of_newer_code(save: Callable[[Store], None]):
    running = server()
    url = running.url(running.fresh_database())
    store = PostgresStore(url)
    fill(store)
    with psycopg.connect(url, autocommit=True) as connection:
        add_columns(lambda statement: connection.execute(statement.encode()))
        save(store)
        assert columns(lambda statement: connection.execute(statement.encode())) == NEWER
    store.close()


def test_dynamodb_keeps_the_attributes_of_newer_code(save: Callable[[Store], None]):
    table = places.fresh_table()
    store = places.DynamoStore(table, connect=connect, patience=places.PATIENT)
    fill(store)
    at: Mapping[str, Mapping[str, Any]] = {
        "work_pools": {"pk": {"S": "POOL/pool"}, "sk": {"S": "CONFIG"}},
        "deployments": {"pk": {"S": "DEPLOYMENTS"}, "sk": {"S": "deployment"}},
    }

    def read(name: str) -> dict[str, Any]:
        return dict(connect().get_item(TableName=table, Key=at[name], ConsistentRead=True)["Item"])

    for name in at:
        item = read(name) | {"newer": {"S": "kept"}}
        if name == "work_pools":
            queues = json.loads(item["queues"]["S"])
            item["queues"] = {"S": json.dumps([{**queue, "newer": "kept"} for queue in queues])}
        connect().put_item(TableName=table, Item=item)
    save(store)
    queues = {queue["name"]: queue.get("newer") for queue in json.loads(read("work_pools")["queues"]["S"])}
    assert {name: read(name)["newer"]["S"] for name in at} == dict.fromkeys(at, "kept")
    assert queues == {"high": "kept", "default": "kept", "new": None}
    store.close()
