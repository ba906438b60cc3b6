"""One transaction of an SQL store: named statements go in, rows come out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from dispatcher.stores.codecs import microseconds
from dispatcher.stores.rows import RUN

Row = tuple[Any, ...]

_DEPLOYMENT_OF_HEAD = 1 + RUN.names.index("deployment")
Change = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A change of a run: the columns with new values, and the expected values, as parameters of `change_run`."""


Call = tuple[str, Mapping[str, Any]]
"""A statement, by its name or as text, and its parameters."""


class Cursor(Protocol):
    """The part of a DB-API cursor that is needed."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows."""
        ...


class SqlConnection(Protocol):
    """A connection whose `execute` returns a cursor, like the connections of sqlite3 and psycopg."""

    def execute(self, statement: str, parameters: Any, /) -> Cursor:
        """Run one statement."""
        ...


class Transaction:
    """Runs named statements on a connection that is in a transaction.

    Parameters may be times, ids and states; `rows` says how they are stored.
    """

    def __init__(self, connection: SqlConnection, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = statements

    def together(self, *calls: Call) -> Sequence[Cursor]:
        """Run named statements that do not need each other's answers; they may be sent to the database in one message."""
        return self._run([(self._statements[name], parameters) for name, parameters in calls])

    def last(self, *calls: Call) -> Sequence[Cursor]:
        """`together`, as the last statements of this transaction: the commit may be sent in the same message."""
        return self._run([(self._statements[name], parameters) for name, parameters in calls], ends=True)

    def heads(self, **parameters: Any) -> tuple[Sequence[Row], Sequence[Row]]:
        """The rows of `due_heads`, and the rows of its runs' deployments."""
        runs = self.rows("due_heads", **parameters)
        names = sorted({row[_DEPLOYMENT_OF_HEAD] for row in runs} - {None})
        return runs, self.rows("deployments_named", names=json.dumps(names)) if names else ()

    def rows(self, name: str, /, **parameters: Any) -> Sequence[Row]:
        """All rows of a statement."""
        return self._execute(self._statements[name], parameters).fetchall()

    def rows_among(self, name: str, ids: str, /, *, ends: bool = True, **parameters: Any) -> Sequence[Row]:
        """The rows of a statement whose `{ids}` is replaced by another statement. `ends`: nothing follows in this
        transaction.
        """
        [cursor] = self._run([(self._statements[name].replace("{ids}", ids), parameters)], ends=ends)
        return cursor.fetchall()

    def row(self, name: str, /, **parameters: Any) -> Row | None:
        """The first row, if there is one."""
        return next(iter(self.rows(name, **parameters)), None)

    def change(self, name: str, /, **parameters: Any) -> int:
        """Run a statement that writes; returns how many rows it changed."""
        return self._execute(self._statements[name], parameters).rowcount

    def change_each(self, name: str, parameters: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """`change` for each of these parameters; they may be sent to the database in one message."""
        return self._counts([(self._statements[name], values) for values in parameters])

    def change_runs(self, changes: Sequence[Change], *, ends: bool = True) -> Sequence[bool]:  # noqa: ARG002 - as below
        """Change runs, one after the other; returns which of them were as expected. `ends`: nothing follows in this
        transaction.
        """
        statement = self._statements["change_run"]
        calls = [(_assigning(statement, tuple(values)), {**values, **expected}) for values, expected in changes]
        return [bool(count) for count in self._counts(calls)]

    def _counts(self, calls: Sequence[Call]) -> Sequence[int]:
        return [cursor.rowcount for cursor in self._run(calls)]

    def _run(self, calls: Sequence[Call], *, ends: bool = False) -> Sequence[Cursor]:  # noqa: ARG002 - where trips cost nothing
        return [self._execute(statement, parameters) for statement, parameters in calls]

    def _execute(self, statement: str, parameters: Mapping[str, Any]) -> Cursor:
        return self._connection.execute(statement, stored_in(parameters))


@lru_cache(maxsize=256)
def _assigning(statement: str, columns: Sequence[str]) -> str:
    return statement.replace("{changes}", assignments(columns, ":"))


def assignments(columns: Sequence[str], source: str) -> str:
    """The text for `{changes}`: each column gets the value of the same name, with a prefix."""
    return ", ".join(f"{column} = {source}{column}" for column in columns)


def stored_in(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters in their stored form."""
    return {name: stored(value) for name, value in parameters.items()}


_AS_IS = frozenset({str, int, float, type(None)})


def stored(value: Any) -> Any:
    """A parameter in its stored form."""
    if type(value) in _AS_IS:
        return value
    if isinstance(value, UUID):
        return value.hex
    return microseconds(value) if isinstance(value, datetime) else value
