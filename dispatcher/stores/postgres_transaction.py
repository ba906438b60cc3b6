"""One transaction on a psycopg connection, with as few round trips as possible.

Statements that do not need each other's answers are sent in one message: BEGIN with the first statements, COMMIT with the last.
One statement changes many runs. Parameters are written into the statements as literals, by psycopg.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg

from dispatcher.errors import StoreUnavailable
from dispatcher.stores.transaction import Call, Change, Cursor, Row, Transaction, assignments, stored_in

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_COMMIT = b"COMMIT"


class PostgresTransaction(Transaction):
    """Runs named statements on PostgreSQL."""

    def __init__(
        self, connection: psycopg.Connection, statements: Mapping[str, str], name: str, begin: Sequence[bytes] = ()
    ) -> None:
        """`begin`: the texts to send before the first statement."""
        super().__init__(connection, statements)
        self._psycopg, self._name, self._begin = connection, name, list(begin)
        self._ended = False
        self._literals = psycopg.ClientCursor(connection)

    def commit(self) -> None:
        """Commit, unless the last statements did so already or the transaction never began."""
        if not self._ended and not self._begin:
            self._run([], ends=True)

    def heads(self, **parameters: Any) -> tuple[Sequence[Row], Sequence[Row]]:
        """See `Transaction.heads`."""
        runs, deployments = self.together(("due_heads", parameters), ("deployments_of_heads", parameters))
        return runs.fetchall(), deployments.fetchall()

    def change_runs(self, changes: Sequence[Change], *, ends: bool = True) -> Sequence[bool]:
        """See `Transaction.change_runs`. One statement for all runs that get values in the same columns."""
        ids = [stored_in(expected)["expected_id"] for _, expected in changes]
        if len(set(ids)) < len(ids):  # one run twice: after its first change it may not be as expected
            return super().change_runs(changes, ends=ends)
        alike: dict[tuple[str, ...], list[Change]] = {}
        for change in changes:
            alike.setdefault(tuple(sorted(change[0])), []).append(change)
        cursors = self._run([self._changing(columns, group) for columns, group in sorted(alike.items())], ends=ends)
        changed = {row[0] for cursor in cursors for row in cursor.fetchall()}
        return [run_id in changed for run_id in ids]

    def _changing(self, columns: Sequence[str], changes: Sequence[Change]) -> Call:
        """Rows are locked in the order of their ids, so that two transactions do not wait for each other."""
        pairs = [(stored_in(expected), stored_in(values)) for values, expected in changes]
        ordered = sorted(pairs, key=lambda pair: str(pair[0]["expected_id"]))
        parameters = {
            "ids": [expected["expected_id"] for expected, _ in ordered],
            "expected": json.dumps([expected for expected, _ in ordered]),
            "rows": json.dumps([{**values, "id": expected["expected_id"]} for expected, values in ordered]),
        }
        return self._statements["change_runs"].replace("{changes}", assignments(columns, "target.")), parameters

    def _execute(self, statement: str, parameters: Mapping[str, Any]) -> Cursor:
        return self._run([(statement, parameters)])[0]

    def _run(self, calls: Sequence[Call], *, ends: bool = False) -> Sequence[Cursor]:
        """Send all of them in one message of the simple protocol: one round trip, after which the server counts the idle time.

        (libpq's pipelines end with a Flush, after which a server that waits within a transaction does not count.)
        """
        begin, self._begin = self._begin, []
        statements = [*begin, *(self._written(*call) for call in calls), *([_COMMIT] if ends else [])]
        cursor = self._psycopg.execute(b";\n".join(statements))
        answers = [_Answer(cursor)]
        while cursor.nextset():
            answers.append(_Answer(cursor))
        if ends:
            self._ended = True
            _committed(answers[-1], self._name)
        return answers[len(begin) : len(begin) + len(calls)]

    def _written(self, statement: str, parameters: Mapping[str, Any]) -> bytes:
        return self._literals.mogrify(_respelled(statement), stored_in(parameters)).encode()


class _Answer:
    """The answer to one of several statements."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self.rowcount, self.status = cursor.rowcount, cursor.statusmessage
        self._rows = cursor.fetchall() if cursor.description else []

    def fetchall(self) -> list[Any]:
        """See `Cursor.fetchall`."""
        return self._rows


def _committed(answer: _Answer, name: str) -> None:
    """A transaction in which a statement failed answers a COMMIT with ROLLBACK, without an error."""
    if answer.status != "COMMIT":
        raise StoreUnavailable(f"store {name}: the server rolled the transaction back: try again")


@lru_cache(maxsize=256)
def _respelled(statement: str) -> bytes:
    return _PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%")).encode()
