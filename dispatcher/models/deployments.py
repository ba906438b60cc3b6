"""Deployments: what is run where, when, and how often it is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from annotated_types import Ge, Le

from dispatcher.models.lanes import lane_for
from dispatcher.models.naming import DEFAULT_QUEUE, Limit, Name, Owner, RunPriority, Weight
from dispatcher.models.pools import Hook, Share
from dispatcher.models.states import RunState

LONGEST_EXPIRY = timedelta(days=366)
"""The longest `expires_after`."""


class CatchUp(StrEnum):
    """What becomes of windows that were missed: they came while nothing ticked, or while their pool or queue was paused."""

    NONE = "none"
    """Those that came while nothing ticked are left out. Those of a pause wait as runs, and all of them start after it."""
    LAST = "last"
    """The last of them is run. After a pause the newest run starts, and the others end CANCELLED."""
    ALL = "all"
    """Of those that came while nothing ticked, the last `catch_up_limit` are run. Those of a pause all start after it."""
    DROP = "drop"
    """They are left out. After a pause the runs that were due in it end CANCELLED."""


class WhenSkipped(StrEnum):
    """What becomes of a window whose time the clocks skip."""

    SHIFT = "shift"
    """It is due at the first instant after the gap."""
    SKIP = "skip"
    """It is left out."""


class WhenRepeated(StrEnum):
    """What becomes of a window whose time the clocks show twice."""

    FIRST = "first"
    """It is due once, at the first of the two instants."""
    BOTH = "both"
    """It is due at both."""


class OnCollision(StrEnum):
    """What becomes of a run that is due while as many runs of its deployment are live as its limit allows."""

    WAIT = "wait"
    """It waits in its queue, and other runs pass it."""
    SKIP = "skip"
    """It ends CANCELLED; one that is to be retried waits."""
    REPLACE = "replace"
    """The oldest live run is cancelled. The new one starts once that run is seen to have ended."""


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
    when_skipped: WhenSkipped | None = None
    """Where the clocks are put forward: shift or skip; None means what `core.schedules` states for its kind."""
    when_repeated: WhenRepeated | None = None
    """Where the clocks are put back: first or both; None means what `core.schedules` states for its kind."""
    start: datetime | None = None
    """It has no windows before."""
    end: datetime | None = None
    """It has no windows after."""
    exclude: tuple[date, ...] = ()
    """Days on the wall clock of `timezone` whose windows are left out, as holidays."""
    spread: timedelta = timedelta(0)
    """Its runs are due up to this much later than their windows: always by the same part of it, which follows from the names of
    the deployment and the schedule, so that not all that is due at a full hour starts at once."""
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """Job variables of its runs. They override the deployment's."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of its runs. They override the deployment's."""
    priority: RunPriority | None = None
    """The priority of its runs in their queue; None means the deployment's."""
    active: bool = True
    """An inactive schedule makes no runs. Once it is active again, it goes on from that moment."""
    catch_up: CatchUp = CatchUp.NONE
    """What becomes of windows that came while nothing ticked, or in a pause of the pool or queue (see `CatchUp`)."""
    catch_up_limit: Annotated[int, Ge(1), Le(1000)] = 100
    """The most missed windows that `ALL` makes up for."""

    @property
    def windows(self) -> tuple[object, ...]:
        """The fields that decide when it is due. Schedules that agree in them have the same windows."""
        kind = self.cron, self.day_or, self.interval, self.rrule, self.timezone, self.anchor
        return *kind, self.when_skipped, self.when_repeated, self.start, self.end, frozenset(self.exclude)


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
class Deployment:
    """What is run where: a pool, a queue of it, and the job variables that every run of it starts from."""

    id: UUID
    name: Name
    pool: Name
    queue: Name = DEFAULT_QUEUE
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """Override the pool's defaults; overridden by a run's own."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values of parameters, by name. They override the schema's defaults; a schedule's and a run's own override them."""
    parameter_openapi_schema: Mapping[str, Any] = field(default_factory=dict)
    """A JSON Schema of the parameters: an object whose `properties` are the parameters, with their defaults. Empty: its runs
    take parameters of any name and value."""
    tags: tuple[str, ...] = ()
    description: str = ""
    schedules: tuple[Schedule, ...] = ()
    """The schedules that create its runs. Each window of a schedule becomes one run, once."""
    paused: bool = False
    """A paused deployment's schedules make no runs; people still can."""
    retry: RetryPolicy | None = None
    """What its runs are born with."""
    hooks: tuple[Hook, ...] = ()
    """The hooks that are notified of its runs, beside those of the pool."""
    concurrency_limit: Limit | None = None
    """How many of its runs may hold a slot of its pool; 0 means never, None means no limit of its own."""
    on_collision: OnCollision = OnCollision.WAIT
    """What becomes of a run that is due while the limit is reached: wait, skip or replace."""
    max_waiting: Annotated[int, Ge(1)] | None = None
    """How many of its runs may be due and wait: further windows are left out, and further runs refused. None means any number.
    With it, windows become runs when they are due and not before."""
    expires_after: timedelta | None = None
    """How long its runs may wait beyond their due time: one that has not started by then ends CANCELLED. None means forever."""
    priority: RunPriority = 0
    """The priority of its runs in their queue: a lower number starts sooner (see `Run.priority`)."""
    weight: Weight = 1
    """How many slots it gets for each one of a deployment with weight 1, where the `share` of its queue is fair."""
    owner: Owner = ""
    """Whose it is: a configuration file of another owner does not change it, unless it is told to take it over."""
    created_at: datetime
    version: int = 0
    """Raised by every change; a change names the version it was made from."""
    applied: Mapping[str, str] = field(default_factory=dict)
    """By field: a digest of what the last applied file said, so that changes by hand are seen (`core.drift`)."""
    windows_until: Mapping[str, datetime] = field(default_factory=dict)
    """By slug of each active schedule: up to when its windows have been made runs; written by ticks."""
    windows_at: datetime | None = None
    """When the next window comes near enough to be made a run; None where no schedule is active. Written by ticks."""
    windows_left_out: int = 0
    """How many windows did not become runs because of `max_waiting`; written by ticks."""

    @property
    def lane(self) -> str | None:
        """The lane that its runs wait in (see `Run.lane`)."""
        return self.lane_at(self.priority)

    def lane_at(self, priority: int | None, share: Share = Share.STRICT) -> str | None:
        """The lane that its runs with a priority wait in, in a queue with this `share`; without a priority: with its own."""
        is_counted = self.concurrency_limit is not None or self.max_waiting is not None or share is Share.FAIR
        return lane_for(self.name if is_counted else None, self.priority if priority is None else priority)

    @property
    def has_lanes(self) -> bool:
        """Whether some of its runs wait in lanes."""
        return self.lane is not None or self.has_priorities

    @property
    def has_priorities(self) -> bool:
        """Whether its schedules give some of its runs a priority."""
        return bool(self.priority) or any(schedule.priority for schedule in self.schedules)

    @property
    def active_schedules(self) -> dict[str, Schedule]:
        """The schedules that make runs, by slug."""
        return {} if self.paused else {schedule.slug: schedule for schedule in self.schedules if schedule.active}
