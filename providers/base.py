"""What every provider offers and what it answers.

A provider carries rendered jobs to one kind of infrastructure. It knows nothing of pools, queues or stores: it is given a
`Job`, and answers with an `Outcome`; it is given `Submission`s, and answers with `Observation`s.

    ProviderError
    ├── ProviderUnavailable     the type is unknown, or its SDK is not installed (names the extra that brings it)
    ├── ConfigurationError      the rendered job, or a named credential, cannot be used (names the field)
    └── CallFailed              a lookup, an observation or a cancel got no usable answer; ask again later

Four rules hold for every provider; the tick relies on them and `tests/providers/contract.py` proves them:

* **The name is the idempotency key.** `Job.name` is known before the call and never chosen by the provider. Submitting the
  same job again starts nothing while the first is remembered.
* **No answer is not a refusal.** A time-out, a reset connection, a 5xx or an error that is not understood is `Unknown`.
* **No retries, no waiting.** SDK retries are off and every call ends within its timeout: the tick decides, in one place.
* **No secrets.** Neither a `Submission` nor an outcome's text holds a key; credentials are named, and resolved at the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class ProviderError(Exception):
    """The root of everything a provider raises on purpose."""


class ProviderUnavailable(ProviderError):
    """The provider type is unknown, or what it needs is not installed."""


class ConfigurationError(ProviderError):
    """A rendered job or a named credential that no repeat will make usable."""


class CallFailed(ProviderError):
    """The provider gave no usable answer to a read or a cancel; nothing is known, ask again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt of one run, rendered: the same bytes on every repeat."""

    name: str
    """`r<run uuid hex>-<n>`: at most 38 of `[a-z0-9-]`, starts with a letter; valid on every provider."""
    configuration: Mapping[str, Any]
    """The pool's job configuration with its placeholders filled; JSON values only."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The dispatcher's own variables; the provider sets them in the job's main container, and they win."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the infrastructure is to be found by; the provider cuts and cleans them to its own rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Where an accepted job lives: all that is needed to observe or cancel it from another invocation."""

    name: str
    """The `Job.name` it was submitted under."""
    handle: Mapping[str, str]
    """The provider's own coordinates (an ARN, a region, the name of a credential); JSON text, no secrets."""
    url: str | None = None
    """A page of the provider's console that shows the job."""


class JobState(StrEnum):
    """What a provider can say of a job."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    """Ended by itself, exit code 0."""
    FAILED = "FAILED"
    """Ended by itself, another exit code."""
    CRASHED = "CRASHED"
    """Ended without the job's own doing: it never started, its host was taken away."""
    STOPPED = "STOPPED"
    """Ended because somebody stopped it."""
    MISSING = "MISSING"
    """The provider does not know it (any more); an end only once it has had time to show up."""
    UNREADABLE = "UNREADABLE"
    """It could not be looked at, and the reason is why: nothing is concluded from that."""

    @property
    def is_end(self) -> bool:
        """True when the job is over and holds nothing."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CRASHED, JobState.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A job's state as the provider gave it. Times are the provider's, aware, UTC."""

    state: JobState
    exit_code: int | None = None
    reason: str = ""
    """The provider's own words; empty for a plain success."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    handle: Mapping[str, str] | None = None
    """A completed handle, when the observation brought coordinates that the submission lacked."""


def unreadable(submissions: Sequence[Submission], problem: object) -> dict[str, Observation]:
    """What is seen of jobs that could not be looked at, by name."""
    seen = Observation(state=JobState.UNREADABLE, reason=str(problem))
    return dict.fromkeys((submission.name for submission in submissions), seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job is, or already was, started under its name."""

    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Nothing was started and no repeat will change that: a bad request, access denied."""

    reason: str
    """The provider's own words, and what to do about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Nothing was started, but a later call may be: a rate, a quota, missing capacity."""

    reason: str
    retry_after: float | None = None
    """Seconds, when the provider said; otherwise the tick backs off by itself."""
    holds_pool: bool = True
    """False when the refusal concerns this job alone (no instance has its attribute), so that others may go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No answer, or none that says whether the job was started."""

    cause: str


Outcome = Accepted | Rejected | Throttled | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: `burst` calls at once, refilled by `per_second`."""

    burst: int
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A provider's published limits, as data beside its code. Times are seconds."""

    submit_rates: tuple[Rate, ...] = ()
    """Every bucket that a submission draws on."""
    concurrency: int = 16
    """Submissions under way at once; 1 means they run in the tick's own thread."""
    call_timeout: float = 10.0
    """No submit, find, observe (of one batch) or cancel takes longer."""
    lookup_lag: float = 0.0
    """How long a started job may stay hidden from `find` and `observe`."""
    memory: float | None = None
    """How long after a submission its absence still proves that it never started; None: for ever."""
    start_deadline: float | None = 600.0
    """How long an accepted job may take to start when its configuration does not say; None: for ever."""
    observe_batch: int = 100
    """How many submissions one `observe` call is given; at least what one request of the provider can tell of."""
    lingers: bool = False
    """True when an ended job occupies a quota until `discard` removes it."""

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` for a number with which no tick could work: some of these come from people's options."""
        for name, least in (("concurrency", 1), ("observe_batch", 1), ("lookup_lag", 0)):
            if not getattr(self, name) >= least:
                raise ConfigurationError(f"{name}: give {least} or more, not {getattr(self, name)!r}")
        if not self.call_timeout > 0:
            raise ConfigurationError(f"call_timeout: give a number above 0, not {self.call_timeout!r}")


class Provider(Protocol):
    """One kind of infrastructure. Instances may be kept between invocations and are safe to use from several threads."""

    @property
    def limits(self) -> Limits:
        """What the provider allows; the tick paces itself by it."""
        ...

    def submit(self, job: Job) -> Outcome:
        """Start `job` under its name. Never raises for an answer, or the lack of one: that is the outcome."""
        ...

    def find(self, job: Job) -> Submission | None:
        """What was started under `job.name`, ended or not; None when the provider knows of nothing.

        Raises `CallFailed` when it could not be asked.
        """
        ...

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """The state of each submission by name.

        One that could not be read is UNREADABLE with the provider's words, never guessed; one for which there was no time is
        left out.
        """
        ...

    def cancel(self, submission: Submission) -> None:
        """Ask for the job's end; the end itself is observed later. A job that is gone is no error.

        Raises `CallFailed` when it could not be asked.
        """
        ...

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Remove what ended jobs left behind; the names that are gone now. Only called once an end is recorded."""
        ...

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """Remove ended jobs of ours that nobody remembers, where `configuration` puts them; the names removed.

        `keep` holds the names that a store still knows. A job that has not ended is never touched. Raises
        `ConfigurationError` when `configuration` says of no place, and `CallFailed` when that could not be asked.
        """
        ...
