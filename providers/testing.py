"""A provider without a cloud, for tests: jobs live in memory, and a script decides the faults.

    provider = FakeProvider()
    provider.script("submit", Throttled(reason="slow down"), LOST_ANSWER)
    ...                                             # tick: refused, then started without an answer, then as usual
    provider.finish("r0123-1", exit_code=3)
    assert provider.starts == {"r0123-1": 1} and provider.peak_live == 1

`Remembers` selects how it treats a used name; each of the four ways is that of one cloud.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any

from providers.base import (
    Accepted,
    CallFailed,
    Job,
    JobState,
    Needs,
    Observation,
    Outcome,
    ProviderLimits,
    Submission,
    Unknown,
    unreadable,
)

HOUR, DAY = 3_600.0, 86_400.0


class Remembers(StrEnum):
    """What happens when a submission repeats a name."""

    TOKEN = "token"  # noqa: S105 - a client token, not a secret
    """As ECS: the first job is returned for a day from its start, ended or changed; ended jobs stay visible for an hour."""
    OBJECT = "object"
    """As Cloud Run: the first job is returned until it is discarded."""
    LIVE = "live"
    """As Container Instances: the first job is returned while it runs; after its end a repeat replaces it and runs again."""
    RUNNING = "running"
    """As Modal: the first job is returned while it runs; after its end the name is free. Ended jobs stay visible for a day."""


class Lost(Enum):
    """What happened to a call that got no answer."""

    ANSWER = "the provider acted, and its answer was lost"
    REQUEST = "the request was lost, and the provider did nothing"


LOST_ANSWER, LOST_REQUEST = Lost.ANSWER, Lost.REQUEST

_LINGERS, _HOUR, _DAY = ProviderLimits(lingers=True), ProviderLimits(memory=HOUR), ProviderLimits(memory=DAY)
LIMITS: Mapping[Remembers, ProviderLimits] = dict(zip(Remembers, (_HOUR, _LINGERS, _LINGERS, _DAY), strict=True))


@dataclass(slots=True)
class FakeJob:
    """One started job, and what `observe` reports of it. A name that was started twice has two of these."""

    job: Job
    started_at: datetime
    seen: Observation

    @property
    def is_live(self) -> bool:
        """True until it has ended."""
        return not self.seen.state.is_end


class FakeProvider:
    """A provider in memory. Safe to use from several threads.

    `jobs` holds every job that was ever started, in order; `calls` every call, as (operation, name). Jobs run at once, until
    `finish`, `crash` or a cancel ends them. `limits` default to those of its `Remembers`.
    """

    def __init__(
        self,
        *,
        remembers: Remembers = Remembers.OBJECT,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: ProviderLimits | None = None,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.remembers, self.clock, self.credentials = remembers, clock, credentials or {}
        self.limits = limits or LIMITS[remembers]
        self.jobs: list[FakeJob] = []
        self.calls: list[tuple[str, str]] = []
        self.peak_live = 0
        self._lock = threading.RLock()
        self._kept: dict[str, FakeJob] = {}
        self._scripts: defaultdict[str, deque[Outcome | Lost]] = defaultdict(deque)

    def script(self, operation: str, *answers: Outcome | Lost) -> None:
        """Script the next calls of `operation` (submit, find, observe, cancel), one fault per call; later calls succeed again.

        A scripted outcome is returned and nothing is done; only `submit` has outcomes.
        """
        if operation != "submit" and not all(isinstance(answer, Lost) for answer in answers):
            raise ValueError(f"{operation} has no outcomes; script LOST_ANSWER or LOST_REQUEST")
        with self._lock:
            self._scripts[operation].extend(answers)

    def finish(self, name: str, exit_code: int = 0) -> None:
        """Let the job end by itself. Raises KeyError when none of that name is live."""
        state = JobState.FAILED if exit_code else JobState.SUCCEEDED
        self._end(name, state, exit_code=exit_code, reason=f"exit code {exit_code}" if exit_code else "")

    def crash(self, name: str, reason: str = "the host was lost") -> None:
        """Let the job crash. Raises KeyError when none of that name is live."""
        self._end(name, JobState.CRASHED, reason=reason)

    @property
    def starts(self) -> Mapping[str, int]:
        """How often each name was started."""
        with self._lock:
            return Counter(started.job.name for started in self.jobs)

    @property
    def live(self) -> frozenset[str]:
        """The names of the jobs that have not ended."""
        with self._lock:
            return frozenset(started.job.name for started in self.jobs if started.is_live)

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """The needs that the configuration states: `{"place": ["here", ...], "size": {"cpu": 1}}`, both optional."""
        return Needs(place=tuple(configuration.get("place", ())), size=dict(configuration.get("size", {})))

    def submit(self, job: Job) -> Outcome:
        """Start the job, unless its name is remembered."""
        with self._lock:
            answer = self._called("submit", job.name)
            if isinstance(answer, Lost | None):
                if answer is not Lost.REQUEST and not self._holds_name(job.name):
                    self._start(job)
                return Unknown(cause=answer.value) if answer else Accepted(submission=_submission(job.name))
            return answer

    def find(self, job: Job) -> Submission | None:
        """The job that was started under the name, if it is still visible."""
        with self._lock:
            if isinstance(lost := self._called("find", job.name), Lost):
                raise CallFailed(lost.value)
            return _submission(job.name) if self._visible(job.name) else None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """The state of each job; all are unreadable when the script loses the call."""
        with self._lock:
            if lost := self._called("observe", ""):
                return unreadable(submissions, lost)
            observations = {submission.name: self._visible(submission.name) for submission in submissions}
            return {name: kept.seen if kept else Observation(state=JobState.MISSING) for name, kept in observations.items()}

    def cancel(self, submission: Submission) -> None:
        """Stop the job, at once."""
        with self._lock:
            lost = self._called("cancel", submission.name)
            if lost is not Lost.REQUEST and submission.name in self.live:
                self._end(submission.name, JobState.STOPPED, reason="stopped on request")
            if isinstance(lost, Lost):
                raise CallFailed(lost.value)

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Forget ended jobs."""
        with self._lock:
            names = frozenset(submission.name for submission in submissions) - self.live
            for name in names:
                self._kept.pop(name, None)
            return names

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - one place only
        """Forget ended jobs that are not to be kept."""
        with self._lock:
            orphans = [_submission(name) for name in self._kept if name not in keep]
            return tuple(sorted(self.discard(orphans)))

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - one place
        """The names of the live jobs, without `known_names`."""
        return tuple(sorted(self.live - known_names))

    def _called(self, operation: str, name: str) -> Outcome | Lost | None:
        self.calls.append((operation, name))
        return self._scripts[operation].popleft() if self._scripts[operation] else None

    def _start(self, job: Job) -> None:
        now = self.clock()
        started = FakeJob(job, now, Observation(state=JobState.RUNNING, started_at=now))
        self.jobs.append(started)
        self._kept[job.name] = started
        self.peak_live = max(self.peak_live, len(self.live))

    def _end(self, name: str, state: JobState, *, reason: str, exit_code: int | None = None) -> None:
        with self._lock:
            if name not in self.live:
                raise KeyError(name)
            kept = self._kept[name]
            kept.seen = replace(kept.seen, state=state, exit_code=exit_code, reason=reason, ended_at=self.clock())

    def _holds_name(self, name: str) -> bool:
        kept = self._kept.get(name)
        if kept is None or kept.is_live or self.remembers is Remembers.OBJECT:
            return kept is not None
        return self.remembers is Remembers.TOKEN and self.clock() - kept.started_at < timedelta(seconds=DAY)

    def _visible(self, name: str) -> FakeJob | None:
        kept = self._kept.get(name)
        if kept is None or kept.seen.ended_at is None or self.limits.memory is None:
            return kept
        return kept if self.clock() - kept.seen.ended_at < timedelta(seconds=self.limits.memory) else None


def _submission(name: str) -> Submission:
    return Submission(name=name, handle={"fake": name}, url=f"https://console.example/jobs/{name}")
