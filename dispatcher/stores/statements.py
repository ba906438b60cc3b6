"""Reads SQL files: named statements, and the numbered migrations of a database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dispatcher.stores.migration import Migration

FOLDER = Path(__file__).parent / "sql"

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_END = re.compile(r";\s*\n(?!    |END\b)|;\s*$")
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)


def named(text: str, columns: Mapping[str, str]) -> Mapping[str, str]:
    """The statements of a file by name, with `{noun}` replaced by the noun's columns."""
    _, *parts = _NAME.split(text)
    return {name: _filled(_COMMENT.sub("", body), columns) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def migrations(database: str) -> Sequence[tuple[int, Sequence[str]]]:
    """The migrations of one kind of database, oldest first: the version that each leads to, and its statements."""
    files = sorted((FOLDER / database).glob("[0-9]*.sql"))
    return [(int(file.name.partition("_")[0]), _split(file.read_text(encoding="utf-8"))) for file in files]


def to_do(steps: Sequence[tuple[int, Sequence[str]]], current: int) -> Migration:
    """The migrations that a database at version `current` lacks."""
    lacking = [statement for version, statements in steps if version > current for statement in statements]
    return Migration(current=current, latest=steps[-1][0], statements=lacking)


def _filled(statement: str, columns: Mapping[str, str]) -> str:
    for noun, names in columns.items():
        statement = statement.replace(f"{{{noun}}}", names)
    return statement.strip()


def _split(script: str) -> Sequence[str]:
    """The statements of a script. A semicolon before an indented line, or before an END, is within a statement."""
    return [statement.strip() for statement in _END.split(_COMMENT.sub("", script)) if statement.strip()]
