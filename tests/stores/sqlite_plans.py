"""How SQLite's query planner reads a statement of the store."""

from typing import Any

from dispatcher.stores.rows import beat
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.stores.transaction import stored_in
from tests.builders import NOW

PARAMETERS: dict[str, Any] = {
    "pool": "pool",
    "queue": "default",
    "lane": "nightly",
    "first": "nightly%",
    "last": "nightly&",
    "deployment": "nightly",
    "name": "pool",
    "id": "0" * 32,
    "start": "0" * 32,
    **beat(NOW),
    "now": 0,
    "due_at": 0,
    "ended_before": 0,
    "since": 0,
    "limit": 50,
    "offset": 0,
    "expected_id": "0" * 32,
    "expected_pool": "pool",
    "expected_state": "SCHEDULED",
    "expected_fence": 0,
    "expected_ending": "",
}


def plan_of(store: SqliteStore, statement: str, /, **parameters: Any) -> list[str]:
    assert store._connection
    values = stored_in({**PARAMETERS, **parameters})
    return [row[3] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
