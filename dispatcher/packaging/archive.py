"""The zip: entries sorted by name, one time, one mode, so that the same files are the same bytes."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = stat.S_IFREG | 0o644


def write(path: Path, files: Mapping[str, bytes]) -> Mapping[str, int]:
    """Write the zip in one step; returns the size of each file in it, in bytes. Raises `OSError`."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with ZipFile(unfinished, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            archive.writestr(_entry(name), files[name])
        sizes = {info.filename: info.compress_size for info in archive.infolist()}
    unfinished.replace(path)
    return sizes


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


def _entry(name: str) -> ZipInfo:
    info = ZipInfo(name, date_time=_EPOCH)
    info.compress_type, info.create_system, info.external_attr = ZIP_DEFLATED, _UNIX, _MODE << 16
    return info
