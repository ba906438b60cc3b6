"""Build the package of a function: resolve, lay out, compile, zip, and write the bill of materials beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from dispatcher import __version__
from dispatcher.environment.built_for import FILE, content
from dispatcher.errors import PackagingError
from dispatcher.packaging import archive, bytecode, sbom, sources
from dispatcher.packaging.lock import Lock, read, requirements
from dispatcher.packaging.resolution import DISTRIBUTION, resolve, roots
from dispatcher.packaging.targets import BuildTarget
from dispatcher.packaging.wheels import Wheel, WheelSource

STAMP = FILE.resolve().relative_to(sources.TOP).as_posix()
"""Where the function will look for the platform that it was built for."""


@dataclass(frozen=True, kw_only=True)
class PackageRequest:
    """The request for a package."""

    target: BuildTarget
    extras: tuple[str, ...]
    """Extras of push-dispatcher: providers, stores and telemetry that the function uses."""
    validation: bool = False
    """Include the libraries that check input. Creating a run in the function needs them; a tick does not."""
    api: bool = False
    """Include the HTTP API, with the libraries that it needs."""
    whole: bool = False
    """Include distributions that the runtime already has: boto3 in the lock's version instead of the runtime's."""
    compiled: bool = True
    compile_with: str | None = None
    """An interpreter of the target's version; without one, the first on PATH."""
    lock: Path
    output: Path
    wheels: Path | None = None
    """A directory that keeps the wheels, so that the next build needs no network."""

    @property
    def bill(self) -> Path:
        """The path of the bill of materials, beside the zip."""
        return self.output.with_suffix(".cdx.json")


@dataclass(frozen=True, kw_only=True)
class PackagePart:
    """One distribution; sizes in bytes, and 0 where the platform installs it."""

    name: str
    version: str
    files: int
    unpacked: int
    zipped: int


@dataclass(frozen=True, kw_only=True)
class Package:
    """The result of a build."""

    order: PackageRequest
    size: int
    """Bytes of the zip."""
    sha256: str
    interpreter: str | None
    """The release of the Python that made the bytecode, such as 3.13.1; None if the zip has no bytecode."""
    parts: tuple[PackagePart, ...]


def build(order: PackageRequest) -> Package:
    """Build the package. Raises `PackagingError`, or `OSError` if the output cannot be written."""
    lock, python = read(order.lock), _interpreter(order)
    without = frozenset() if order.whole else order.target.platform.brought
    with TemporaryDirectory(prefix="push-dispatcher-package-") as name:
        directory = Path(name)
        needed = roots(order.extras, order.target, validation=order.validation, api=order.api)
        source = WheelSource(into=directory / "wheels", kept=order.wheels)
        wheels = resolve(needed, lock, order.target, source, without=without)
        owners = _lay_out(_contents(order, wheels, lock), directory / "root")
        if python:
            bytecode.compile_all(python, directory / "root", order.target.platform.root)
        files = _files(directory / "root")
        order.output.parent.mkdir(parents=True, exist_ok=True)
        zipped = archive.write(order.output, files)
        release = bytecode.release(python) if python else None
        digest = archive.digest(order.output)
        bill = sbom.bill(wheels, order.target, digest=digest, interpreter=release)
    order.bill.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    parts = _parts(wheels, owners, {name: (len(data), zipped[name]) for name, data in files.items()})
    return Package(order=order, size=order.output.stat().st_size, sha256=digest, interpreter=release, parts=parts)


def _interpreter(order: PackageRequest) -> str | None:
    if not order.compiled or order.target.platform.installs:
        return None
    return bytecode.interpreter(order.target.python, order.compile_with)


def _contents(order: PackageRequest, wheels: Sequence[Wheel], lock: Lock) -> Iterator[tuple[str, str, bytes]]:
    """For each file of the package: its owner, its path below the top, and its content."""
    target, platform = order.target, order.target.platform
    for name, words in {**platform.files, **(platform.api_files if order.api else {})}.items():
        yield DISTRIBUTION, name, words.encode()
    if platform.installs:
        entries = [lock.find(wheel.name, target.markers) for wheel in wheels]
        yield DISTRIBUTION, "requirements.txt", requirements(entries).encode()
    shipped = () if platform.installs else wheels
    stamp = content(target.name, target.arch, target.python).encode()
    yield DISTRIBUTION, str(PurePosixPath(platform.place, STAMP)), stamp
    ours = sources.files(api=order.api, extras=order.extras)
    for owner, files in ((DISTRIBUTION, ours), *((wheel.name, wheel.files()) for wheel in shipped)):
        for place, data in files:
            yield owner, str(PurePosixPath(platform.place, place)), data


def _lay_out(contents: Iterable[tuple[str, str, bytes]], root: Path) -> dict[str, str]:
    """Put every file where the function will see it, and return the owner of each.

    Raises `PackagingError` if two distributions bring different files with the same name.
    """
    owners: dict[str, str] = {}
    for owner, place, data in contents:
        path = root / place
        if place in owners and path.read_bytes() != data:
            raise PackagingError(f"{owners[place]} and {owner} bring different files named {place}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        owners.setdefault(place, owner)
    return owners


def _files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _parts(wheels: Iterable[Wheel], owners: Mapping[str, str], sizes: Mapping[str, tuple[int, int]]) -> tuple[PackagePart, ...]:
    versions = {DISTRIBUTION: __version__, **{wheel.name: wheel.version for wheel in wheels}}
    of: dict[str, list[tuple[int, int]]] = {name: [] for name in versions}
    for place, size in sizes.items():
        of[owners[_source(place)]].append(size)
    parts = [_part(name, versions[name], sizes_) for name, sizes_ in of.items()]
    return tuple(sorted(parts, key=lambda part: (-part.zipped, part.name)))


def _part(name: str, version: str, sizes: Sequence[tuple[int, int]]) -> PackagePart:
    unpacked, zipped = [size[0] for size in sizes], [size[1] for size in sizes]
    return PackagePart(name=name, version=version, files=len(unpacked), unpacked=sum(unpacked), zipped=sum(zipped))


def _source(place: str) -> str:
    """The source of a .pyc file."""
    path = PurePosixPath(place)
    return str(path.parent.parent / f"{path.name.partition('.')[0]}.py") if path.suffix == ".pyc" else place
