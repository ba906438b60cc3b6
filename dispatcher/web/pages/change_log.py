"""The log: who changed what, and when."""

from __future__ import annotations

from starlette.responses import Response

from dispatcher.client.change_log import NOUNS, log_filter
from dispatcher.web.cursors import entries_of
from dispatcher.web.pages.visit import Visit
from dispatcher.web.pages.words import when

PAGE = 50
FILTERS = (*NOUNS, "actor", "since", "until")


def log(visit: Visit) -> Response:
    """The latest changes that match the address."""
    filters = {name: visit.query(name).strip()[:200] for name in FILTERS}
    since, until = (when(filters[name], visit.client.clock.now(), name) for name in ("since", "until"))
    where = log_filter({name: filters[name] for name in NOUNS}, actor=filters["actor"], since=since, until=until)
    entries, following = entries_of(visit.client, where, visit.query("cursor"), PAGE)
    return visit.render("log.html", entries=entries, next=following, filters=filters)
