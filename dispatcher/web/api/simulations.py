"""How long past runs of a pool would have waited under other limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from dispatcher.client import simulation_shapes
from dispatcher.client.entries import POOL
from dispatcher.errors import Fault, InvalidInput
from dispatcher.web.api.documents import ASK, body_of, documented
from dispatcher.web.api.requests import Body, Client, JsonAnswer, PoolName, answer, fields_of, order_in, queues_in
from dispatcher.web.simulating import simulated

SETTABLE = frozenset({"concurrency_limit", "share"})
SETTABLE_OF_QUEUES = frozenset({"concurrency_limit", "weight", "share"})
HOURS, MOST_HOURS = 24, 24 * 366
SECONDS, MOST_SECONDS = 60, 86_400

router = APIRouter()


@router.post(
    "/pools/{pool}/simulate",
    operation_id="simulate_pool",
    responses=documented(ASK, "Simulation"),
    openapi_extra=body_of("SimulationRequest"),
)
def simulate_pool(client: Client, pool: PoolName, body: Body) -> JsonAnswer:
    """How long the runs of the last `hours` would have waited under other limits, beside the present ones. Changes nothing.

    `order` names all queues, the first one first. The admission of a tick every `every_seconds` decides; each run holds its
    slot for as long as it did. At most 20,000 runs are looked at, those that ended last; `is_cut` says when there are more.
    """
    rest = dict(body)
    hours = _whole(rest.pop("hours", HOURS), "hours", MOST_HOURS)
    seconds = _whole(rest.pop("every_seconds", SECONDS), "every_seconds", MOST_SECONDS)
    queues = queues_in(rest.pop("queues", {}), SETTABLE_OF_QUEUES)
    order = order_in(rest.pop("order", []))
    plan = client.plan_pool(pool, queues=queues, order=order, **fields_of(POOL, rest, SETTABLE))
    since = client.clock.now() - timedelta(hours=hours)
    return answer(simulation_shapes.simulation(simulated(client, plan, since, timedelta(seconds=seconds))))


def _whole(value: Any, field: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidInput("body", [Fault(field, f"must be a whole number from 1 to {most}")])
    return value
