"""Work pools and their queues."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from dispatcher.client import Dispatcher, shapes
from dispatcher.client.entries import POOL, QUEUE
from dispatcher.client.pools import MAX_PREVIEW
from dispatcher.client.secrets import of_pools
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import WorkPool
from dispatcher.web.api.documents import CHANGE, CREATE, DELETE, READ, body_of, documented
from dispatcher.web.api.requests import (
    Body,
    Client,
    JsonAnswer,
    PoolName,
    QueueName,
    Version,
    answer,
    fields_of,
    tag,
    take_name,
)

SETTABLE = frozenset({"base_job_template", "concurrency_limit", "paused", "description", "hooks", "share", "job_variables"})
SETTABLE_OF_QUEUES = frozenset({"priority", "concurrency_limit", "paused", "description", "weight", "share"})

router = APIRouter()


@router.get("/pools", operation_id="list_pools", responses=documented(READ, "Pools"))
def list_pools(client: Client) -> JsonAnswer:
    """Every work pool, by name."""
    now = client.clock.now()
    return answer([shapes.pool(pool, pool.status(now, client.heartbeat)) for pool in client.work_pools()])


@router.post(
    "/pools",
    operation_id="create_pool",
    status_code=201,
    responses=documented(CREATE, "WholePool"),
    openapi_extra=body_of("NewPool"),
)
def create_pool(client: Client, body: Body) -> JsonAnswer:
    """Create a work pool with its `default` queue. Without a template, it gets the one of its type."""
    name, entry = take_name(body)
    fields = _pool_fields(entry, SETTABLE | {"type"})
    if "type" not in fields:
        raise InvalidInput("work pool", [Fault("type", "is missing; give it a value")])
    return whole_pool(client, client.create_work_pool(name, **fields), HTTPStatus.CREATED)


@router.get("/pools/{pool}", operation_id="get_pool", responses=documented(READ, "WholePool"))
def get_pool(client: Client, pool: PoolName) -> JsonAnswer:
    """One work pool, with its queues and its base job template."""
    return whole_pool(client, client.work_pool(pool))


@router.patch(
    "/pools/{pool}", operation_id="update_pool", responses=documented(CHANGE, "WholePool"), openapi_extra=body_of("PoolChange")
)
def update_pool(client: Client, pool: PoolName, body: Body, version: Version) -> JsonAnswer:
    """Change the fields that the body names."""
    fields = _pool_fields(body, SETTABLE)
    return whole_pool(client, client.only_at(pool=version).update_work_pool(pool, **fields))


@router.delete("/pools/{pool}", operation_id="delete_pool", status_code=204, responses=documented(DELETE))
def delete_pool(client: Client, pool: PoolName, version: Version) -> Response:
    """Delete a work pool, its queues, deployments and ended runs."""
    client.only_at(pool=version).delete_work_pool(pool)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/pools/{pool}/preview", operation_id="preview_pool", responses=documented(READ, "Upcoming"))
def preview_pool(
    client: Client,
    pool: PoolName,
    within_seconds: Annotated[int, Query(ge=0, le=366 * 86_400, description="How far to look ahead.")] = 3600,
    limit: Annotated[int, Query(ge=1, le=MAX_PREVIEW, description="The most runs to return.")] = 100,
) -> JsonAnswer:
    """The waiting runs that are due within that time, and those that schedules will create by then."""
    now = client.clock.now()
    upcoming = client.preview_work_pool(pool, within=timedelta(seconds=within_seconds), limit=limit)
    return answer([shapes.upcoming(item, now, client.heartbeat) for item in upcoming])


@router.get("/pools/{pool}/queues", operation_id="list_queues", responses=documented(READ, "Queues"))
def list_queues(client: Client, pool: PoolName) -> JsonAnswer:
    """The queues of a pool, in the order of their priority."""
    view = client.inspect_work_pool(pool)
    return answer([shapes.queue(view, queue.name) for queue in view.pool.queues], headers=tag(view.pool))


@router.post(
    "/pools/{pool}/queues",
    operation_id="create_queue",
    status_code=201,
    responses=documented(CREATE, "Queue"),
    openapi_extra=body_of("NewQueue"),
)
def create_queue(client: Client, pool: PoolName, body: Body) -> JsonAnswer:
    """Add a queue. Without a priority it goes last; a queue that has this priority moves down."""
    name, entry = take_name(body)
    client.create_work_queue(pool, name, **fields_of(QUEUE, entry, SETTABLE_OF_QUEUES))
    return _queue(client, pool, name, HTTPStatus.CREATED)


@router.get("/pools/{pool}/queues/{queue}", operation_id="get_queue", responses=documented(READ, "Queue"))
def get_queue(client: Client, pool: PoolName, queue: QueueName) -> JsonAnswer:
    """One queue. It has the ETag of its pool."""
    return _queue(client, pool, queue)


@router.patch(
    "/pools/{pool}/queues/{queue}",
    operation_id="update_queue",
    responses=documented(CHANGE, "Queue"),
    openapi_extra=body_of("QueueChange"),
)
def update_queue(client: Client, pool: PoolName, queue: QueueName, body: Body, version: Version) -> JsonAnswer:
    """Change the fields that the body names. A queue that has the new priority moves down."""
    client.only_at(pool=version).update_work_queue(pool, queue, **fields_of(QUEUE, body, SETTABLE_OF_QUEUES))
    return _queue(client, pool, queue)


@router.delete("/pools/{pool}/queues/{queue}", operation_id="delete_queue", status_code=204, responses=documented(DELETE))
def delete_queue(client: Client, pool: PoolName, queue: QueueName, version: Version) -> Response:
    """Delete a queue. The others keep their priorities."""
    client.only_at(pool=version).delete_work_queue(pool, queue)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _pool_fields(entry: dict[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    """The fields of a pool. A configuration has no `job_variables`: they become defaults of the template's variables."""
    variables = {"job_variables": entry["job_variables"]} if "job_variables" in entry else {}
    if not isinstance(variables.get("job_variables", {}), dict):
        raise InvalidInput("work pool", [Fault("job_variables", "must be an object")])
    rest = {name: value for name, value in entry.items() if name != "job_variables"}
    return fields_of(POOL, rest, allowed) | variables


def whole_pool(client: Dispatcher, pool: WorkPool, status: HTTPStatus = HTTPStatus.OK) -> JsonAnswer:
    """A pool with its queues, its template and its ETag."""
    view = client.inspect_work_pool(pool.name)
    return answer(shapes.whole_pool(view), of_pools([view.pool]), status=status, headers=tag(view.pool))


def _queue(client: Dispatcher, pool: str, name: str, status: HTTPStatus = HTTPStatus.OK) -> JsonAnswer:
    client.work_queue(pool, name)
    view = client.inspect_work_pool(pool)
    return answer(shapes.queue(view, name), status=status, headers=tag(view.pool))
