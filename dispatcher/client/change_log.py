"""The log of changes, for people: who changed what, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dispatcher.client.arguments import run_id, utc
from dispatcher.client.bulk_words import filters_by
from dispatcher.client.connected import Connected
from dispatcher.client.cursors import Page, page_of
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import LogEntry
from dispatcher.models.records import LogFilter

MAX_ENTRIES = 1000

BULK = "runs"
"""The noun of the entries of work on all runs of a filter."""
FILTERED = {"work pool": "pool", "deployment": "deployment"}
"""By noun: the part of such a filter that names one."""
LOOKED_AT = 200
"""Entries of work on many runs that are read at once."""

NOUNS = {"pool": "work pool", "deployment": "deployment", "automation": "automation", "run": "run"}
"""What a filter names -> the noun of its entries."""


class ChangeLog(Connected):
    """What people read of the log."""

    def log(
        self,
        *,
        pool: str | None = None,
        deployment: str | None = None,
        automation: str | None = None,
        run: str | None = None,
        actor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str = "",
        limit: int = 50,
    ) -> Page[LogEntry]:
        """A page of the log of changes, latest first; `cursor` is the `next` of the page before.

        `pool`, `deployment`, `automation` and `run` (its id) name one thing whose changes are listed; the entries of a deleted
        one stay. Work on all runs of a filter is listed with the pool or the deployment that the filter names.
        Raises `InvalidInput`, also for a cursor of another filter.
        """
        names = {"pool": pool, "deployment": deployment, "automation": automation, "run": run}
        where = log_filter(names, actor=actor, since=since, until=until)
        return self.log_page(where, cursor=cursor, limit=limit)

    def log_page(self, where: LogFilter, *, cursor: str, limit: int) -> Page[LogEntry]:
        """The same for a filter. Raises `WrongCursor`."""
        if not 1 <= limit <= MAX_ENTRIES:
            raise InvalidInput("log", [Fault("limit", f"must be from 1 to {MAX_ENTRIES}, not {limit}")])
        return page_of(
            where,
            cursor,
            limit,
            self._entries,
            lambda entry: (entry.changed_at, entry.id),
        )

    def _entries(self, where: LogFilter, most: int) -> Sequence[LogEntry]:
        """The first entries of a filter: of a pool or a deployment with the work on its runs among them."""
        own = self.store.log(where, limit=most)
        if where.noun not in FILTERED or where.name is None:
            return own
        oldest = own[-1].changed_at if len(own) == most else None
        both = sorted([*own, *self._bulk(where, most, oldest)], key=lambda entry: entry.id)
        return sorted(both, key=lambda entry: entry.changed_at, reverse=True)[:most]

    def _bulk(self, where: LogFilter, most: int, oldest: datetime | None) -> Sequence[LogEntry]:
        """The entries of work on many runs of what a filter names: the first ones, or those not older than a time.

        There is an entry for each command and not for each run, so that few are passed over.
        """
        among, matching = replace(where, noun=BULK, name=None), list[LogEntry]()
        while True:
            entries = self.store.log(among, limit=LOOKED_AT)
            matching += [entry for entry in entries if filters_by(entry.name, FILTERED[where.noun or ""], where.name or "")]
            is_over = len(entries) < LOOKED_AT or (oldest is not None and entries[-1].changed_at < oldest)
            if is_over or len(matching) >= most:
                return matching
            among = replace(among, after=(entries[-1].changed_at, entries[-1].id))


def log_filter(
    names: Mapping[str, str | None],
    *,
    actor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> LogFilter:
    """The filter for the nouns that people name: `names` has the keys of `NOUNS`.

    Raises `InvalidInput` for more than one noun, for a run that is not an id or a name of a submission, and for a time without
    an offset.
    """
    named = [(field, name) for field, name in names.items() if name]
    if len(named) > 1:
        words = f"cannot be given together with {named[0][0]}: an entry is of one thing"
        raise InvalidInput("log", [Fault(named[1][0], words)])
    field, name = named[0] if named else (None, None)
    return LogFilter(
        actor=actor or None,
        noun=NOUNS[field] if field else None,
        name=str(run_id(name)) if field == "run" and name else name,
        since=None if since is None else utc(since, "since"),
        until=None if until is None else utc(until, "until"),
    )
