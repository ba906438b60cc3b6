"""The checks that every request passes first, in this order: host, origin, identity, rights.

The guard is one ASGI layer in front of all routes, so that no route can forget a check. All answers, from the guard and the
routes, carry the headers that keep a browser from running or showing anything that is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatcher.web.access import Access, Headers, Sessions, is_change, origin_fault
from dispatcher.web.answers import Refused, of_refusal

API = "/api/"
OPEN = "/api/v1/health"
"""Everybody who reaches the server may ask whether it is up; the answer says nothing else."""
SIGN_IN = "/sign-in"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends `Origin: null` for our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

SIGNED_IN = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Signed in</title><link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0;url=/">
<p>You are signed in. <a href="/">Continue</a></p></html>
"""
"""It is not a redirect, because browsers send the cookie only with requests from our own pages, and a redirected request comes
from another site."""


class Guard:
    """Passes a request on, with the sender's name in its scope as `actor`, or refuses it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on: see the module."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_headers(scope["path"], send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope["headers"])
        try:
            self._check_place(scope, headers)
            if scope["path"] == SIGN_IN and scope["method"] == "GET":
                await self._sign_in(scope, headers)(scope, receive, send)
                return
            if scope["path"] != OPEN:
                self._check_person(scope, headers)
        except Refused as refused:
            await _refusal(scope["path"], refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_place(self, scope: Scope, headers: Headers) -> None:
        """Check that the request is for this server, and comes from its own pages or from no page."""
        if headers.only("host") not in self._access.hosts:
            words = "this server does not serve that host; use the address that it was started with"
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "host", words)
        if fault := origin_fault(scope["method"], headers, scope["scheme"]):
            raise Refused(HTTPStatus.FORBIDDEN, "origin", f"refused: {fault}")

    def _check_person(self, scope: Scope, headers: Headers) -> None:
        """Check that the person is known and may do this."""
        actor = self._access.identify.actor(headers)
        if actor is None:
            words = "not signed in; open the address that `dispatcher ui` has printed, or sign in at the proxy"
            raise Refused(HTTPStatus.UNAUTHORIZED, "not-signed-in", words)
        may_change = self._access.may_change(actor)
        if is_change(scope["method"], scope["path"]) and not may_change:
            raise Refused(HTTPStatus.FORBIDDEN, "read-only", "you may read here, and change nothing")
        scope.setdefault("state", {}).update(actor=actor, may_change=may_change)

    def _sign_in(self, scope: Scope, headers: Headers) -> Response:
        """Exchange the token of the first address for a session."""
        sessions = self._access.identify
        if not isinstance(sessions, Sessions):
            raise Refused(HTTPStatus.NOT_FOUND, "not-found", "sign in at the proxy")
        if sessions.actor(headers) is not None:
            return HTMLResponse(SIGNED_IN)
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        session = sessions.sign_in(token[0]) if len(token) == 1 else None
        if session is None:
            words = "this address is wrong, or was used already; start `dispatcher ui` again for a new one"
            raise Refused(HTTPStatus.FORBIDDEN, "token", words)
        answer = HTMLResponse(SIGNED_IN)
        is_secure = scope["scheme"] == "https"
        answer.set_cookie(sessions.cookie, session, httponly=True, samesite="strict", path="/", secure=is_secure)
        return answer


def _refusal(path: str, refused: Refused) -> Response:
    if path.startswith(API):
        return of_refusal(refused)
    return PlainTextResponse(f"{refused.detail}\n", status_code=refused.status)


def _with_headers(path: str, send: Send) -> Send:
    policy = API_POLICY if path.startswith(API) else PAGE_POLICY

    async def send_with_headers(message: Message | dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "Content-Security-Policy": policy}.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers
