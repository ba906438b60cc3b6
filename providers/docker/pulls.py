"""Each image is pulled by its own process: a pull dies with its client, and a tick cannot wait for a large image.

One directory on this machine contains, for each engine and image,

    KEY.lock    held (flock) by the pulling process while it lives
    KEY.json    how the last pull ended, and when

so that one process pulls an image however many ticks need it, and the next tick reads the result. The process is detached: it
outlives the tick, but not a cloud function's instance. On cloud functions, and where registries are out of reach, put the
images on the engine beforehand.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from providers.base import CallFailed
from providers.docker.hosts import Host

FRESH_SECONDS = 60.0
"""How long the result of a pull is valid: a hundred runs of one image ask its registry once a minute, not a hundred times."""

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """The state of one image's pull. It is in progress until `ended`; `error` is empty if it succeeded."""

    ended: bool
    error: str = ""


class Pulls:
    """The pulls of this machine. `patience` is how many seconds a caller waits for the end of a pull."""

    def __init__(self, directory: Path | None = None, *, patience: float) -> None:
        self._directory = directory or Path(tempfile.gettempdir()) / f"push-dispatcher-pulls-{os.getuid()}"
        self._patience = patience

    def pull(self, host: Host, image: str, credentials: Mapping[str, str] | None) -> Pull:
        """Start the image's pull unless it is in progress or recently done, wait for it, and return its state. Raises
        `CallFailed` if no process can be started.
        """
        path = self._directory / hashlib.sha256(f"{host.url} {image}".encode()).hexdigest()
        try:
            self._make_directory()
            lock = _locked(path)
            if lock is not None:
                try:
                    if end := _end(path):
                        return end
                    _start(path, lock, {"host": asdict(host), "image": image, "credentials": credentials})
                finally:
                    os.close(lock)
            return self._awaited(path)
        except OSError as problem:
            raise CallFailed(f"the image {image} cannot be pulled from this machine: {problem}") from problem

    def _awaited(self, path: Path) -> Pull:
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            lock = _locked(path)
            if lock is not None:
                os.close(lock)
                return _end(path) or Pull(ended=True, error="the process that pulled it was ended")
            time.sleep(POLL_SECONDS)
        return Pull(ended=False)

    def _make_directory(self) -> None:
        """Make the directory, readable by its owner alone: its parent may be writable by everybody."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self._directory.lstat()
        if (
            status.st_uid != os.getuid()
            or status.st_mode & 0o077
            or not self._directory.is_dir()
            or self._directory.is_symlink()
        ):
            raise PermissionError(f"{self._directory} belongs to somebody else, or others can write there")


def write_end(path: Path, error: str) -> None:
    """Record atomically how a pull ended."""
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps({"at": time.time(), "error": error}), encoding="utf-8")
    partial.replace(path.with_suffix(".json"))


def _end(path: Path) -> Pull | None:
    """The result of the last pull, if it is recent."""
    try:
        end: Any = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if not 0 <= time.time() - end["at"] < FRESH_SECONDS:
            return None
        return Pull(ended=True, error=end["error"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None


def _locked(path: Path) -> int | None:
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _start(path: Path, lock: int, work: Mapping[str, Any]) -> None:
    """Start the process, which inherits the lock. The credentials go through its standard input, which nobody else can read."""
    puller = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "providers.docker.puller", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(lock,),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        if puller.stdin:
            puller.stdin.write(json.dumps(work).encode())
            puller.stdin.close()
    except BrokenPipeError:
        pass  # it has ended; the lock shows that
    _reap(puller)


def _reap(puller: subprocess.Popen[bytes]) -> None:
    """Reap the process: in a long-lived parent nobody else would."""
    from threading import Thread  # noqa: PLC0415 - only a pull needs it

    Thread(target=puller.wait, name="docker-pull", daemon=True).start()
