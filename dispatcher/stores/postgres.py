"""The store for functions in any cloud: a PostgreSQL database (14 or newer), shared by any number of invocations.

* **Claims of a pool are serial**: a claim's first statement locks the pool's row (`sql/postgres/statements.sql` says who waits
  for whom). Transactions that write are READ COMMITTED, so that counts after the lock include everything that was committed
  before it. Transactions that only read are REPEATABLE READ, so that all their statements see the same state.
* **Fit for a function that is frozen between its calls, and for a pooler in transaction mode** (PgBouncer, Supavisor): nothing
  outlives a transaction. No prepared statements, no session settings, no session locks; timeouts are SET LOCAL.
* **Round trips are the main cost**: a verb whose statements do not depend on each other is one round trip, BEGIN and COMMIT
  included; a claim of a hundred runs, with their deployments, is three (`postgres_transaction`).
* The first verb opens a connection, and `close` closes it. If it died in between (a freeze, a restart of the server), it is
  seen to be closed, or, after some idle seconds, a separate `BEGIN` fails before anything is lost. Then it is opened anew,
  once. A connection that dies within a transaction raises `StoreUnavailable`: the verb may have taken effect, and may be
  repeated.
* **A server that is silent, or answers too slowly, is given up**: after `connect_timeout` (5 s) when connecting, after 5 s if
  it does not even begin a transaction (then a new connection is tried), after `answer_timeout` (12 s) within a transaction. So
  no verb waits longer than 22 s for a pooler that has lost its server.
* An invocation that is frozen or killed within a transaction holds the pool no longer than `idle_timeout`: then the server
  ends its session.
* Query plans do not depend on how old the statistics are: if an index gives the order, the planner may neither scan nor sort.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import RLock
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from dispatcher.errors import StoreSchemaError
from dispatcher.models import LogEntry
from dispatcher.models.records import Automated, Claims, Decide, Move, Reconfiguration
from dispatcher.stores import postgres_schema
from dispatcher.stores.automation_rows import AUTOMATION_COLUMNS
from dispatcher.stores.migration import Migration
from dispatcher.stores.postgres_connection import AT_ONCE, CONNECTION, BoundedConnection, name_of, parameters
from dispatcher.stores.postgres_errors import RolledBackByServer, translated
from dispatcher.stores.postgres_transaction import PostgresTransaction
from dispatcher.stores.rows import COLUMNS
from dispatcher.stores.sql_store import SqlStore
from dispatcher.stores.statements import FOLDER, named, to_do
from dispatcher.stores.transaction import Transaction

T = TypeVar("T")

TRIES = 5
"""How often a method is tried if the server rolls it back because of a deadlock. A rollback leaves nothing done."""

_NOT_PLANNED = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort", "jit")

_LASTING = (
    "set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)"
)
"""If a crash of the server undid a claim after its job was submitted, the run would be claimed and started again: "once" would
be lost."""

FRESH = 5.0
"""Seconds after its last transaction for which a connection counts as alive, unless its socket was closed."""

_inherited: list[psycopg.Connection] = []
"""Connections of the process that this one was forked from: closing one would end its owner's transaction."""


def open_url(url: str) -> PostgresStore:
    """The store behind `postgresql://user:password@host:5432/database`; all of libpq's parameters may follow.

    The password may be left to PGPASSWORD or a password file. Raises `SettingsError` for another form of URL.
    """
    return PostgresStore(url)


