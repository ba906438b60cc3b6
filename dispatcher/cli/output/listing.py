"""Runs in the order in which people want to see them: live runs, due runs, ended runs (latest first), future runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from dispatcher.client import Dispatcher, cursors
from dispatcher.client.cursors import ByReason, page_by_reason
from dispatcher.core.holds import order_in_queue, position_of
from dispatcher.core.reasons import Reason, explain
from dispatcher.core.surroundings import Surroundings, served
from dispatcher.models import SLOT_STATES, TERMINAL_STATES, Run, RunState, Share, WorkPool
from dispatcher.models.records import QueueCount, RunFilter, Searched, Snapshot

WAITING = frozenset({RunState.SCHEDULED})

MOST = 1000
"""The most waiting runs that one query reads. If there are more, the first runs of each pool are read separately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run with the reason why it waits, which is not part of the stored run."""

    run: Run
    late: bool = False
    waits: str = ""
    """Why the run waits, in a few words; empty for a run that does not wait or is not due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListing:
    """The first runs of a list, in order."""

    runs: Sequence[ListedRun]
    to_come: Sequence[ListedRun]
    """Future runs, sorted by due time."""
    searched: ByReason | None = None
    """How far the runs were searched for a reason."""
    searched_to: datetime | None = None
    """When the last run was created that was looked at, where the list stopped before its end."""


def listing(client: Dispatcher, where: RunFilter, *, limit: int, reason: str = "", everywhere: bool = False) -> RunListing:
    """The runs that match a filter, at most `limit` of each kind. Raises `InvalidInput` for a limit out of range.

    Where no index has all that the filter asks for, up to `SEARCHED_AT_ONCE` runs of each kind are looked at, and with
    `everywhere` all.
    `reason`: only runs among the newest `SEARCHED` whose recorded reason contains this text, at most `limit` in all.
    """
    client.runs(limit=limit)  # checks the limit
    if reason:
        part = page_by_reason(client.store, where, reason, "", limit)
        kinds = ([run for run in part.items if run.state in states] for states in (SLOT_STATES, WAITING, TERMINAL_STATES))
        return replace(_ordered(client, *kinds, limit=limit), searched=part)
    kinds_read = [
        _read(client, where, states, most, everywhere=everywhere)
        for states, most in ((SLOT_STATES, limit), (WAITING, MOST), (TERMINAL_STATES, limit))
    ]
    live, waiting, ended = (kind.runs for kind in kinds_read)
    if len(waiting) == MOST and not (where.deployment or where.tag or where.name or where.since or where.until):
        now = client.clock.now()
        waiting = [*_due_of_many(client, where, limit), *(run for run in waiting if not _counts_now(run, now))]
    stops = [kind.until[0] for kind in kinds_read if kind.until is not None]
    return replace(_ordered(client, live, waiting, ended, limit=limit), searched_to=max(stops, default=None))


def _ordered(
    client: Dispatcher, live: Sequence[Run], waiting: Sequence[Run], ended: Sequence[Run], *, limit: int
) -> RunListing:
    now = client.clock.now()
    live = sorted(live, key=lambda run: run.claimed_at or now)
    due = sorted((run for run in waiting if _counts_now(run, now)), key=order_in_queue)
    ended = sorted(ended, key=lambda run: run.ended_at or now, reverse=True)
    shown = [ListedRun(run=run) for run in live], _with_waits(client, due[:limit], now), [ListedRun(run=run) for run in ended]
    later = sorted((run for run in waiting if not _counts_now(run, now)), key=position_of)
    return RunListing(
        runs=[entry for part in shown for entry in part][:limit], to_come=[ListedRun(run=run) for run in later[:limit]]
    )


def _read(client: Dispatcher, where: RunFilter, states: frozenset[RunState], limit: int, *, everywhere: bool) -> Searched:
    among = states if where.states is None else states & where.states
    if not among:
        return Searched(())
    if everywhere:
        return Searched(client.store.runs(replace(where, states=among), limit=limit))
    return client.store.search(replace(where, states=among), limit=limit, most=cursors.SEARCHED_AT_ONCE)


def _due_of_many(client: Dispatcher, where: RunFilter, limit: int) -> list[Run]:
    """The first due runs of each pool, from the index that ticks read. Used if more runs than `MOST` wait."""
    names = [where.pool] if where.pool is not None else [pool.name for pool in client.work_pools()]
    seen = [waiting.run for name in names for waiting in client.preview_work_pool(name, within=timedelta(0), limit=limit)]
    return sorted((run for run in seen if where.queue in (None, run.queue)), key=order_in_queue)


def _counts_now(run: Run, now: datetime) -> bool:
    """Whether a run is due or between two attempts; a run between two attempts has already begun."""
    return run.due_at <= now or run.ended_attempts > 0


def _with_waits(client: Dispatcher, due: Iterable[Run], now: datetime) -> list[ListedRun]:
    """Due runs, each with the reason that `explain` gives."""
    pools: dict[str, tuple[WorkPool | None, Mapping[str, QueueCount]]] = {}
    ahead: dict[tuple[str, str], int] = {}
    served_first: dict[UUID, int] = {}
    shown = []
    for run in due:
        if run.pool not in pools:
            pools[run.pool] = client.store.pool(run.pool), client.store.counts(run.pool, now)
            served_first |= _served_first(client, run.pool, now)
        pool, counts = pools[run.pool]
        place = served_first.get(run.id, ahead.setdefault((run.pool, run.queue), 0))
        words = _words(run, _around(client, run, pool, counts, place), now) if pool else ""
        ahead[run.pool, run.queue] += run.due_at <= now and (run.not_before is None or run.not_before <= now)
        shown.append(ListedRun(run=run, late=run.is_late(now, client.heartbeat), waits=words))
    return shown


def _served_first(client: Dispatcher, pool: str, now: datetime) -> Mapping[UUID, int]:
    """The positions of the first runs in each queue that deployments share: such queues have another order."""

    def places(snapshot: Snapshot) -> dict[UUID, int]:
        shared = [queue for queue in snapshot.pool.queues if queue.share is Share.FAIR]
        return {run.id: place for queue in shared for place, run in enumerate(served(snapshot, queue, now))}

    return client.store.look(pool, now, places) or {}


def _around(client: Dispatcher, run: Run, pool: WorkPool, counts: Mapping[str, QueueCount], ahead: int) -> Surroundings:
    return Surroundings(pool=pool, counts=counts, ahead=ahead, holders=(), needs=client.needs_of(pool, run))


def _words(run: Run, around: Surroundings, now: datetime) -> str:
    answer = explain(run, around, now)
    reason = answer.reason
    if reason is Reason.NEXT:
        return run.reason or "the next tick starts it"
    if reason.endswith("HELD"):
        return run.reason or answer.text
    if reason is Reason.MISCONFIGURED:
        return answer.text
    words = reason.lower().replace("_", " ")
    return f"{words}; before: {run.reason}" if run.reason else words
