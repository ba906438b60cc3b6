"""Deployments and their schedules."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dispatcher.client import Dispatcher, shapes
from dispatcher.client.arguments import in_utc
from dispatcher.client.checks import validate
from dispatcher.client.entries import DEPLOYMENT, SCHEDULE
from dispatcher.client.schedules import MAX_WINDOWS
from dispatcher.client.secrets import of_runs
from dispatcher.core.changes import configured
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Deployment, Schedule
from dispatcher.web.api.documents import ASK, CHANGE, CREATE, DELETE, READ, body_of, documented
from dispatcher.web.api.requests import (
    NAME_PATTERN,
    Body,
    Client,
    DeploymentName,
    JsonAnswer,
    Slug,
    Version,
    answer,
    fields_of,
    tag,
    take_name,
)

SETTABLE = frozenset(field.name for field in configured(Deployment)) - {"owner"}
SETTABLE_OF_SCHEDULES = frozenset(field.name for field in configured(Schedule))
"""The fields that a configuration file may set."""

router = APIRouter()


@router.get("/deployments", operation_id="list_deployments", responses=documented(READ, "Deployments"))
def list_deployments(
    client: Client,
    pool: Annotated[str, Query(max_length=200, pattern=NAME_PATTERN, description="Only deployments of this work pool.")] = "",
) -> JsonAnswer:
    """Every deployment, or every one of a pool, by name."""
    deployments = client.deployments(client.work_pool(pool).name if pool else None)
    return answer(list(map(shapes.deployment, deployments)), of_runs(client.store, (), deployments))


@router.post(
    "/deployments",
    operation_id="create_deployment",
    status_code=201,
    responses=documented(CREATE, "WholeDeployment"),
    openapi_extra=body_of("NewDeployment"),
)
def create_deployment(client: Client, body: Body) -> JsonAnswer:
    """Create a deployment. Its schedules begin now."""
    name, entry = take_name(body)
    if "pool" not in entry:
        raise InvalidInput("deployment", [Fault("pool", "is missing; give it a value")])
    return _whole(client, client.create_deployment(name, **fields_of(DEPLOYMENT, entry, SETTABLE)), HTTPStatus.CREATED)


@router.get("/deployments/{deployment}", operation_id="get_deployment", responses=documented(READ, "WholeDeployment"))
def get_deployment(client: Client, deployment: DeploymentName) -> JsonAnswer:
    """One deployment, with the next windows of its schedules."""
    return _whole(client, client.deployment(deployment))


@router.patch(
    "/deployments/{deployment}",
    operation_id="update_deployment",
    responses=documented(CHANGE, "WholeDeployment"),
    openapi_extra=body_of("DeploymentChange"),
)
def update_deployment(client: Client, deployment: DeploymentName, body: Body, version: Version) -> JsonAnswer:
    """Change the fields that the body names. `schedules` and `hooks` replace all existing ones."""
    fields = fields_of(DEPLOYMENT, body, SETTABLE)
    return _whole(client, client.only_at(deployment=version).update_deployment(deployment, **fields))


@router.post(
    "/deployments/{deployment}/rename",
    operation_id="rename_deployment",
    responses=documented(CHANGE, "WholeDeployment"),
    openapi_extra=body_of("DeploymentRename"),
)
def rename_deployment(client: Client, deployment: DeploymentName, body: Body, version: Version) -> JsonAnswer:
    """Give a deployment another name. Its waiting runs go with it and get new ids; automations name it by the new name."""
    name, rest = take_name(body)
    if rest:
        raise InvalidInput("body", [Fault(field, "is not a field here; the only field is name") for field in rest])
    return _whole(client, client.only_at(deployment=version).rename_deployment(deployment, name))


@router.delete("/deployments/{deployment}", operation_id="delete_deployment", status_code=204, responses=documented(DELETE))
def delete_deployment(client: Client, deployment: DeploymentName, version: Version) -> Response:
    """Delete a deployment and the waiting runs that its schedules made and nobody claimed."""
    client.only_at(deployment=version).delete_deployment(deployment)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/deployments/{deployment}/stranded-runs", operation_id="stranded_runs", responses=documented(READ, "StrandedRuns"))
def stranded_runs(client: Client, deployment: DeploymentName) -> JsonAnswer:
    """How many waiting runs would crash if the deployment were deleted: all except future runs of its schedules."""
    return answer({"stranded_runs": client.stranded_runs(deployment)})


@router.get("/deployments/{deployment}/schedules", operation_id="list_schedules", responses=documented(READ, "Schedules"))
def list_schedules(client: Client, deployment: DeploymentName) -> JsonAnswer:
    """The schedules of a deployment, each with its next windows."""
    owner = client.deployment(deployment)
    return answer(shapes.whole_deployment(owner, client.next_windows)["schedules"], headers=tag(owner))


@router.get("/deployments/{deployment}/schedules/{slug}", operation_id="get_schedule", responses=documented(READ, "Schedule"))
def get_schedule(
    client: Client, deployment: DeploymentName, slug: Slug, windows: Annotated[int, Query(ge=1, le=MAX_WINDOWS)] = 3
) -> JsonAnswer:
    """One schedule of a deployment, with as many of its next windows; a paused one has none."""
    owner, rule = client.deployment(deployment), client.schedule(deployment, slug)
    following = client.next_windows(rule, count=windows) if slug in owner.active_schedules else ()
    return answer(shapes.with_windows(rule, following), of_runs(client.store, (), [owner]), headers=tag(owner))


@router.post(
    "/preview-schedule",
    operation_id="preview_schedule",
    responses=documented(ASK, "Windows"),
    openapi_extra=body_of("WindowsRequest"),
)
def preview_schedule(client: Client, body: Body) -> JsonAnswer:
    """The next windows of a schedule that may not be stored yet: its fields, and how many (`count`). Changes nothing."""
    count = body.pop("count", 3)
    if type(count) is not int:
        raise InvalidInput("body", [Fault("count", "must be a whole number")])
    rule = in_utc(Schedule(slug="preview", **fields_of(SCHEDULE, body, SETTABLE_OF_SCHEDULES)))
    validate(rule)
    return answer({"next": shapes.with_windows(rule, client.next_windows(rule, count=count))["next"]})


@router.post(
    "/deployments/{deployment}/schedules",
    operation_id="create_schedule",
    status_code=201,
    responses=documented(CREATE, "WholeDeployment"),
    openapi_extra=body_of("NewSchedule"),
)
def create_schedule(client: Client, deployment: DeploymentName, body: Body) -> JsonAnswer:
    """Add a schedule to a deployment."""
    slug, entry = take_name(body, "slug")
    schedule = Schedule(slug=slug, **fields_of(SCHEDULE, entry, SETTABLE_OF_SCHEDULES))
    return _whole(client, client.add_schedule(deployment, schedule), HTTPStatus.CREATED)


@router.patch(
    "/deployments/{deployment}/schedules/{slug}",
    operation_id="update_schedule",
    responses=documented(CHANGE, "WholeDeployment"),
    openapi_extra=body_of("ScheduleChange"),
)
def update_schedule(client: Client, deployment: DeploymentName, slug: Slug, body: Body, version: Version) -> JsonAnswer:
    """Change the fields that the body names. Another kind replaces the present one. `active` pauses and resumes."""
    fields = fields_of(SCHEDULE, body, SETTABLE_OF_SCHEDULES)
    return _whole(client, client.only_at(deployment=version).update_schedule(deployment, slug, **fields))


@router.delete(
    "/deployments/{deployment}/schedules/{slug}", operation_id="delete_schedule", status_code=204, responses=documented(DELETE)
)
def delete_schedule(client: Client, deployment: DeploymentName, slug: Slug, version: Version) -> Response:
    """Remove a schedule and delete its future runs."""
    client.only_at(deployment=version).remove_schedule(deployment, slug)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _whole(client: Dispatcher, deployment: Deployment, status: HTTPStatus = HTTPStatus.OK) -> JsonAnswer:
    shape = shapes.whole_deployment(deployment, client.next_windows)
    return answer(shape, of_runs(client.store, (), [deployment]), status=status, headers=tag(deployment))
