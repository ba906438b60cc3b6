"""The calls to one place, within the time of one operation. Every answer is checked for the resource that it must name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from providers.base import (
    JOB_NAME,
    Accepted,
    CallFailed,
    Hold,
    JobState,
    Misconfigured,
    Needs,
    Observation,
    Outcome,
    Submission,
    Unknown,
    Unreachable,
)
from providers.deadlines import OutOfTime
from providers.google.accounts import AccountLacks
from providers.google.labels import clean_value
from providers.sending import NeverSent
from providers.vertex_ai.answers import Answer, refusal, refusal_before
from providers.vertex_ai.observation import CANCELLING, ENDED, LIVE, has_ended, observation_of
from providers.vertex_ai.place import Place
from providers.vertex_ai.request import NAME_LABEL, OWNER_LABEL

if TYPE_CHECKING:
    from providers.vertex_ai.connection import Connection

PAGE_SIZE = 100
READ_MASK = "name,displayName,state,createTime,startTime,endTime,error,labels"
"""The fields of a list's rows; otherwise a row would contain the whole job with its environment."""

NOBODY = "1"
"""The number of a job that does not exist; only Google itself can confirm that."""

LOOKUPS_AT_ONCE = 8
LEAST_SECONDS = 0.05
"""Seconds; no call is begun with less time left."""

Row = Mapping[str, Any]


class OddAnswer(CallFailed):
    """An answer that does not name the requested resource or cannot be read."""


class ErrorAnswer(CallFailed):
    """Google, or a gateway in between, answered with something other than the requested resource."""

    def __init__(self, answer: Answer, subject: str) -> None:
        super().__init__(f"{subject}: {answer.words}")
        self.answer = answer


