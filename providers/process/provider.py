"""The provider of local processes."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from providers.base import (
    JOB_NAME,
    Accepted,
    CallFailed,
    ConfigurationError,
    Job,
    JobState,
    Needs,
    Observation,
    Outcome,
    ProviderLimits,
    Rejected,
    Submission,
    Throttled,
    Unknown,
    unreadable,
)
from providers.process.configuration import INHERITED, Request, request_of
from providers.process.job_directory import JOB, LOG, WORK, JobDirectory

SUPERVISOR = Path(__file__).with_name("supervisor.py")
NAMES = re.compile(r"[a-z][a-z0-9-]{0,62}")
REMOVED = ".removed"
"""Where a sweep moves a directory before it empties it, so that nobody sees half of one."""

SCARCE = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})
"""What may be there again later: processes, memory, descriptors, disk."""

NEVER_BEGAN = 1
"""What the supervisor's first process answers when the job has not begun and never will."""

POLL_SECONDS = 0.01
SWEPT_AT_ONCE = 1000


class ProcessProvider:
    """Jobs as detached processes on this machine.

    `directory` is where jobs and their logs are kept (`~/.dispatcher/processes`); `stop_seconds` lie between SIGTERM and
    SIGKILL; `concurrency` starts are under way at once; `host_environment` is what jobs inherit a little of. `at` is told the
    name of each step of a submission (`made`, `locked`, `noted`, `spawned`, `begun`), for tests that end the process there.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,  # noqa: ARG002 - every provider takes them
        directory: Path | str | None = None,
        stop_seconds: float = 30.0,
        concurrency: int = 4,
        call_timeout: float = 10.0,
        host_environment: Mapping[str, str] | None = None,
        at: Callable[[str], None] = lambda step: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        self._directory = Path(directory or Path.home() / ".dispatcher" / "processes").absolute()
        self._stop_seconds = stop_seconds
        self._host = os.environ if host_environment is None else host_environment
        self._at = at
        self._limits = ProviderLimits(concurrency=concurrency, call_timeout=call_timeout, start_deadline=60.0)

    @property
    def limits(self) -> ProviderLimits:
        """Bounded by this machine alone; a name is remembered until it is swept."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:  # noqa: ARG002 - the protocol's
        """One place for all jobs."""
        return Needs()

    def submit(self, job: Job) -> Outcome:
        """Start the process, unless its directory says that it was started. Accepted means that it has begun."""
        try:
            directory = self._job_directory(job.name)
            if directory.was_started:
                return Accepted(submission=_submission(job.name, directory))
            return self._submit_once(job, directory, request_of(job, self._host))
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except OSError as problem:  # before anything was started; what comes after is answered where it happens
            return _refusal(problem)

    def find(self, job: Job) -> Submission | None:
        """What was started under the name. Raises `CallFailed` while somebody is at it."""
        try:
            directory = self._job_directory(job.name)
            if directory.is_held() and not directory.was_started:
                raise CallFailed(f"{job.name} is being submitted by somebody else right now")
            return _submission(job.name, directory) if directory.was_started else None
        except OSError as problem:
            raise CallFailed(f"{job.name}: {problem}") from problem

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """What each job's directory says."""
        seen: dict[str, Observation] = {}
        for submission in submissions:
            try:
                seen[submission.name] = _directory_of(submission).observation()
            except (OSError, ValueError, LookupError) as problem:  # unreadable, or not written by this provider
                seen |= unreadable([submission], f"process observe: {problem}")
        return seen

    def cancel(self, submission: Submission) -> None:
        """SIGTERM to the job's processes, and SIGKILL after `stop_seconds`; its supervisor sees to it."""
        try:
            _directory_of(submission).ask_to_stop(self._stop_seconds)
        except (OSError, ValueError, LookupError) as problem:
            raise CallFailed(f"{submission.name}: {problem}") from problem

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Nothing lingers: what an ended job leaves is its log, and that is kept until it is swept."""
        return frozenset(submission.name for submission in submissions)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - one place only
        """Remove the directories, logs and all, of ended jobs that nobody remembers."""
        orphans = [name for name in self._names() if name not in keep][:SWEPT_AT_ONCE]
        removed = tuple(name for name in orphans if self._remove(name))
        shutil.rmtree(self._directory / REMOVED, ignore_errors=True)
        return removed

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - one place only
        """The live jobs of this directory that are not known_names."""
        names = [name for name in self._names() if JOB_NAME.fullmatch(name) and name not in known_names]
        return tuple(name for name in names if self._is_live(name))

    def _names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self._directory.iterdir() if NAMES.fullmatch(entry.name))
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise CallFailed(f"{self._directory}: {problem}") from problem

    def _is_live(self, name: str) -> bool:
        try:
            state = JobDirectory(self._directory / name).observation().state
        except (OSError, ValueError, LookupError) as problem:
            raise CallFailed(f"{name}: {problem}") from problem
        return state in (JobState.STARTING, JobState.RUNNING)

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The last lines that the job wrote; empty once it was swept. Raises `CallFailed`."""
        try:
            return _directory_of(submission).tail(tail)
        except (OSError, LookupError) as problem:
            raise CallFailed(f"{submission.name}: {problem}") from problem

    def _job_directory(self, name: str) -> JobDirectory:
        if not NAMES.fullmatch(name):
            raise ConfigurationError(f"{name!r} cannot be the name of a job; use a-z, 0-9 and hyphens, beginning with a letter")
        return JobDirectory(self._directory / name)

    def _submit_once(self, job: Job, directory: JobDirectory, request: Request) -> Outcome:
        lock = self._lock(directory)
        if lock is None:
            if directory.was_started:
                return Accepted(submission=_submission(job.name, directory))
            return Unknown(cause="another submission of the same name is under way")
        self._at("locked")
        try:
            if directory.was_started:
                return Accepted(submission=_submission(job.name, directory))
            return self._start(job, directory, request, lock)
        finally:
            os.close(lock)

    def _lock(self, directory: JobDirectory) -> int | None:
        """The lock's descriptor; None when the job was started meanwhile, or somebody is still at it after half a timeout."""
        deadline = time.monotonic() + self._limits.call_timeout / 2
        while not directory.was_started:
            directory.make()
            self._at("made")
            lock = directory.try_lock()
            if lock is not None:
                return lock
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_SECONDS)
        return None

    def _start(self, job: Job, directory: JobDirectory, request: Request, lock: int) -> Outcome:
        directory.write(JOB, _note(job, request))
        self._at("noted")
        with (directory.path / LOG).open("ab") as log:
            supervisor = subprocess.Popen(  # noqa: S603 - running what the job asks for is the point
                self._supervised(directory, request),
                cwd=request.working_directory or _own_work(directory),
                env={name: self._host[name] for name in (*INHERITED, "LD_LIBRARY_PATH") if name in self._host},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
            )
        self._at("spawned")
        try:
            return self._answer(job, directory, self._begun(supervisor, _environment_block(request.environment)))
        except OSError as problem:
            return Unknown(cause=f"the job's directory cannot be read: {problem}")

    def _answer(self, job: Job, directory: JobDirectory, code: int) -> Outcome:
        self._at("begun")
        if directory.was_started:
            return Accepted(submission=_submission(job.name, directory))
        last_words = directory.tail(1).strip() or "it left no words"
        if code == NEVER_BEGAN:
            return Throttled(reason=f"the job's supervisor could not start it: {last_words}")
        return Unknown(cause=f"the job's supervisor gave no answer: {last_words}")

    def _supervised(self, directory: JobDirectory, request: Request) -> list[str]:
        python = [sys.executable, "-I", "-S", str(SUPERVISOR)]
        return [*python, str(directory.path), str(self._stop_seconds), request.executable, *request.command]

    def _begun(self, supervisor: subprocess.Popen[bytes], environment: bytes) -> int:
        """Wait for the supervisor's first process; its exit code."""
        try:
            supervisor.communicate(environment, timeout=self._limits.call_timeout / 2)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.communicate()
        return supervisor.returncode

    def _remove(self, name: str) -> bool:
        """Remove a directory whose job has ended, or never began; False when it is alive, or somebody is at it."""
        directory = JobDirectory(self._directory / name)
        try:
            lock = directory.try_lock()
            if lock is None:
                return False
            try:
                grave = self._directory / REMOVED / f"{name}.{uuid4().hex}"
                grave.parent.mkdir(mode=0o700, exist_ok=True)
                directory.path.rename(grave)
            finally:
                os.close(lock)
        except OSError:
            return False
        return True


def _submission(name: str, directory: JobDirectory) -> Submission:
    return Submission(name=name, handle={"directory": str(directory.path)}, url=(directory.path / LOG).as_uri())


def _directory_of(submission: Submission) -> JobDirectory:
    return JobDirectory(Path(submission.handle["directory"]))


def _refusal(problem: OSError) -> Outcome:
    if problem.errno in SCARCE:
        return Throttled(reason=f"this machine is short of something: {problem}")
    return Rejected(reason=f"the process could not be started: {problem}")


def _note(job: Job, request: Request) -> dict[str, Any]:
    """What is kept of a submission for people; nothing of the environment."""
    return {
        "name": job.name,
        "title": request.title,
        "command": request.command,
        "labels": request.labels,
        "submitted_at": time.time(),
    }


def _own_work(directory: JobDirectory) -> Path:
    work = directory.path / WORK
    work.mkdir(mode=0o700, exist_ok=True)
    return work


def _environment_block(environment: Mapping[str, str]) -> bytes:
    """As the supervisor reads it: an item ends with a zero byte, the whole with another."""
    return b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items()) + b"\0"
