"""What a change of one pool or deployment would change, and a change of a pool and several of its queues at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from dispatcher.client.entries import DEPLOYMENT, POOL
from dispatcher.client.pictures import QUEUE_FIELDS
from dispatcher.client.secrets import of_pools
from dispatcher.core.changes import Action, Change, FieldChange, shape
from dispatcher.models import Deployment, WorkPool
from dispatcher.web.api.deployments import SETTABLE as SETTABLE_OF_DEPLOYMENTS
from dispatcher.web.api.documents import ASK, CHANGE, body_of, documented
from dispatcher.web.api.pools import whole_pool
from dispatcher.web.api.requests import (
    Body,
    Client,
    DeploymentName,
    JsonAnswer,
    PoolName,
    Version,
    answer,
    fields_of,
    order_in,
    queues_in,
    tag,
)

SETTABLE = frozenset({"concurrency_limit", "paused", "description", "share", "base_job_template"})
VALUES = ("job_variables", "parameters", "parameter_openapi_schema")
"""The fields of a deployment that may hold secrets, or say which ones are."""

router = APIRouter()


@router.post(
    "/pools/{pool}/plan",
    operation_id="plan_pool",
    responses=documented(ASK, "NounPlan"),
    openapi_extra=body_of("PoolPlanRequest"),
)
def plan_pool(client: Client, pool: PoolName, body: Body) -> JsonAnswer:
    """What a change of a pool and its queues would change; `order` names all queues, the first one first. Changes nothing."""
    plan = client.plan_pool(pool, **_planned(body))
    return _plan("work pool", plan.before, plan.changes, of_pools([plan.before, plan.after]))


@router.post(
    "/pools/{pool}/change",
    operation_id="change_pool",
    responses=documented(CHANGE, "WholePool"),
    openapi_extra=body_of("PoolPlanRequest"),
)
def change_pool(client: Client, pool: PoolName, body: Body, version: Version) -> JsonAnswer:
    """Change a pool and its queues in one step, as `plan_pool` shows it: all of it, or nothing."""
    at_version = client.only_at(pool=version)
    at_version.apply_pool(at_version.plan_pool(pool, **_planned(body)))
    return whole_pool(client, client.work_pool(pool))


@router.post(
    "/deployments/{deployment}/plan",
    operation_id="plan_deployment",
    responses=documented(ASK, "NounPlan"),
    openapi_extra=body_of("DeploymentChange"),
)
def plan_deployment(client: Client, deployment: DeploymentName, body: Body) -> JsonAnswer:
    """What a change of a deployment would change. Changes nothing."""
    fields = fields_of(DEPLOYMENT, body, SETTABLE_OF_DEPLOYMENTS)
    before, changes = client.deployment(deployment), client.plan_deployment(deployment, **fields)
    after = replace(before, **{name: fields[name] for name in VALUES if name in fields})
    owners = [client.work_pool(name) for name in {before.pool, fields.get("pool", before.pool)}]
    return _plan("deployment", before, changes, of_pools(owners, [before, after]))


def _planned(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Dispatcher.plan_pool`. Raises `InvalidInput`."""
    rest = {name: value for name, value in body.items() if name not in ("queues", "order")}
    queues, order = queues_in(body.get("queues", {}), QUEUE_FIELDS), order_in(body.get("order", []))
    return {**fields_of(POOL, rest, SETTABLE), "queues": queues, "order": order}


def _plan(kind: str, noun: WorkPool | Deployment, fields: Sequence[FieldChange], secrets: frozenset[str]) -> JsonAnswer:
    change = Change(action=Action.CHANGE, noun=kind, name=noun.name, fields=tuple(fields))
    planned = {"noun": kind, "name": noun.name, "fields": shape(change)["fields"]}
    return answer(planned, secrets, headers=tag(noun))
