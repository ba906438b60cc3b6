"""Lanes: where runs of deployments with a limit or a share wait, in the partition of their queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.items import Item, id_in, key_in, run_in, small_run_in, text_in
from dispatcher.stores.dynamodb.requests import Table


def lanes_in(
    table: Table, pool: str, queue: str, now: datetime | None = None, among: tuple[str, str] = ("", "")
) -> Iterator[str]:
    """The lanes of a queue in which runs wait (and are due at `now`), with one request per lane and one more. `among`: only
    lanes whose names lie between two texts.
    """
    first, last = (f"{keys.LANE}{name}" for name in among)
    before = last if among[1] else ""
    while item := next(table.query(keys.waiting(pool, queue), first=first, before=before, page=1), None):
        sort_key = key_in(item)[1]
        lane = keys.lane_of(sort_key) or ""
        if now is None or sort_key < keys.in_lane(lane, keys.after(now)):
            yield lane
        first = keys.after_lane(lane)


def lane_entries(
    table: Table, partition: str, lane: str | None, now: datetime, *, page: int, after: str = ""
) -> Iterator[Item]:
    """The entries of a lane, or of the queue itself, that are due and sort after `after`."""
    first = keys.in_lane(lane, after)
    return table.query(partition, first=first, before=keys.in_lane(lane, keys.after(now)), page=page)


@dataclass(frozen=True, slots=True)
class LiveRuns:
    """The runs that hold slots of a pool, counted from the entries of the runs.

    A run whose entry moves during the count is missed; it then counts for every deployment.
    """

    by_place: Mapping[tuple[str, str], int]
    """By queue and deployment, which is empty for runs without one."""
    used: Mapping[str, int]
    """By queue: the slots in use, by the pool's own count before."""

    def of(self, deployment: str) -> int:
        """How many runs of a deployment hold a slot of the pool."""
        counted = sum(number for (_, name), number in self.by_place.items() if name == deployment)
        return counted + max(0, sum(self.used.values()) - sum(self.by_place.values()))

    def in_queue(self, queue: str) -> Mapping[str, int]:
        """How many slots of a queue the runs of each deployment hold."""
        return {name: number for (place, name), number in self.by_place.items() if place == queue}


def live_in(table: Table, pool: str, used: Mapping[str, int]) -> LiveRuns:
    """Count the runs that hold slots. Claims are read before live jobs, because runs move from claims to live jobs."""
    places: dict[str, tuple[str, str]] = {}
    for item in table.query(keys.claimed(pool)):
        run_id = id_in(key_in(item)).hex
        deployment = text_in(item, "deployment") if "deployment" in item else _deployment_of(table, item)
        places[run_id] = text_in(item, "queue"), deployment
    for item in table.query(keys.live(pool)):
        run = small_run_in(item)
        places[key_in(item)[1]] = run.queue, run.deployment or ""
    return LiveRuns(Counter(places.values()), used)


def _deployment_of(table: Table, entry: Item) -> str:
    """The deployment of a claimed run whose entry was written by older code, without it."""
    key = keys.run(id_in(key_in(entry)))
    item = table.items([key]).get(key)
    return "" if item is None else run_in(item).run.deployment or ""
