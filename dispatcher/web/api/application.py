"""The API as one application: its routes, how errors become answers, and its OpenAPI document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dispatcher import __version__
from dispatcher.environment.events import log_event
from dispatcher.errors import DispatcherError, Fault
from dispatcher.web.answers import Refused, of_error, of_refusal, problem
from dispatcher.web.api import (
    automations,
    bulk,
    change_log,
    configuration,
    deployments,
    pictures,
    plans,
    pools,
    runs,
    simulations,
)
from dispatcher.web.api.documents import READ, documented, schemas
from dispatcher.web.api.requests import JsonAnswer
from dispatcher.web.clients import ClientLender
from providers.base import ProviderError


def make_api(clients: ClientLender) -> FastAPI:
    """The application that is mounted at `/api/v1`."""
    api = FastAPI(
        title="push-dispatcher",
        version=__version__,
        docs_url=None,  # its pages would load scripts from other sites
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    api.state.clients = clients
    for part in (pools, pictures, deployments, automations, runs, configuration, change_log, bulk, simulations, plans):
        api.include_router(part.router)
    api.get("/health", operation_id="health", responses=documented(READ, "Health"))(health)
    api.add_exception_handler(DispatcherError, _dispatcher_error)
    api.add_exception_handler(ProviderError, _provider_error)
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(RequestValidationError, _wrong_parameters)
    api.add_exception_handler(HTTPException, no_route)
    api.add_exception_handler(Exception, _unexpected)
    _document(api)
    return api


def health() -> JsonAnswer:
    """Whether the server is up."""
    return JsonAnswer({"status": "ok"})


def _document(api: FastAPI) -> None:
    """Add our schemas to the document, and remove the framework's own schemas for wrong parameters."""
    made = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = made()
            components = document.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                components.pop(name, None)
            components.update(schemas())
        return api.openapi_schema or {}

    api.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it


def _dispatcher_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DispatcherError)  # noqa: S101 - what it is registered for
    return of_error(error)


def _provider_error(_request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.BAD_GATEWAY, "provider", str(error))


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - likewise
    return of_refusal(error)


def _wrong_parameters(_request: Request, error: Exception) -> Response:
    """The answer for wrong parameters in the path, the query or the headers."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - likewise
    faults = [Fault(".".join(map(str, fault["loc"][1:])), fault["msg"]) for fault in error.errors()]
    detail = "; ".join(map(str, faults))
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-parameter", detail, faults)


def no_route(_request: Request, error: Exception) -> Response:
    """The problem for an address that does not exist, or that does not accept the method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - likewise
    status = HTTPStatus(error.status_code)
    return problem(
        status, status.phrase.lower().replace(" ", "-"), f"{error.detail}; see /api/v1/openapi.json", headers=error.headers
    )


def _unexpected(request: Request, error: Exception) -> Response:
    """A bug of ours: the answer has an id, and the log has the details under that id."""
    identity = uuid4().hex[:12]
    log_event("web.failed", id=identity, method=request.method, path=request.url.path, error=repr(error))
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", f"something went wrong here; the log names it {identity}")
