"""The data that stores and the core exchange: claims, moves and snapshots.

A store reads into these and writes from them; `dispatcher.core` makes the decisions in between and imports no store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from dispatcher.models import Attempt, Automation, Deployment, Firing, LogEntry, PinnedJob, PoolHold, Run, RunState, WorkPool

PAGE = 500
"""The most runs in one page of `Store.every_run`."""

LOOKED_AT = 100_000
"""In a store without an index of ends, `Store.ended` looks at no more than this number of ended runs: the newest by
creation."""

SEARCHED_AT_ONCE = 20_000
"""The most index entries, or runs, that one page of runs may look at (`Store.search`). That takes tens of milliseconds."""

FORGOTTEN_AT_ONCE = 20
"""The most entries of the log that are deleted when one is added. Entries whose `kept_until` has passed go, oldest first."""

MATERIALISED_AT_ONCE = 24
"""The most runs in one `Materialisation`: every store carries it out in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A guarded change of one run: from a state and a fence to a state, with changes of other fields."""

    run_id: UUID
    pool: str
    queue: str
    expected: RunState
    fence: int
    to: RunState
    ending: RunState | None = None
    """The `ending` that a run in CANCELLING had when it was read: if people have cancelled it since, it must not be retried."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """New values of `Run` fields by name; never `state`, `fence`, or one of `PINNED_BY_CREATION`."""

    @classmethod
    def of(cls, run: Run, to: RunState, **changes: Any) -> Move:
        """The move of `run`, as it was read, to another state."""
        return cls(
            run_id=run.id,
            pool=run.pool,
            queue=run.queue,
            expected=run.state,
            fence=run.fence,
            ending=run.ending,
            to=to,
            changes=changes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeue:
    """A guarded change of a waiting run's queue, priority or due time. People request it; ticks do not.

    It applies to a SCHEDULED run with this fence, and raises the fence: a claim or a move that read the run earlier loses.
    """

    run_id: UUID
    pool: str
    fence: int
    queue: str
    """The queue in which it waits afterwards."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """New values by name, of the fields in `core.transitions.REQUEUED`."""

    @property
    def after(self) -> Mapping[str, Any]:
        """All fields that it changes, by name."""
        return {**self.changes, "queue": self.queue, "fence": self.fence + 1}


Position = tuple[datetime, UUID]
"""A run's position among the runs of its queue or lane that have its priority: its due time and its id."""


class Due(Protocol):
    """Reads a queue."""

    def __call__(self, queue: str, limit: int, after: Position | None = None, lane: str | None = None, /) -> Sequence[Run]:
        """The first `limit` SCHEDULED runs of the queue whose time has come, that have no back-off and that have not expired
        (`due_at <= now`, `not_before` None or `<= now`, `expires_at` None or `> now`), by due time, then id; with `after`, only
        runs after that position. Only runs in `lane`, or without it, only runs in no lane: all of them have the same priority.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentLimits:
    """The concurrency limits and the shares of deployments, as a transaction sees them. Everything is read on demand."""

    lanes: Callable[[str], Sequence[str]] = lambda _queue: ()
    """By queue: the lanes in which due runs wait (`models.lanes`)."""
    limit: Callable[[str], int | None] = lambda _deployment: None
    """The concurrency limit of a deployment; None also if the deployment does not exist."""
    live: Callable[[str], int] = lambda _deployment: 0
    """How many runs of a deployment hold a slot of the pool, counted from the runs."""
    held: Callable[[str], Mapping[str, int]] = lambda _queue: {}
    """By queue: how many of its slots the runs of each deployment hold, counted from the runs; "" for runs without one."""
    weight: Callable[[str], int] = lambda _deployment: 1
    """The weight of a deployment in a shared queue; 1 also if the deployment does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A pool as the claiming transaction sees it. Everything except the pool and `in_use` is read on demand."""

    pool: WorkPool
    in_use: Mapping[str, int]
    """Slots held, by queue name, for every queue that holds one, paused or not."""
    due: Due
    deployment: Callable[[str], Deployment | None]
    lanes: Callable[[str], Sequence[str]] = lambda _queue: ()
    """See `DeploymentLimits.lanes`."""
    live: Callable[[str], int] = lambda _deployment: 0
    """See `DeploymentLimits.live`."""
    held: Callable[[str], Mapping[str, int]] = lambda _queue: {}
    """See `DeploymentLimits.held`."""
    run: Callable[[UUID], Run | None] = lambda _id: None
    """One whole run, in any state."""

    @property
    def deployment_limits(self) -> DeploymentLimits:
        """The concurrency limits and the shares of the pool's deployments."""
        return DeploymentLimits(lanes=self.lanes, limit=self._limit, live=self.live, held=self.held, weight=self._weight)

    def _limit(self, name: str) -> int | None:
        deployment = self.deployment(name)
        return deployment.concurrency_limit if deployment else None

    def _weight(self, name: str) -> int:
        deployment = self.deployment(name)
        return deployment.weight if deployment else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One admitted run, with what its claim pins."""

    run: Run
    job: PinnedJob
    start_within: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A claim's decision about a snapshot."""

    grants: tuple[Grant, ...] = ()
    crashes: tuple[tuple[Run, str], ...] = ()
    """Runs that cannot be rendered, each with the reason: they go from SCHEDULED to CRASHED."""


