"""Finds a run, a pool or a deployment by its id or name; and the page of help."""

from __future__ import annotations

from starlette.responses import Response

from dispatcher.errors import InvalidInput, NotFound
from dispatcher.web.pages.visit import Visit, gone_to
from dispatcher.web.pages.words import GLYPHS

KEYS = (
    ("g o", "all pools"),
    ("g r", "runs"),
    ("g d", "deployments"),
    ("g l", "log of changes"),
    ("/", "find"),
    ("j, k", "the next row, the one before"),
    ("x", "select the row"),
    ("Enter", "open it"),
    ("l", "stop the live page, and go on"),
    ("t", "light, dark, or as the system"),
    ("?", "this page"),
    ("↑ ↓ Home End", "on the handle ⠿ of a queue: move it"),
    ("Enter", "on the handle: show what would change"),
    ("Esc", "put it back; close"),
)


def find(visit: Visit) -> Response:
    """The page of the noun with this id or name; otherwise the runs whose names begin with the text."""
    words = visit.query("q").strip()[:200]
    try:
        return gone_to("runs", str(visit.client.run(words).id))
    except (InvalidInput, NotFound):
        pass
    if words and visit.client.store.pool(words):
        return gone_to("pools", words)
    if words and visit.client.store.deployment(words):
        return gone_to("deployments", words)
    return gone_to("runs", name=words)


def help_page(visit: Visit) -> Response:
    """The page of help: signs and keys."""
    return visit.render("help.html", signs=GLYPHS, keys=KEYS)
