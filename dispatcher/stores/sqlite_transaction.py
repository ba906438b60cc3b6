"""One transaction on an SQLite connection: few statements change many runs.

At every statement Python releases its global lock and waits for it again. The other threads of a tick are busy with an SDK. So
one statement for each of a hundred runs would lock the file, and block other writers, many times longer than the work takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from dispatcher.stores.transaction import Change, Cursor, Transaction, assignments, stored

Item = TypeVar("Item")

AT_ONCE = 64
"""The most rows of one statement. Longer lists are cut into this and smaller powers of two, so that there are few different
statements and the connection keeps them prepared."""

_EXPECTED = ("expected_id", "expected_pool", "expected_state", "expected_fence", "expected_ending")


class SqliteTransaction(Transaction):
    """Runs named statements on SQLite."""

    def change_runs(self, changes: Sequence[Change], *, ends: bool = True) -> Sequence[bool]:
        """See `Transaction.change_runs`. A first statement finds the runs that are as expected, because a statement that
        changes several cannot say which.
        """
        ids = [stored(expected["expected_id"]) for _, expected in changes]
        if len(set(ids)) < max(len(ids), 2):  # a single run; or one run twice: after its first change it may not be as expected
            return super().change_runs(changes, ends=ends)
        matching = {run_id for part in _parts(changes) for run_id in self._as_expected(part)}
        alike: dict[Sequence[str], list[list[Any]]] = {}
        for run_id, (values, _) in zip(ids, changes, strict=True):
            if run_id in matching:
                alike.setdefault(tuple(values), []).append([run_id, *values.values()])
        for columns, rows in alike.items():
            for part in _parts(rows):
                self._change(columns, part)
        return [run_id in matching for run_id in ids]

    def _as_expected(self, part: Sequence[Change]) -> Sequence[str]:
        rows = [[stored(expected[name]) for name in _EXPECTED] for _, expected in part]
        [[ids]] = self._execute_rows(self._statements["runs_as_expected"], rows).fetchall()
        return ids.split() if ids else ()

    def _change(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        statement = self._statements["change_runs"].replace("{columns}", ", ".join(columns))
        self._execute_rows(statement.replace("{changes}", assignments(columns, "target.")), rows)

    def _execute_rows(self, statement: str, rows: Sequence[Sequence[Any]]) -> Cursor:
        placeholders = ", ".join([f"({', '.join('?' * len(rows[0]))})"] * len(rows))
        return self._connection.execute(statement.replace("{rows}", placeholders), list(chain.from_iterable(rows)))


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    first = 0
    while first < len(items):
        size = min(AT_ONCE, 1 << (len(items) - first).bit_length() - 1)
        yield items[first : first + size]
        first += size
