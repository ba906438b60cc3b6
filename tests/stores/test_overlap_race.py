"""Deployments with a limit of one, ticked by two processes that are killed at random: their jobs never overlap."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import StoreUnavailable
from dispatcher.models import SLOT_STATES, OnCollision, Run
from dispatcher.models.records import RunFilter
from dispatcher.stores.sqlite import SqliteStore
from tests.stores.races import Tickers

pytestmark = pytest.mark.long

RUNS = 30
"""Of each deployment, one after the other."""
KILL_AFTER = 6
"""Ticks between one SIGKILL and the next."""
MOST_TICKS = 3000
TAKEN = 99
"""What `flock` answers when another job of the deployment lives."""


def test_jobs_of_a_deployment_never_overlap(tmp_path: Path):
    store = SqliteStore(tmp_path / "store.db")
    client = Dispatcher(store)
    client.create_work_pool("pool", type="process", concurrency_limit=6)
    for policy in OnCollision:
        lock, overlaps = tmp_path / f"{policy.value}.lock", tmp_path / "overlaps"
        command = f"sh -c 'flock -n -E {TAKEN} {lock} sleep 0.3; [ $? -ne {TAKEN} ] || echo {policy.value} >> {overlaps}'"
        variables = {"pool": "pool", "job_variables": {"command": command}}
        client.create_deployment(policy.value, **variables, concurrency_limit=1, on_collision=policy)
    kills = _drive(client, tmp_path)
    assert not (tmp_path / "overlaps").exists()
    reasons = {policy: Counter(run.reason.split()[0] for run in _runs(store, policy) if run.reason) for policy in OnCollision}
    assert not reasons[OnCollision.WAIT].keys() & {"skipped:", "replaced"}
    assert reasons[OnCollision.SKIP]["skipped:"]
    assert reasons[OnCollision.REPLACE]["replaced"]
    assert all(len(_runs(store, policy)) == RUNS for policy in OnCollision)
    assert kills >= 3
    store.close()


def _drive(client: Dispatcher, directory: Path) -> int:
    """Add runs, tick and kill until all is done; returns the number of kills."""
    settings = {
        "DISPATCHER_STORE": f"sqlite:///{directory / 'store.db'}",
        "DISPATCHER_PROCESS_DIRECTORY": str(directory / "processes"),
        "DISPATCHER_TICK_SECONDS": "2",
        "DISPATCHER_LEASE_SECONDS": "60",
        "DISPATCHER_LOG_LEVEL": "ERROR",
    }
    tickers, random, kills, added = Tickers({**os.environ, **settings}, 0.05), Random(19), 0, 0
    try:
        for _ in range(2):
            tickers.add()
        for number, _ in enumerate(tickers.lines(), start=1):
            if added < RUNS:
                with suppress(StoreUnavailable):  # the file was locked for too long: the next round adds them
                    client.create_runs([{"deployment": policy.value} for policy in OnCollision])
                    added += 1
            if number % KILL_AFTER == 0 and number <= 2 * RUNS:
                tickers.kill_one(random)
                kills += 1
            if added == RUNS and _is_done(client):
                return kills
            assert number < MOST_TICKS
    finally:
        tickers.close()
    raise AssertionError("every ticker has ended")


def _is_done(client: Dispatcher) -> bool:
    """Whether all runs have ended; meanwhile no two of a deployment hold a slot."""
    try:
        holding = client.store.runs(RunFilter(states=SLOT_STATES), limit=1000)
        runs = client.store.runs(RunFilter(), limit=1000)
    except StoreUnavailable:
        return False
    assert max(Counter(run.deployment for run in holding).values(), default=0) <= 1
    return all(run.state.is_terminal for run in runs)


def _runs(store: SqliteStore, policy: OnCollision) -> list[Run]:
    return list(store.runs(RunFilter(deployment=policy.value), limit=1000))
