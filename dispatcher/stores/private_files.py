"""Keeps a store's files from everybody but their owner: the environments of jobs stand in them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

DIRECTORY = ".dispatcher"
"""The directory of the default store, below the home directory: nobody else's files are in it."""

_BESIDE = ("", "-wal", "-shm", "-journal")


def keep_private(path: str) -> None:
    """Make the file if it is missing, and take from others what they may do with it, whatever made it first.

    A directory is taken from others when it is the default store's; any other stays as it is, since more may stand in it.
    What cannot be done, because somebody else owns it, is left: opening the file tells what is wrong with it.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    for suffix in _BESIDE:
        _take_away(Path(f"{path}{suffix}"), 0o600)
    directory = Path(path).absolute().parent
    if directory.name == DIRECTORY:
        _take_away(directory, 0o700)


def _take_away(path: Path, mode: int) -> None:
    """From a file of ours, every right that is not in `mode`."""
    with suppress(OSError):
        status = path.stat()
        if status.st_uid == os.geteuid() and status.st_mode & 0o777 & ~mode:
            path.chmod(status.st_mode & mode)
