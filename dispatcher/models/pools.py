"""Work pools: their queues, hooks and holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from dispatcher.models.naming import Limit, Name, Owner, Priority, Weight
from dispatcher.models.states import RunState, Status


class Share(StrEnum):
    """How queues share the slots of their pool, or deployments the slots of their queue."""

    STRICT = "strict"
    """In one order: a queue gets what no higher queue can use, and the runs of a queue start by priority and due time."""
    FAIR = "fair"
    """All have equal rank: each free slot goes to the queue, or the deployment, that holds least for its weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueue:
    """A queue of a pool: runs wait in it, and the queue with the lowest priority number is served first."""

    name: Name
    """Unique in its pool."""
    priority: Priority
    """Unique in its pool; 1 is served first."""
    concurrency_limit: Limit | None = None
    """How many of its runs may hold a slot; 0 means never, None means no limit of its own."""
    paused: bool = False
    """A paused queue delivers nothing; its runs pile up."""
    description: str = ""
    weight: Weight = 1
    """If its pool's `share` is fair: how many slots it gets for each slot of a queue with weight 1."""
    share: Share = Share.STRICT
    """How its deployments share its slots: strict (their runs start by priority and due time), or fair (by weight)."""
    paused_at: datetime | None = None
    """When it was last paused; written with `paused` (`core.pauses`)."""
    resumed_at: datetime | None = None
    """When that pause ended; None while it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A configured target (a webhook, a topic), and the events of a pool's or deployment's runs of which it is notified."""

    name: Name
    """The entry of `DISPATCHER_HOOKS`; unique in its pool or deployment."""
    states: frozenset[RunState] = frozenset({RunState.FAILED, RunState.CRASHED})
    """The terminal states of which it is notified; a run that is retried counts by its last attempt."""
    late_after: timedelta | None = None
    """How long a run may wait beyond its due time before the hook is notified, once; None: never."""


class HoldKind(StrEnum):
    """What is in the way while runs are held. It decides what people can do about it."""

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

    `place`, `size` and `freed_by_end` have the same meaning as in `providers.base.Hold`. A hold that is over stays until a job
    to which it applied is accepted, so that the last refusal can still be shown.
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
    """By queue, or queue and lane: the due time and id up to which all due runs are held. A hint that saves a second look."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Holds with the same identity are one: the later refusal replaces the earlier."""
        return self.kind, self.place, self.freed_by_end, tuple(sorted(self.size.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The source of runs that a pool mirrors, and the last reading of it. The source changes the pool; people do not."""

    source: str
    """The name of the source (`prefect`)."""
    revision: str
    """A digest of the last reading. While it stays the same, nothing is checked or written."""
    problem: str = ""
    """Why the last reading is not used; then the pool stays as it was before."""


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
    share: Share = Share.STRICT
    """How its queues share its slots: strict (by priority), or fair (by weight, with equal rank)."""
    owner: Owner = ""
    """The owner. A configuration file of another owner changes it only if it takes it over (`--take-over`)."""
    created_at: datetime
    version: int = 0
    """Raised by every change of the configuration; a change names the version it was made from."""
    applied: Mapping[str, str] = field(default_factory=dict)
    """By field: a digest of what the last applied file said, so that changes by hand are seen (`core.drift`)."""
    holds: tuple[PoolHold, ...] = ()
    """Which of its runs wait because the provider refused. Holds that are over may be included; written by ticks."""
    last_tick_at: datetime | None = None
    """The heartbeat; written by ticks."""
    ticked_hours: tuple[int, ...] = ()
    """For each minute of the hour: the hour of the last tick in such a minute (`core.ticks`); written with `last_tick_at`."""
    paused_at: datetime | None = None
    """When it was last paused; written with `paused` (`core.pauses`)."""
    resumed_at: datetime | None = None
    """When that pause ended; None while it lasts."""
    automated: bool = False
    """Whether an automation looks at it, so that its ticks must check; stores derive it from the automations."""
    mirror: Mirror | None = None
    """The source of runs that the pool mirrors; None: people configure it here, and its runs start without asking a source."""

    def queue(self, name: str) -> WorkQueue | None:
        """The queue of that name, if the pool has it."""
        return next((queue for queue in self.queues if queue.name == name), None)

    def share_in(self, queue: str) -> Share:
        """How the deployments of a queue share its slots."""
        return next((noun.share for noun in self.queues if noun.name == queue), Share.STRICT)

    def status(self, now: datetime, heartbeat: timedelta) -> Status:
        """PAUSED; READY if a tick came within `heartbeat`; otherwise NOT_READY."""
        if self.paused:
            return Status.PAUSED
        ticked = self.last_tick_at is not None and now - self.last_tick_at <= heartbeat
        return Status.READY if ticked else Status.NOT_READY

    def queue_status(self, queue: WorkQueue, now: datetime, heartbeat: timedelta) -> Status:
        """The status of a queue: PAUSED if it is paused itself, otherwise by the ticks of its pool."""
        ticked = self.last_tick_at is not None and now - self.last_tick_at <= heartbeat
        return Status.PAUSED if queue.paused else Status.READY if ticked else Status.NOT_READY
