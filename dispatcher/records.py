"""What the store and the core hand each other: the plain data of claims, moves and snapshots.

A store reads into these and writes from them; `dispatcher.core` makes the decisions in between and imports no store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from dispatcher.models import Deployment, PinnedJob, PoolHold, Run, RunState, WorkPool

PAGE = 500
"""The most runs in one page of `Store.every_run`."""

MATERIALISED_AT_ONCE = 32
"""The most runs in one `Materialisation`: every store carries it out in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A guarded change of one run: from a state and a fence to a state, with what goes along."""

    run_id: UUID
    pool: str
    queue: str
    expected: RunState
    fence: int
    to: RunState
    ending: RunState | None = None
    """The end that a run in CANCELLING was read with: people may have cancelled it since, and then it must not be retried."""
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


Position = tuple[datetime, UUID]
"""A run's place in its queue: when it is due, and its id."""


class Due(Protocol):
    """Reads a queue."""

    def __call__(self, queue: str, limit: int, after: Position | None = None, /) -> Sequence[Run]:
        """The first `limit` SCHEDULED runs of the queue whose time has come and that have no back-off (`due_at <= now`,
        `not_before` None or `<= now`), by due time, then id; only those behind the place `after`, where it is given.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A pool as the claiming transaction sees it. Reading `due` and `deployment` costs what is asked for."""

    pool: WorkPool
    in_use: Mapping[str, int]
    """Slots held, by queue name; every queue that holds one is there, paused or not."""
    due: Due
    deployment: Callable[[str], Deployment | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One admitted run, with what its claim pins."""

    run: Run
    job: PinnedJob
    start_within: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a claim is to do with a snapshot."""

    grants: tuple[Grant, ...] = ()
    crashes: tuple[tuple[Run, str], ...] = ()
    """Runs that cannot be rendered, each with the reason: they go from SCHEDULED to CRASHED."""


ChangeHolds = Callable[[tuple[PoolHold, ...]], tuple[PoolHold, ...]]
"""What a pool's holds become: a pure function that may be called again, and changes nothing where it was applied already."""

Seen = TypeVar("Seen")
"""What somebody makes of a snapshot (`Store.look`)."""

Decide = Callable[[Snapshot], Decision]
"""A pure function; a store may call it again when its transaction has to be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to submit one attempt until `run.lease_until`; every later write names its fence."""

    run: Run
    """As the claim left it: PENDING (or CANCELLING, when it was taken over), with the new fence and the pinned job."""
    repeat: bool
    """Taken over from a claim whose lease ended without an outcome: look the name up before anything is submitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The answer of one claim."""

    claims: tuple[Claim, ...] = ()
    crashed: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialisation:
    """Windows of a deployment that are made runs, and how far its schedules reach then."""

    deployment: Deployment
    """As it was read."""
    runs: tuple[Run, ...]
    """At most `MATERIALISED_AT_ONCE`, all SCHEDULED into the deployment's queue."""
    windows_until: Mapping[str, datetime]
    windows_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What became of notifying the hooks of a run."""

    run_id: UUID
    notify_at: datetime
    """As it was read."""
    again_at: datetime | None
    """When it is to be tried again; None: all hooks have confirmed it, or it was given up."""
    hooks: frozenset[str] = frozenset()
    """The hooks that have confirmed it by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCount:
    """How full one queue is."""

    due: int
    """SCHEDULED and past due: late runs are among these."""
    later: int
    """SCHEDULED for later."""
    in_use: int
    """Holding a slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list; None leaves a field out. Newest `created_at` first, then id."""

    pool: str | None = None
    queue: str | None = None
    deployment: str | None = None
    states: frozenset[RunState] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconfiguration:
    """A change of many pools and deployments at once, and what it was decided from."""

    pools_read: Mapping[str, int]
    """Every pool that there was, with its version."""
    deployments_read: Mapping[str, int]
    """Likewise every deployment."""
    now: datetime
    """When it is changed: schedules that are new, or other than they were, begin here."""
    pools: tuple[WorkPool, ...] = ()
    """To be saved: new where its name was not read."""
    deployments: tuple[Deployment, ...] = ()
    """Likewise; a pool that it names is there afterwards."""
    pools_gone: tuple[str, ...] = ()
    """To be deleted, with what belongs to them."""
    deployments_gone: tuple[str, ...] = ()
