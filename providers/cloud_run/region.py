"""The calls to one place, within the time of one operation. Imports Google's SDK."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from providers.base import (
    Accepted,
    CallFailed,
    ConfigurationError,
    JobState,
    Needs,
    Observation,
    Outcome,
    Rejected,
    Submission,
    Unknown,
    Unreachable,
)
from providers.cloud_run import failures, observation
from providers.cloud_run.connection import Connection, message_of
from providers.cloud_run.failures import FAILURES, ODD, Meaning, OddAnswer
from providers.cloud_run.place import Place
from providers.deadlines import OutOfTime, within

Answer = TypeVar("Answer")

LOOKUPS_AT_ONCE = 8

MOST_LOOKUPS = 100
"""The most jobs that one observation reads one by one; each takes at most three reads of a quota of 600 a minute."""

LEAST_SECONDS = 0.05
"""Seconds; no call is begun with less time left."""

OF_THE_WHOLE = 0.9
"""The share of a call's time for each of its steps, so a failed connection is reported before the whole call times out."""


class Region:
    """One place through one connection, until `end` on the monotonic clock. One is made for every operation of the provider.

    `_call` makes every call: it bounds the call as a whole and raises only `FAILURES` and `OutOfTime`.
    """

    def __init__(self, place: Place, connection: Connection, end: float) -> None:
        self.place = place
        self._connection = connection
        self._end = end

    def submit(self, submission: Submission, body: Mapping[str, Any], needs: Needs) -> Outcome:
        """Create a job and start it. If a job of that name exists already, it is the same job."""
        try:
            message = message_of(body)
            if not self._connection.is_signed_in:
                self._call(lambda _: self._connection.sign_in())
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except OutOfTime as problem:
            return Unreachable(cause=str(problem))
        except FAILURES as error:
            return failures.before(error, needs)
        return self._create(submission, message, needs)

    def _create(self, submission: Submission, message: Any, needs: Needs) -> Outcome:
        name = submission.name
        try:
            made = self._call(lambda left: self._connection.create_job(self.place, name, message, left))
        except OutOfTime as problem:
            return Unreachable(cause=str(problem))
        except FAILURES as error:
            exists = failures.meaning(error) is Meaning.DONE_BEFORE
            return Accepted(submission=submission) if exists else failures.refusal(error, needs)
        return Accepted(submission=submission) if _short(made) == name else self._looked_up(submission)

    def _looked_up(self, submission: Submission) -> Outcome:
        """The outcome of a call without a usable answer: the job was started only if it exists."""
        why = "it is not there"
        try:
            if self.has(submission.name):
                return Accepted(submission=submission)
        except CallFailed as problem:
            why = str(problem)
        return Unknown(cause=f"the answer does not say that {submission.name} was made, and {why}")

    def has(self, name: str) -> bool:
        """True if a job of that name exists. Raises `CallFailed`."""
        return self._ask(lambda left: self._job(name, left)) is not None

    def jobs(self) -> Iterator[Any]:
        """Every job, until the time is over. Raises `CallFailed`."""
        pages = self._connection.pages(self.place, self._seconds_left() / 2)
        try:
            while (page := self._call(lambda _: _jobs_of(next(pages, None)))) is not None:
                yield from page
        except FAILURES as error:
            raise CallFailed(failures.words(error)) from error

    def observe(self, executions: Mapping[str, str]) -> dict[str, Observation]:
        """The observations of jobs, by their executions: from one list, and a look at each job that the list leaves unclear.

        Raises `CallFailed` when the list cannot be read.
        """
        listed = self._listed(executions) if len(executions) > 1 else {}
        seen = {name: item for name, item in listed.items() if item is not None}
        unclear = [name for name in executions if name not in seen][:MOST_LOOKUPS]
        if not unclear:
            return seen
        with ThreadPoolExecutor(min(LOOKUPS_AT_ONCE, len(unclear)), thread_name_prefix="cloud-run") as executor:
            observations = executor.map(
                lambda name: self._observation_of(name, executions[name], is_listed=name in listed), unclear
            )
            return seen | {name: item for name, item in zip(unclear, observations, strict=True) if item is not None}

    def cancel(self, name: str, execution: str) -> None:
        """Request an execution's end; it is not an error if it has ended or is gone. Raises `CallFailed`."""
        full = self.place.execution(name, execution)
        try:
            answer = self._call(lambda left: self._connection.cancel_execution(full, left))
            if _short(answer) != execution:
                raise CallFailed(f"the answer does not say that {execution} was asked to end")
        except FAILURES as error:
            if failures.meaning(error) is Meaning.ABSENT:
                self._require_end(name)
            elif failures.status(error) != "FAILED_PRECONDITION":  # the answer for an execution that has ended
                raise CallFailed(failures.words(error)) from error

    def delete(self, versions: Iterable[tuple[str, str]]) -> Iterator[str]:
        """Delete jobs by name and etag (empty: any version), until a quota refuses or the time is over; yields the names that
        are gone.
        """
        for name, etag in versions:
            try:
                if self._call(partial(self._delete, name, etag)):
                    yield name
            except FAILURES as error:
                means = failures.meaning(error)
                if means is Meaning.HELD_BACK:
                    return
                if means is Meaning.ABSENT:
                    yield name
            except CallFailed:
                return

    def _delete(self, name: str, etag: str, left: float) -> bool:
        """True when the answer says that this job is gone."""
        return _short(self._connection.delete_job(self.place.job(name), left, etag)) == name

    def _listed(self, executions: Mapping[str, str]) -> dict[str, Observation | None]:
        """The list's observations of these jobs, None where it is unclear. It is read only as far as the last of them."""
        missing = set(executions)
        observations: dict[str, Observation | None] = {}
        try:
            for job in self.jobs():
                name = _short(job.name)
                if name in missing:
                    observations[name] = _read(job, executions[name])
                    missing.remove(name)
                if not missing:
                    break
        except CallFailed:
            if not observations:
                raise
        return observations  # missing jobs are looked up one by one: a list may lag or end too soon

    def _observation_of(self, name: str, execution: str, *, is_listed: bool) -> Observation | None:
        """The observation of one job, read by itself; None if there was no time for it."""
        try:
            if not is_listed:
                answer = self._ask(lambda left: (observation.from_job(self._job(name, left), execution),))
                if answer is None:
                    return Observation(state=JobState.MISSING, reason=f"{self.place.job(name)} does not exist")
                if answer[0] is not None:
                    return answer[0]
            return self._look_closer(name, execution)
        except OutOfTime:
            return None
        except CallFailed as problem:
            return Observation(state=JobState.UNREADABLE, reason=str(problem))

    def _look_closer(self, name: str, execution: str) -> Observation:
        full = self.place.execution(name, execution)
        answer = self._ask(lambda left: self._execution(full, left))
        if answer is None:
            return Observation(state=JobState.STOPPED, reason="the execution was deleted")
        content, has_failed = answer
        tasks = self._ask(lambda left: self._tasks(full, left)) if has_failed else None
        try:
            return readable(lambda: observation.from_execution(content, tasks or []))
        except OddAnswer as problem:
            raise CallFailed(str(problem)) from problem

    def _job(self, name: str, left: float) -> Any:
        job = self._connection.get_job(self.place.job(name), left)
        if _short(job.name) != name:
            raise OddAnswer(f"asked for the job {name}, was given {job.name!r:.80}")
        return job

    def _execution(self, full: str, left: float) -> tuple[Any, bool]:
        """An execution, and whether it has failed."""
        execution = self._connection.get_execution(full, left)
        if _short(execution.name) != _short(full):
            raise OddAnswer(f"asked for the execution {_short(full)}, was given {execution.name!r:.80}")
        return execution, observation.has_failed(execution)

    def _tasks(self, full: str, left: float) -> list[Any]:
        return [task for task in self._connection.first_tasks(full, left) if _short(full) in task.name.split("/")]

    def _require_end(self, name: str) -> None:
        """Raise `CallFailed` unless a job without an execution has ended or is gone."""
        ended = self._ask(lambda left: observation.has_ended(self._job(name, left)))
        if ended is False:
            raise CallFailed(f"{self.place.job(name)} has not started its execution yet; cancel it once it has started")

    def _ask(self, question: Callable[[float], Answer]) -> Answer | None:
        """The answer to a read; None if its subject does not exist. Raises `CallFailed`."""
        try:
            return self._call(question)
        except FAILURES as error:
            if failures.meaning(error) is Meaning.ABSENT:
                return None
            raise CallFailed(failures.words(error)) from error

    def _call(self, call: Callable[[float], Answer]) -> Answer:
        """Make a call and read its answer, both within the remaining time. Raises only `FAILURES` and `OutOfTime`."""
        left = self._seconds_left()
        return within(left, lambda: readable(lambda: call(left * OF_THE_WHOLE)))

    def _seconds_left(self) -> float:
        left = self._end - time.monotonic()
        if left < LEAST_SECONDS:
            raise OutOfTime(f"{self.place.parent}: the time for one call is over; the rest is left for later")
        return left


def readable(read: Callable[[], Answer]) -> Answer:
    """The result of `read`. Raises only `FAILURES`: other exceptions, which an odd answer causes, become `OddAnswer`."""
    try:
        return read()
    except FAILURES:
        raise
    except ODD as problem:
        raise OddAnswer(f"the answer cannot be read: {type(problem).__name__}: {problem}") from problem


def _short(name: str) -> str:
    """The last part of a resource's full name."""
    return name.rpartition("/")[2]


def _jobs_of(page: Any) -> list[Any] | None:
    return None if page is None else list(page.jobs)


def _read(job: Any, execution: str) -> Observation | None:
    """A listed job's observation; None if it is unclear, so the job must be read by itself."""
    try:
        return readable(lambda: observation.from_job(job, execution))
    except OddAnswer:
        return None
