"""Runs: the request, its attempts, and the names of their jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from dispatcher.models.automations import Cause
from dispatcher.models.deployments import RetryPolicy
from dispatcher.models.lanes import priority_of
from dispatcher.models.naming import Name
from dispatcher.models.states import RunState
from providers.base import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedJob:
    """The job that a claim has rendered. Every submission under that claim uses only this."""

    configuration: Mapping[str, Any]
    """The pool's job configuration with its placeholders filled."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The dispatcher's own variables."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The labels by which the infrastructure is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt of a run that has ended and was followed by another."""

    number: int
    state: RunState
    """The terminal state in which it ended."""
    reason: str = ""
    claimed_at: datetime | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    submission: Submission | None = None
    lingers: bool = False
    """Its job still occupies something at its provider; it is removed together with the last attempt's."""

    @property
    def url(self) -> str | None:
        """The provider's page about its job, where there is one."""
        return None if self.submission is None else self.submission.url


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
    parameters: Mapping[str, Any] | None = None
    """Values for parameters of its deployment, by name."""
    name: str | None = None
    scheduled_at: datetime | None = None
    """When the run is due, and the time it is for; None: now."""
    tags: Sequence[str] = ()
    idempotency_key: str | None = None
    """A second request with the same key, pool and deployment returns the run of the first."""
    retry: RetryPolicy | None = None
    expires_after: timedelta | None = None
    """How long it may wait beyond its due time: if it has not started by then, it ends CANCELLED. None: the deployment's."""
    priority: int | None = None
    """Its priority in its queue (see `Run.priority`); None: the deployment's, or 0."""
    front: bool = False
    """Start it before all runs that are due in its queue now: its priority is one less than the lowest there, and at most -1.
    After several such requests, the runs of the last one start first."""


