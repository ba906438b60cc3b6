"""The application that serves the page and the HTTP API, as an ASGI application.

uvicorn --factory dispatcher.web.app:create_app     behind an identity-aware proxy: `DISPATCHER_UI_AUTH` and its siblings
dispatcher ui                                       on this machine, for the user who started it
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from dispatcher.environment.settings import Settings
from dispatcher.errors import DispatcherError
from dispatcher.web.access import Access, behind_proxy
from dispatcher.web.answers import Refused
from dispatcher.web.api.application import make_api, no_route
from dispatcher.web.clients import ClientLender, clients_of
from dispatcher.web.guard import Guard
from dispatcher.web.pages.live import LivePages
from dispatcher.web.pages.routes import page_routes
from dispatcher.web.pages.visit import Pages
from dispatcher.wiring import Wiring, wire


def create_app(
    settings: Settings | None = None,
    *,
    access: Access | None = None,
    wiring: Wiring | None = None,
    clients: ClientLender | None = None,
) -> ASGIApp:
    """The application over the store that the settings name; the default settings are the environment's.

    Without `access`, the settings say who may use it. Raises `SettingsError` or `StoreError`.
    """
    settings = settings or Settings.from_environment(os.environ)
    access = access or behind_proxy(settings)
    clients = clients or clients_of(wiring or wire(settings))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        clients.close()

    pages = Pages(clients=clients, tick_interval=timedelta(seconds=settings.tick_interval_seconds))

    def problem(request: Request, error: Exception) -> Response:
        """The answer for an error, and for an address without a route."""
        if isinstance(error, HTTPException) and request.url.path.startswith("/api/"):
            return no_route(request, error)
        return pages.problem(request, error)

    app = Starlette(
        routes=[Mount("/api/v1", app=make_api(clients)), *page_routes(pages, LivePages(pages))],
        lifespan=lifespan,
        exception_handlers=dict.fromkeys((HTTPException, DispatcherError, Refused), problem),
    )
    return Guard(app, access)
