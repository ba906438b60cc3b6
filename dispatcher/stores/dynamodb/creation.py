"""Creates the table if Terraform has not."""

from __future__ import annotations

from dispatcher.errors import StoreUnavailable
from dispatcher.stores.dynamodb.definition import TABLE_DEFINITION, TIME_TO_LIVE
from dispatcher.stores.dynamodb.requests import Table

WAIT_SECONDS = 1.0
MOST_WAITS = 120


def create_table(table: Table) -> None:
    """Create the table and wait until it can be used; an existing one stays as it is. Raises `StoreError`."""
    table.create(TABLE_DEFINITION)
    for _ in range(MOST_WAITS):
        if table.is_active():
            table.expire(TIME_TO_LIVE)
            return
        table.clock.sleep(WAIT_SECONDS)
    raise StoreUnavailable(f"DynamoDB table {table.name!r} was not ready after {MOST_WAITS * WAIT_SECONDS:.0f} s; try again")
