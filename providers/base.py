"""The interface of all providers, and the types of their answers.

A provider carries rendered jobs to one kind of infrastructure. It does not know pools, queues or stores: it takes a `Job` and
returns an `Outcome`; it takes `Submission`s and returns `Observation`s.

    ProviderError
    ├── ProviderUnavailable     the type is unknown, or its SDK is not installed (names the extra that brings it)
    ├── ConfigurationError      the rendered job, or a named credential, cannot be used (names the field)
    └── CallFailed              a lookup, an observation or a cancel got no usable answer; ask again later

Four rules hold for every provider; the tick relies on them and `tests/providers/contract.py` proves them:

* **The name is the idempotency key.** `Job.name` is known before the call and never chosen by the provider. Submitting the same
  job again starts nothing while the provider remembers the first submission.
* **No answer is not a refusal.** A time-out, a reset connection, a 5xx or an unrecognised error is `Unknown`.
  An answer counts only if it names the requested object: an empty or foreign body is not an answer.
* **No retries, no waiting.** SDK retries are off, and the timeout bounds each call as a whole, however slowly its answer
  arrives (`providers.deadlines`). The tick alone decides about retries.
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
    """A rendered job or a named credential that stays unusable however often it is tried."""


class CallFailed(ProviderError):
    """The provider gave no usable answer to a read or a cancel. The state is unknown; ask again later."""


JOB_NAME = re.compile(r"r[0-9a-f]{32}-\d+")
"""The names that a dispatcher gives its jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One rendered attempt of a run: the same bytes on every repeat."""

    name: str
    """`r<run uuid hex>-<n>`: at most 38 of `[a-z0-9-]`, starts with a letter; valid on every provider."""
    configuration: Mapping[str, Any]
    """The pool's job configuration with its placeholders filled; JSON values only."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The dispatcher's own variables; the provider sets them in the job's main container, and they win."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels by which the infrastructure can be found; the provider shortens and cleans them to fit its own rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The location of an accepted job: everything that another invocation needs to observe or cancel it."""

    name: str
    """The `Job.name` it was submitted under."""
    handle: Mapping[str, str]
    """The provider's own coordinates (an ARN, a region, the name of a credential); JSON text, no secrets."""
    url: str | None = None
    """A page of the provider's console that shows the job."""


class JobState(StrEnum):
    """The states of a job as a provider reports them."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    """Ended by itself, with exit code 0."""
    FAILED = "FAILED"
    """Ended by itself, with another exit code."""
    CRASHED = "CRASHED"
    """Ended for reasons outside the job: it never started, or its host was taken away."""
    STOPPED = "STOPPED"
    """Ended because somebody stopped it."""
    MISSING = "MISSING"
    """The provider does not know it (any more). It counts as an end only after the job has had time to show up."""
    UNREADABLE = "UNREADABLE"
    """The job could not be read; the reason says why. Nothing follows from that."""

    @property
    def is_end(self) -> bool:
        """True when the job is over and holds nothing."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CRASHED, JobState.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A job's state as the provider reported it. Times are the provider's, aware, UTC."""

    state: JobState
    exit_code: int | None = None
    reason: str = ""
    """The provider's own words; empty for a plain success."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    handle: Mapping[str, str] | None = None
    """A completed handle, if the observation returned coordinates that the submission lacked."""
    queued: bool = False
    """True while the job waits in a queue of the platform: its start deadline does not run."""


def unreadable(submissions: Sequence[Submission], problem: object) -> dict[str, Observation]:
    """The observations of jobs that could not be read, by name."""
    seen = Observation(state=JobState.UNREADABLE, reason=str(problem))
    return dict.fromkeys((submission.name for submission in submissions), seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job was started under its name, now or earlier."""

    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Nothing was started, and a repeat will not change that: a bad request, access denied."""

    reason: str
    """The provider's own words, and what to do about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a job needs from its provider. It is read from the configuration alone, without a call."""

    place: tuple[str, ...] = ()
    """Where the job goes, from the widest part to the narrowest, as (credentials, region, cluster)."""
    size: Mapping[str, float] = field(default_factory=dict)
    """The size of the job by dimension (`cpu`, `memory`, `gpu`), in the provider's own units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The other jobs that a refusal concerns. By default these are all jobs of the pool."""

    place: tuple[str, ...] = ()
    """Only jobs whose place begins with these parts."""
    size: Mapping[str, float] = field(default_factory=dict)
    """Only jobs that need at least this much in every dimension named here."""
    freed_by_end: bool = False
    """True when the end of another job may free the missing capacity: the hold ends as soon as any end is observed."""

    def concerns(self, needs: Needs) -> bool:
        """Whether a job with these needs would also be refused."""
        fits = all(needs.size.get(dimension, 0) >= amount for dimension, amount in self.size.items())
        return fits and needs.place[: len(self.place)] == self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Nothing was started, but a later call may succeed: a rate, a quota, missing capacity."""

    reason: str
    retry_after: float | None = None
    """Seconds to wait, if the provider named them; otherwise the tick chooses its own back-off."""
    hold: Hold | None = field(default_factory=Hold)
    """The other jobs that wait as well. None: the refusal concerns this job alone, and the others continue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misconfigured:
    """Nothing was started, and nothing will start until somebody fixes the dispatcher's own configuration: no region, no
    credentials, expired keys. The job itself is not at fault, so its run waits.
    """

    reason: str
    """What is missing or wrong, and what to do about it."""
    hold: Hold | None = field(default_factory=Hold)
    """The other jobs that wait as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """Nothing was sent (a refused connection, a name that does not resolve), so nothing was started."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No answer, or an answer that does not say whether the job was started."""

    cause: str


