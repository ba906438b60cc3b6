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
  An answer counts only if it names what was asked for: an empty or foreign body is no answer.
* **No retries, no waiting.** SDK retries are off, and every call ends within its timeout as a whole, however slowly its answer
  arrives (`providers.deadlines`): the tick decides, in one place.
* **No secrets.** Neither a `Submission` nor an outcome's text holds a key; credentials are named, and resolved at the call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


class ProviderError(Exception):
    """The root of everything a provider raises on purpose."""


class ProviderUnavailable(ProviderError):
    """The provider type is unknown, or what it needs is not installed."""


class ConfigurationError(ProviderError):
    """A rendered job or a named credential that no repeat will make usable."""


class CallFailed(ProviderError):
    """The provider gave no usable answer to a read or a cancel; nothing is known, ask again later."""


JOB_NAME = re.compile(r"r[0-9a-f]{32}-\d+")
"""The names that a dispatcher gives its jobs."""


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
    queued: bool = False
    """True while the platform itself lets a job wait in a queue: its time to start does not run."""


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
class Needs:
    """What a job needs of its provider, read from its configuration alone: no call is made for it."""

    place: tuple[str, ...] = ()
    """Where the job goes, from the widest part to the narrowest, as (credentials, region, cluster)."""
    size: Mapping[str, float] = field(default_factory=dict)
    """How much it takes there, by dimension (`cpu`, `memory`, `gpu`); the units are the provider's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Which other jobs a refusal concerns. The default concerns every job of the pool."""

    place: tuple[str, ...] = ()
    """Only jobs whose place begins with these parts."""
    size: Mapping[str, float] = field(default_factory=dict)
    """Only jobs that need at least this much in every dimension named here."""
    freed_by_end: bool = False
    """True when the end of a job may free what is missing: the hold ends as soon as an end is observed."""

    def concerns(self, needs: Needs) -> bool:
        """Whether a job with these needs would be refused as well."""
        fits = all(needs.size.get(dimension, 0) >= amount for dimension, amount in self.size.items())
        return fits and needs.place[: len(self.place)] == self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Nothing was started, but a later call may succeed: a rate, a quota, missing capacity."""

    reason: str
    retry_after: float | None = None
    """Seconds, when the provider said; otherwise the tick backs off by itself."""
    hold: Hold | None = field(default_factory=Hold)
    """Which other jobs wait as well; None: the refusal concerns this job alone, and the others go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misconfigured:
    """Nothing was started, and nothing will be until somebody fixes the dispatcher's own configuration: no region, no
    credentials, expired keys. The job itself is not at fault, so its run waits.
    """

    reason: str
    """What is missing or wrong, and what to do about it."""
    hold: Hold | None = field(default_factory=Hold)
    """Which other jobs wait as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """Nothing was sent (a refused connection, a name that does not resolve), so nothing was started."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No answer, or none that says whether the job was started."""

    cause: str


Outcome = Accepted | Rejected | Throttled | Misconfigured | Unreachable | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One remark on a job configuration."""

    path: str
    """Where: dotted names and `[index]` below the job configuration; empty for the whole."""
    message: str
    """What is wrong, or has no effect, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a provider says of a rendered job configuration without making a call."""

    faults: tuple[Finding, ...] = ()
    """What `submit` would reject, in the same words."""
    warnings: tuple[Finding, ...] = ()
    """What is accepted and has no effect here, with the reason."""
    unchecked: tuple[str, ...] = ()
    """What could not be checked, and why (an SDK that is not installed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: `burst` calls at once, refilled by `per_second`."""

    burst: int
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLimits:
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
    """How many submissions one `observe` call is given; at least as many as one request of the provider covers."""
    pool_limit: int | None = None
    """The most live jobs of one pool, whatever the pool's own limit is; None: the pool's own alone counts."""
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
    def limits(self) -> ProviderLimits:
        """What the provider allows; the tick paces itself by it."""
        ...

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """Where a rendered configuration puts its job and how much it takes there. Pure, and makes no call.

        Raises `ConfigurationError` for a configuration that cannot be used.
        """
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

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """The names of live jobs of ours where `configuration` puts them, without `known_names`; nothing is changed.

        Ours are those that a dispatcher has started: another one's, which shares the place, are among them. Raises
        `ConfigurationError` when `configuration` says of no place, and `CallFailed` when that could not be asked as a whole.
        """
        ...


@runtime_checkable
class ReadsLogs(Protocol):
    """A provider that can show what a job wrote. Optional: ask with `isinstance`."""

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The last lines that the job wrote; empty before it ran, and once they are gone. Raises `CallFailed`."""
        ...


@runtime_checkable
class GivesAdvice(Protocol):
    """A provider that knows of dangers where jobs run, such as a missing right. Optional: ask with `isinstance`."""

    def advice(self, configuration: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """The dangers where `configuration` puts jobs, each with its fix. Raises `CallFailed`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """What a platform reports of a job without being asked."""

    submission: Submission
    """Where the job lives, as far as the event says."""
    observation: Observation | None = None
    """What the event proves; None: it is a hint, and the provider has to be asked about the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHost:
    """The host that receives an event, as far as it is known without a call."""

    identity: str = ""
    """The platform's name for the function that was started (an ARN)."""
    credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The entries of the dispatcher's credentials, by name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The options of the pool's provider."""


class ReadsEvents(Protocol):
    """What reads the events of one platform. An entry of the registry names it (`ProviderType.events`); it makes no call.

    An event is worth an observation, no more: it may come twice, late, or from a stranger who names a run in it.
    """

    def read(self, event: Mapping[str, Any]) -> JobEvent | None:
        """What the event reports; None for events that are of no job of ours. Raises `CallFailed` for a malformed one."""
        ...

    def located(
        self,
        reported: JobEvent,
        recorded: Mapping[str, str] | None,
        configuration: Mapping[str, Any],
        host: EventHost,
    ) -> Submission | None:
        """The submission of the job that the event is about, complete; None where the event is about another job.

        `recorded` is the handle of the run's submission; where there is none yet, the event has to come from the place that
        `configuration` leads to on this host.
        """
        ...
