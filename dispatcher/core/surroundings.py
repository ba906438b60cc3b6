"""What surrounds a waiting run: the facts from which `dispatcher.core.reasons` explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from dispatcher.core.lines import MAX_PASSED, Line
from dispatcher.models import Run, RunState, Share, WorkPool, WorkQueue
from dispatcher.models.records import QueueCount, Snapshot
from providers.base import Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A run that holds a slot."""

    id: UUID
    name: str
    state: RunState
    since: datetime | None
    """When it was claimed."""

    @classmethod
    def of(cls, run: Run) -> Holder:
        """How a run that holds a slot is shown."""
        return cls(id=run.id, name=run.name, state=run.state, since=run.claimed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a due run stands in a queue that its deployments share."""

    ahead: int
    """Due runs of the queue that are served before it."""
    others: int
    """Those of them that are of other deployments."""
    shares: Mapping[str, tuple[int, int]]
    """By deployment that shares the queue: the slots that it holds there, and its weight; "" for runs without a deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a store knows about a waiting run's neighbours."""

    pool: WorkPool
    counts: Mapping[str, QueueCount]
    ahead: int
    """Due runs of the same queue that are served before it."""
    holders: Sequence[Run]
    """Runs that hold slots of the pool (the first hundred)."""
    fault: str = ""
    """Why no job can be rendered for the run; empty when one can."""
    needs: Needs = field(default_factory=Needs)
    """What its job needs of the provider: this decides which holds apply to it."""
    deployment_limit: int | None = None
    """The concurrency limit of its deployment."""
    live: Sequence[Run] = ()
    """The live runs of its deployment in the pool."""
    windows_left_out: int = 0
    """Windows of its deployment that did not become runs, because `max_waiting` runs wait."""
    missed: str = ""
    """Why it does not start any more after a pause (`core.pauses.Missed`); empty if it may."""
    ahead_in_lane: int = 0
    """Due runs of its deployment that are served before it. The count may stop above the deployment's limit."""

    paused_by: str = ""
    """The words after "is paused": which automation paused the pool or its queue, and why; empty if none did."""
    standing: Standing | None = None
    """Where it stands among the deployments of its queue; None if they do not share it."""

    @property
    def is_deployment_full(self) -> bool:
        """Whether its deployment's limit keeps the run back."""
        limit = self.deployment_limit
        return limit is not None and len(self.live) + self.ahead_in_lane >= limit


def served(snapshot: Snapshot, queue: WorkQueue, now: datetime, most: int = MAX_PASSED) -> Sequence[Run]:
    """The first due runs of a queue, in the order in which they start, without runs of full deployments. Holds are ignored."""
    pool = replace(snapshot.pool, holds=())
    return Line(pool, snapshot.due, now, limits=snapshot.deployment_limits).first(queue, most)


def standing(snapshot: Snapshot, run: Run, now: datetime) -> Standing | None:
    """Where the run stands; None where its deployments do not share its queue, or it is not among the first of it."""
    queue = snapshot.pool.queue(run.queue)
    if queue is None or queue.share is Share.STRICT:
        return None
    line = served(snapshot, queue, now)
    place = next((number for number, other in enumerate(line) if other.id == run.id), None)
    if place is None:
        return None
    limits = snapshot.deployment_limits
    held, weight = limits.held(queue.name), limits.weight
    names = sorted({*(other.deployment or "" for other in line), *held})
    return Standing(
        ahead=place,
        others=sum(other.deployment != run.deployment for other in line[:place]),
        shares={name: (held.get(name, 0), weight(name) if name else 1) for name in names},
    )
