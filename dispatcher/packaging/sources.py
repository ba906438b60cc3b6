"""Our own files, by list: what `contents.txt` names goes into a package, and anything else in our rooms is refused by name.

A clone holds more than code: secrets, scratch files, links to elsewhere. None of it may reach a function, and none of it may be
left out without a word either, since a module that was forgotten in the list would be missing in the cloud.
After a file was added, moved or removed, `python -m dispatcher.packaging.sources` writes the list anew from what git knows.
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
"""Where our rooms are: a clone, or what a package was installed into."""
NEEDED = frozenset({".py", ".json", ".sql"})
"""The suffixes of code, and of files that code reads."""
TOLERATED = frozenset({".md", ".typed", ".pyc"})
"""Files that may lie beside them and that no function needs."""
LEFT_OUT = (
    *("dispatcher/cli", "dispatcher/packaging", "dispatcher/serving", "dispatcher/upkeep", "dispatcher/web"),
    *("providers/emulators", "providers/testing.py"),
    *(f"dispatcher/functions/{name}.py" for name in ("http_api", "aws_lambda_api", "cloud_function_api", "azure_function_api")),
)
"""Rooms and modules that no function which ticks uses. Their files are ignored."""
OF_PAGES = ("dispatcher/web/app.py", "dispatcher/web/pages", "dispatcher/web/static", "dispatcher/web/templates")
"""What of the room `dispatcher.web` the HTTP API does without."""
OF_API = ("dispatcher/web", *(room for room in LEFT_OUT if room.startswith("dispatcher/functions/")))
"""What of `LEFT_OUT` a function that serves the HTTP API uses, but for `OF_PAGES`."""
OF_EXTRAS = {"prefect": "dispatcher/prefect"}
"""The rooms that nothing but one extra's packages can use: without the extra they stay out."""
LIST, API_LIST = Path(__file__).with_name("contents.txt"), Path(__file__).with_name("contents_api.txt")
"""What every package holds; what one with the HTTP API holds besides."""
UNLISTED = (
    "not in the list of what a package holds; move it out of the code or, where it belongs to it, add it to git and run "
    "python -m dispatcher.packaging.sources"
)
SHOWN = 10
"""The most names that an error message lists."""


def files(top: Path = TOP, *, api: bool = False, extras: Sequence[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Paths below the package's root, and contents; `top` holds our rooms.

    With the HTTP API where it is asked for, and with the rooms of these extras.
    Raises `PackagingError` that names what is missing, what is a link and what the list does not have.
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
    """What lies in our rooms and is neither listed nor tolerated; of a folder that holds nothing of ours, its own name."""
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
    """What the list has to name: the files of our rooms that git knows and that code reads or is, sorted."""
    return [name for name in _of_git(top, *ROOMS) if not _is_in(name, LEFT_OUT)]


def tracked_of_api(top: Path) -> list[str]:
    """What the list of the HTTP API has to name, sorted."""
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
