"""Our own rooms, as they are where this code runs: a clone or an installed package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dispatcher
import providers

NEEDED = frozenset({".py", ".json", ".sql"})
"""The files that code reads or is."""

LEFT_OUT = ("dispatcher/cli", "dispatcher/packaging", "dispatcher/web", "providers/emulators", "providers/testing.py")
"""What no function uses."""


def files() -> Iterator[tuple[str, bytes]]:
    """Paths below the package's root, and contents."""
    for package in (dispatcher, providers):
        room = Path(next(iter(package.__path__)))
        for path in sorted(room.rglob("*")):
            place = f"{package.__name__}/{path.relative_to(room).as_posix()}"
            if path.suffix in NEEDED and not _is_left_out(place):
                yield place, path.read_bytes()


def _is_left_out(place: str) -> bool:
    return any(place == each or place.startswith(f"{each}/") for each in LEFT_OUT)
