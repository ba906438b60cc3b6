"""Automations: rules that act by themselves when something happens to runs, pools or queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from annotated_types import Ge, Le

from dispatcher.models.naming import DEFAULT_QUEUE, Name, Owner
from dispatcher.models.states import RunState

MAX_CHAIN = 100
"""The longest chain of runs in which an automation created each run because of the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """A run ended in one of some states; or `count` of the last `of_last` runs did."""

    states: frozenset[RunState]
    """The terminal states; a run that is retried counts by its last attempt."""
    pool: Name | None = None
    """Only runs of this pool."""
    queue: Name | None = None
    """Only runs of queues of this name."""
    deployment: Name | None = None
    """Only runs of this deployment."""
    tag: Name | None = None
    """Only runs with this tag."""
    count: Annotated[int, Ge(1), Le(100)] = 1
    """How many such ends are needed. Once the automation has acted, it counts anew."""
    of_last: Annotated[int, Ge(1), Le(100)] | None = None
    """The number of last ended runs among which they are counted; None: `count` in a row. Cancelled runs count if `states` has
    CANCELLED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLate:
    """A run waits beyond its due time."""

    by: timedelta
    """The least time that it waits beyond its due time."""
    pool: Name | None = None
    """Only runs of this pool."""
    queue: Name | None = None
    """Only runs of queues of this name."""
    deployment: Name | None = None
    """Only runs of this deployment."""
    tag: Name | None = None
    """Only runs with this tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHeld:
    """Runs of a pool are held back because the provider refused."""

    pool: Name
    longer_than: timedelta = timedelta(0)
    """The time for which the pool is held without a break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNotTicked:
    """A pool is not ticked. The ticks of other pools notice it."""

    pool: Name
    longer_than: timedelta
    """The least time since its last tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLonger:
    """More runs of a queue are due than a number."""

    pool: Name
    queue: Name = DEFAULT_QUEUE
    than: Annotated[int, Ge(0), Le(10_000)]
    """The highest number of due runs at which the automation does not act yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What an automation waits for: exactly one of these."""

    ended: RunEnded | None = None
    """A run ended."""
    late: RunLate | None = None
    """A run waits too long."""
    held: PoolHeld | None = None
    """A pool is held."""
    not_ticked: PoolNotTicked | None = None
    """A pool is not ticked."""
    longer: QueueLonger | None = None
    """A queue is long."""

    @property
    def pool(self) -> str | None:
        """The pool that the condition names."""
        condition = self.ended or self.late or self.held or self.not_ticked or self.longer
        return condition.pool if condition else None

    def concerns(self, pool: str) -> bool:
        """Whether ticks of this pool look at it."""
        if self.not_ticked is not None:
            return self.not_ticked.pool != pool
        return self.pool in (None, pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is paused or resumed: a deployment, a pool, or a queue of a pool."""

    deployment: Name | None = None
    pool: Name | None = None
    queue: Name | None = None
    """A queue of `pool`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOf:
    """A new run of a deployment."""

    deployment: Name
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    """Job variables of the run. They override the deployment's."""
    from_run: Mapping[str, str] = field(default_factory=dict)
    """By job variable: the value that it takes from the run that ended: `id`, `name`, `state`, `exit_code`, `scheduled_at`,
    `deployment`, `job_variables.NAME` or `parameters.NAME`. `env.NAME` sets one environment variable."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values for parameters of the deployment, by name."""
    parameters_from_run: Mapping[str, str] = field(default_factory=dict)
    """By parameter: the value that it takes from the run that ended, as in `from_run`; a parameter with the format `date` takes
    the date (UTC) of `scheduled_at`. If the values do not fit the deployment's schema, no run is created, and the record says
    why."""
    tags: tuple[str, ...] = ()
    """Tags of the run, in addition to the deployment's."""
    chain_limit: Annotated[int, Ge(1), Le(MAX_CHAIN)] = 10
    """The longest chain of runs in which an automation created each run because of the one before; after that no run is
    created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """One thing that an automation does: exactly one of these."""

    pause: Target | None = None
    """Pause a deployment, a pool or a queue."""
    resume: Target | None = None
    """Resume a deployment, a pool or a queue."""
    run: RunOf | None = None
    """Run a deployment."""
    retry: bool = False
    """Run the ended run again, as a new run with the same variables; at most ten times in a row."""
    cancel: bool = False
    """Cancel the runs that are late."""
    notify: Name | None = None
    """Notify a hook: an entry of `DISPATCHER_HOOKS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEnd:
    """The end of a run that an automation has counted."""

    ended_at: datetime
    run: UUID
    counts: bool
    """Whether the run ended in one of the states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A condition that lasts, as one pool's ticks have seen it."""

    since: datetime
    """When it was first seen."""
    fired: bool = False
    """Whether the automation has acted on it. It acts once, and again only if the condition has ended in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What an automation has seen so far; written by ticks."""

    ends: tuple[SeenEnd, ...] = ()
    """The ends since it last acted, in their order; at most as many as it looks at."""
    episodes: Mapping[str, Episode] = field(default_factory=dict)
    """By the pool whose ticks see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """A rule: when something happens, do something."""

    id: UUID
    name: Name
    when: When
    """What it waits for."""
    then: tuple[Then, ...]
    """What it does, in this order."""
    paused: bool = False
    """A paused automation does nothing, and does not catch up later."""
    description: str = ""
    owner: Owner = ""
    """The owner. A configuration file of another owner changes it only if it takes it over (`--take-over`)."""
    created_at: datetime
    applied: Mapping[str, str] = field(default_factory=dict)
    """By field: a digest of what the last applied file said, so that changes by hand are seen (`core.drift`)."""
    version: int = 0
    """Raised by every change; a change names the version it was made from."""
    revision: int = 0
    """Raised by every write of a tick."""
    progress: Progress = Progress()
    """What it has seen so far; written by ticks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A pool, queue or deployment that an automation has paused or resumed."""

    target: Target
    paused: bool
    version: int
    """The version that the pool or deployment had afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An automation acted: what it did, and why."""

    id: UUID
    """Derived from the automation and what it acted on."""
    automation: Name
    pool: Name
    """The pool whose tick noticed it."""
    fired_at: datetime
    because: str
    run: UUID | None = None
    """The run that ended."""
    did: tuple[str, ...] = ()
    """One line for each thing done."""
    problems: tuple[str, ...] = ()
    """One line for each thing that could not be done."""
    paused: tuple[Paused, ...] = ()
    """What it paused and resumed."""
    hooks: tuple[str, ...] = ()
    """The hooks that are notified of it."""
    notified_hooks: frozenset[str] = frozenset()
    """The hooks that have confirmed it."""
    notify_at: datetime | None = None
    """When hooks are notified of it; None: all have confirmed it, or it was given up."""
    notify_tries: int = 0
    """How often the notification was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The automation that created a run."""

    automation: Name
    run: UUID | None = None
    """The run whose end it acted on."""
    depth: int = 1
    """The length of the chain so far, this run included, in which automations created each run because of another."""
