"""One transaction on a psycopg connection: our parameters in its spelling, and many changes in one round trip."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg

from dispatcher.stores.transaction import Cursor, Transaction

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


class PostgresTransaction(Transaction):
    """Runs named statements on PostgreSQL."""

    def __init__(self, connection: psycopg.Connection, statements: Mapping[str, str]) -> None:
        super().__init__(_Spelling(connection), statements)
        self._psycopg = connection

    def _counts(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> Sequence[int]:
        """All are sent before the first answer is awaited, so that a claim of fifty holds its pool for one round trip."""
        if len(calls) < 2 or not psycopg.capabilities.has_pipeline():
            return super()._counts(calls)
        with self._psycopg.pipeline():
            cursors = [self._execute(statement, parameters) for statement, parameters in calls]
        return [cursor.rowcount for cursor in cursors]


class _Spelling:
    """A connection that takes `:name` for a parameter, as sqlite3 does."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Mapping[str, Any], /) -> Cursor:
        """Run one statement."""
        return self._connection.execute(_respelled(statement), parameters)


@lru_cache(maxsize=256)
def _respelled(statement: str) -> bytes:
    return _PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%")).encode()
