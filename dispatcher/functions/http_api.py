"""The HTTP API (`/api/v1`) in a function: other systems call it with plain HTTP and the platform's own authentication.

Each platform's entry point makes an `ApiRequest` of what its host hands over, with the caller that the platform has
authenticated, and answers with the `ApiResponse`. Without a caller the answer is 401, also where somebody has switched the
platform's check off. DISPATCHER_UI_EDITORS says which callers may change things. Pages are not served: they need a server that
stays, and a browser that signs its requests.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dispatcher.environment.settings import Settings
from dispatcher.wiring import Wiring, wire

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dispatcher.web.clients import ClientLender

PREFIX = "/api/"
HOST = "function"
"""Stands for the host's name: the platform has routed the request, and no cookie says who asks."""
CALLER, SECRET = "x-dispatcher-caller", "x-dispatcher-proxy-secret"
OWN = frozenset({CALLER, SECRET, "host"})
"""Headers that the function writes itself. Nobody else's are passed on."""

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One request, as every platform has it."""

    method: str
    path: str
    """As it was sent: percent-encoded."""
    query: str = ""
    headers: Pairs = ()
    body: bytes = b""
    caller: str | None = None
    """The caller that the platform has authenticated; None if there is none."""


@dataclass(slots=True)
class ApiResponse:
    """The answer to one request."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class HttpApi:
    """The application, made at the first request and kept by the instance."""

    def __init__(self, environment: Mapping[str, str] | None = None, *, wiring: Wiring | None = None) -> None:
        self._environment, self._given = environment, wiring
        self._secret = token_urlsafe(32)

    def answer(self, request: ApiRequest) -> ApiResponse:
        """Answer one request. Raises `SettingsError` or `StoreError` where the application cannot be made."""
        app, clients = self._app
        try:
            return asyncio.run(_called(app, self._scope(request), request.body))
        finally:
            if self._wiring.has_sessions:
                clients.close()  # idle instances should hold no sessions of a database server

    @cached_property
    def _wiring(self) -> Wiring:
        return self._given or wire(Settings.from_environment(os.environ if self._environment is None else self._environment))

    @cached_property
    def _app(self) -> tuple[ASGIApp, ClientLender]:
        """Raises `SettingsError` or `StoreError`."""
        from dispatcher.web.access import Access, ProxyHeader  # noqa: PLC0415 - a request pays for it, not the start
        from dispatcher.web.api_app import create_api_app  # noqa: PLC0415 - likewise
        from dispatcher.web.clients import clients_of  # noqa: PLC0415 - likewise

        settings, clients = self._wiring.settings, clients_of(self._wiring)
        identify = ProxyHeader(header=CALLER, secret=self._secret)
        access = Access(identify=identify, hosts=frozenset({HOST}), editors=tuple(settings.ui_editors))
        return create_api_app(clients, access), clients

    def _scope(self, request: ApiRequest) -> dict[str, Any]:
        headers = [(name.lower(), value) for name, value in request.headers if name.lower() not in OWN]
        own = [("host", HOST), (SECRET, self._secret), *([(CALLER, request.caller)] if request.caller else [])]
        is_served = request.path.startswith(PREFIX)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "https",
            "method": request.method.upper(),
            "path": unquote(request.path) if is_served else f"{PREFIX}pages-are-not-served",
            "raw_path": request.path.encode(),
            "root_path": "",
            "query_string": request.query.encode(),
            "headers": [(name.encode("latin-1", "replace"), _bytes(value)) for name, value in (*headers, *own)],
            "client": None,
            "server": (HOST, 443),
            "state": {},
        }


def _bytes(value: str) -> bytes:
    return value.encode("latin-1", "replace")


async def _called(app: ASGIApp, scope: dict[str, Any], body: bytes) -> ApiResponse:
    """Call an application with a whole request, and gather its answer."""
    response, messages = ApiResponse(), [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
            response.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            response.body += message.get("body", b"")

    await app(scope, receive, send)
    return response
