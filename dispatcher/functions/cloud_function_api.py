"""The HTTP API on Google Cloud: the target `api` of a Cloud Run function, whose `main.py` imports it from here.

The caller is the e-mail of the Google-signed token that comes with the request, checked as that of the tick is:
DISPATCHER_AUDIENCE and DISPATCHER_CALLERS say for whom and of whom (`dispatcher.functions.google_tokens`).
"""

from __future__ import annotations

import os
from functools import cache
from typing import Protocol
from urllib.parse import quote

from dispatcher.environment.clock import SystemClock
from dispatcher.environment.settings import Settings
from dispatcher.functions import cloud_function
from dispatcher.functions.google_tokens import CallerTokens, CannotCheck, Unauthorized
from dispatcher.functions.http_answers import JSON, refusal
from dispatcher.functions.http_api import ApiRequest, HttpApi


class FlaskApiRequest(cloud_function.FlaskRequest, Protocol):
    """The part of the framework's request (Flask's) that is used."""

    path: str
    query_string: bytes


def api(request: FlaskApiRequest) -> tuple[bytes | str, int, list[tuple[str, str]]]:
    """Answer one request; what is returned is a body, a status and headers, as Flask takes them."""
    try:
        caller = _tokens().check(request.headers.get("Authorization"))
    except CannotCheck as problem:
        refused = refusal(503, "the token cannot be checked now", reason=str(problem))
        return refused.body, refused.status, [("Content-Type", JSON)]
    except Unauthorized as problem:
        refused = refusal(401, cloud_function.WHO, reason=str(problem))
        return refused.body, refused.status, [("Content-Type", JSON), ("WWW-Authenticate", "Bearer")]
    response = _api().answer(
        ApiRequest(
            method=request.method,
            path=quote(request.path),
            query=request.query_string.decode("latin-1"),
            headers=list(request.headers.items()),
            body=request.get_data(),
            caller=caller,
        )
    )
    return response.body, response.status, response.headers


@cache
def _api() -> HttpApi:
    return HttpApi(os.environ)


@cache
def _tokens() -> CallerTokens:
    return CallerTokens(Settings.from_environment(os.environ), SystemClock())
