"""Code that the routes of the API share: the borrowed client, the body, names, versions, and the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from dispatcher.client import Dispatcher
from dispatcher.client.arguments import utc
from dispatcher.client.entries import QUEUE, NounKind, read_fields
from dispatcher.client.secrets import hide
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Automation, Deployment, WorkPool
from dispatcher.web.answers import Refused
from dispatcher.web.bodies import json_body
from dispatcher.web.clients import ClientLender

NAME_PATTERN = r"^[^/%&<>\x00-\x1f\x7f-\x9f]+$"
"""The pattern of a name; `dispatcher.models.is_name` has the whole rule."""

PoolName = Annotated[str, Path(max_length=200, pattern=NAME_PATTERN, examples=["nightly"])]
QueueName = Annotated[str, Path(max_length=200, pattern=NAME_PATTERN, examples=["default"])]
DeploymentName = Annotated[str, Path(max_length=200, pattern=NAME_PATTERN, examples=["etl"])]
AutomationName = Annotated[str, Path(max_length=200, pattern=NAME_PATTERN, examples=["breaker"])]
Slug = Annotated[str, Path(max_length=200, pattern=NAME_PATTERN, examples=["daily"])]
RunReference = Annotated[
    str, Path(max_length=60, pattern=r"^[0-9a-zA-Z-]+$", description="The id of a run, or the name of its submission.")
]


Text = Annotated[str, Query(max_length=200, pattern=NAME_PATTERN)]
PlainText = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
TIME = {"format": "date-time"}


class JsonAnswer(JSONResponse):
    """JSON in ASCII: it can hold any text, even one that is not valid Unicode."""

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def borrowed(request: Request) -> Iterator[Dispatcher]:
    """A client for the duration of one request."""
    clients: ClientLender = request.app.state.clients
    with clients.lent(request.scope, via="api") as client:
        yield client


async def an_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises `Refused`, or `InvalidInput` for another value."""
    value = await json_body(request)
    if not isinstance(value, dict):
        raise InvalidInput("body", [Fault("", "must be an object")])
    return value


def time_in(text: str, field: str) -> datetime | None:
    """A time in a query or a body; None for an empty text. Raises `InvalidInput` for any other text that is not a time."""
    try:
        return utc(datetime.fromisoformat(text), field) if text else None
    except ValueError:
        fault = Fault(field, f"{text!r} is not a time; write it as 2026-01-31T08:00:00+00:00")
        raise InvalidInput("query", [fault]) from None


def version_of(
    if_match: Annotated[
        str,
        Header(
            alias="If-Match",
            pattern=r'^(\*|"[0-9]{1,9}")$',
            description='The ETag of the version to change, as "3"; * for any version.',
            examples=['"1"', "*"],
        ),
    ] = "",
) -> int | None:
    """The version that a change is for; None for any. Raises `Refused` if the caller names none."""
    if not if_match:
        words = "a change must name the version that it changes: send its ETag as If-Match, or * for any version"
        raise Refused(HTTPStatus.PRECONDITION_REQUIRED, "version-missing", words)
    return None if if_match == "*" else int(if_match.strip('"'))


Client = Annotated[Dispatcher, Depends(borrowed)]
Body = Annotated[dict[str, Any], Depends(an_object)]
Version = Annotated[int | None, Depends(version_of)]


def answer(
    value: Any,
    secrets: frozenset[str] = frozenset(),
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> JsonAnswer:
    """A value as JSON, without its secrets."""
    return JsonAnswer(hide(secrets, value), status_code=status, headers=headers)


def tag(noun: WorkPool | Deployment | Automation) -> dict[str, str]:
    """The ETag of a pool, deployment or automation."""
    return {"ETag": f'"{noun.version}"'}


def fields_of(kind: NounKind, body: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    """The parsed fields of a body. Raises `InvalidInput` with every fault, also for a field that cannot be set here."""
    foreign = [
        Fault(name, f"is not a field here; the fields are {', '.join(sorted(allowed))}") for name in body if name not in allowed
    ]
    if foreign:
        raise InvalidInput(kind.subject, foreign)
    return read_fields(kind, body)


def queues_in(value: Any, allowed: frozenset[str]) -> Mapping[str, Mapping[str, Any]]:
    """New fields by name of the queue. Raises `InvalidInput`."""
    if not isinstance(value, dict) or not all(isinstance(fields, dict) for fields in value.values()):
        raise InvalidInput("body", [Fault("queues", "must be an object with an object for each queue")])
    return {name: fields_of(QUEUE, fields, allowed) for name, fields in value.items()}


def order_in(value: Any) -> list[str]:
    """The names of queues in an order. Raises `InvalidInput`."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InvalidInput("body", [Fault("order", "must be a list of names of queues")])
    return value


def take_name(body: dict[str, Any], field: str = "name") -> tuple[str, dict[str, Any]]:
    """The name in the body of a creation, and the rest of it. Raises `InvalidInput` if there is none."""
    name = body.get(field)
    if not isinstance(name, str) or not name:
        raise InvalidInput("body", [Fault(field, f"must be a text that is not empty, not {name!r}")])
    return name, {key: value for key, value in body.items() if key != field}
