"""Brings an SQLite file to this code's schema: checks that it is ours, applies settings and migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dispatcher.errors import StoreError, StoreSchemaError
from dispatcher.stores.migration import Migration
from dispatcher.stores.sqlite_errors import primary_code
from dispatcher.stores.statements import migrations, to_do

APPLICATION_ID = int.from_bytes(b"push", "big")

OLDEST_SQLITE = (3, 37, 0)
"""The first version with strict tables."""

_PATIENCE = 20
"""How often to wait for other processes that also open the file for the first time."""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make a new connection fit for use. Any number of processes may open the same new file at once.

    Raises `StoreSchemaError` for a newer schema, and `StoreError` if the database belongs to another application or the library
    is too old.
    """
    _refuse_an_old_library(sqlite3.sqlite_version_info)
    _refuse_a_strange_file(connection, path)
    if not Path(path).exists() or not Path(path).stat().st_size:
        connection.execute(
            "PRAGMA auto_vacuum = INCREMENTAL"
        )  # so that pruned pages can be given back; setting it later takes a VACUUM
    _log_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    _migrate(connection, path, migrations("sqlite"))


def migration(path: str) -> Migration:
    """The migrations that a file lacks. The file is neither created nor changed."""
    steps = migrations("sqlite")
    current = 0
    if Path(path).exists():
        connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
        try:
            _refuse_a_strange_file(connection, path)
            current = _number(connection, "PRAGMA user_version")
        finally:
            connection.close()
    lacking = to_do(steps, current)
    noted = [*lacking.statements, f"PRAGMA user_version = {lacking.latest}"] if lacking.is_needed else ()
    return replace(lacking, statements=noted)


def _refuse_an_old_library(current: tuple[int, int, int]) -> None:
    if current < OLDEST_SQLITE:
        needed, present = (".".join(map(str, version)) for version in (OLDEST_SQLITE, current))
        raise StoreError(
            f"this Python carries SQLite {present}, and the SQLite store needs {needed} or newer: use another Python"
        )


def _refuse_a_strange_file(connection: sqlite3.Connection, path: str) -> None:
    """Refuse another application's file before anything is written: our tables must not be added to it."""
    connection.execute("BEGIN")  # so that both are read at once, while another process may be making the file
    owner, tables = _number(connection, "PRAGMA application_id"), _number(connection, "SELECT COUNT(*) FROM sqlite_schema")
    connection.execute("COMMIT")
    if owner != APPLICATION_ID and tables:
        raise StoreError(f"store {path}: the database belongs to another application: name another file")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log.

    While another connection holds the lock, the switch is refused without any waiting; so wait for that lock, with the
    patience of `busy_timeout`, and try again.
    """
    for attempt in range(_PATIENCE):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or attempt == _PATIENCE - 1:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        else:
            return


def _migrate(connection: sqlite3.Connection, path: str, steps: Sequence[tuple[int, Sequence[str]]]) -> None:
    latest = steps[-1][0]
    current = _number(connection, "PRAGMA user_version")
    if current > latest:
        raise StoreSchemaError(f"store {path}: its schema has version {current}, this code knows {latest}: use newer code")
    if current == latest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _apply(
            connection, steps, _number(connection, "PRAGMA user_version")
        )  # read again: another process may have been faster
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _apply(connection: sqlite3.Connection, steps: Sequence[tuple[int, Sequence[str]]], current: int) -> None:
    for version, statements in steps:
        if version > current:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")


def _number(connection: sqlite3.Connection, question: str) -> int:
    return int(connection.execute(question).fetchone()[0])