class Region:
    """One place through one connection, until `end` on the monotonic clock. One is made for every operation."""

    def __init__(self, place: Place, connection: Connection, endpoint: str | None, end: float) -> None:
        self.place = place
        self._connection, self._end = connection, end
        self._base = f"{endpoint or place.host}/v1"
        self._logging = f"{endpoint or 'https://logging.googleapis.com'}/v2/entries:list"

    def submit(self, name: str, body: Mapping[str, Any], needs: Needs) -> Outcome:
        """Create the job unless one of its name exists."""
        try:
            identifier = self.looked_up(name)
        except ErrorAnswer as problem:
            return refusal_before(problem.answer, needs)
        except AccountLacks as problem:
            return Misconfigured(reason=str(problem), hold=Hold(place=needs.place[: problem.parts]))
        except CallFailed as problem:
            return Unreachable(cause=str(problem))
        return Accepted(submission=self.submission(name, identifier)) if identifier else self._create(name, body, needs)

    def _create(self, name: str, body: Mapping[str, Any], needs: Needs) -> Outcome:
        try:
            answer = self._ask("POST", self.place.jobs, body=body)
        except (NeverSent, OutOfTime) as problem:
            return Unreachable(cause=str(problem))
        except AccountLacks as problem:
            return Misconfigured(reason=str(problem), hold=Hold(place=needs.place[: problem.parts]))
        except CallFailed as problem:
            return Unknown(cause=str(problem))
        if answer.status != 200:
            return refusal(answer, needs)
        identifier = self._identifier(answer.value, name)
        if not identifier:
            return Unknown(cause=f"the answer does not say that {name} was created")
        return Accepted(submission=self.submission(name, identifier))

    def submission(self, name: str, identifier: str) -> Submission:
        """The submission of a job."""
        handle = {**self.place.handle(), "job_id": identifier, "logs": self.place.logs(identifier)}
        return Submission(name=name, handle=handle, url=self.place.console(identifier))

    def find(self, name: str) -> str | None:
        """The number of the job of that name; None if there is none. Raises `CallFailed`.

        Google's empty list is `{}`, which a gateway may also return. So an absence counts only after Google has also confirmed
        that an impossible job does not exist.
        """
        identifier = self.looked_up(name)
        if identifier:
            return identifier
        answer = self._ask("GET", self.place.job(NOBODY))
        if not answer.is_absence:
            raise ErrorAnswer(answer, f"{name}: whether it exists")
        return None

    def looked_up(self, name: str) -> str | None:
        """The number of the oldest job of that name in the list. Younger live ones are cancelled."""
        rows = [row for row in self.rows(f'labels.{NAME_LABEL}="{name}"') if self._identifier(row, name)]
        rows.sort(key=lambda row: (str(row.get("createTime", "")), self._identifier(row, name)))
        for row in rows[1:]:
            with suppress(CallFailed):
                self._cancel(row, self._identifier(row, name))
        return self._identifier(rows[0], name) if rows else None

    def observe(self, jobs: Mapping[str, str]) -> dict[str, Observation]:
        """The observations of jobs by name, from their numbers: one list of all live jobs, and a look at each of the others.

        Raises `CallFailed` when the list cannot be read.
        """
        rows = self._live_rows(frozenset(jobs.values())) if len(jobs) > 1 else {}
        with ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="vertex-ai") as executor:
            looks = executor.map(lambda name: self._observation_of(name, jobs[name], rows.get(jobs[name])), jobs)
            return {name: seen for name, seen in zip(jobs, looks, strict=True) if seen is not None}

    def cancel(self, name: str, identifier: str) -> None:
        """Request a job's end; it is not an error if it has ended or is gone. Raises `CallFailed`.

        The job is read first, because the empty answer to a cancel proves nothing.
        """
        row = self._job(name, identifier)
        if row is not None:
            self._cancel(row, identifier)

    def _cancel(self, row: Row, identifier: str) -> None:
        if has_ended(row) or row.get("state") == CANCELLING:
            return
        answer = self._ask("POST", f"{self.place.job(identifier)}:cancel", body={})
        is_over = answer.code == "FAILED_PRECONDITION" or answer.is_absence
        if not is_over and (answer.status != 200 or answer.value != {}):
            raise ErrorAnswer(answer, f"{identifier}: could not be cancelled")

    def delete(self, identifier: str) -> bool:
        """Delete an ended job; True if it is gone. Raises `CallFailed`."""
        answer = self._ask("DELETE", self.place.job(identifier))
        if answer.is_absence:
            return True
        if answer.status != 200:
            raise ErrorAnswer(answer, f"{identifier}: could not be deleted")
        operation = answer.value.get("name") if isinstance(answer.value, Mapping) else None
        return isinstance(operation, str) and "/operations/" in operation

    def rows(self, condition: str) -> Iterator[Row]:
        """All listed jobs that match a condition. Raises `CallFailed`."""
        query = {"filter": condition, "pageSize": PAGE_SIZE, "readMask": READ_MASK}
        token: Any = ""
        while True:
            answer = self._ask("GET", self.place.jobs, query={**query, **({"pageToken": token} if token else {})})
            if answer.status != 200 or not isinstance(answer.value, Mapping) or answer.error:
                raise ErrorAnswer(answer, "the list of jobs")
            rows = answer.value.get("customJobs", [])
            token = answer.value.get("nextPageToken", "")
            if not isinstance(rows, list) or not isinstance(token, str):
                raise OddAnswer("the list of jobs cannot be read")
            yield from (row for row in rows if isinstance(row, Mapping))
            if not token:
                return

    def ours(self, owner: str, states: Sequence[str]) -> Iterator[tuple[str, str, Row]]:
        """The name, number and row of each listed job of one dispatcher in one of these states."""
        owned = clean_value(owner)
        for row in self.rows(_condition(owned, states)):
            labels = row.get("labels")
            name = labels.get(NAME_LABEL) if isinstance(labels, Mapping) and labels.get(OWNER_LABEL) == owned else None
            if isinstance(name, str) and JOB_NAME.fullmatch(name) and (identifier := self._identifier(row, name)):
                yield name, identifier, row

    def log(self, identifier: str, tail: int) -> str:
        """The last lines that a job wrote, oldest first. Raises `CallFailed`."""
        body = {
            "resourceNames": [f"projects/{self.place.project}"],
            "filter": f'resource.type="ml_job" AND resource.labels.job_id="{identifier}"',
            "orderBy": "timestamp desc",
            "pageSize": tail,
        }
        answer = self._asked("POST", self._logging, body=body)
        entries = answer.value.get("entries", []) if isinstance(answer.value, Mapping) else None
        if answer.status != 200 or answer.error or not isinstance(entries, list):
            raise ErrorAnswer(answer, "the log cannot be read (it takes roles/logging.viewer)")
        return "".join(f"{line}\n" for line in map(_line, reversed(entries)) if line is not None)

    def _live_rows(self, identifiers: frozenset[str]) -> dict[str, Row]:
        """The listed rows by their numbers, read only as far as the last of these numbers."""
        rows: dict[str, Row] = {}
        for row in self.rows(_condition(None, tuple(LIVE))):
            identifier = self.place.identifier(row.get("name"))
            if identifier in identifiers:
                rows[identifier] = row
            if len(rows) == len(identifiers):
                break
        return rows

    def _observation_of(self, name: str, identifier: str, row: Row | None) -> Observation | None:
        """The observation of one job, from a usable row of the list or else from its own read; None if there was no time for
        it.
        """
        try:
            if row is not None and self._identifier(row, name) == identifier:
                with suppress(CallFailed):
                    return observation_of(row)
            job = self._job(name, identifier)
            if job is None:
                return Observation(state=JobState.MISSING, reason=f"{self.place.job(identifier)} does not exist")
            return observation_of(job)
        except OutOfTime:
            return None
        except CallFailed as problem:
            return Observation(state=JobState.UNREADABLE, reason=str(problem))

    def _job(self, name: str, identifier: str) -> Row | None:
        """One job by its number; None if Google says that there is none. Raises `CallFailed`."""
        answer = self._ask("GET", self.place.job(identifier))
        if answer.is_absence:
            return None
        if answer.status != 200:
            raise ErrorAnswer(answer, name)
        if self._identifier(answer.value, name) != identifier:
            raise OddAnswer(f"asked for {name} ({identifier}), and the answer is about something else")
        job: Row = answer.value
        return job

    def _identifier(self, row: Any, name: str) -> str:
        """The number of the job in an answer if it has that name; empty for every other answer."""
        labels = row.get("labels") if isinstance(row, Mapping) else None
        if not isinstance(labels, Mapping) or labels.get(NAME_LABEL) != name:
            return ""
        return self.place.identifier(row.get("name"))

    def _ask(self, method: str, resource: str, **parts: Any) -> Answer:
        return self._asked(method, f"{self._base}/{resource}", **parts)

    def _asked(self, method: str, url: str, **parts: Any) -> Answer:
        left = self._end - time.monotonic()
        if left < LEAST_SECONDS:
            raise OutOfTime(f"{self.place.jobs}: the time for one call is over; the rest is left for later")
        return self._connection.ask(method, url, left, **parts)


def _condition(owner: str | None, states: Sequence[str]) -> str:
    """The filter for jobs of dispatchers in these states; the reference of customJobs.list documents its language."""
    ours = f'labels.{OWNER_LABEL}="{owner}"' if owner else f"labels.{NAME_LABEL}:*"
    alternatives = " OR ".join(f'state="{state}"' for state in states)
    return f"{ours} AND ({alternatives})"


ENDED_STATES, LIVE_STATES = tuple(ENDED), tuple(LIVE)


def _line(entry: Any) -> str | None:
    """The text of one log entry, or the message of its payload."""
    if not isinstance(entry, Mapping):
        return None
    payload = entry.get("jsonPayload")
    text = entry.get("textPayload", payload.get("message") if isinstance(payload, Mapping) else None)
    return text.rstrip("\n") if isinstance(text, str) else None
