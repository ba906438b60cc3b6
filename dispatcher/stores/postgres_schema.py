"""Brings a PostgreSQL database to this code's schema while older and newer code keep using it.

Two releases overlap whenever a function is deployed, so migrations come in pairs, a release apart:

* **Expand**: add what new code will need, without effect on older code: a table, an index, a column that may be NULL or has a
  default. Code names the columns that it reads and writes, so older code does not see the new one.
* **Contract**: remove what no code uses any more, in a later release than the one that stopped using it.

Each migration ends by noting in `dispatcher_schema` its `version` and the `oldest_code` that can use the schema from then on;
code has the number of the newest migration that it brings. An expansion leaves `oldest_code` as it was; a contraction raises it
to the first code that does not use the removed part. So code and schema fit together

* on a **newer schema**, if no `oldest_code` in it is above the code's number; otherwise the code is refused;
* on an **older schema**, from `Schema.oldest` on, which is the schema that the code was written for: a release that brings an
  expansion does not use it yet, so that it also runs if its role may not migrate. If the role may, the release migrates by
  itself.

Migrations run in one transaction under a lock, so that any number of first invocations may come at once. The files can also be
applied by hand, in order and each in one transaction (`psql --single-transaction --file`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import errors

from dispatcher.errors import StoreError, StoreSchemaError
from dispatcher.stores.statements import migrations

OLDEST_SCHEMA = 17
"""The oldest schema that this code can use without a migration."""

_LOCK = int.from_bytes(b"dispatch", "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The schema of a release of the code."""

    steps: Sequence[tuple[int, Sequence[str]]]
    """Its migrations, oldest first: the version that each leads to, and its statements."""
    oldest: int
    """The oldest schema that the release can use without a migration."""

    @property
    def latest(self) -> int:
        """The code's own number."""
        return self.steps[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The schema of a database; an empty database has version 0."""

    version: int
    oldest_code: int


def current() -> Schema:
    """The schema of this code."""
    return Schema(steps=migrations("postgres"), oldest=OLDEST_SCHEMA)


def prepare(connection: psycopg.Connection, name: str, schema: Schema, limits: str) -> None:
    """Make sure that this code can use the database `name`; migrate it if the role may.

    Raises `StoreSchemaError` if code and schema do not fit together, `StoreError` if the database belongs to another
    application.
    """
    present = look(connection)
    if present.version < schema.latest:
        present = _migrated(connection, name, schema, limits, present)
    if present.oldest_code > schema.latest:
        raise StoreSchemaError(
            f"store {name}: its schema (version {present.version}) needs code that knows version {present.oldest_code}, and "
            f"this code knows {schema.latest}: use newer code"
        )


def look(connection: psycopg.Connection) -> Present:
    """What the database has."""
    try:
        row = connection.execute("SELECT max(version), max(oldest_code) FROM dispatcher_schema").fetchone()
    except errors.UndefinedTable:
        return Present(version=0, oldest_code=0)
    return Present(version=row[0], oldest_code=row[1]) if row and row[0] is not None else Present(version=0, oldest_code=0)


def _migrated(connection: psycopg.Connection, name: str, schema: Schema, limits: str, present: Present) -> Present:
    try:
        return _migrate(connection, schema, limits)
    except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction) as refusal:
        if present.version >= schema.oldest:
            return present
        raise StoreSchemaError(
            f"store {name}: its schema has version {present.version}, this code needs {schema.oldest}, and its role may not "
            f"migrate ({refusal.diag.message_primary}): grant it CREATE on the schema, or apply "
            "dispatcher/stores/sql/postgres/*.sql as the owner of the tables"
        ) from refusal
    except (errors.DuplicateTable, errors.DuplicateObject) as taken:
        raise StoreError(
            f"store {name}: the database belongs to another application ({taken.diag.message_primary}): name another database"
        ) from taken


def _migrate(connection: psycopg.Connection, schema: Schema, limits: str) -> Present:
    connection.execute(f"BEGIN ISOLATION LEVEL READ COMMITTED; {limits}".encode())
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        version = _version(connection)  # read again: another process may have been faster
        for step, statements in schema.steps:
            for statement in statements if step > version else ():
                connection.execute(statement.encode())
        connection.execute("COMMIT")
    except BaseException:
        if not connection.broken:
            connection.execute("ROLLBACK")
        raise
    return look(connection)


def _version(connection: psycopg.Connection) -> int:
    """The version. In a transaction, a query of a missing table would abort it."""
    row = connection.execute("SELECT to_regclass('dispatcher_schema')").fetchone()
    return look(connection).version if row and row[0] else 0
