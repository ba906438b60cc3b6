"""Cursors: where the next page of a list begins. Opaque to callers, and bound to the filter that they were made for."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus

from dispatcher.client import Dispatcher
from dispatcher.models import Run
from dispatcher.records import RunFilter
from dispatcher.web.answers import Refused

FARTHEST = 10_000_000
"""More than a list has."""


def page_of(client: Dispatcher, where: RunFilter, cursor: str, limit: int) -> tuple[Sequence[Run], str | None]:
    """A page of runs, and the cursor of the next one. Raises `Refused` for a cursor that was not made for this filter."""
    start = _position(where, cursor) if cursor else 0
    page = client.store.runs(where, limit=limit + 1, offset=start)
    return page[:limit], _cursor(where, start + limit) if len(page) > limit else None


def _cursor(where: RunFilter, position: int) -> str:
    return urlsafe_b64encode(json.dumps([_mark(where), position]).encode()).decode().rstrip("=")


def _position(where: RunFilter, cursor: str) -> int:
    try:
        mark, position = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, RecursionError):
        mark, position = None, None
    if mark != _mark(where) or type(position) is not int or not 0 <= position <= FARTHEST:
        raise Refused(HTTPStatus.BAD_REQUEST, "cursor", "the cursor is not one of this list; leave it out to begin anew")
    return position


def _mark(where: RunFilter) -> str:
    states = sorted(where.states) if where.states is not None else None
    words = json.dumps([where.pool, where.queue, where.deployment, states])
    return sha256(words.encode()).hexdigest()[:12]
