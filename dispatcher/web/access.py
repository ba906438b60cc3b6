"""Who sends a request, and what that person may do.

There are two ways to identify the sender:

    Sessions       `dispatcher ui`: the first request with the token of the first address gets a cookie; the token works once
    ProxyHeader    behind an identity-aware proxy: it sets a header with the name, and proves itself with a shared secret
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Protocol

from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError

SECRET_HEADER = "x-dispatcher-proxy-secret"  # noqa: S105 - the name of the header
"""The header in which a proxy sends `DISPATCHER_UI_PROXY_SECRET`."""

READING_POSTS = re.compile(r"/api/v1/(plan|preview-job|preview-schedule|pools/[^/]+/(simulate|plan)|deployments/[^/]+/plan)")
"""The only POSTs that change nothing: everybody who may read may send them."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Headers:
    """The headers of one request. A name may come several times."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]

    def every(self, name: str) -> list[str]:
        """All values under a name."""
        return [value for other, value in self._raw if other == name]

    def only(self, name: str) -> str | None:
        """The value under a name that comes exactly once; otherwise None."""
        values = self.every(name)
        return values[0] if len(values) == 1 else None

    def cookie(self, name: str) -> str | None:
        """The value of a cookie that comes exactly once; otherwise None."""
        pairs = (part.strip().partition("=") for line in self.every("cookie") for part in line.split(";"))
        values = [value for key, _, value in pairs if key == name]
        return values[0] if len(values) == 1 else None


class Identify(Protocol):
    """Says who sends a request."""

    def actor(self, headers: Headers) -> str | None:
        """The sender's name; None for an unknown sender."""
        ...


@dataclass
class Sessions:
    """A token that works once, and the session that it opens. Sessions end with the process."""

    name: str
    """The name under which changes are made."""
    cookie: str
    """The name of the cookie. It holds the port, because browsers share cookies between ports."""
    token: str | None = field(default_factory=lambda: token_urlsafe(32))
    _sessions: set[str] = field(default_factory=set)

    def actor(self, headers: Headers) -> str | None:
        """The owner's name, for a request with the cookie of a session."""
        session = headers.cookie(self.cookie)
        is_known = session is not None and any(compare_digest(session.encode(), other.encode()) for other in self._sessions)
        return self.name if is_known else None

    def sign_in(self, token: str) -> str | None:
        """A new session for the token; None for a wrong token or a used one."""
        if self.token is None or not compare_digest(token.encode(), self.token.encode()):
            return None
        self.token, session = None, token_urlsafe(32)
        self._sessions.add(session)
        return session


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyHeader:
    """The name that a proxy has written into a header. It counts only together with the proxy's secret."""

    header: str
    secret: str

    def actor(self, headers: Headers) -> str | None:
        """The name; None without the secret, and for a header that is empty, repeated or not printable."""
        secret, name = headers.only(SECRET_HEADER), headers.only(self.header)
        if secret is None or not compare_digest(secret.encode(), self.secret.encode()):
            return None
        return name if name and name.isprintable() and name == name.strip() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rules of one server."""

    identify: Identify
    hosts: frozenset[str]
    """The values of the header Host that are served: `127.0.0.1:4210`, `pools.example.com`."""
    editors: Sequence[str] | None = None
    """Who may change things: names, `*@example.com` for everybody there, `ROLE/*` for every session of a role, or `*`, which
    like None means everybody who may read.
    """
    read_only: bool = False

    def may_change(self, actor: str) -> bool:
        """Whether this person may change things."""
        if self.read_only:
            return False
        return self.editors is None or any(_matches(actor, editor) for editor in self.editors)


def _matches(actor: str, editor: str) -> bool:
    name, domain = actor.casefold(), editor.casefold()
    if domain == "*":
        return True
    if domain.endswith("/*"):
        return name.startswith(domain[:-1]) and name != domain[:-1]
    return name.endswith(domain[1:]) and name != domain[1:] if domain.startswith("*@") else name == domain


def loopback(port: int, *, name: str, read_only: bool = False) -> tuple[Access, Sessions]:
    """The rules of `dispatcher ui`: only this machine, and only with the token."""
    sessions = Sessions(name=name, cookie=f"dispatcher_{port}")
    hosts = frozenset(f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
    return Access(identify=sessions, hosts=hosts, read_only=read_only), sessions


def behind_proxy(settings: Settings, *, read_only: bool = False) -> Access:
    """The rules behind a proxy. Raises `SettingsError` if the settings name no proxy."""
    if settings.ui_auth is None or settings.ui_proxy_secret is None:
        raise SettingsError(
            "DISPATCHER_UI_AUTH: must be header:NAME to serve the page; `dispatcher ui` serves it on this machine"
        )
    header = settings.ui_auth.removeprefix("header:").lower()
    return Access(
        identify=ProxyHeader(header=header, secret=settings.ui_proxy_secret),
        hosts=settings.ui_hosts,
        editors=tuple(settings.ui_editors),
        read_only=read_only,
    )


def is_change(method: str, path: str) -> bool:
    """Whether a request may change something. The method decides, so that no route can forget the check."""
    return method not in SAFE_METHODS and not (method == "POST" and READING_POSTS.fullmatch(path) is not None)


def origin_fault(method: str, headers: Headers, scheme: str) -> str | None:
    """Why a request comes, or may come, from a foreign page; None if it does not. Headers that only browsers send decide."""
    site, origin = headers.every("sec-fetch-site"), headers.every("origin")
    if method in SAFE_METHODS:
        is_visit = headers.only("sec-fetch-mode") == "navigate" and headers.only("sec-fetch-dest") == "document"
        return "another site asks for it" if "cross-site" in site and not is_visit else None
    if site:
        return None if site == ["same-origin"] else "another page sends it"
    if origin:
        return None if origin == [f"{scheme}://{headers.only('host')}"] else "another page sends it"
    return "it does not say which page sends it (Origin)" if headers.every("cookie") else None
