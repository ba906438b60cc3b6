"""The way back: pools that mirrored one of a Prefect server become pools of our own, paused, with nothing waiting in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from dispatcher.core.transitions import end
from dispatcher.errors import Conflict
from dispatcher.models import SLOT_STATES, RunState, WorkPool
from dispatcher.prefect.standing import mirrored
from dispatcher.records import RunFilter
from dispatcher.store import Store

PAGE = 1000
REASON = "disconnected from Prefect: its flow run waits there"


def part(store: Store, now: datetime) -> Sequence[str]:
    """Stop mirroring; returns the names of the pools. Their flow runs stay scheduled at the server.

    Raises `Conflict` while a run of one of them has not ended: nobody would report its end.
    """
    pools = mirrored(store)
    for pool in pools:
        if live := store.runs(RunFilter(pool=pool.name, states=SLOT_STATES), limit=1):
            words = "runs have not ended; pause the pool in Prefect and wait, or cancel them there"
            raise Conflict(f"work pool {pool.name!r}: {words} (one is {live[0].name!r})")
    for pool in pools:
        _withdraw(store, pool, now)
        store.save_pool(replace(pool, mirror=None, paused=True), expected_version=pool.version)
    return [pool.name for pool in pools]


def _withdraw(store: Store, pool: WorkPool, now: datetime) -> None:
    where = RunFilter(pool=pool.name, states=frozenset({RunState.SCHEDULED}))
    while runs := store.runs(where, limit=PAGE):
        store.move([end(run, RunState.CANCELLED, REASON, now, notifies=False) for run in runs])
