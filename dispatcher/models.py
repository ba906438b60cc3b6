"""The nouns: work pools, work queues, deployments, runs and their states.

Plain frozen dataclasses, so that a tick can use them without a validation library. The constraints in the annotations are
read by `dispatcher.validation` alone, when something is saved; inside, a value is trusted. All times are aware and UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypedDict
from uuid import UUID

from annotated_types import Ge, Gt, Le, Len, Predicate

from providers.base import Submission

FORBIDDEN_IN_NAMES = frozenset("/%&><")
"""What Prefect forbids in the names of pools and queues; control characters are forbidden too."""

DEFAULT_QUEUE = "default"

MAX_INTEGER = 2**31 - 1


def is_name(text: str) -> bool:
    """True for text that can name a pool, queue or deployment."""
    return text.isprintable() and text == text.strip() and not FORBIDDEN_IN_NAMES & set(text)


Name = Annotated[str, Len(1, 200), Predicate(is_name)]
Limit = Annotated[int, Ge(0)]
Priority = Annotated[int, Gt(0)]


class RunState(StrEnum):
    """Where a run stands. PENDING, RUNNING and CANCELLING hold a slot."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CRASHED = "CRASHED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def holds_slot(self) -> bool:
        """True while the run may have a live job."""
        return self in SLOT_STATES

    @property
    def is_terminal(self) -> bool:
        """True when the run never moves again."""
        return self in TERMINAL_STATES


SLOT_STATES = frozenset({RunState.PENDING, RunState.RUNNING, RunState.CANCELLING})
TERMINAL_STATES = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CRASHED, RunState.CANCELLED})


class Status(StrEnum):
    """Whether a pool is being ticked. It informs; it never gates delivery."""

    READY = "READY"
    NOT_READY = "NOT_READY"
    PAUSED = "PAUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueue:
    """A lane of a pool: runs wait in it, and the lowest priority number goes first."""

    name: Name
    """Unique in its pool."""
    priority: Priority
    """Unique in its pool; 1 is served first."""
    concurrency_limit: Limit | None = None
    """How many of its runs may hold a slot; 0 means never, None means no limit of its own."""
    paused: bool = False
    """A paused queue delivers nothing; its runs pile up."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A configured target (a webhook, a topic) and what it is notified of among the runs of a pool or deployment."""

    name: Name
    """The entry of `DISPATCHER_HOOKS`; unique in its pool or deployment."""
    states: frozenset[RunState] = frozenset({RunState.FAILED, RunState.CRASHED})
    """The terminal states that it is notified of; a run that is retried counts by its last attempt."""
    late_after: timedelta | None = None
    """How long a run may wait beyond its due time before the hook is notified, once; None: never."""


