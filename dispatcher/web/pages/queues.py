"""Delete a work queue. The page first shows what prevents it, and how to clear that."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from dispatcher.client.bulk import STATES, BulkAction
from dispatcher.client.versions import VersionChanged
from dispatcher.errors import Conflict
from dispatcher.models import DEFAULT_QUEUE
from dispatcher.models.records import RunFilter
from dispatcher.web.pages.visit import Visit, gone_to


def leaving(visit: Visit) -> Response:
    """Show what would happen to the queue's runs."""
    return _page(visit)


def delete(visit: Visit) -> Response:
    """Delete the queue; if something prevents it, show that. Raises `VersionChanged` if the pool has changed since."""
    try:
        visit.client.only_at(pool=visit.version).delete_work_queue(visit.path("pool"), visit.path("queue"))
    except VersionChanged:
        raise
    except Conflict as problem:
        return _page(visit, str(problem))
    return gone_to("pools", visit.path("pool"))


def _page(visit: Visit, refusal: str = "") -> Response:
    client, name = visit.client, visit.path("queue")
    pool = client.work_pool(visit.path("pool"))
    queue = client.work_queue(pool.name, name)
    work = client.bulk(BulkAction.CANCEL, RunFilter(pool=pool.name, queue=name, states=STATES[BulkAction.CANCEL]))
    return visit.render(
        "queue_delete.html",
        status=HTTPStatus.CONFLICT if refusal else HTTPStatus.OK,
        pool=pool,
        queue=queue,
        refusal=refusal,
        count=client.bulk_count(work),
        deployments=[record.name for record in client.deployments(pool.name) if record.queue == name],
        others=[other.name for other in pool.queues if other.name != name],
        is_default=name == DEFAULT_QUEUE,
    )
