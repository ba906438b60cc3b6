"""A chain A, B, C with a circuit breaker, ticked by two processes that are killed at random: each is made and started once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from uuid import uuid5

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import StoreUnavailable
from dispatcher.models import Run, RunEnded, RunOf, RunState, Target, Then, When
from dispatcher.models.records import RunFilter
from dispatcher.stores.sqlite import SqliteStore
from tests.stores.races import Tickers

pytestmark = pytest.mark.long

CHAINS = 12
FRAGILE = 8
KILL_AFTER = 2
"""Ticks between one SIGKILL and the next."""
MOST_TICKS = 3000
NUMBERED = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
"""Each chain hands its number on."""


def test_each_run_of_a_chain_is_made_and_started_once_and_the_breaker_acts_once(tmp_path: Path):
    started = tmp_path / "started"
    store = SqliteStore(tmp_path / "store.db")
    _set_up(Dispatcher(store), started)
    kills = _drive(store, tmp_path)
    runs = {run.id: run for run in store.runs(RunFilter(), limit=1000)}
    by_deployment = {name: [run for run in runs.values() if run.deployment == name] for name in "abcd"}
    for before, after in ("ab", "bc"):
        causes = [run.cause.run for run in by_deployment[after] if run.cause]
        assert sorted(causes, key=str) == sorted((run.id for run in by_deployment[before]), key=str)
    assert len(by_deployment["c"]) == CHAINS
    assert {run.state for name in "abc" for run in by_deployment[name]} == {RunState.COMPLETED}
    assert Counter(started.read_text().split()) == Counter(
        f"{name}-{run.id}-{number}"
        for name in "abc"
        for number, run in zip(range(CHAINS), _by_number(by_deployment[name]), strict=True)
    )
    made = {uuid5(firing.id, "run/0") for firing in store.firings(None, limit=1000) if firing.automation != "breaker"}
    assert {run.id for name in "bc" for run in by_deployment[name]} == made
    states = Counter(run.state for run in by_deployment["d"])
    assert 3 <= states[RunState.FAILED] < FRAGILE
    assert states[RunState.FAILED] + states[RunState.SCHEDULED] == FRAGILE
    acted = Counter(firing.automation for firing in store.firings(None, limit=1000))
    assert acted == {"b-after-a": CHAINS, "c-after-b": CHAINS, "breaker": 1}
    assert not any(run.automate_at for run in runs.values())
    assert kills >= 5
    store.close()


def _set_up(client: Dispatcher, started: Path) -> None:
    client.create_work_pool("chain", type="process", concurrency_limit=2)
    client.create_work_pool("fragile", type="process", concurrency_limit=1)
    for name in "abc":
        command = f"sh -c 'echo {name}-$DISPATCHER_RUN_ID-$DISPATCHER_PARAMETER_NUMBER >> {started}'"
        variables = {"pool": "chain", "job_variables": {"command": command}}
        client.create_deployment(name, **variables, parameter_openapi_schema=NUMBERED)
    client.create_deployment("d", pool="fragile", job_variables={"command": "false"})
    for before, after in ("ab", "bc"):
        ended = RunEnded(states=frozenset({RunState.COMPLETED}), deployment=before)
        run = RunOf(deployment=after, parameters_from_run={"number": "parameters.number"})
        client.create_automation(f"{after}-after-{before}", when=When(ended=ended), then=[Then(run=run)])
    breaking = RunEnded(states=frozenset({RunState.FAILED, RunState.CRASHED}), pool="fragile", count=3)
    client.create_automation("breaker", when=When(ended=breaking), then=[Then(pause=Target(pool="fragile"))])
    chains = [{"deployment": "a", "parameters": {"number": number}} for number in range(CHAINS)]
    client.create_runs(chains + [{"deployment": "d"}] * FRAGILE)


def _by_number(runs: Sequence[Run]) -> Sequence[Run]:
    return sorted(runs, key=lambda run: run.parameters["number"])


def _drive(store: SqliteStore, directory: Path) -> int:
    """Tick and kill until all is done; returns the number of kills."""
    settings = {
        "DISPATCHER_STORE": f"sqlite:///{directory / 'store.db'}",
        "DISPATCHER_PROCESS_DIRECTORY": str(directory / "processes"),
        "DISPATCHER_TICK_SECONDS": "2",
        "DISPATCHER_LEASE_SECONDS": "60",
        "DISPATCHER_LOG_LEVEL": "ERROR",
    }
    tickers, random, kills = Tickers({**os.environ, **settings}, 0.05), Random(18), 0
    try:
        for _ in range(2):
            tickers.add()
        for number, _ in enumerate(tickers.lines(), start=1):
            if number % KILL_AFTER == 0:
                tickers.kill_one(random)
                kills += 1
            if _is_done(store):
                return kills
            assert number < MOST_TICKS
    finally:
        tickers.close()
    raise AssertionError("every ticker has ended")


def _is_done(store: SqliteStore) -> bool:
    try:
        runs, pool = store.runs(RunFilter(), limit=1000), store.pool("fragile")
    except StoreUnavailable:
        return False
    unended = [
        run for run in runs if not run.state.is_terminal and not (run.pool == "fragile" and run.state is RunState.SCHEDULED)
    ]
    followed = sum(run.deployment == "c" and run.state is RunState.COMPLETED for run in runs) == CHAINS
    return bool(pool and pool.paused and followed and not unended and not any(run.automate_at for run in runs))
