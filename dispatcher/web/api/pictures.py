"""Views for people: all pools in short; one pool with the holders of its slots and why the next runs wait; and its past."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from dispatcher.client import picture_shapes
from dispatcher.client.simulations import PARTS
from dispatcher.web.api.documents import READ, documented
from dispatcher.web.api.requests import Client, JsonAnswer, PoolName, answer

MOST_HOURS = 24 * 366
MOST_RUNS = 20_000
"""The most ended runs that are read for the slots of the past. The last ones to end are read."""

router = APIRouter()


@router.get("/overview", operation_id="overview", responses=documented(READ, "Overview"))
def overview(client: Client) -> JsonAnswer:
    """Every work pool, by name: how many runs are due and late, and why the next of each queue waits; no `holders`."""
    return answer(list(map(picture_shapes.picture, client.overview())))


@router.get("/pools/{pool}/look", operation_id="look_at_pool", responses=documented(READ, "PoolLook"))
def look_at_pool(client: Client, pool: PoolName) -> JsonAnswer:
    """One work pool: its queues in order of priority, who holds their slots, and why the next run of each waits."""
    return answer(picture_shapes.picture(client.picture(pool)))


@router.get("/pools/{pool}/slots", operation_id="slots_of_pool", responses=documented(READ, "SlotsOverTime"))
def slots_of_pool(
    client: Client,
    pool: PoolName,
    hours: Annotated[int, Query(ge=1, le=MOST_HOURS, description="How far to look back.")] = 24,
    parts: Annotated[int, Query(ge=1, le=1000, description="The number of equal parts of that time.")] = PARTS,
) -> JsonAnswer:
    """How many slots each queue held in the last hours. `is_cut`: more runs have ended than the 20,000 that were read."""
    since = client.clock.now() - timedelta(hours=hours)
    return answer(picture_shapes.slots_over_time(client.slots_over_time(pool, since=since, limit=MOST_RUNS, parts=parts)))