ChangeHolds = Callable[[tuple[PoolHold, ...]], tuple[PoolHold, ...]]
"""A change of a pool's holds: a pure function. It may be called again, and applying it twice has the same effect as once."""

Seen = TypeVar("Seen")
"""A pure function of a snapshot (`Store.look`)."""

Decide = Callable[[Snapshot], Decision]
"""A pure function; a store may call it again if its transaction has to be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to submit one attempt until `run.lease_until`; every later write names its fence."""

    run: Run
    """The run after the claim: PENDING (or CANCELLING, if it was taken over), with the new fence and the pinned job."""
    repeat: bool
    """Whether it was taken over from a claim whose lease ended without an outcome: then its name is looked up before anything
    is submitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The result of one claim."""

    claims: tuple[Claim, ...] = ()
    crashed: tuple[Run, ...] = ()
    """Without `automate_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialisation:
    """Windows of a deployment that become runs, and how far its schedules have come afterwards."""

    deployment: Deployment
    """As it was read."""
    runs: tuple[Run, ...]
    """At most `MATERIALISED_AT_ONCE`, all SCHEDULED into the deployment's queue."""
    windows_until: Mapping[str, datetime]
    windows_at: datetime | None
    left_out: int = 0
    """How many windows do not become runs, because `Deployment.max_waiting` runs wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """The result of notifying the hooks of a run."""

    run_id: UUID
    notify_at: datetime
    """As it was read."""
    again_at: datetime | None
    """When it is tried again; None: all hooks have confirmed it, or it was given up."""
    hooks: frozenset[str] = frozenset()
    """The hooks that have confirmed it by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automated:
    """What automations do after one end of a run, or after one look at a pool: all of it happens, or nothing."""

    run: Run | None = None
    """The run whose end was looked at, as it was read; its mark (`automate_at`) is cleared."""
    progressed: tuple[Automation, ...] = ()
    """Automations with new `progress`, and the version and revision with which they were read."""
    firings: tuple[Firing, ...] = ()
    runs: tuple[Run, ...] = ()
    """New runs, all SCHEDULED."""
    moves: tuple[Move, ...] = ()
    """Moves of other runs; a move whose run has changed since it was read is left out."""
    pools: tuple[WorkPool, ...] = ()
    """Pools to save, with the versions with which they were read."""
    deployments: tuple[Deployment, ...] = ()
    """Deployments to save, likewise."""
    entries: tuple[LogEntry, ...] = ()
    """The entries of the log that are written with it."""
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringNotified:
    """The result of notifying the hooks of a firing."""

    firing: Firing
    """As it was read."""
    again_at: datetime | None
    """When it is tried again; None: all hooks have confirmed it, or it was given up."""
    hooks: frozenset[str] = frozenset()
    """The hooks that have confirmed it by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCount:
    """How full one queue is."""

    due: int
    """SCHEDULED and past due, late runs included."""
    later: int
    """SCHEDULED for later."""
    in_use: int
    """Holding a slot."""


Cursor = tuple[datetime, UUID]
"""A run's position in a list of runs: its `created_at` and its id."""


