"""One request for a page: the sender, the borrowed client, and the answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dispatcher.client import Dispatcher
from dispatcher.errors import DispatcherError, Fault, InvalidInput
from dispatcher.web.answers import RETRY_SECONDS, Refused, status_of
from dispatcher.web.bodies import form_body
from dispatcher.web.clients import ClientLender
from dispatcher.web.pages import strips, words
from dispatcher.web.pages.static import StaticFile, static_files

THEME, THEMES = "dispatcher_theme", frozenset({"auto", "light", "dark"})
"""The cookie in which a browser keeps its theme, and its values."""

OURS = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""An address within these pages: it begins with exactly one slash, and has only printable ASCII and no backslash."""

TITLES = {
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.CONFLICT: "This cannot be done now",
    HTTPStatus.PRECONDITION_FAILED: "Somebody else changed it first",
    HTTPStatus.UNPROCESSABLE_ENTITY: "This request is not valid",
    HTTPStatus.SERVICE_UNAVAILABLE: "The store does not answer",
}
"""Titles for error pages, if the phrase of the status says little to a reader."""

FILTERS = (
    *("instant", "exactly", "duration", "pretty", "field_value", "glyph", "outside", "linked", "timed"),
    *("advice", "elsewhere", "runs_elsewhere"),
)
"""The functions of `words` that templates use as filters."""


@dataclass(frozen=True, kw_only=True)
class Pages:
    """What all pages need."""

    clients: ClientLender
    files: Mapping[str, StaticFile] = field(default_factory=static_files)
    tick_interval: timedelta = timedelta(minutes=1)

    @cached_property
    def templates(self) -> Environment:
        """The templates. All values in them are escaped, and a name without a value is an error."""
        made = Environment(
            loader=PackageLoader("dispatcher.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.globals.update(url=words.url, files=self.files)
        made.filters.update({name: getattr(words, name) for name in FILTERS})
        made.filters.update(ticked_path=strips.ticked_path, gap_path=strips.gap_path)
        return made

    def render(self, request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
        """A page as an answer."""
        state = request.scope.get("state", {})
        theme = request.cookies.get(THEME, "auto")
        common = {
            "theme": theme if theme in THEMES else "auto",
            "actor": state.get("actor"),
            "may_change": state.get("may_change", False),
            "path": request.url.path,
        }
        return HTMLResponse(self.templates.get_template(template).render(**common, **values), status_code=status)

    def problem(self, request: Request, error: Exception) -> Response:
        """The page for an error of the client or a refused request. If the error may be temporary, the page reloads itself."""
        if isinstance(error, DispatcherError):
            status, faults = status_of(error)[0], error.faults if isinstance(error, InvalidInput) else ()
        elif isinstance(error, Refused):
            status, faults = error.status, error.faults
        else:
            status, faults = HTTPStatus(getattr(error, "status_code", 500)), ()
        text = words_of(error) if isinstance(error, DispatcherError | Refused) else status.phrase
        title, back = TITLES.get(status, status.phrase), _asking_page(request)
        passes = status is HTTPStatus.SERVICE_UNAVAILABLE and request.method == "GET"
        values = {"title": title, "text": text, "faults": faults, "back": back, "passes": passes}
        page = self.render(request, "problem.html", status=status, **values)
        page.headers.update({"Retry-After": str(RETRY_SECONDS), "Refresh": str(RETRY_SECONDS)} if passes else {})
        return page


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request, while a client is borrowed for it."""

    pages: Pages
    request: Request
    client: Dispatcher
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def render(self, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
        """A page as an answer."""
        return self.pages.render(self.request, template, status=status, **values)

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """A value of the query; empty if it is missing."""
        return self.request.query_params.get(name, "")

    def sent(self, name: str) -> str:
        """A field of the form; empty if it is missing."""
        values = self.form.get(name, [])
        return values[0] if values else ""

    @property
    def version(self) -> int | None:
        """The version from which the form was made; None if it is missing."""
        text = self.sent("version")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def words_of(error: Exception) -> str:
    """An error as a sentence."""
    text = str(error)
    return text[:1].upper() + text[1:]


def _asking_page(request: Request) -> str:
    """Our page from which a request comes; the first page if that is unknown."""
    scheme, _, rest = request.headers.get("referer", "").partition(f"//{request.headers.get('host', '')}/")
    address, own = f"/{rest}", OURS.fullmatch(f"/{rest}")
    is_other = address != f"{request.url.path}?{request.url.query}".removesuffix("?")
    return address if scheme in ("http:", "https:") and own and is_other else "/"


Page = Callable[[Visit], Response]


def shown(pages: Pages, page: Page) -> Callable[[Request], Response]:
    """An endpoint that reads. The framework calls it on a separate thread."""

    def endpoint(request: Request) -> Response:
        with pages.clients.lent(request.scope) as client:
            return page(Visit(pages=pages, request=request, client=client))

    return endpoint


def sent(pages: Pages, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that accepts a form."""

    async def endpoint(request: Request) -> Response:
        form = await form_body(request)

        def change() -> Response:
            with pages.clients.lent(request.scope) as client:
                return page(Visit(pages=pages, request=request, client=client, form=form))

        return await run_in_threadpool(change)

    return endpoint


def selected(visit: Visit, name: str, most: int) -> list[str]:
    """The items that were ticked in a list, without repeats. Raises `InvalidInput` for none, and for more than `most`."""
    values = list(dict.fromkeys(visit.form.get(name, [])))
    if not values:
        raise InvalidInput(f"{name}s", [Fault(name, "nothing is selected: tick at least one in the list")])
    if len(values) > most:
        raise InvalidInput(f"{name}s", [Fault(name, f"select at most {most} at once, not {len(values)}")])
    return values


def gone_to(*parts: str, **query: Any) -> Response:
    """Redirect the browser to another page after a change."""
    return RedirectResponse(words.url(*parts, **query), status_code=HTTPStatus.SEE_OTHER)


def gone_back(visit: Visit, address: str) -> Response:
    """Redirect the browser to the page that asked for a change, or to this address if none did."""
    return RedirectResponse(back_of(visit) or address, status_code=HTTPStatus.SEE_OTHER)


def back_of(visit: Visit) -> str:
    """Our page to which the form or the address says to return; empty if it names none."""
    back = visit.sent("back") or visit.query("back")
    return back if OURS.fullmatch(back) else ""
