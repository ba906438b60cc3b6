"""Runs in the order in which people want to see them: what runs, what is due and waits, what ended last, what is to come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from dispatcher.client import Dispatcher
from dispatcher.core.reasons import Reason, Surroundings, explain
from dispatcher.models import SLOT_STATES, TERMINAL_STATES, Run, RunState, WorkPool
from dispatcher.records import QueueCount, RunFilter

LATE = timedelta(seconds=15)
"""How long a run may wait beyond its time before it is called late: as in Prefect."""

MOST = 1000
"""Runs that are read of one kind: of more that wait, the first of each pool are looked up by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A run, and what its row alone does not say."""

    run: Run
    late: bool = False
    waits: str = ""
    """Why it waits, in a few words; empty for one that does not, or is not due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The first runs of a list, in order."""

    runs: Sequence[Listed]
    to_come: Sequence[Listed]
    """Those whose time has not come, by time."""


def listing(client: Dispatcher, where: RunFilter, *, limit: int) -> Listing:
    """The runs that a filter lets through, at most `limit` of each kind. Raises `InvalidInput` for a limit out of range."""
    client.runs(limit=limit)  # whether the limit is one
    now, states = client.clock.now(), where.states if where.states is not None else frozenset(RunState)
    live = _read(client, where, states & SLOT_STATES, limit)
    ended = _read(client, where, states & TERMINAL_STATES, limit)
    waiting = _read(client, where, states & {RunState.SCHEDULED}, MOST)
    due = sorted((run for run in waiting if _counts_now(run, now)), key=_by_time)
    if len(waiting) == MOST and where.deployment is None:
        due = _due_of_many(client, where, limit)
    live = sorted(live, key=lambda run: run.claimed_at or now)
    ended = sorted(ended, key=lambda run: run.ended_at or now, reverse=True)
    shown = [Listed(run=run) for run in live], _with_waits(client, due[:limit], now), [Listed(run=run) for run in ended]
    later = sorted((run for run in waiting if not _counts_now(run, now)), key=_by_time)
    return Listing(runs=[entry for part in shown for entry in part][:limit], to_come=[Listed(run=run) for run in later[:limit]])


def _read(client: Dispatcher, where: RunFilter, states: frozenset[RunState], limit: int) -> Sequence[Run]:
    return client.store.runs(replace(where, states=states), limit=limit) if states else ()


def _due_of_many(client: Dispatcher, where: RunFilter, limit: int) -> list[Run]:
    """Where more wait than are read: the first of each pool, by the index that ticks read."""
    names = [where.pool] if where.pool is not None else [pool.name for pool in client.work_pools()]
    seen = [waiting.run for name in names for waiting in client.preview_work_pool(name, within=timedelta(0), limit=limit)]
    return sorted((run for run in seen if where.queue in (None, run.queue)), key=_by_time)


def _counts_now(run: Run, now: datetime) -> bool:
    """Due, or between two attempts: such a run has begun."""
    return run.due_at <= now or run.ended_attempts > 0


def _by_time(run: Run) -> tuple[datetime, UUID]:
    return run.due_at, run.id


def _with_waits(client: Dispatcher, due: Iterable[Run], now: datetime) -> list[Listed]:
    """Runs that are due, each with the one reason that `explain` gives for it."""
    pools: dict[str, tuple[WorkPool | None, Mapping[str, QueueCount]]] = {}
    ahead: dict[tuple[str, str], int] = {}
    shown = []
    for run in due:
        if run.pool not in pools:
            pools[run.pool] = client.store.pool(run.pool), client.store.counts(run.pool, now)
        pool, counts = pools[run.pool]
        place = ahead.setdefault((run.pool, run.queue), 0)
        words = _words(run, _around(client, run, pool, counts, place), now) if pool else ""
        ahead[run.pool, run.queue] += run.due_at <= now and (run.not_before is None or run.not_before <= now)
        shown.append(Listed(run=run, late=now - run.due_at > LATE, waits=words))
    return shown


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
