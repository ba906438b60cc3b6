"""`requirements.lock`: every distribution that a function may need, pinned, with the hashes of its files.

It is a requirements file for pip, for all platforms and Python versions at once. Its header is the command that makes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dispatcher.errors import PackagingError

NAME = "requirements.lock"
_HEADER = "# Made by `dispatcher package` from requirements.lock."
_HASH = re.compile(r"--hash=(\S+)")


@dataclass(frozen=True, kw_only=True)
class Locked:
    """One entry: a pinned requirement and the allowed hashes of its files."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        """The entry for pip, without its marker, which has been evaluated."""
        name = self.requirement.name
        return " ".join([f"{name}{self.requirement.specifier}", *(f"--hash={digest}" for digest in self.hashes)])


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The entries of a lock file by normalised name; one name may have several entries, with markers that exclude each
    other.
    """

    path: Path
    entries: Mapping[str, tuple[Locked, ...]]

    def find(self, name: str, markers: Mapping[str, str]) -> Locked:
        """The entry of a distribution for a target. Raises `PackagingError` if there is none."""
        for entry in self.entries.get(canonicalize_name(name), ()):
            marker = entry.requirement.marker
            if marker is None or marker.evaluate(dict(markers)):
                return entry
        raise PackagingError(f"{self.path}: {name} is not in it; generate it again with the command at its top")


def requirements(entries: Iterable[Locked]) -> str:
    """A requirements.txt with only these entries: pip takes only wheels, and each only with one of its hashes."""
    lines = [entry.line.replace(" --hash", " \\\n    --hash") for entry in entries]
    return "\n".join([_HEADER, "--only-binary :all:", *lines, ""])


def default_path() -> Path:
    """The lock file that came with this code: beside it in an installed package, at the top of a clone."""
    here = Path(__file__).resolve()
    return next((path for path in (here.with_name(NAME), here.parents[2] / NAME) if path.exists()), here.parents[2] / NAME)


def read(path: Path) -> Lock:
    """Read a lock file. Raises `PackagingError` that names an entry without a pin or without a hash."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise PackagingError(f"{path}: the lock file cannot be read ({problem}); name one with --lock") from None
    entries: dict[str, tuple[Locked, ...]] = {}
    for line in _entries(text):
        entry = _locked(path, line)
        name = canonicalize_name(entry.requirement.name)
        entries[name] = (*entries.get(name, ()), entry)
    return Lock(path=path, entries=entries)


def _entries(text: str) -> Iterator[str]:
    """The logical lines: a backslash at the end of a line continues it."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _locked(path: Path, line: str) -> Locked:
    words = line.partition(" --hash=")[0].strip()
    try:
        requirement = Requirement(words)
    except InvalidRequirement as problem:
        raise PackagingError(f"{path}: {words!r} is not a requirement ({problem})") from None
    hashes = tuple(_HASH.findall(line))
    if not str(requirement.specifier).startswith("==") or not hashes:
        raise PackagingError(f"{path}: {words} must be pinned with == and have a --hash")
    return Locked(requirement=requirement, hashes=hashes)