class PostgresStore(SqlStore):
    """A `Store` in a PostgreSQL database. Threads may share it: its verbs run one after the other."""

    def __init__(
        self,
        url: str,
        *,
        lock_timeout: float = 5.0,
        statement_timeout: float = 10.0,
        answer_timeout: float = 12.0,
        idle_timeout: float = 30.0,
        schema: postgres_schema.Schema | None = None,
    ) -> None:
        """All timeouts are in seconds: for the lock of a pool, for a statement, for its complete answer, and for an idle
        transaction.
        """
        self._connecting = {**CONNECTION, **parameters(url)}
        self.name = name_of(self._connecting)
        self._answer_timeout = answer_timeout
        limits = {
            "statement_timeout": f"{round(statement_timeout * 1000)}",
            "lock_timeout": f"{round(lock_timeout * 1000)}",
            "idle_in_transaction_session_timeout": f"{round(idle_timeout * 1000)}",
        }
        self._limits = "".join(f" SET LOCAL {name} = {value};" for name, value in limits.items())
        self._settings = _settings({**limits, **dict.fromkeys(_NOT_PLANNED, "off")})
        self._used_at, self._is_busy = 0.0, False
        self._schema = schema or postgres_schema.current()
        self._statements = {
            **named((FOLDER / "statements.sql").read_text(encoding="utf-8"), {**COLUMNS, **AUTOMATION_COLUMNS}),
            **named((FOLDER / "postgres" / "statements.sql").read_text(encoding="utf-8"), {**COLUMNS, **AUTOMATION_COLUMNS}),
        }
        self._connection: BoundedConnection | None = None
        self._lock = RLock()
        self._process = os.getpid()

    def close(self) -> None:
        """See `Store.close`."""
        self._leave_what_was_inherited()
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def migration(self) -> Migration:
        """See `Migrates.migration`. A role that may not read the schema's version is refused."""
        with translated(self.name), self._connected() as connection:
            return to_do(self._schema.steps, postgres_schema.look(connection).version)

    def migrate(self) -> None:
        """See `Migrates.migrate`: opening the database migrates it, if the role may."""
        self.close()
        with self._reading():
            pass
        if self.migration().is_needed:
            raise StoreSchemaError(
                f"store {self.name}: its role may not migrate: grant it CREATE on the schema, or run the "
                "output of `dispatcher store migrate print` as the owner of the tables"
            )

    def reconfigure(self, change: Reconfiguration) -> None:
        """See `Store.reconfigure`."""
        _again(lambda: super(PostgresStore, self).reconfigure(change))

    def move(self, moves: Sequence[Move], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """See `Store.move`."""
        return _again(lambda: super(PostgresStore, self).move(moves, entry=entry))

    def automate(self, automated: Automated) -> bool:
        """See `Store.automate`."""
        return _again(lambda: super(PostgresStore, self).automate(automated))

    def claim(self, pool: str, now: datetime, *, lease: timedelta, takeovers: int, decide: Decide) -> Claims:
        """See `Store.claim`."""
        return _again(lambda: super(PostgresStore, self).claim(pool, now, lease=lease, takeovers=takeovers, decide=decide))

    def discarded(self, run_ids: Sequence[UUID]) -> None:
        """See `Store.discarded`."""
        _again(lambda: super(PostgresStore, self).discarded(run_ids))

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", self._settings) as transaction:
            yield transaction

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        settings = f"{self._settings}, {_LASTING}"
        with self._transaction("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", settings) as transaction:
            yield transaction

    @contextmanager
    def _transaction(self, *begin: str) -> Iterator[Transaction]:
        self._leave_what_was_inherited()
        with self._lock, translated(self.name):
            connection, left = self._begin([statement.encode() for statement in begin])
            transaction = PostgresTransaction(connection, self._statements, self.name, left)
            self._is_busy = True
            try:
                yield transaction
                transaction.commit()
                self._used_at = time.time()
            except BaseException:
                self._give_up(connection)
                raise
            finally:
                self._is_busy = False

    def _begin(self, begin: Sequence[bytes]) -> tuple[BoundedConnection, Sequence[bytes]]:
        """The open connection, or a new one if it has died, and the texts to send before the first statements.

        A connection that was idle for a while must begin a transaction first: if it is dead, nothing is lost.
        """
        kept = self._connection
        if kept is not None:
            if self._is_busy:
                raise AssertionError("a verb of the store was called from within another")
            if time.time() - self._used_at < FRESH and _is_open(kept):
                return kept, begin
            with suppress(psycopg.Error):
                self._execute_at_once(kept, b"; ".join(begin))
                return kept, ()
            self.close()
        self._connection = self._open()
        return self._connection, begin

    def _connected(self) -> BoundedConnection:
        # We begin transactions ourselves, and prepare no statements: a pooler gives each transaction another server connection.
        connection = BoundedConnection.connect(autocommit=True, prepare_threshold=None, **self._connecting)
        connection.answer_seconds = self._answer_timeout
        return connection

    def _execute_at_once(self, connection: BoundedConnection, statement: bytes) -> None:
        """Run statements that a living server answers at once, and wait only for that long."""
        connection.answer_seconds = min(AT_ONCE, self._answer_timeout)
        connection.execute(statement)
        connection.answer_seconds = self._answer_timeout

    def _open(self) -> BoundedConnection:
        connection = self._connected()
        try:
            postgres_schema.prepare(connection, self.name, self._schema, self._limits)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self, connection: BoundedConnection) -> None:
        """Roll back; a connection that does not confirm that is closed."""
        with suppress(psycopg.Error):
            if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                self._execute_at_once(connection, b"ROLLBACK")
            if connection.info.transaction_status is TransactionStatus.IDLE:
                return
        self.close()

    def _leave_what_was_inherited(self) -> None:
        """In a forked process: start without a connection, and send nothing on the parent's."""
        if self._process == os.getpid():
            return
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection, self._lock, self._process = None, RLock(), os.getpid()


def _again(verb: Callable[[], T]) -> T:
    for _ in range(TRIES - 1):
        with suppress(RolledBackByServer):
            return verb()
    return verb()


def _settings(values: Mapping[str, str]) -> str:
    """The statement that changes settings for one transaction."""
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in values.items())


def _is_open(connection: psycopg.Connection) -> bool:
    """Whether the server has sent nothing since its last answer. If it has, it is closing the connection."""
    if connection.broken or connection.info.transaction_status is not TransactionStatus.IDLE:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return not selector.select(0)
