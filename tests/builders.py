"""Builders of test data: each gives a valid value, and a test names only what it is about.

Any field can be given by name: `a_run(pool="ecs", due_at=NOW + MINUTE)`. Ids count upwards, so that what is built later
sorts later.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from dispatcher.models import (
    DEFAULT_QUEUE,
    Automation,
    Deployment,
    Firing,
    HoldKind,
    PinnedJob,
    PoolHold,
    Run,
    RunEnded,
    RunState,
    Then,
    When,
    WorkPool,
    WorkQueue,
)
from providers.base import Submission

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

TEMPLATE: dict[str, Any] = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}"},
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string", "default": "true"},
            "env": {"type": "object", "additionalProperties": {"type": ["string", "null"]}, "default": {}},
        },
    },
}
"""A base job template with two variables, as the `process` type takes it."""

_numbers = count(1)


def an_id() -> UUID:
    """An id that sorts after all earlier ones."""
    return UUID(int=next(_numbers))


def a_queue(name: str = DEFAULT_QUEUE, priority: int = 1, limit: int | None = None, **fields: Any) -> WorkQueue:
    """A work queue."""
    return WorkQueue(name=name, priority=priority, concurrency_limit=limit, **fields)


def a_pool(
    name: str = "pool", limit: int | None = None, queues: Sequence[WorkQueue | str] = (DEFAULT_QUEUE,), **fields: Any
) -> WorkPool:
    """A work pool of type `process`; queues given as names get the priorities 1, 2, ... in that order."""
    built = (queue if isinstance(queue, WorkQueue) else a_queue(queue, place) for place, queue in enumerate(queues, start=1))
    ordered = tuple(sorted(built, key=lambda queue: queue.priority))
    defaults: dict[str, Any] = {"id": an_id(), "type": "process", "base_job_template": TEMPLATE, "created_at": NOW}
    return WorkPool(name=name, concurrency_limit=limit, queues=ordered, **(defaults | fields))


def a_hold(until: datetime = NOW + MINUTE, reason: str = "no capacity", **fields: Any) -> PoolHold:
    """A hold of the whole pool for its provider's rate."""
    return PoolHold(until=until, reason=reason, **({"kind": HoldKind.RATE} | fields))


def a_deployment(name: str = "deployment", pool: str = "pool", queue: str = DEFAULT_QUEUE, **fields: Any) -> Deployment:
    """A deployment into the default queue of `pool`."""
    defaults: dict[str, Any] = {"id": an_id(), "created_at": NOW}
    return Deployment(name=name, pool=pool, queue=queue, **(defaults | fields))


def a_run(pool: str = "pool", queue: str = DEFAULT_QUEUE, *, due_at: datetime = NOW, **fields: Any) -> Run:
    """A SCHEDULED run that is due at `NOW`."""
    run_id = fields.pop("id", None) or an_id()
    defaults: dict[str, Any] = {"name": f"run-{run_id.int}", "created_at": NOW, "scheduled_at": due_at}
    return Run(id=run_id, pool=pool, queue=queue, due_at=due_at, **(defaults | fields))


def a_live_run(pool: str = "pool", queue: str = DEFAULT_QUEUE, **fields: Any) -> Run:
    """A RUNNING run with a submission, as a tick leaves it."""
    run_id = fields.pop("id", None) or an_id()
    name = f"r{run_id.hex}-1"
    defaults: dict[str, Any] = {
        "state": RunState.RUNNING,
        "fence": 1,
        "claimed_at": NOW,
        "lease_until": NOW + 5 * MINUTE,
        "job": PinnedJob(configuration={"command": "true"}),
        "submission": Submission(name=name, handle={"id": name}),
        "submitted_at": NOW,
        "started_at": NOW,
    }
    return a_run(pool, queue, id=run_id, **(defaults | fields))


def an_automation(name: str = "automation", *then: Then, when: When | None = None, **ended: Any) -> Automation:
    """An automation that notifies `ops` of every crash; fields are its own, or those of `RunEnded`."""
    own = {field: ended.pop(field) for field in ("id", "paused", "description", "created_at") if field in ended}
    condition = when or When(ended=RunEnded(**({"states": frozenset({RunState.CRASHED})} | ended)))
    defaults: dict[str, Any] = {"id": an_id(), "created_at": NOW}
    return Automation(name=name, when=condition, then=then or (Then(notify="ops"),), **(defaults | own))


def a_firing(automation: str = "automation", pool: str = "pool", **fields: Any) -> Firing:
    """A firing of which nobody is notified."""
    defaults: dict[str, Any] = {"id": an_id(), "fired_at": NOW, "because": "run 'x' ended CRASHED"}
    return Firing(automation=automation, pool=pool, **(defaults | fields))
