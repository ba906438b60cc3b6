"""SQLite's errors as ours: one line that says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.errors import StoreError, StoreUnavailable


@contextmanager
def translated(path: str, busy_timeout: float) -> Iterator[None]:
    """Translate the exceptions of sqlite3 into ours; others pass."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, path, busy_timeout) from error


def _translation(error: sqlite3.Error, path: str, busy_timeout: float) -> StoreError:
    match primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable(f"store {path}: another process was writing for more than {busy_timeout:g} s: try again")
        case sqlite3.SQLITE_CANTOPEN:
            return StoreUnavailable(f"store {path}: cannot be opened: {_obstacle(Path(path))}")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StoreUnavailable(f"store {path}: cannot be written: give this user the right to write it and its directory")
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(f"store {path}: the disk is full: make room")
        case sqlite3.SQLITE_IOERR:
            return StoreUnavailable(f"store {path}: the disk failed: {error}")
        case sqlite3.SQLITE_NOTADB:
            return StoreError(f"store {path}: not an SQLite database: name another file")
        case sqlite3.SQLITE_CORRUPT:
            return StoreError(f"store {path}: the database is damaged: restore it from a copy")
        case _:
            return StoreError(f"store {path}: {error}")


def primary_code(error: sqlite3.Error) -> int:
    """The kind of an error, without its details (https://www.sqlite.org/rescode.html); 0 for an error of the Python module."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _obstacle(path: Path) -> str:
    if path.is_dir():
        return "it is a directory: name a file in it"
    if not path.parent.is_dir():
        return f"the directory {path.parent} does not exist: create it"
    return "give this user the right to read and write it and its directory"
