"""Our own files, by list: files that `contents.txt` names go into a package, and any other file in our rooms is an error.

A clone holds more than code: secrets, scratch files, links to other places. None of these may reach a function. They must not
be left out silently either, since a module that was forgotten in the list would be missing in the cloud. After a file was
added, moved or removed, `python -m dispatcher.packaging.sources` writes the list anew from the files that git tracks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dispatcher
from dispatcher.errors import PackagingError

ROOMS = ("dispatcher", "providers")
TOP = Path(next(iter(dispatcher.__path__))).resolve().parent
"""The directory that holds our rooms: a clone, or the directory of an installation."""
NEEDED = frozenset({".py", ".json", ".sql"})
"""The suffixes of code, and of files that code reads."""
TOLERATED = frozenset({".md", ".typed", ".pyc"})
"""Files that may lie beside them but that no function needs."""
LEFT_OUT = (
    *("dispatcher/cli", "dispatcher/packaging", "dispatcher/serving", "dispatcher/upkeep", "dispatcher/web"),
    *("providers/emulators", "providers/testing.py"),
    *(f"dispatcher/functions/{name}.py" for name in ("http_api", "aws_lambda_api", "cloud_function_api", "azure_function_api")),
)
"""Rooms and modules that a ticking function does not use. Their files are ignored."""
OF_PAGES = ("dispatcher/web/app.py", "dispatcher/web/pages", "dispatcher/web/static", "dispatcher/web/templates")
"""The part of the room `dispatcher.web` that the HTTP API does not need."""
OF_API = ("dispatcher/web", *(room for room in LEFT_OUT if room.startswith("dispatcher/functions/")))
"""The part of `LEFT_OUT`, except `OF_PAGES`, that a function with the HTTP API uses."""
OF_EXTRAS = {"prefect": "dispatcher/prefect"}
"""Rooms that only packages with one extra can use: without the extra they are left out."""
LIST, API_LIST = Path(__file__).with_name("contents.txt"), Path(__file__).with_name("contents_api.txt")
"""The contents of every package, and the additional contents with the HTTP API."""
UNLISTED = (
    "not in the list of what a package holds; move it out of the code or, where it belongs to it, add it to git and run "
    "python -m dispatcher.packaging.sources"
)
SHOWN = 10
"""The most names that an error message lists."""


def files(top: Path = TOP, *, api: bool = False, extras: Sequence[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Paths below the package's root, and contents; `top` holds our rooms.

    Includes the HTTP API if `api` is set, and the rooms of these extras. Raises `PackagingError` that names missing files,
    links, and files that are not in the list.
    """
    listed = LIST.read_text(encoding="utf-8").split()
    _refuse(_strangers(top, frozenset(listed)), UNLISTED)
    unused = tuple(f"{room}/" for extra, room in OF_EXTRAS.items() if extra not in extras)
    for place in (*listed, *(API_LIST.read_text(encoding="utf-8").split() if api else ())):
        if not place.startswith(unused):
            yield place, _read(top, place)


def _read(top: Path, place: str) -> bytes:
    path = top / place
    if any(part.is_symlink() for part in (path, *path.parents) if part != top and part.is_relative_to(top)):
        _refuse([place], "a link; a package holds files alone")
    if not path.is_file():
        _refuse([place], "not there; install push-dispatcher anew, or check the clone out again")
    return path.read_bytes()


def _strangers(top: Path, listed: frozenset[str]) -> list[str]:
    """Files in our rooms that are neither listed nor tolerated; a folder with no file of ours appears as one name."""
    expected = listed | {parent.as_posix() for place in listed for parent in Path(place).parents}
    return sorted(place for room in ROOMS for place in _unknown(top / room, top, expected))


def _unknown(directory: Path, top: Path, expected: frozenset[str]) -> Iterator[str]:
    for path in directory.iterdir():
        place = path.relative_to(top).as_posix()
        if place in LEFT_OUT or path.name == "__pycache__":
            continue
        if place not in expected:
            if path.suffix not in TOLERATED or path.is_symlink():
                yield place
        elif path.is_dir() and not path.is_symlink():
            yield from _unknown(path, top, expected)


def _refuse(places: list[str], why: str) -> None:
    if places:
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        raise PackagingError(f"{', '.join(places[:SHOWN])}{more}: {why}")


def tracked(top: Path) -> list[str]:
    """The files that the list must name, sorted: code in our rooms, and files that code reads, if git tracks them."""
    return [name for name in _of_git(top, *ROOMS) if not _is_in(name, LEFT_OUT)]


def tracked_of_api(top: Path) -> list[str]:
    """The files that the list of the HTTP API must name, sorted."""
    return [name for name in _of_git(top, *OF_API) if not _is_in(name, OF_PAGES)]


def _of_git(top: Path, *rooms: str) -> list[str]:
    command = ["git", "-C", str(top), "ls-files", *rooms]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()  # noqa: S603 - git, with words of our own
    return sorted(name for name in names if Path(name).suffix in NEEDED and (top / name).exists())


def _is_in(place: str, rooms: tuple[str, ...]) -> bool:
    return any(place == room or place.startswith(f"{room}/") for room in rooms)


if __name__ == "__main__":
    for path, names in ((LIST, tracked(TOP)), (API_LIST, tracked_of_api(TOP))):
        path.write_text("\n".join([*names, ""]), encoding="utf-8")
        sys.stdout.write(f"{path}\n")
