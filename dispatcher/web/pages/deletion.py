"""Delete a work pool or a deployment. The page first shows what prevents it, and what is deleted with it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from dispatcher.client.bulk import STATES, BulkAction
from dispatcher.client.versions import VersionChanged
from dispatcher.errors import Conflict
from dispatcher.models import TERMINAL_STATES
from dispatcher.models.records import RunFilter
from dispatcher.web.pages.visit import Visit, gone_to

COUNTED = 1000
"""The most ended runs that are counted."""


def leaving_pool(visit: Visit) -> Response:
    """Show what would happen to the pool's queues, deployments and runs."""
    return _pool_page(visit)


def delete_pool(visit: Visit) -> Response:
    """Delete the pool; if a run prevents it, show that. Raises `VersionChanged` if the pool has changed since."""
    try:
        visit.client.only_at(pool=visit.version).delete_work_pool(visit.path("pool"))
    except VersionChanged:
        raise
    except Conflict as problem:
        return _pool_page(visit, str(problem))
    return gone_to()


def leaving_deployment(visit: Visit) -> Response:
    """Show what would happen to the deployment's schedules and runs."""
    return _deployment_page(visit)


def delete_deployment(visit: Visit) -> Response:
    """Delete the deployment, unless more runs would crash than the page said. Raises `VersionChanged` likewise."""
    client, name = visit.client.only_at(deployment=visit.version), visit.path("deployment")
    if str(client.stranded_runs(name)) != (visit.sent("stranded") or "0"):
        return _deployment_page(visit, "Other runs wait for it now than when this page was shown.")
    client.delete_deployment(name)
    return gone_to("deployments")


def _pool_page(visit: Visit, refusal: str = "") -> Response:
    client = visit.client
    pool = client.work_pool(visit.path("pool"))
    work = client.bulk(BulkAction.CANCEL, RunFilter(pool=pool.name, states=STATES[BulkAction.CANCEL]))
    return visit.render(
        "pool_delete.html",
        status=HTTPStatus.CONFLICT if refusal else HTTPStatus.OK,
        pool=pool,
        refusal=refusal,
        count=client.bulk_count(work),
        ended=client.store.count(RunFilter(pool=pool.name, states=TERMINAL_STATES), limit=COUNTED),
        most=COUNTED,
        deployments=[record.name for record in client.deployments(pool.name)],
        automations=_naming(visit, "pool", pool.name),
    )


def _deployment_page(visit: Visit, refusal: str = "") -> Response:
    record = visit.client.deployment(visit.path("deployment"))
    return visit.render(
        "deployment_delete.html",
        status=HTTPStatus.CONFLICT if refusal else HTTPStatus.OK,
        deployment=record,
        refusal=refusal,
        stranded=visit.client.stranded_runs(record.name),
        automations=_naming(visit, "deployment", record.name),
    )


def _naming(visit: Visit, noun: str, name: str) -> list[str]:
    """The automations that name this pool or deployment."""
    return [
        record.name
        for record in visit.client.automations()
        if any(_names(part, noun, name) for part in (record.when, *record.then))
    ]


def _names(part: Any, noun: str, name: str) -> bool:
    """Whether a part of an automation names it."""
    if not is_dataclass(part):
        return False
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    return values.get(noun) == name or any(_names(value, noun, name) for value in values.values())
