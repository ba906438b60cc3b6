"""Wheels of a test's own, a lock for them, and a pip that looks nowhere else."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile, ZipInfo


class Wheelhouse:
    """A directory of wheels; `lock` pins all of them by their hashes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pins: dict[str, list[str]] = {}

    def add(self, name, version="1.0", *, tag="py3-none-any", requires=(), extras=(), files=None, locked=True, fields=()):
        module = name.replace("-", "_")
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *fields]
        metadata += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {line}" for line in requires]
        path = self.directory / f"{module}-{version}-{tag}.whl"
        with ZipFile(path, "w") as wheel:
            for place, text in (files or {f"{module}/__init__.py": f"NAME = {name!r}\n"}).items():
                wheel.writestr(ZipInfo(place), text)
            wheel.writestr(ZipInfo(f"{module}-{version}.dist-info/METADATA"), "\n".join(metadata) + "\n")
            wheel.writestr(ZipInfo(f"{module}-{version}.dist-info/WHEEL"), f"Wheel-Version: 1.0\nTag: {tag}\n")
            wheel.writestr(ZipInfo(f"{module}-{version}.dist-info/RECORD"), "")
        if locked:
            self.pin(name, version, sha256(path.read_bytes()).hexdigest())
        return path

    def pin(self, name, version, digest, marker=""):
        words = f"{name}=={version}{f' ; {marker}' if marker else ''}"
        self.pins.setdefault(words, []).append(f"--hash=sha256:{digest}")

    @property
    def lock(self) -> Path:
        path = self.directory / "requirements.lock"
        entries = [" \\\n    ".join([words, *hashes]) for words, hashes in self.pins.items()]
        path.write_text("\n".join(["# made by a test", *entries]) + "\n")
        return path
