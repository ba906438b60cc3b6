"""The jobs of one place, asked within the time that one call may take. Imports Google's SDK."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from providers.base import Accepted, CallFailed, ConfigurationError, JobState, Observation, Outcome, Rejected, Submission
from providers.cloud_run import failures, observation
from providers.cloud_run.connection import Connection, message_of
from providers.cloud_run.failures import FAILURES, Meaning
from providers.cloud_run.place import Place

LOOKUPS_AT_ONCE = 8

MOST_LOOKUPS = 100
"""Jobs that one observation asks for one by one; each is at most three reads, of a quota of 600 a minute."""

LEAST_SECONDS = 0.05
"""A call that has less is not begun."""


class OutOfTime(CallFailed):
    """Not asked: the time that one call of the dispatcher has is over."""


class Region:
    """One place through one connection, for `seconds` from now on. Made anew for every operation of the provider."""

    def __init__(self, place: Place, connection: Connection, seconds: float) -> None:
        self.place = place
        self._connection = connection
        self._end = time.monotonic() + seconds

    def submit(self, submission: Submission, body: Mapping[str, Any]) -> Outcome:
        """Make a job and start it. One of that name that is there already is the one."""
        try:
            self._connection.create_job(self.place, submission.name, message_of(body), self._left())
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except FAILURES as error:
            if failures.meaning(error) is not Meaning.DONE_BEFORE:
                return failures.refusal(error)
        return Accepted(submission=submission)

    def has(self, name: str) -> bool:
        """True when there is a job of that name. Raises `CallFailed`."""
        return self._job(name) is not None

    def jobs(self) -> Iterator[Any]:
        """Every job, until time is up. Raises `CallFailed`."""
        pages = self._connection.pages(self.place, self._left() / 2)
        try:
            for page in pages:
                yield from page.jobs
                self._left()
        except FAILURES as error:
            raise CallFailed(failures.words(error)) from error

    def observe(self, executions: Mapping[str, str]) -> dict[str, Observation]:
        """What can be said of each job, given its execution: by one list, and a look at those it leaves unclear.

        Raises `CallFailed` when there is no list to be had.
        """
        jobs = self._listed(executions) if len(executions) > 1 else {}
        told = {name: observation.from_job(job, executions[name]) for name, job in jobs.items()}
        seen = {name: item for name, item in told.items() if item is not None}
        unclear = [name for name in executions if name not in seen][:MOST_LOOKUPS]
        if not unclear:
            return seen
        with ThreadPoolExecutor(min(LOOKUPS_AT_ONCE, len(unclear)), thread_name_prefix="cloud-run") as executor:
            looked = executor.map(lambda name: self._look(name, executions[name], jobs.get(name)), unclear)
            return seen | {name: item for name, item in zip(unclear, looked, strict=True) if item is not None}

    def cancel(self, name: str, execution: str) -> None:
        """Ask an execution to end; one that has ended, or is gone, is no error. Raises `CallFailed`."""
        try:
            self._connection.cancel_execution(self.place.execution(name, execution), self._left())
        except FAILURES as error:
            if failures.meaning(error) is Meaning.ABSENT:
                self._require_end(name)
            elif failures.status(error) != "FAILED_PRECONDITION":  # which says that it has ended
                raise CallFailed(failures.words(error)) from error

    def delete(self, versions: Iterable[tuple[str, str]]) -> Iterator[str]:
        """Delete jobs by name and etag (empty: any version), until a quota says no or time is up; yields what is gone."""
        for name, etag in versions:
            try:
                self._connection.delete_job(self.place.job(name), self._left(), etag)
            except CallFailed:
                return
            except FAILURES as error:
                means = failures.meaning(error)
                if means is Meaning.HELD_BACK:
                    return
                if means is not Meaning.ABSENT:
                    continue
            yield name

    def _listed(self, names: Iterable[str]) -> dict[str, Any]:
        """The wanted jobs of the list, which is read no further than to the last of them."""
        missing = set(names)
        found: dict[str, Any] = {}
        try:
            for job in self.jobs():
                name = job.name.rpartition("/")[2]
                if name in missing:
                    found[name] = job
                    missing.remove(name)
                if not missing:
                    break
        except CallFailed:
            if not found:
                raise
        return found  # what is missing is looked up by itself: a list may lag, or end too soon

    def _look(self, name: str, execution: str, job: Any) -> Observation | None:
        """One job by itself; None when there was no time for it."""
        try:
            found = job or self._job(name)
            if found is None:
                return Observation(state=JobState.MISSING, reason=f"{self.place.job(name)} does not exist")
            return observation.from_job(found, execution) or self._look_closer(self.place.execution(name, execution))
        except OutOfTime:
            return None
        except CallFailed as problem:
            return Observation(state=JobState.UNREADABLE, reason=str(problem))

    def _look_closer(self, execution: str) -> Observation:
        found = self._ask(self._connection.get_execution, execution)
        if found is None:
            return Observation(state=JobState.STOPPED, reason="the execution was deleted")
        tasks = self._ask(self._connection.first_tasks, execution) if observation.has_failed(found) else None
        return observation.from_execution(found, tasks or [])

    def _job(self, name: str) -> Any:
        return self._ask(self._connection.get_job, self.place.job(name))

    def _require_end(self, name: str) -> None:
        """A job without its execution has ended, or is gone, or has yet to start it."""
        job = self._job(name)
        if job is not None and not observation.has_ended(job):
            raise CallFailed(f"{self.place.job(name)} has not started its execution yet; it can be cancelled once it has")

    def _ask(self, call: Callable[[str, float], Any], name: str) -> Any:
        """The answer to a question, None when its subject does not exist. Raises `CallFailed`."""
        try:
            return call(name, self._left())
        except FAILURES as error:
            if failures.meaning(error) is Meaning.ABSENT:
                return None
            raise CallFailed(failures.words(error)) from error

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left < LEAST_SECONDS:
            raise OutOfTime(f"{self.place.parent}: the time for one call is over; the rest is left for later")
        return left
