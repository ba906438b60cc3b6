"""Deployments: what runs where, when, and how often it is retried."""

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
    """What happens to missed windows: they came while nothing ticked, or while their pool or queue was paused."""

    NONE = "none"
    """Windows that came while nothing ticked are left out. Windows of a pause wait as runs, and all of them start after it."""
    LAST = "last"
    """Only the last missed window is run. After a pause the newest run starts, and the others end CANCELLED."""
    ALL = "all"
    """The last `catch_up_limit` windows that came while nothing ticked are run. All windows of a pause start after it."""
    DROP = "drop"
    """All of them are left out. After a pause the runs that were due in it end CANCELLED."""


class WhenSkipped(StrEnum):
    """What happens to a window whose time the clocks skip."""

    SHIFT = "shift"
    """It is due at the first instant after the gap."""
    SKIP = "skip"
    """It is left out."""


class WhenRepeated(StrEnum):
    """What happens to a window whose time the clocks show twice."""

    FIRST = "first"
    """It is due once, at the first of the two instants."""
    BOTH = "both"
    """It is due at both."""


class OnCollision(StrEnum):
    """What happens to a run that is due while its deployment is at its concurrency limit."""

    WAIT = "wait"
    """It waits in its queue, and other runs may start before it."""
    SKIP = "skip"
    """It ends CANCELLED; a run that waits for its next attempt keeps waiting."""
    REPLACE = "replace"
    """The oldest live run is cancelled. The new one starts once that run is seen to have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a deployment runs: exactly one of `cron`, `interval` and `rrule`. `core.schedules` states the rules."""

    slug: Name
    """Unique in its deployment; part of the identity of every window."""
    cron: str | None = None
    """Five fields, read on the wall clock of `timezone`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."""
    day_or: bool = True
    """If a cron expression restricts both days of the month and of the week: true if either is enough, false if both must
    match."""
    interval: timedelta | None = None
    """Longer than zero. Whole days keep the time of day; any other interval is elapsed time."""
    rrule: str | None = None
    """An RFC 5545 recurrence rule without DTSTART, daily or coarser."""
    timezone: str = "UTC"
    """A name of the tz database."""
    anchor: datetime | None = None
    """The time from which an interval or a rule counts; None means the start of 2020 on the wall clock of `timezone`."""
    when_skipped: WhenSkipped | None = None
    """What happens to a time that the clocks skip: `shift` to the first instant after the gap, or `skip`. None means shift; for
    a cron expression whose minute or hour begins with `*`, skip."""
    when_repeated: WhenRepeated | None = None
    """What happens to a time that the clocks show twice: it is due at the `first`, or at `both`. None means first; for a cron
    expression whose minute or hour begins with `*`, both."""
    start: datetime | None = None
    """It has no windows before this time."""
    end: datetime | None = None
    """It has no windows after this time."""
    exclude: tuple[date, ...] = ()
    """Days on the wall clock of `timezone` whose windows are left out, such as holidays."""
    spread: timedelta = timedelta(0)
    """Its runs are due up to this much later than their windows, so that not everything that is due at a full hour starts at
    once. The delay follows from the names of the deployment and the schedule, and is always the same."""
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """Job variables of its runs. They override the deployment's."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of its runs. They override the deployment's."""
    priority: RunPriority | None = None
    """The priority of its runs in their queue; None means the deployment's."""
    active: bool = True
    """An inactive schedule creates no runs. Once it is active again, it continues from that moment."""
    catch_up: CatchUp = CatchUp.NONE
    """Which missed windows run: `none` of those that came while nothing ticked (those of a pause run after it), only the `last`
    one, `all`, or with `drop` none at all."""
    catch_up_limit: Annotated[int, Ge(1), Le(1000)] = 100
    """The most windows that came while nothing ticked and that `catch_up: all` runs."""

    @property
    def windows(self) -> tuple[object, ...]:
        """The fields that decide when it is due. Schedules that agree in them have the same windows."""
        kind = self.cron, self.day_or, self.interval, self.rrule, self.timezone, self.anchor
        return *kind, self.when_skipped, self.when_repeated, self.start, self.end, frozenset(self.exclude)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which attempts of a run are followed by another one, and when. Refusals do not count as attempts here."""

    attempts: Annotated[int, Ge(1), Le(20)] = 1
    """The most attempts of a run, the first included."""
    delay: timedelta = timedelta(0)
    """The time from the end of the first attempt to the second; at most a day."""
    backoff: Annotated[float, Ge(1), Le(100)] = 1.0
    """Each delay is this many times the one before; none is longer than a day."""
    states: frozenset[RunState] = frozenset({RunState.FAILED, RunState.CRASHED})
    """The ends that are retried: FAILED (the job ended with an error), CRASHED (it was lost, stopped from outside, or did not
    start in time)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What runs where: a pool, a queue of it, and the job variables that every run starts from."""

    id: UUID
    name: Name
    pool: Name
    queue: Name = DEFAULT_QUEUE
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """Job variables of its runs. They override the pool's defaults; a run's own override them."""
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
    """The schedules of a paused deployment create no runs; people still can."""
    retry: RetryPolicy | None = None
    """The retry policy that its runs get when they are created."""
    hooks: tuple[Hook, ...] = ()
    """The hooks that are notified of its runs, in addition to the pool's."""
    concurrency_limit: Limit | None = None
    """How many of its runs may hold a slot of its pool; 0 means never, None means no limit of its own."""
    on_collision: OnCollision = OnCollision.WAIT
    """What happens to a run that is due while the limit is reached: wait, skip or replace."""
    max_waiting: Annotated[int, Ge(1)] | None = None
    """How many of its runs may be due and wait: further windows are left out, and further runs refused. None means any number.
    With a limit, windows become runs only when they are due."""
    expires_after: timedelta | None = None
    """How long its runs may wait beyond their due time: one that has not started by then ends CANCELLED. None means forever."""
    priority: RunPriority = 0
    """The priority of its runs in their queue: a lower number starts sooner (see `Run.priority`)."""
    weight: Weight = 1
    """If the `share` of its queue is fair: how many slots it gets for each slot of a deployment with weight 1."""
    owner: Owner = ""
    """The owner. A configuration file of another owner changes it only if it takes it over (`--take-over`)."""
    created_at: datetime
    version: int = 0
    """Raised by every change; a change names the version it was made from."""
    applied: Mapping[str, str] = field(default_factory=dict)
    """By field: a digest of what the last applied file said, so that changes by hand are seen (`core.drift`)."""
    windows_until: Mapping[str, datetime] = field(default_factory=dict)
    """By slug of each active schedule: the time up to which its windows have become runs; written by ticks."""
    windows_at: datetime | None = None
    """When the next window is near enough to become a run; None if no schedule is active. Written by ticks."""
    windows_left_out: int = 0
    """How many windows did not become runs because of `max_waiting`; written by ticks."""

    @property
    def lane(self) -> str | None:
        """The lane that its runs wait in (see `Run.lane`)."""
        return self.lane_at(self.priority)

    def lane_at(self, priority: int | None, share: Share = Share.STRICT) -> str | None:
        """The lane in which its runs with this priority (by default, its own) wait, in a queue with this `share`."""
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
        """The schedules that create runs, by slug."""
        return {} if self.paused else {schedule.slug: schedule for schedule in self.schedules if schedule.active}