class Searched(NamedTuple):
    """The first runs of a list, as far as it was searched (`Store.search`)."""

    runs: Sequence[Run]
    until: Cursor | None = None
    """The position up to which the list was searched; None: the search reached the end, or enough runs."""


class Tallied(NamedTuple):
    """How many runs match, as far as they were counted (`Store.tally`)."""

    number: int
    until: Cursor | None = None
    """The position up to which the list was counted; None: to its end."""


class EndedRun(NamedTuple):
    """The time for which an ended run held its slot. A history has many of these, so each holds only what is needed."""

    id: UUID
    queue: str
    deployment: str | None
    due_at: datetime
    claimed_at: datetime | None
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    past: tuple[Attempt, ...]
    lane: str | None
    """See `Run.lane`: its priority follows from it."""

    @classmethod
    def of(cls, run: Run) -> EndedRun:
        """The part of a whole run that is kept."""
        return cls._make(getattr(run, name) for name in cls._fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list; None leaves a field out. Newest `created_at` first, then id."""

    pool: str | None = None
    queue: str | None = None
    deployment: str | None = None
    states: frozenset[RunState] | None = None
    tag: str | None = None
    """One of the run's tags."""
    name: str | None = None
    """The beginning of the run's name."""
    since: datetime | None = None
    """Created at this time or later."""
    until: datetime | None = None
    """Created before this time."""
    after: Cursor | None = None
    """Listed after this position. Each page costs the same, however many runs are listed before it."""

    def matches(self, run: Run) -> bool:
        """Whether the run is listed."""
        return (
            self.pool in (None, run.pool)
            and self.queue in (None, run.queue)
            and self.deployment in (None, run.deployment)
            and (self.states is None or run.state in self.states)
            and (self.tag is None or self.tag in run.tags)
            and (self.name is None or run.name.startswith(self.name))
            and (self.since is None or run.created_at >= self.since)
            and (self.until is None or run.created_at < self.until)
            and (self.after is None or self._is_after(run, *self.after))
        )

    @staticmethod
    def _is_after(run: Run, created_at: datetime, run_id: UUID) -> bool:
        return run.created_at < created_at or (run.created_at == created_at and run.id > run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which entries of the log to list; None leaves a field out. Latest `changed_at` first, then id."""

    actor: str | None = None
    noun: str | None = None
    name: str | None = None
    since: datetime | None = None
    """Made at this time or later."""
    until: datetime | None = None
    """Made before this time."""
    after: Cursor | None = None
    """Listed after this position: the `changed_at` and the id of an entry."""

    def matches(self, entry: LogEntry) -> bool:
        """Whether the entry is listed."""
        return (
            self.actor in (None, entry.actor)
            and self.noun in (None, entry.noun)
            and self.name in (None, entry.name)
            and (self.since is None or entry.changed_at >= self.since)
            and (self.until is None or entry.changed_at < self.until)
            and (self.after is None or self._is_after(entry, *self.after))
        )

    @staticmethod
    def _is_after(entry: LogEntry, changed_at: datetime, entry_id: UUID) -> bool:
        return entry.changed_at < changed_at or (entry.changed_at == changed_at and entry.id > entry_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconfiguration:
    """A change of many pools, deployments and automations at once, and the versions on which it is based."""

    pools_read: Mapping[str, int]
    """Every stored pool with its version, as they were read."""
    deployments_read: Mapping[str, int]
    """Every stored deployment with its version, as they were read."""
    automations_read: Mapping[str, int] | None = None
    """Every stored automation with its version, as they were read; None: the change concerns no automations."""
    now: datetime
    """The time of the change: new and changed schedules begin here."""
    pools: tuple[WorkPool, ...] = ()
    """The pools to save; a pool whose name was not read is new."""
    deployments: tuple[Deployment, ...] = ()
    """The deployments to save; their pools exist after the change."""
    pools_gone: tuple[str, ...] = ()
    """The pools to delete, with their queues, deployments and ended runs."""
    deployments_gone: tuple[str, ...] = ()
    entries: tuple[LogEntry, ...] = ()
    """The entries of the log that are written with the change: at most one for each pool and deployment."""
    automations: tuple[Automation, ...] = ()
    """The automations to save."""
    automations_gone: tuple[str, ...] = ()
