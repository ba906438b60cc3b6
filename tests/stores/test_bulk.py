"""Many waiting runs are cancelled by one filter, from the page, the command line and the API, on every store.

It is interrupted once in the middle and repeated, while ticks start some of them: all are cancelled, none twice, the log counts
each once, and the pool never holds more slots than it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from dispatcher.cli.root import root
from dispatcher.client import Dispatcher
from dispatcher.client.bulk import STEP, BulkRuns
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.models.records import LogFilter, RunFilter
from dispatcher.protocols import Store
from dispatcher.web.access import loopback
from dispatcher.web.app import create_app
from dispatcher.wiring import wire
from tests.builders import a_run
from tests.stores.backlog import LIMIT, Form, Ticks
from tests.stores.factories import FACTORIES

BASE = "http://127.0.0.1:4210"


def browser_of(store: Store) -> TestClient:
    settings = Settings.from_environment({"HOME": "/nowhere", "DISPATCHER_STORE": "memory://"})
    access, sessions = loopback(4210, name="ada")
    wiring = replace(wire(settings), store=store)
    browser = TestClient(create_app(settings, access=access, wiring=wiring), base_url=BASE, headers={"Origin": BASE})
    assert browser.get("/sign-in", params={"token": sessions.token}).status_code == 200
    return browser


def by_page(store: Store, steps: int | None) -> None:
    """Confirm the count, and follow the form of each answer; after so many steps, close the page."""
    browser = browser_of(store)
    asked = browser.get("/runs/bulk", params={"action": "cancel", "tag": "backfill"})
    while (form := Form(asked.text).fields) and steps != 0:
        asked = browser.post("/runs/bulk", data=form)
        assert asked.status_code == 200, asked.text
        steps = None if steps is None else steps - 1


def by_api(store: Store, steps: int | None) -> None:
    """Send the `next` of each answer; after so many, send no more."""
    browser = browser_of(store)
    body = {"action": "cancel", "filter": {"tag": "backfill"}}
    while body and steps != 0:
        answer = browser.post("/api/v1/runs/bulk", json=body)
        assert answer.status_code == 200, answer.text
        body, steps = answer.json()["next"], None if steps is None else steps - 1


def by_command_line(store: Store, steps: int | None) -> None:
    """Give the command; after so many steps, press Ctrl-C."""
    left, step = [steps], BulkRuns.bulk_step

    def interrupted(*arguments, **options):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] = None if left[0] is None else left[0] - 1
        return step(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dispatcher.wiring.open_store", lambda _url: store)
        patch.setattr(store, "close", lambda: None, raising=False)
        patch.setattr(BulkRuns, "bulk_step", interrupted)
        environment = {"HOME": "/nowhere", "DISPATCHER_STORE": "memory://"}
        said = CliRunner().invoke(root, ["run", "cancel", "--tag", "backfill", "--yes"], env=environment)
    assert said.exit_code == (0 if steps is None else 130), said.output


WAYS = {"page": by_page, "api": by_api, "command line": by_command_line}


def check(store: Store, way: Callable[[Store, int | None], None], count: int) -> None:
    client = Dispatcher(store)
    client.create_work_pool("nightly", type="process", job_variables={"command": "true"}, concurrency_limit=LIMIT)
    client.create_work_pool("other", type="process", job_variables={"command": "true"}, paused=True)
    now = client.clock.now()
    others = [a_run(pool="other", created_at=now) for _ in range(3)]
    store.add_runs(
        [
            *(a_run(pool="nightly", tags=("backfill",), created_at=now, scheduled_at=now, due_at=now) for _ in range(count)),
            *others,
        ]
    )
    ticks, step = Ticks(store, LIMIT), BulkRuns.bulk_step

    def and_a_tick(self, *arguments, **options):
        try:
            return step(self, *arguments, **options)
        finally:
            ticks.tick()

    half = max(1, count // STEP // 2)
    cancelled = RunFilter(tag="backfill", states=frozenset({RunState.CANCELLED, RunState.CANCELLING}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BulkRuns, "bulk_step", and_a_tick)
        ticks.tick()
        way(store, half)
        assert store.count(cancelled, limit=count + 1) == min(count, half * STEP)
        way(store, None)
    ticks.until_nothing_runs()

    assert store.count(RunFilter(tag="backfill", states=frozenset({RunState.CANCELLED})), limit=count + 1) == count
    assert store.count(RunFilter(states=frozenset({RunState.SCHEDULED})), limit=10) == len(others)
    entries = store.log(LogFilter(noun="runs"), limit=10)
    assert sum(entry.runs for entry in entries) == count  # none was cancelled twice
    assert {entry.verb for entry in entries} == {"cancel"}
    assert ticks.provider.starts, "some had a job when they were cancelled"
    assert set(ticks.provider.starts.values()) == {1}
    assert ticks.provider.peak_live <= LIMIT


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["memory", "sqlite", "postgres"])
def test_hundreds_of_runs_are_cancelled_by_one_filter(name, way, tmp_path):
    store = FACTORIES[name](tmp_path)
    check(store, WAYS[way], 450)
    store.close()


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["memory", "sqlite", "postgres"])
def test_ten_thousand_runs_are_cancelled_by_one_filter(name, way, tmp_path):
    """On DynamoDB too: `tests/stores/dynamodb/test_bulk.py`."""
    store = FACTORIES[name](tmp_path)
    check(store, WAYS[way], 10_000)
    store.close()
