"""What a Docker build needs without registry and index: this Python as a base image, this environment as wheels."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.tags import parse_tag, sys_tags

from tests.providers.docker.engines import _busybox

PYTHON = Path(sys.base_prefix)
LIBRARY = PYTHON / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
LEFT_OUT = re.compile(
    r"/(__pycache__|site-packages|test|tests|idlelib|tkinter|turtledemo|lib2to3|config-[^/]+)(/|$)|\.a$|_tkinter"
)
COMMANDS = ("sh", "mkdir", "chown")


def base_image(*requirements: str) -> bytes:
    """This Python with the libraries that it and these requirements are linked to, and a shell."""
    python = Path(sys.executable).resolve()
    programs = {PYTHON / "bin" / "python": python, PYTHON / "bin" / python.name: python, Path("/bin/busybox"): _busybox()}
    files = {**programs, **{Path(library): Path(library) for library in sorted(_libraries(requirements))}}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        for folder in sorted(
            {Path("/tmp"), Path("/var"), Path("/var/lib")}.union(*(path.parents for path in (*files, LIBRARY)))
        ):
            entry = tarfile.TarInfo(str(folder).lstrip("/") or ".")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == Path("/tmp") else 0o755
            tar.addfile(entry)
        for command in COMMANDS:
            link = tarfile.TarInfo(f"bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for place, file in files.items():
            tar.add(file, place)
        tar.add(LIBRARY, filter=_kept)
    return archive.getvalue()


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if LEFT_OUT.search(f"/{entry.name}") else entry


def _libraries(requirements: Iterable[str]) -> set[str]:
    """Every library that Python, its extensions or those of the requirements are linked to."""
    needed = _needed([Requirement(text) for text in requirements])
    extensions = [*LIBRARY.glob("lib-dynload/*.so"), *(path for name in needed for path in _extensions_of(name))]
    linked = [Path(sys.executable).resolve(), *(path for path in extensions if "_tkinter" not in path.name)]
    said = subprocess.run(["ldd", *map(str, linked)], capture_output=True, text=True, check=True).stdout
    found = set(re.findall(r"(?:=> )?(/\S+) \(0x", said))
    return {path for path in found if "site-packages" not in path}


def _extensions_of(name: str) -> list[Path]:
    return [Path(str(path.locate())) for path in distribution(name).files or () if ".so" in path.name]


def wheels(*requirements: str) -> Iterator[tuple[str, bytes]]:
    """What these need, as it is installed here, as wheels again: names and contents."""
    for name in sorted(_needed([Requirement(text) for text in requirements])):
        yield _wheel(distribution(name))


def _needed(requirements: list[Requirement]) -> set[str]:
    needed: set[str] = set()
    waiting = list(requirements)
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *requirement.extras):
            if (requirement.name, extra) in seen:
                continue
            seen.add((requirement.name, extra))
            needed.add(requirement.name)
            for text in distribution(requirement.name).requires or ():
                inner = Requirement(text)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    waiting.append(inner)
    return needed


def _wheel(installed: Distribution) -> tuple[str, bytes]:
    content = io.BytesIO()
    with ZipFile(content, "w") as wheel:
        for path in installed.files or ():
            if (
                ".." not in path.parts
                and "__pycache__" not in path.parts
                and path.name not in ("INSTALLER", "REQUESTED", "RECORD")
            ):
                wheel.write(Path(str(path.locate())), str(path))
        folder = next(path.parts[0] for path in installed.files or () if path.parts[0].endswith(".dist-info"))
        wheel.writestr(f"{folder}/RECORD", "")
    return f"{folder.removesuffix('.dist-info')}-{_tag(installed)}.whl", content.getvalue()


def _tag(installed: Distribution) -> str:
    """Of the tags of its wheel, one that this Python takes."""
    named = re.findall(r"^Tag: (.*)$", installed.read_text("WHEEL") or "", re.MULTILINE)
    ours = set(sys_tags())
    return next(tag for tag in named if parse_tag(tag) & ours)
