"""The default store: one SQLite file, shared by any number of processes of one machine.

* Every transaction that writes is `BEGIN IMMEDIATE`: one writer at a time, so what a claim reads stays true until it commits.
* Write-ahead log, so that readers never wait for the writer (https://www.sqlite.org/wal.html).
* `synchronous = FULL`: with NORMAL, a power loss may undo the last commits. If a claim were undone after its job had been
  submitted, the run would be claimed again without a look-up of that job: "once" would be lost. FULL costs one fsync per
  transaction.
* The first verb opens a connection; a forked process opens its own.
* Only the owner can read the file, its log and the log's index (`private_files`), because they hold jobs' environments.
* The path `:memory:` gives a store that lasts until `close` and belongs to this object alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import RLock

from dispatcher.errors import SettingsError, StoreError
from dispatcher.stores.automation_rows import AUTOMATION_COLUMNS
from dispatcher.stores.migration import Migration
from dispatcher.stores.private_files import keep_private
from dispatcher.stores.rows import COLUMNS
from dispatcher.stores.sql_store import SqlStore
from dispatcher.stores.sqlite_errors import translated
from dispatcher.stores.sqlite_schema import migration, prepare
from dispatcher.stores.sqlite_transaction import SqliteTransaction
from dispatcher.stores.statements import FOLDER, named
from dispatcher.stores.transaction import Transaction

IN_MEMORY = ":memory:"
PREFIX = "sqlite:///"

PAGES_OF_A_RUN = 2
"""The most free pages that are given back for each pruned run."""

_inherited: list[sqlite3.Connection] = []
"""Connections of the process that this one was forked from. Closing one, even by garbage collection, could damage the file
(https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_), so they are kept."""


def open_url(url: str) -> SqliteStore:
    """The store behind `sqlite:///relative.db` or `sqlite:////absolute.db`; `sqlite:///:memory:` for one in memory.

    A missing last directory is created, with access for its owner alone, so that the default in the home directory needs no
    set-up. Raises `SettingsError` for another form of URL.
    """
    path = url.removeprefix(PREFIX)
    if path == url or not path:
        raise SettingsError(f"DISPATCHER_STORE: {url!r} names no file; write sqlite:///relative.db or sqlite:////absolute.db")
    with suppress(OSError):  # opening the file raises the error
        Path(path).parent.mkdir(mode=0o700, exist_ok=True)
    return SqliteStore(path)


class SqliteStore(SqlStore):
    """A `Store` in an SQLite file. Threads may share it: its verbs run one after the other."""

    def __init__(self, path: str | Path, *, busy_timeout: float = 10.0) -> None:
        """A missing file is created; a missing directory is an error. `busy_timeout`: seconds to wait for another writer."""
        if not str(path):
            raise StoreError(
                "the SQLite store needs the path of a file, as sqlite:///dispatcher.db"
            )  # SQLite would take a file that vanishes on closing
        self.path = str(path)
        self._busy_timeout = busy_timeout
        self._statements = {
            **named((FOLDER / "statements.sql").read_text(encoding="utf-8"), {**COLUMNS, **AUTOMATION_COLUMNS}),
            **named((FOLDER / "sqlite" / "statements.sql").read_text(encoding="utf-8"), {**COLUMNS, **AUTOMATION_COLUMNS}),
        }
        self._connection: sqlite3.Connection | None = None
        self._lock = RLock()
        self._process = os.getpid()

    def close(self) -> None:
        """See `Store.close`. A store in memory is empty afterwards."""
        self._leave_what_was_inherited()
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def migration(self) -> Migration:
        """See `Migrates.migration`."""
        with translated(self.path, self._busy_timeout):
            return migration(self.path)

    def migrate(self) -> None:
        """See `Migrates.migrate`: opening the file migrates it."""
        with self._reading():
            pass

    def prune(self, pool: str, before: datetime, *, limit: int) -> int:
        """See `Store.prune`. Free pages are given back to the file system, one per statement: Python steps such a statement
        only once.
        """
        with self._writing() as transaction:
            count = transaction.change("prune", pool=pool, before=before, limit=limit)
            [[free]] = transaction.rows("free_pages")
            for _ in range(min(free, PAGES_OF_A_RUN * count)):
                transaction.change("give_back")
        return count

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with self._transaction("BEGIN") as transaction:
            yield transaction

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self._transaction("BEGIN IMMEDIATE") as transaction:
            yield transaction

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        self._leave_what_was_inherited()
        with self._lock, translated(self.path, self._busy_timeout):
            connection = self._connection = self._connection or self._open()
            try:
                connection.execute(begin)
                yield SqliteTransaction(connection, self._statements)
                connection.execute("COMMIT")
            except BaseException as error:
                self._give_up(connection, error)
                raise

    def _open(self) -> sqlite3.Connection:
        if self.path != IN_MEMORY:
            keep_private(self.path)
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout,
            isolation_level=None,  # we begin transactions ourselves
            check_same_thread=False,  # the lock keeps threads apart
            cached_statements=256,
        )
        try:
            prepare(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self, connection: sqlite3.Connection, error: BaseException) -> None:
        """Roll back. After an error of the database, the next verb opens it anew: the file may have been replaced."""
        if isinstance(error, sqlite3.Error) and self.path != IN_MEMORY:
            self.close()
        elif connection.in_transaction:
            connection.execute("ROLLBACK")

    def _leave_what_was_inherited(self) -> None:
        """In a forked process: start without a connection, and touch neither the parent's connection nor its lock."""
        if self._process == os.getpid():
            return
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection, self._lock, self._process = None, RLock(), os.getpid()
