"""Cursors: where the next page of a list begins. Opaque to callers, and bound to the filter that they were made for."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from uuid import UUID

from dispatcher.client import Dispatcher
from dispatcher.models import Run
from dispatcher.records import RunFilter
from dispatcher.web.answers import Refused


def page_of(client: Dispatcher, where: RunFilter, cursor: str, limit: int) -> tuple[Sequence[Run], str | None]:
    """A page of runs, and the cursor of the next one. Raises `Refused` for a cursor that was not made for this filter."""
    page = client.store.runs(_continued(where, cursor) if cursor else where, limit=limit + 1)
    return page[:limit], _cursor(where, page[limit - 1]) if len(page) > limit else None


def _cursor(where: RunFilter, run: Run) -> str:
    words = json.dumps([_mark(where), run.created_at.isoformat(), run.id.hex])
    return urlsafe_b64encode(words.encode()).decode().rstrip("=")


def _continued(where: RunFilter, cursor: str) -> RunFilter:
    try:
        mark, at, run = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        after = datetime.fromisoformat(at), UUID(run)
    except (ValueError, TypeError, AttributeError, RecursionError):
        mark, after = None, None
    if mark != _mark(where) or after is None or after[0].tzinfo is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "cursor", "the cursor is not one of this list; leave it out to begin anew")
    return replace(where, after=after)


def _mark(where: RunFilter) -> str:
    states = sorted(where.states) if where.states is not None else None
    times = [None if moment is None else moment.isoformat() for moment in (where.since, where.until)]
    words = json.dumps([where.pool, where.queue, where.deployment, states, where.tag, where.name, times])
    return sha256(words.encode()).hexdigest()[:12]
