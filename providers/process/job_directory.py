"""The files of one job, and the state that they show (see the table in the package's docstring)."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from providers.base import JobState, Observation
from providers.signals import is_from_outside, signal_in, signal_name

LOCK, JOB, STARTED, EXIT, CANCEL, BELL, LOG, WORK = "lock", "job.json", "started", "exit", "cancel", "bell", "log", "work"

FIRST_LOCK_NUMBER = 60
"""The lock's descriptor is at least this: scripts use lower ones by number (`exec 3>file`), which would release the lock."""

LONGEST_TAIL = 1 << 20
"""The bytes at the end of a log that `tail` reads."""


class JobDirectory:
    """One job's directory, which may not exist. Every method may raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def was_started(self) -> bool:
        """True from just before the command begins, for ever."""
        return (self.path / STARTED).exists() or (self.path / EXIT).exists()

    def make(self) -> None:
        """Make the directory, accessible only to its owner."""
        with suppress(FileExistsError):  # `exist_ok` would raise if a sweep removes it at that moment
            self.path.mkdir(mode=0o700, parents=True)

    def try_lock(self) -> int | None:
        """Take the lock. Returns its descriptor, or None if another process holds it or has just removed the directory."""
        try:
            opened = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None
        try:
            lock = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, FIRST_LOCK_NUMBER)
        finally:
            os.close(opened)
        if _flock(lock, fcntl.LOCK_EX) and self._is_the_lock(lock):
            return lock
        os.close(lock)
        return None

    def is_held(self) -> bool:
        """True while a process submits the job or belongs to it."""
        try:
            lock = os.open(self.path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _flock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def _is_the_lock(self, lock: int) -> bool:
        """False if the directory was removed after the lock was opened and before it was taken."""
        try:
            return os.path.samestat(os.fstat(lock), (self.path / LOCK).stat())
        except FileNotFoundError:
            return False

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write one of the files atomically."""
        partial = self.path / f".{name}.{os.urandom(8).hex()}"
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(self.path / name)

    def read(self, name: str) -> dict[str, Any] | None:
        """The content of one of the files; None if it does not exist."""
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return content

    def observation(self) -> Observation:
        """The observation of the job. The lock is read first, because an end is written before the lock is released."""
        held = self.is_held()
        started, end = self.read(STARTED), self.read(EXIT)
        started_at = _moment(started["at"]) if started else None
        if end is not None:
            return _ended(end, started_at)
        if held:
            return Observation(state=JobState.RUNNING if started else JobState.STARTING, started_at=started_at)
        if started is None:
            return Observation(state=JobState.MISSING)
        if (self.path / CANCEL).exists():
            return Observation(state=JobState.STOPPED, reason="stopped on request", started_at=started_at)
        reason = "the process and its supervisor were killed, or the machine went down"
        return Observation(state=JobState.CRASHED, reason=reason, started_at=started_at)

    def ask_to_stop(self, stop_seconds: float) -> None:
        """Request the job's end and wake its supervisor, which ends it. Does nothing if it has ended."""
        if not self.path.exists() or (self.path / EXIT).exists():
            return
        request = self.read(CANCEL)
        if request is None:
            self.write(CANCEL, {"at": time.time()})
        if not self._ring() and self.is_held() and (started := self.read(STARTED)) and not (self.path / EXIT).exists():
            overdue = request is not None and time.time() - request["at"] > stop_seconds
            _signal_orphan(started, signal.SIGKILL if overdue else signal.SIGTERM)

    def _ring(self) -> bool:
        """Wake the supervisor; False if there is none. A supervisor that is just starting checks for the request by itself."""
        try:
            bell = os.open(self.path / BELL, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as problem:
            if problem.errno in (errno.ENXIO, errno.ENOENT):
                return False
            raise
        with suppress(BlockingIOError):  # an earlier signal is still pending
            os.write(bell, b"!")
        os.close(bell)
        return True

    def tail(self, lines: int) -> str:
        """The last lines of the log; empty if there is no log."""
        try:
            with (self.path / LOG).open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(0, size - LONGEST_TAIL))
                text = log.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""


def _flock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _ended(end: Mapping[str, Any], started_at: datetime | None) -> Observation:
    if started_at is None:
        return Observation(state=JobState.STOPPED, reason="stopped before it began", ended_at=_moment(end["at"]))
    state, reason = _end(end)
    code = 128 + end["signal"] if end["signal"] else end["code"]  # as a shell, and every cloud, reports a death by signal
    return Observation(
        state=state,
        exit_code=None if end["errno"] else code,
        reason=reason,
        started_at=started_at,
        ended_at=_moment(end["at"]),
    )


def _end(end: Mapping[str, Any]) -> tuple[JobState, str]:
    if end["errno"]:
        return JobState.CRASHED, f"the command could not be started: {os.strerror(end['errno'])}"
    how = f"killed by {signal_name(end['signal'])}" if end["signal"] else f"exit code {end['code']}"
    if end["stopped"]:
        return JobState.STOPPED, f"stopped on request ({how})"
    if not end["signal"] and not end["code"]:
        return JobState.SUCCEEDED, ""
    signal_number = signal_in(end["code"])
    if signal_number:
        how += f": a process of the job was killed by {signal_name(signal_number)}"
    return JobState.CRASHED if is_from_outside(end["signal"] or signal_number) else JobState.FAILED, how


def _signal_orphan(started: Mapping[str, Any], number: signal.Signals) -> None:
    """Signal the processes of a job whose supervisor was killed, unless another process has the job's id by now.

    The system does not reuse the id of a process group while the group has a member, and a stranger is in another session.
    """
    try:
        if os.getsid(started["pid"]) != started["session"]:
            return
    except ProcessLookupError:
        pass  # the first process is gone; other members of its group may be left
    with suppress(ProcessLookupError, PermissionError):  # nobody is left
        os.killpg(started["pid"], number)
