"""Automations, and their firings."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dispatcher.client import Dispatcher, shapes
from dispatcher.client.entries import AUTOMATION
from dispatcher.client.secrets import of_automations
from dispatcher.core.changes import configured
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Automation
from dispatcher.web.api.documents import CHANGE, CREATE, DELETE, READ, body_of, documented
from dispatcher.web.api.requests import (
    NAME_PATTERN,
    AutomationName,
    Body,
    Client,
    JsonAnswer,
    Version,
    answer,
    fields_of,
    tag,
    take_name,
)

SETTABLE = frozenset(field.name for field in configured(Automation))
"""The fields that a configuration file may set."""
SHOWN = 20
"""How many of the last firings are shown with an automation."""

router = APIRouter()


@router.get("/automations", operation_id="list_automations", responses=documented(READ, "Automations"))
def list_automations(client: Client) -> JsonAnswer:
    """Every automation, by name."""
    automations = client.automations()
    return answer(list(map(shapes.automation, automations)), of_automations(client.store, automations))


@router.get("/firings", operation_id="list_firings", responses=documented(READ, "Firings"))
def list_firings(
    client: Client,
    automation: Annotated[
        str, Query(max_length=200, pattern=NAME_PATTERN, description="Only firings of this automation.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="The most firings to return.")] = 50,
) -> JsonAnswer:
    """What automations (or one of them) did, and why, newest first."""
    return answer(list(map(shapes.firing, client.firings(automation or None, limit=limit))))


@router.post(
    "/automations",
    operation_id="create_automation",
    status_code=201,
    responses=documented(CREATE, "WholeAutomation"),
    openapi_extra=body_of("NewAutomation"),
)
def create_automation(client: Client, body: Body) -> JsonAnswer:
    """Create an automation. Earlier events do not count."""
    name, entry = take_name(body)
    absent = [Fault(field, "is missing; give it a value") for field in ("when", "then") if field not in entry]
    if absent:
        raise InvalidInput("automation", absent)
    return _whole(client, client.create_automation(name, **fields_of(AUTOMATION, entry, SETTABLE)), HTTPStatus.CREATED)


@router.get("/automations/{automation}", operation_id="get_automation", responses=documented(READ, "WholeAutomation"))
def get_automation(client: Client, automation: AutomationName) -> JsonAnswer:
    """One automation, with its last firings."""
    return _whole(client, client.automation(automation))


@router.patch(
    "/automations/{automation}",
    operation_id="update_automation",
    responses=documented(CHANGE, "WholeAutomation"),
    openapi_extra=body_of("AutomationChange"),
)
def update_automation(client: Client, automation: AutomationName, body: Body, version: Version) -> JsonAnswer:
    """Change the fields that the body names. `paused` pauses and resumes; with a new `when` it starts counting again."""
    fields = fields_of(AUTOMATION, body, SETTABLE)
    return _whole(client, client.only_at(automation=version).update_automation(automation, **fields))


@router.delete("/automations/{automation}", operation_id="delete_automation", status_code=204, responses=documented(DELETE))
def delete_automation(client: Client, automation: AutomationName, version: Version) -> Response:
    """Delete an automation. The effects of its actions and their records stay."""
    client.only_at(automation=version).delete_automation(automation)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _whole(client: Dispatcher, automation: Automation, status: HTTPStatus = HTTPStatus.OK) -> JsonAnswer:
    shape = shapes.whole_automation(automation, client.firings(automation.name, limit=SHOWN))
    return answer(shape, of_automations(client.store, [automation]), status=status, headers=tag(automation))
