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
"""The directory to which a sweep moves a job's directory before deleting it, so that nobody sees a partial one."""

SCARCE = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})
"""Temporary shortages: processes, memory, descriptors, disk."""

NEVER_BEGAN = 1
"""The exit code of the supervisor's first process if the job has not begun and never will."""

POLL_SECONDS = 0.01
SWEPT_AT_ONCE = 1000


class ProcessProvider:
    """Jobs as detached processes on this machine.

    `directory` holds jobs and their logs (`~/.dispatcher/processes`); `stop_seconds` is the time between SIGTERM and SIGKILL;
    `concurrency` is the number of concurrent starts; jobs inherit a few variables of `host_environment`. `at` is called with
    the name of each step of a submission (`made`, `locked`, `noted`, `spawned`, `begun`), for tests that end the process there.
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
        """Only this machine is a limit. A name is remembered until it is swept."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:  # noqa: ARG002 - the protocol's
        """One place for all jobs."""
        return Needs()

    def submit(self, job: Job) -> Outcome:
        """Start the process unless its directory shows that it was started. Accepted means that it has begun."""
        try:
            directory = self._job_directory(job.name)
            if directory.was_started:
                return Accepted(submission=_submission(job.name, directory))
            return self._submit_once(job, directory, request_of(job, self._host))
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except OSError as problem:  # before anything was started; later failures are handled where they happen
            return _refusal(problem)

    def find(self, job: Job) -> Submission | None:
        """The job that was started under the name. Raises `CallFailed` while another process submits it."""
        try:
            directory = self._job_directory(job.name)
            if directory.is_held() and not directory.was_started:
                raise CallFailed(f"{job.name} is being submitted by somebody else right now")
            return _submission(job.name, directory) if directory.was_started else None
        except OSError as problem:
            raise CallFailed(f"{job.name}: {problem}") from problem

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """The state that each job's directory shows."""
        seen: dict[str, Observation] = {}
        for submission in submissions:
            try:
                seen[submission.name] = _directory_of(submission).observation()
            except (OSError, ValueError, LookupError) as problem:  # unreadable, or not written by this provider
                seen |= unreadable([submission], f"process observe: {problem}")
        return seen

    def cancel(self, submission: Submission) -> None:
        """Let the supervisor send SIGTERM to the job's processes, and SIGKILL after `stop_seconds`."""
        try:
            _directory_of(submission).ask_to_stop(self._stop_seconds)
        except (OSError, ValueError, LookupError) as problem:
            raise CallFailed(f"{submission.name}: {problem}") from problem

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Nothing to remove: an ended job leaves only its log, which is kept until it is swept."""
        return frozenset(submission.name for submission in submissions)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - one place only
        """Remove the directories, with their logs, of ended jobs that no store remembers."""
        orphans = [name for name in self._names() if name not in keep][:SWEPT_AT_ONCE]
        removed = tuple(name for name in orphans if self._remove(name))
        shutil.rmtree(self._directory / REMOVED, ignore_errors=True)
        return removed

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - one place only
        """The names of the live jobs in this directory, without `known_names`."""
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
        """The last lines that the job wrote; empty after it was swept. Raises `CallFailed`."""
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
        """The lock's descriptor; None if the job was started meanwhile, or if another process still has the lock after half a
        timeout.
        """
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
        """Wait for the supervisor's first process. Returns its exit code."""
        try:
            supervisor.communicate(environment, timeout=self._limits.call_timeout / 2)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.communicate()
        return supervisor.returncode

    def _remove(self, name: str) -> bool:
        """Remove a directory whose job has ended or never began; False if the job is alive or another process submits it."""
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
    """The record of a submission for people, without its environment."""
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
    """The environment in the supervisor's form: each item ends with a zero byte, and the whole with another."""
    return b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items()) + b"\0"
