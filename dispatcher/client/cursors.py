"""Cursors: where the next page of a list begins. Opaque to callers, and bound to the filter that they were made for."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Run, records
from dispatcher.models.records import Cursor, LogFilter, RunFilter

if TYPE_CHECKING:
    from dispatcher.protocols import PeopleStore

SEARCHED_AT_ONCE = records.SEARCHED_AT_ONCE
"""See `records.SEARCHED_AT_ONCE`."""

SEARCHED = 500
"""The most runs whose reasons are read for one page: no index has them."""

Item = TypeVar("Item")
Filter = TypeVar("Filter", RunFilter, LogFilter)


class WrongCursor(InvalidInput):
    """A cursor that was not made for this list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """A part of a list."""

    items: Sequence[Item]
    next: str | None
    """The cursor of the page that follows; None: there is none."""
    searched_to: datetime | None = None
    """When the last run was created that was looked at, where a search stopped before the list had ended."""


def page_of(
    where: Filter, cursor: str, limit: int, read: Callable[[Filter, int], Sequence[Item]], position: Callable[[Item], Cursor]
) -> Page[Item]:
    """The page of at most `limit` items that begins at a cursor (empty: the first page). Raises `WrongCursor`."""
    items = read(replace(where, after=position_in(where, cursor)) if cursor else where, limit + 1)
    following = cursor_at(where, position(items[limit - 1])) if len(items) > limit else None
    return Page(items=items[:limit], next=following)


def page_of_runs(store: PeopleStore, where: RunFilter, cursor: str, limit: int) -> Page[Run]:
    """The page of runs that begins at a cursor. Raises `WrongCursor`.

    It may have fewer runs than `limit`, or none, and still a page that follows: where no index has all that the filter asks
    for, up to `SEARCHED_AT_ONCE` runs are looked at.
    """
    among = replace(where, after=position_in(where, cursor)) if cursor else where
    runs, until = store.search(among, limit=limit + 1, most=SEARCHED_AT_ONCE)
    if len(runs) > limit:
        return Page(items=runs[:limit], next=cursor_at(where, (runs[limit - 1].created_at, runs[limit - 1].id)))
    return Page(items=runs, next=cursor_at(where, until) if until else None, searched_to=until[0] if until else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByReason(Page[Run]):
    """A part of a list that was searched for a reason. It may be empty and still have a page that follows."""

    searched: int
    """How many runs were read for it."""


def page_by_reason(store: PeopleStore, where: RunFilter, words: str, cursor: str, limit: int) -> ByReason:
    """At most `limit` of the next `SEARCHED` runs of a list: those whose recorded reason has the words.

    Upper and lower case are alike. Raises `WrongCursor`.
    """
    among, folded = page_of_runs(store, where, cursor, SEARCHED), words.casefold()
    places = [place for place, run in enumerate(among.items) if folded in run.reason.casefold()]
    items = [among.items[place] for place in places[:limit]]
    if len(places) > limit:
        following, searched = cursor_at(where, (items[-1].created_at, items[-1].id)), places[limit - 1] + 1
        return ByReason(items=items, next=following, searched=searched, searched_to=items[-1].created_at)
    last = among.searched_to or (among.items[-1].created_at if among.next else None)
    return ByReason(items=items, next=among.next, searched=len(among.items), searched_to=last)


def cursor_at(where: RunFilter | LogFilter, position: Cursor) -> str:
    """The cursor of what comes after a position in the list of a filter."""
    words = json.dumps([_mark(where), position[0].isoformat(), position[1].hex])
    return urlsafe_b64encode(words.encode()).decode().rstrip("=")


def position_in(where: RunFilter | LogFilter, cursor: str) -> Cursor:
    """The position that a cursor holds. Raises `WrongCursor` for one that was not made for this filter."""
    try:
        mark, at, item = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        position = datetime.fromisoformat(at), UUID(item)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise wrong_cursor() from None
    if mark != _mark(where) or position[0].tzinfo is None:
        raise wrong_cursor()
    return position


def wrong_cursor() -> WrongCursor:
    """The error for a cursor that was not made for the list."""
    return WrongCursor("list", [Fault("cursor", "is not one of this list; leave it out to begin anew")])


def _mark(where: RunFilter | LogFilter) -> str:
    """The filter without its position, in a few characters."""
    values = {field.name: _plain(getattr(where, field.name)) for field in fields(where) if field.name != "after"}
    return sha256(json.dumps(values).encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.isoformat() if isinstance(value, datetime) else value
