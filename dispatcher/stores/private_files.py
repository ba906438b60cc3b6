"""Make a store's files readable by their owner only: they hold the environments of jobs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

DIRECTORY = ".dispatcher"
"""The directory of the default store, below the home directory. It holds no files of other applications."""

_BESIDE = ("", "-wal", "-shm", "-journal")


def keep_private(path: str) -> None:
    """Create the file if it is missing, and remove all access of other users.

    The directory of the default store gets the same protection. Any other directory is left alone, because it may hold more
    files. A file of another owner is left alone: opening it raises the error.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    for suffix in _BESIDE:
        _take_away(Path(f"{path}{suffix}"), 0o600)
    directory = Path(path).absolute().parent
    if directory.name == DIRECTORY:
        _take_away(directory, 0o700)


def _take_away(path: Path, mode: int) -> None:
    """Remove every permission that is not in `mode` from a file of ours."""
    with suppress(OSError):
        status = path.stat()
        if status.st_uid == os.geteuid() and status.st_mode & 0o777 & ~mode:
            path.chmod(status.st_mode & mode)
