"""The HTTP API on Azure Functions, the v2 programming model: `app`, which a `function_app.py` imports from here.

Callers sign in at Microsoft Entra through App Service authentication, which must be on for the app: it removes the
identity headers of every request, and adds those of the authenticated caller. If it is off, no caller is accepted.

https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import azure.functions

from dispatcher.functions.http_api import ApiRequest, HttpApi

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
NAMES = ("x-ms-client-principal-name", "x-ms-client-principal-id")
"""The headers with the name of who was authenticated, and with the object id: a service principal may have no name."""
SWITCH = "WEBSITE_AUTH_ENABLED"
"""App Service sets it to `True` where its authentication is on."""


def api(request: azure.functions.HttpRequest) -> azure.functions.HttpResponse:
    """Answer one request below `/api/v1`."""
    address = urlsplit(request.url)
    response = _api().answer(
        ApiRequest(
            method=request.method or "GET",
            path=address.path,
            query=address.query,
            headers=list(request.headers.items()),
            body=request.get_body(),
            caller=_caller(request.headers),
        )
    )
    headers = dict(response.headers)
    return azure.functions.HttpResponse(response.body, status_code=response.status, headers=headers)


def _caller(headers: Mapping[str, str]) -> str | None:
    if os.environ.get(SWITCH, "").lower() != "true":
        return None
    return next((headers[name] for name in NAMES if headers.get(name)), None)


@cache
def _api() -> HttpApi:
    return HttpApi(os.environ)


def _app() -> Any:
    made = azure.functions.FunctionApp(http_auth_level=azure.functions.AuthLevel.ANONYMOUS)
    made.route(route="v1/{*path}", methods=METHODS, trigger_arg_name="request")(api)
    return made


app = _app()
