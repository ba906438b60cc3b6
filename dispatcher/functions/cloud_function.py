"""Google Cloud: a Cloud Run function over HTTP (functions-framework), the target `tick` of the package's `main.py`.

Cloud Scheduler starts it with a POST and an OpenID Connect token of its service account, which is checked before anything else:
an unknown caller gets 401, and the store is not touched. The body is the event: nothing or `{}` ticks every pool,
`{"pool": NAME}` and `{"create_run": {...}}` are understood as in every function (`dispatcher.functions.invocation`); give a run
that a repeated request must not create twice an `idempotency_key`. Pub/Sub and Eventarc may deliver events about jobs,
which free their slots at once (`dispatcher.functions.cloud_events`).

Cloud Run does not say how much time is left: DISPATCHER_TIMEOUT_SECONDS is the function's timeout. The statuses are those of
`dispatcher.functions.http_answers`. A retry does no harm and does no good either: a missed tick is made up by the next one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Protocol

from dispatcher.errors import SettingsError
from dispatcher.functions.cloud_events import handled
from dispatcher.functions.google_tokens import CallerTokens, CannotCheck, Unauthorized
from dispatcher.functions.http_answers import JSON, HttpAnswer, answer, refusal
from dispatcher.functions.instance import Instance

WHO = "send a Google-signed token for this function's audience, of a service account that may call it"


class FlaskRequest(Protocol):
    """The part of the framework's request (Flask's) that is used."""

    method: str

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in upper or lower case."""
        ...

    def get_data(self) -> bytes:
        """The body."""
        ...


def tick(request: FlaskRequest) -> tuple[str, int, dict[str, str]]:
    """Answer one request; what is returned is a body, a status and headers, as Flask takes them."""
    response = _answer(request)
    more = {"WWW-Authenticate": "Bearer"} if response.status == 401 else {"Allow": "POST"} if response.status == 405 else {}
    return response.body, response.status, {"Content-Type": JSON, **more}


def _answer(request: FlaskRequest) -> HttpAnswer:
    instance = _instance()
    since = instance.clock.now()
    try:
        _tokens().check(request.headers.get("Authorization"))
    except SettingsError as problem:
        return refusal(500, str(problem))
    except CannotCheck as problem:
        return refusal(503, "the token cannot be checked now", reason=str(problem))
    except Unauthorized as problem:
        return refusal(401, WHO, reason=str(problem))
    if request.method != "POST":
        return refusal(405, f"{request.method} does nothing here; send a POST")
    return answer(lambda: handled(request.headers, request.get_data(), lambda event: instance.invoke(event, since=since)))


@cache
def _instance() -> Instance:
    return Instance(os.environ)


@cache
def _tokens() -> CallerTokens:
    return CallerTokens(_instance().settings, _instance().clock)
