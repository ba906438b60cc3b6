"""Errors as answers: RFC 9457 problem details, with every fault and its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from dispatcher.client.versions import VersionChanged
from dispatcher.errors import (
    AlreadyExists,
    Conflict,
    DispatcherError,
    Fault,
    InvalidInput,
    NotFound,
    RenderError,
    ScheduleError,
    StoreUnavailable,
)

MEDIA_TYPE = "application/problem+json"
KIND = "urn:push-dispatcher:problem:"
RETRY_SECONDS = 5
"""How long a caller should wait after an answer of 503."""

_STATUS: Mapping[type[DispatcherError], tuple[HTTPStatus, str]] = {
    VersionChanged: (HTTPStatus.PRECONDITION_FAILED, "version-changed"),
    Conflict: (HTTPStatus.CONFLICT, "conflict"),
    AlreadyExists: (HTTPStatus.CONFLICT, "already-exists"),
    NotFound: (HTTPStatus.NOT_FOUND, "not-found"),
    InvalidInput: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input"),
    ScheduleError: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-schedule"),
    RenderError: (HTTPStatus.UNPROCESSABLE_ENTITY, "not-renderable"),
    StoreUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable"),
    DispatcherError: (HTTPStatus.INTERNAL_SERVER_ERROR, "not-possible"),
}
"""The status by error. A class that is not named here has the status of its first named base."""


class Refused(Exception):
    """A request that is refused before it reaches the client."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.faults = status, kind, detail, tuple(faults)


def status_of(error: DispatcherError) -> tuple[HTTPStatus, str]:
    """The status and the kind of the problem for an error."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def problem(
    status: HTTPStatus, kind: str, detail: str, faults: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """One problem. `faults` has every fault with its path, `detail` all of them as one text."""
    content: dict[str, Any] = {
        "type": KIND + kind,
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "faults": [{"path": fault.path, "message": fault.message} for fault in faults],
    }
    return JSONResponse(content, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def of_error(error: DispatcherError) -> JSONResponse:
    """The problem of an error of the client."""
    status, kind = status_of(error)
    faults = error.faults if isinstance(error, InvalidInput) else ()
    headers = {"Retry-After": str(RETRY_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, kind, str(error), faults, headers)


def of_refusal(refused: Refused) -> JSONResponse:
    """The problem of a request that was refused."""
    return problem(refused.status, refused.kind, refused.detail, refused.faults)