Outcome = Accepted | Rejected | Throttled | Misconfigured | Unreachable | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One remark on a job configuration."""

    path: str
    """The path in the job configuration: dotted names and `[index]`; empty for the whole."""
    message: str
    """What is wrong or has no effect, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result of checking a rendered job configuration without a call."""

    faults: tuple[Finding, ...] = ()
    """Faults that `submit` would reject, in the same words."""
    warnings: tuple[Finding, ...] = ()
    """Settings that are accepted but have no effect here, each with its reason."""
    unchecked: tuple[str, ...] = ()
    """Checks that were not possible, and why (an SDK that is not installed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: `burst` calls at once, refilled by `per_second`."""

    burst: int
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLimits:
    """A provider's published limits, as data beside its code. Times are seconds."""

    submit_rates: tuple[Rate, ...] = ()
    """The buckets from which a submission takes its tokens."""
    concurrency: int = 16
    """Concurrent submissions; 1 means that they run in the tick's own thread."""
    call_timeout: float = 10.0
    """The most that a submit, find, observe (of one batch) or cancel takes."""
    lookup_lag: float = 0.0
    """How long a started job may stay hidden from `find` and `observe`."""
    memory: float | None = None
    """How long after a submission the job's absence still proves that it never started; None: for ever."""
    start_deadline: float | None = 600.0
    """How long an accepted job may take to start if its configuration sets no limit; None: for ever."""
    observe_batch: int = 100
    """The number of submissions in one `observe` call; at least as many as one request to the provider covers."""
    pool_limit: int | None = None
    """The most live jobs of one pool, whatever the pool's own limit is; None: only the pool's own limit counts."""
    lingers: bool = False
    """True when an ended job occupies a quota until `discard` removes it."""

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` for a number that no tick could work with: users set some of them as options."""
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
        """Where a rendered configuration puts its job, and how much the job takes there. Pure, without a call.

        Raises `ConfigurationError` for a configuration that cannot be used.
        """
        ...

    def submit(self, job: Job) -> Outcome:
        """Start `job` under its name. A refusal or a missing answer is an outcome, never an exception."""
        ...

    def find(self, job: Job) -> Submission | None:
        """The job that was started under `job.name`, ended or not; None if the provider knows of none.

        Raises `CallFailed` when it could not be asked.
        """
        ...

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """The state of each submission by name.

        A job that could not be read is UNREADABLE with the provider's words, never guessed. Jobs for which no time was left are
        omitted.
        """
        ...

    def cancel(self, submission: Submission) -> None:
        """Request the job's end; the end itself is observed later. A job that is gone is not an error.

        Raises `CallFailed` when it could not be asked.
        """
        ...

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Remove what ended jobs left behind. Returns the names that are gone now. Called only after an end is recorded."""
        ...

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """Remove our ended jobs that no store remembers from the place that `configuration` names. Returns their names.

        `keep` holds the names that a store still knows. A job that has not ended is never touched. Raises `ConfigurationError`
        when `configuration` names no place, and `CallFailed` when that place could not be asked.
        """
        ...

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """The names of our live jobs in the place that `configuration` names, without `known_names`. Nothing is changed.

        Our jobs are those that any dispatcher started, so jobs of another dispatcher that shares the place are among them.
        Raises `ConfigurationError` when `configuration` names no place, and `CallFailed` when the list could not be completed.
        """
        ...


@runtime_checkable
class ReadsLogs(Protocol):
    """A provider that can show a job's log. Optional: ask with `isinstance`."""

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The last lines that the job wrote; empty before it ran and after they are gone. Raises `CallFailed`."""
        ...


@runtime_checkable
class GivesAdvice(Protocol):
    """A provider that can report dangers where jobs run, such as a missing right. Optional: ask with `isinstance`."""

    def advice(self, configuration: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """The dangers in the place that `configuration` names, each with its fix. Raises `CallFailed`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """A platform's unsolicited report about a job."""

    submission: Submission
    """The job's location, as far as the event names it."""
    observation: Observation | None = None
    """What the event proves. None: the event is only a hint, and the provider has to be asked about the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHost:
    """The host that receives an event, as far as it can be described without a call."""

    identity: str = ""
    """The platform's name for the function that was started (an ARN)."""
    credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The entries of the dispatcher's credentials, by name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The options of the pool's provider."""


class ReadsEvents(Protocol):
    """A reader of one platform's events. The registry names it (`ProviderType.events`). It makes no call.

    An event is worth no more than an observation: it may come twice, late, or from a stranger who names a run in it.
    """

    def read(self, event: Mapping[str, Any]) -> JobEvent | None:
        """What the event reports; None for events about other jobs than ours. Raises `CallFailed` for a malformed one."""
        ...

    def located(
        self,
        reported: JobEvent,
        recorded: Mapping[str, str] | None,
        configuration: Mapping[str, Any],
        host: EventHost,
    ) -> Submission | None:
        """The complete submission of the job that the event is about; None if the event is about another job.

        `recorded` is the handle of the run's submission. If there is none yet, the event must come from the place to which
        `configuration` leads on this host.
        """
        ...
