"""`.pyc` files, made by an interpreter of the target's version: a function's directory is read-only, so Python cannot write
them there.

They are of the kind `unchecked-hash` (PEP 552): they contain no time of a file, and Python does not check one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dispatcher.errors import PackagingError

_PROBE = "import platform as p; print(p.python_implementation(), '.'.join(p.python_version_tuple()[:2]), p.python_version())"


def interpreter(version: str, chosen: str | None = None) -> str | None:
    """A CPython of that version: `chosen`, this one, or the first on PATH; None if there is none.

    Raises `PackagingError` if `chosen` has another version.
    """
    if chosen:
        if not _is(chosen, version):
            raise PackagingError(
                f"compile-with: {chosen} is not CPython {version}, the only one whose bytecode the target reads"
            )
        return chosen
    return next((path for path in _candidates(version) if _is(path, version)), None)


def release(path: str) -> str:
    """The whole version of an interpreter, such as 3.13.1: another version may compile the same source to other bytes."""
    return _version_of(path)[2]


def compile_all(path: str, directory: Path, root: str) -> None:
    """Compile every source below `directory`, for tracebacks that name `root`.

    Raises `PackagingError` with the compiler's message if one of them cannot be compiled.
    """
    command = [path, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    options = ["-s", str(directory), "-p", root, str(directory)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True, env=environment)  # noqa: S603 - a Python that was probed
    if done.returncode:
        raise PackagingError(f"{path} could not compile the package: {(done.stdout + done.stderr).strip()[-500:]}")


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    for directory in os.get_exec_path():
        path = Path(directory) / f"python{version}"
        if path.is_file():
            yield str(path)


def _is(path: str, version: str) -> bool:
    return _version_of(path)[:2] == ("CPython", version)


def _version_of(path: str) -> tuple[str, str, str]:
    """What an interpreter reports about itself; nothing if it does not start (a version manager's stub may not)."""
    try:
        done = subprocess.run([path, "-c", _PROBE], check=False, capture_output=True, text=True, timeout=30)  # noqa: S603 - asked for its version
    except (OSError, subprocess.TimeoutExpired):
        return "", "", ""
    words = done.stdout.split()
    return (words[0], words[1], words[2]) if len(words) == 3 else ("", "", "")