class RunFields(TypedDict, total=False):
    """The fields of `RunRequest`, as the keywords of `create_run`; a test keeps the two alike."""

    pool: str | None
    deployment: str | None
    queue: str | None
    job_variables: Mapping[str, Any] | None
    parameters: Mapping[str, Any] | None
    name: str | None
    scheduled_at: datetime | None
    tags: Sequence[str]
    idempotency_key: str | None
    retry: RetryPolicy | None
    expires_after: timedelta | None
    priority: int | None
    front: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution: the request, and its state."""

    id: UUID
    name: Name
    pool: Name
    queue: Name
    deployment: str | None = None
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """The run's own job variables. They override the deployment's, and never change once the run exists."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Likewise."""
    tags: tuple[str, ...] = ()
    created_at: datetime
    scheduled_at: datetime
    """The time that the run is for: the window of its schedule, or the requested start. The same for every attempt."""
    schedule: str | None = None
    """The slug of the deployment's schedule that created it; `scheduled_at` is the window."""
    retry: RetryPolicy | None = None
    """Its retry policy: the deployment's, as of the creation of the run."""
    notify_states: frozenset[RunState] = frozenset()
    """The terminal states that the hooks of its pool and deployment named when the run was created."""
    source_id: str | None = None
    """Its id at the source that its pool mirrors (the id of a flow run)."""
    cause: Cause | None = None
    """The automation that created it; None: people or a schedule did."""
    due_at: datetime
    """Its position in the queue: `scheduled_at`, or later for a later attempt."""
    expires_at: datetime | None = None
    """If no tick has claimed it by then, it ends CANCELLED. Every attempt has the same time after `due_at`. None: it waits
    forever."""
    lane: str | None = None
    """The lane beside its queue in which it waits (`models.lanes`), if its deployment has a concurrency limit or `max_waiting`
    or shares its queue with others, or its priority is not 0. A claim need not read the lane while the deployment is full, and
    can read each sharing deployment and each priority separately. Live runs are counted by their deployment."""

    state: RunState = RunState.SCHEDULED
    reason: str = ""
    """One line on how it came into this state; empty if the state says enough."""
    attempt: int = 1
    """The `n` of the submission name; raised only once it is certain that no job lives under the old name."""
    fence: int = 0
    """Raised by every claim; every write under a claim names it."""
    ended_attempts: int = 0
    """How many attempts have ended; a retry policy counts these."""
    refusals: int = 0
    """How often the provider has clearly refused since the last accepted submission; the back-off grows with it."""
    not_before: datetime | None = None
    """Held back until then because the provider refused; its position in the queue stays. For a claim that was taken over and
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
    """The job at the provider."""
    ending: RunState | None = None
    """While CANCELLING: the terminal state that it will reach (CANCELLED, or CRASHED for a job that never started)."""
    lingers: bool = False
    """The ended job still occupies something at its provider that a tick has to remove."""

    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    notify_at: datetime | None = None
    """When hooks must be notified that it has ended or, while it waits, that it is late. None: nobody is notified."""
    notify_tries: int = 0
    """How often the notification was tried."""
    notified_hooks: frozenset[str] = frozenset()
    """The hooks that have confirmed the present notification; they do not get it again while others fail."""
    automate_at: datetime | None = None
    """The time since which automations must look at its end; None: they need not. The store sets it together with the end."""
    past: tuple[Attempt, ...] = ()
    """The attempts before this one that ended, oldest first; the last `MAX_PAST` of them."""

    @property
    def priority(self) -> int:
        """Its priority among the due runs of its queue: lower numbers start first; between equal ones, the earlier due time."""
        return priority_of(self.lane)

    @property
    def expires_after(self) -> timedelta | None:
        """How long each of its attempts may wait beyond its due time; None: forever."""
        return None if self.expires_at is None else self.expires_at - self.due_at

    def waited(self, now: datetime) -> timedelta:
        """The time from its due time to its last claim, or until now if it waits for a claim; 0 if it ended unclaimed."""
        until = self.claimed_at or (now if self.state is RunState.SCHEDULED else self.due_at)
        return until - self.due_at

    def is_late(self, now: datetime, heartbeat: timedelta) -> bool:
        """Whether it has waited for its claim for `heartbeat` or longer, now or by the time of the claim.

        This is the meaning of "late" everywhere, except that hooks and automations name their own length of time.
        """
        return self.waited(now) >= heartbeat

    @property
    def left_behind(self) -> tuple[Attempt, ...]:
        """Earlier attempts whose jobs linger at their provider."""
        return tuple(attempt for attempt in self.past if attempt.lingers)

    @property
    def job_configuration(self) -> Mapping[str, Any]:
        """The configuration of the job that its claim pinned; empty if there is none."""
        return {} if self.job is None else self.job.configuration

    @property
    def url(self) -> str | None:
        """The provider's page about its job, where there is one."""
        return None if self.submission is None else self.submission.url


MAX_PAST = 20
"""The most earlier attempts that a run keeps: as many attempts as a retry policy allows."""

PINNED_BY_CREATION = frozenset(
    {
        "id",
        "name",
        "pool",
        "queue",
        "deployment",
        "job_variables",
        "parameters",
        "tags",
        "created_at",
        "scheduled_at",
        "schedule",
        "retry",
        "notify_states",
        "source_id",
        "cause",
    }
)
"""The fields of a run that no move may change."""


def submission_name(run_id: UUID, attempt: int) -> str:
    """The name of an attempt's job: a pure function, so that after a crash any tick can find the job.

    `r`, the 32 hex digits of the run's id, a hyphen and the attempt: valid as an ECS client token, a Cloud Run job id, an
    Azure container group name and a Modal sandbox name.
    """
    return f"r{run_id.hex}-{attempt}"


def parse_submission_name(name: str) -> tuple[UUID, int] | None:
    """The run and attempt behind a name; None if the name is not one of ours."""
    head, _, attempt = name.partition("-")
    if len(head) != 33 or head[0] != "r" or not attempt.isdecimal():
        return None
    try:
        return UUID(hex=head[1:]), int(attempt)
    except ValueError:
        return None
