"""Wheels: fetched by pip for the target, checked against the lock's hashes, and read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from dispatcher.errors import PackagingError
from dispatcher.packaging.lock import Locked
from dispatcher.packaging.targets import BuildTarget

_INSTALLED = frozenset({"purelib", "platlib"})
"""The parts of a wheel's `.data` that belong beside its packages; a function cannot use scripts and headers."""


_VERSIONS = re.compile(r" \(from versions: [^)]*\)")
"""pip's list of all versions. It is removed from messages, because the lock has already decided."""


@dataclass(frozen=True)
class Wheel:
    """One wheel on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The normalised name of the distribution."""
        return canonicalize_name(self.path.name.partition("-")[0])

    @property
    def version(self) -> str:
        """Its version."""
        return str(parse_wheel_filename(self.path.name)[1])

    @property
    def sha256(self) -> str:
        """The hash of the file, in hexadecimal."""
        return sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def metadata(self) -> Message:
        """The fields of METADATA."""
        with ZipFile(self.path) as wheel:
            name = next(
                member for member in wheel.namelist() if member.endswith(".dist-info/METADATA") and member.count("/") == 1
            )
            return HeaderParser().parsestr(wheel.read(name).decode("utf-8"))

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """Its requirements, with their markers."""
        return tuple(Requirement(line) for line in self.metadata.get_all("Requires-Dist", []))

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Its installed files: paths below the package's root, and contents."""
        with ZipFile(self.path) as wheel:
            for info in wheel.infolist():
                place = None if info.is_dir() else _place(info.filename)
                if place:
                    yield place, wheel.read(info)


@dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Fetches wheels and keeps them."""

    into: Path
    """A directory of this build alone."""
    kept: Path | None = None
    """A directory that outlives the build: its wheels are not fetched again."""


def download(entries: Sequence[Locked], target: BuildTarget, source: WheelSource) -> tuple[Wheel, ...]:
    """Fetch exactly the wheels of these entries; without the network if all of them were kept.

    Raises `PackagingError` with pip's own message.
    """
    if not entries:
        return ()
    source.into.mkdir(parents=True, exist_ok=True)
    before = set(source.into.glob("*.whl"))
    if source.kept is None:
        _fetch(entries, target, source.into)
    else:
        _fetch_kept(entries, target, source.into, source.kept)
    return tuple(Wheel(path) for path in sorted(set(source.into.glob("*.whl")) - before))


def _fetch_kept(entries: Sequence[Locked], target: BuildTarget, into: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(entries, target, into, "--no-index", "--find-links", str(kept))
    except PackagingError:
        _fetch(entries, target, into, "--find-links", str(kept))
    for wheel in into.glob("*.whl"):
        shutil.copy(wheel, kept)


def _fetch(entries: Sequence[Locked], target: BuildTarget, into: Path, *options: str) -> None:
    listing = into / "requirements.txt"
    listing.write_text("\n".join(entry.line for entry in entries), encoding="utf-8")
    _pip(["download", "--requirement", str(listing), "--dest", str(into), *_options(target), *options], target)


def _options(target: BuildTarget) -> list[str]:
    platforms = [word for tag in target.tags for word in ("--platform", tag)]
    checked = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    return [*checked, "--implementation", "cp", "--python-version", target.python, *platforms]


def _pip(arguments: Sequence[str], target: BuildTarget) -> None:
    if find_spec("pip") is None:
        raise PackagingError("building a package needs pip, which is not installed: pip install 'push-dispatcher[package]'")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - pip, with words of our own
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR")]
        words = _VERSIONS.sub("", " ".join(errors)) or done.stderr[-500:]
        raise PackagingError(f"pip could not fetch the wheels for {target}: {words}")


def _place(name: str) -> str | None:
    """Where a member of a wheel is installed (the binary distribution format, PEP 427); None if a function cannot use it."""
    parts = PurePosixPath(name).parts
    if "tests" in parts[1:-1]:
        return None
    if not parts[0].endswith(".data"):
        return name
    return "/".join(parts[2:]) if parts[1] in _INSTALLED else None
