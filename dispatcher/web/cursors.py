"""Pages of lists, as pages and API show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from dispatcher.client import Dispatcher
from dispatcher.client.cursors import ByReason, Page, WrongCursor, page_by_reason, page_of_runs
from dispatcher.models import LogEntry, Run
from dispatcher.models.records import LogFilter, RunFilter
from dispatcher.web.answers import Refused


def runs_of(client: Dispatcher, where: RunFilter, cursor: str, limit: int) -> Page[Run]:
    """A page of runs. Raises `Refused` for a cursor that was not made for this filter."""
    with refused():
        return page_of_runs(client.store, where, cursor, limit)


def searched(client: Dispatcher, where: RunFilter, reason: str, cursor: str, limit: int) -> ByReason:
    """A page of the runs whose recorded reason contains these words, likewise."""
    with refused():
        return page_by_reason(client.store, where, reason, cursor, limit)


def entries_of(client: Dispatcher, where: LogFilter, cursor: str, limit: int) -> tuple[Sequence[LogEntry], str | None]:
    """A page of the log of changes, likewise."""
    with refused():
        page = client.log_page(where, cursor=cursor, limit=limit)
        return page.items, page.next


@contextmanager
def refused() -> Iterator[None]:
    """Refuse a request with a wrong cursor."""
    try:
        yield
    except WrongCursor as problem:
        raise Refused(HTTPStatus.BAD_REQUEST, "cursor", f"the cursor {problem.faults[0].message}") from None