class HoldKind(StrEnum):
    """What is in the way while runs are held: what people can do about it differs."""

    RATE = "RATE"
    """The provider's rate, or a quota of the account: it ends by itself, or the quota is raised."""
    CAPACITY = "CAPACITY"
    """The provider has no room now, or a quota of running jobs is used up: it ends when jobs end."""
    MISCONFIGURED = "MISCONFIGURED"
    """The dispatcher's own host lacks something (a region, credentials): nothing starts until somebody fixes it."""
    PACE = "PACE"
    """A tick has submitted as much as the provider's published limits allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHold:
    """Runs of a pool that wait together because the provider refused one of them; written by ticks.

    `place`, `size` and `freed_by_end` mean what they mean in `providers.base.Hold`. One that is over stays until a job is
    accepted where it held, so that the last refusal can still be shown.
    """

    place: tuple[str, ...] = ()
    """Only runs whose place begins with these parts are held; empty: wherever they go."""
    size: Mapping[str, float] = field(default_factory=dict)
    """Only runs that need at least this much in every dimension named here are held; empty: whatever they need."""
    freed_by_end: bool = False
    """The end of a job ends the hold as well."""
    until: datetime
    """When one of the runs is tried again."""
    reason: str
    """The provider's words."""
    kind: HoldKind
    passed: Mapping[str, tuple[datetime, UUID]] = field(default_factory=dict)
    """By queue: the due time and id up to which every due run was found to be held. A hint that spares a second look."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Two holds that are equal in this are one: the later refusal takes the place of the earlier."""
        return self.kind, self.place, self.freed_by_end, tuple(sorted(self.size.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPool:
    """A named, governed way onto some infrastructure, together with its queues."""

    id: UUID
    name: Name
    type: str
    """The provider type, as `ecs:push`."""
    base_job_template: Mapping[str, Any]
    """`{"job_configuration": {...}, "variables": {JSON Schema}}`."""
    queues: tuple[WorkQueue, ...]
    """In order of priority; always holds `default`."""
    concurrency_limit: Limit | None = None
    """How many runs of the whole pool may hold a slot; 0 means never, None means unlimited."""
    paused: bool = False
    """A paused pool delivers nothing; its runs pile up."""
    description: str = ""
    hooks: tuple[Hook, ...] = ()
    """The hooks that are notified of the runs of the pool."""
    created_at: datetime
    version: int = 0
    """Raised by every change of the configuration; a change names the version it was made from."""
    holds: tuple[PoolHold, ...] = ()
    """Which of its runs wait because the provider refused, those that are over included; written by ticks."""
    last_tick_at: datetime | None = None
    """The heartbeat; written by ticks."""

    def queue(self, name: str) -> WorkQueue | None:
        """The queue of that name, if the pool has it."""
        return next((queue for queue in self.queues if queue.name == name), None)

    def status(self, now: datetime, heartbeat: timedelta) -> Status:
        """PAUSED, or READY while a tick came within `heartbeat`, or NOT_READY."""
        if self.paused:
            return Status.PAUSED
        ticked = self.last_tick_at is not None and now - self.last_tick_at <= heartbeat
        return Status.READY if ticked else Status.NOT_READY

    def queue_status(self, queue: WorkQueue, now: datetime, heartbeat: timedelta) -> Status:
        """The same for one queue: PAUSED of its own, otherwise ticked with its pool."""
        ticked = self.last_tick_at is not None and now - self.last_tick_at <= heartbeat
        return Status.PAUSED if queue.paused else Status.READY if ticked else Status.NOT_READY


class CatchUp(StrEnum):
    """What becomes of the windows that came while nothing ticked."""

    NONE = "none"
    """They are left out."""
    LAST = "last"
    """The last of them is run."""
    ALL = "all"
    """The last `catch_up_limit` of them are run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a deployment is to run: exactly one of `cron`, `interval` and `rrule`. `core.schedules` states the rules."""

    slug: Name
    """Unique in its deployment; part of the identity of every window."""
    cron: str | None = None
    """Five fields, read on the wall clock of `timezone`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."""
    day_or: bool = True
    """Where a cron expression restricts days of the month and of the week: whether either is enough, or both have to match."""
    interval: timedelta | None = None
    """Longer than nothing; whole days keep the time of day, all else is elapsed time."""
    rrule: str | None = None
    """An RFC 5545 recurrence rule without DTSTART, daily or coarser."""
    timezone: str = "UTC"
    """A name of the tz database."""
    anchor: datetime | None = None
    """Where an interval or a rule begins to count; None means the start of 2020 on the wall clock of `timezone`."""
    active: bool = True
    """One that is not makes no runs; made active again, it goes on from then."""
    catch_up: CatchUp = CatchUp.NONE
    """What becomes of windows that came while nothing ticked: none, the last, or all of them are run."""
    catch_up_limit: Annotated[int, Ge(1), Le(1000)] = 100
    """How many windows are made up for at the most where all are."""

    @property
    def windows(self) -> tuple[str | timedelta | datetime | bool | None, ...]:
        """What decides when it is due: two that are equal in this have the same windows."""
        return self.cron, self.day_or, self.interval, self.rrule, self.timezone, self.anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which attempts of a run are followed by another one, and when. Refusals do not count as attempts here."""

    attempts: Annotated[int, Ge(1), Le(20)] = 1
    """In all, the first included."""
    delay: timedelta = timedelta(0)
    """From the end of the first attempt to the second, at most a day."""
    backoff: Annotated[float, Ge(1), Le(100)] = 1.0
    """Each delay is this many times the one before; none is longer than a day."""
    states: frozenset[RunState] = frozenset({RunState.FAILED, RunState.CRASHED})
    """FAILED (the job ended with an error), CRASHED (it was lost, stopped from outside, or did not start in time)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedJob:
    """What a claim has rendered: every submission under that claim is made from this alone."""

    configuration: Mapping[str, Any]
    """The pool's job configuration with its placeholders filled."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The dispatcher's own variables."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the infrastructure is to be found by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt of a run that has ended and was followed by another."""

    number: int
    state: RunState
    """The terminal state that it came to."""
    reason: str = ""
    claimed_at: datetime | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    submission: Submission | None = None
    lingers: bool = False
    """Its job still occupies something at its provider: removed with that of the last attempt."""

    @property
    def url(self) -> str | None:
        """The provider's page about its job, where there is one."""
        return None if self.submission is None else self.submission.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is run where: a pool, a queue of it, and the job variables that every run of it starts from."""

    id: UUID
    name: Name
    pool: Name
    queue: Name = DEFAULT_QUEUE
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """Override the pool's defaults; overridden by a run's own."""
    tags: tuple[str, ...] = ()
    description: str = ""
    schedules: tuple[Schedule, ...] = ()
    """When runs are made of it by themselves; a window of each is one run, once."""
    paused: bool = False
    """A paused deployment's schedules make no runs; people still can."""
    retry: RetryPolicy | None = None
    """What its runs are born with."""
    hooks: tuple[Hook, ...] = ()
    """The hooks that are notified of its runs, beside those of the pool."""
    created_at: datetime
    version: int = 0
    """Raised by every change; a change names the version it was made from."""
    windows_until: Mapping[str, datetime] = field(default_factory=dict)
    """By slug of each active schedule: up to when its windows have been made runs; written by ticks."""
    windows_at: datetime | None = None
    """When the next window comes near enough to be made a run; None where no schedule is active. Written by ticks."""

    @property
    def active_schedules(self) -> dict[str, Schedule]:
        """The schedules that make runs, by slug."""
        return {} if self.paused else {schedule.slug: schedule for schedule in self.schedules if schedule.active}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The arguments of a new run: the same for the Python API, the command line and `create_run` events.

    Nothing in it is checked yet. `pool` or `deployment` says where the run belongs. The run takes its queue, tags, retry policy
    and job variables from its deployment, unless the request has its own.
    """

    pool: str | None = None
    deployment: str | None = None
    queue: str | None = None
    job_variables: Mapping[str, Any] | None = None
    name: str | None = None
    scheduled_at: datetime | None = None
    """When the run is due, and the time it is for; None: now."""
    tags: Sequence[str] = ()
    idempotency_key: str | None = None
    """A second request with the same key, pool and deployment returns the run of the first."""
    retry: RetryPolicy | None = None


class RunFields(TypedDict, total=False):
    """The fields of `RunRequest`, as the keywords of `create_run`; a test keeps the two alike."""

    pool: str | None
    deployment: str | None
    queue: str | None
    job_variables: Mapping[str, Any] | None
    name: str | None
    scheduled_at: datetime | None
    tags: Sequence[str]
    idempotency_key: str | None
    retry: RetryPolicy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution: what was asked for, and where it stands."""

    id: UUID
    name: Name
    pool: Name
    queue: Name
    deployment: str | None = None
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """The run's own; they win over the deployment's. Never changed once the run exists."""
    tags: tuple[str, ...] = ()
    created_at: datetime
    scheduled_at: datetime
    """What time it is for: the window of its schedule, or when it was asked to start. The same for every attempt."""
    schedule: str | None = None
    """The slug of the deployment's schedule that made it, with `scheduled_at` the window."""
    retry: RetryPolicy | None = None
    """When it is tried again; the deployment's policy at the time the run was made."""
    notify_states: frozenset[RunState] = frozenset()
    """The terminal states that the hooks of its pool and deployment named when the run was made."""
    due_at: datetime
    """Its position in the queue: `scheduled_at`, or later for an attempt that follows another."""

    state: RunState = RunState.SCHEDULED
    reason: str = ""
    """One line on how it came into this state; empty where the state says it all."""
    attempt: int = 1
    """The `n` of the submission name; raised only when it is recorded that nothing lives under the old name."""
    fence: int = 0
    """Raised by every claim; every write under a claim names it."""
    ended_attempts: int = 0
    """How many attempts have ended; a retry policy counts these."""
    refusals: int = 0
    """Times that the provider clearly refused since the last accepted submission; the back-off grows with it."""
    not_before: datetime | None = None
    """Held back until then because the provider refused; its position in the queue stays. Of a claim that was taken over, and
    refused: the end of its lease."""

    claimed_at: datetime | None = None
    """When the current attempt was first claimed."""
    lease_until: datetime | None = None
    """Until then the claim belongs to the invocation that made it; afterwards any tick may take it over."""
    job: PinnedJob | None = None
    """The rendered job that the claim pinned."""
    start_within: float | None = None
    """Seconds that the job may take from its submission to its start."""
    submission: Submission | None = None
    """Where the provider put it."""
    ending: RunState | None = None
    """While CANCELLING: the terminal state that it will come to (CANCELLED, or CRASHED for one that never started)."""
    lingers: bool = False
    """The ended job still occupies something at its provider that a tick has to remove."""

    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    notify_at: datetime | None = None
    """When hooks are to be notified: that it has ended, or, while it waits, that it is late. None: nobody is notified."""
    notify_tries: int = 0
    """How often that was tried."""
    notified_hooks: frozenset[str] = frozenset()
    """The hooks that have confirmed the present notification; they do not get it again while others fail."""
    past: tuple[Attempt, ...] = ()
    """The attempts before this one that ended, oldest first; the last `MAX_PAST` of them."""

    @property
    def left_behind(self) -> tuple[Attempt, ...]:
        """Earlier attempts whose jobs linger at their provider."""
        return tuple(attempt for attempt in self.past if attempt.lingers)

    @property
    def job_configuration(self) -> Mapping[str, Any]:
        """The configuration of the job that its claim pinned; empty while there is none."""
        return {} if self.job is None else self.job.configuration

    @property
    def url(self) -> str | None:
        """The provider's page about its job, where there is one."""
        return None if self.submission is None else self.submission.url


MAX_PAST = 20
"""As many as a retry policy allows attempts."""

PINNED_BY_CREATION = frozenset(
    {
        "id",
        "name",
        "pool",
        "queue",
        "deployment",
        "job_variables",
        "tags",
        "created_at",
        "scheduled_at",
        "schedule",
        "retry",
        "notify_states",
    }
)
"""The fields of a run that no move may change."""


def submission_name(run_id: UUID, attempt: int) -> str:
    """The name of an attempt's job: a pure function, so that whoever comes after a crash can find it.

    `r`, the 32 hex digits of the run's id, a hyphen and the attempt: valid as an ECS client token, a Cloud Run job id, an
    Azure container group name and a Modal sandbox name.
    """
    return f"r{run_id.hex}-{attempt}"


def parse_submission_name(name: str) -> tuple[UUID, int] | None:
    """The run and attempt behind a name, or None when the name is not one of ours."""
    head, _, attempt = name.partition("-")
    if len(head) != 33 or head[0] != "r" or not attempt.isdecimal():
        return None
    try:
        return UUID(hex=head[1:]), int(attempt)
    except ValueError:
        return None
