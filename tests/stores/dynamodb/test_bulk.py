"""Ten thousand waiting runs on DynamoDB are cancelled by one filter, from the page, the API and the command line.

Each is interrupted once in the middle, in its own way, and repeated, while ticks start some of the runs. What `bulk_step` costs
here stands in the store's docstring.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import httpx
import pytest

from dispatcher.client import Dispatcher
from dispatcher.client.bulk import STEP, BulkAction
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.models.records import LogFilter, RunFilter
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.wiring import wire
from providers.emulators.faults import FaultKind
from tests.builders import a_run
from tests.stores.backlog import LIMIT, Form, Ticks
from tests.stores.dynamodb.places import Recorder
from tests.stores.dynamodb.units import Cost, cost_of
from tests.stores.dynamodb_server import PATIENT, REGION, connect, emulator, fresh_table
from tests.web.serving import served

COUNT = 10_000
BACKFILL = RunFilter(tag="backfill")
REPEATS, FAILED = 5, 1

_numbers = count(1)


def store_of(table: str) -> DynamoStore:
    return DynamoStore(table, connect=connect, patience=PATIENT)


def a_backlog(number: int) -> DynamoStore:
    """A pool with so many waiting runs of a tag, and three of none in another pool."""
    store = store_of(fresh_table())
    client = Dispatcher(store)
    client.create_work_pool("nightly", type="process", job_variables={"command": "true"}, concurrency_limit=LIMIT)
    client.create_work_pool("other", type="process", job_variables={"command": "true"}, paused=True)
    now = client.clock.now()
    waiting = [a_run(pool="nightly", tags=("backfill",), created_at=now, scheduled_at=now, due_at=now) for _ in range(number)]
    store.add_runs([*waiting, *(a_run(pool="other", created_at=now) for _ in range(3))])
    return store


@pytest.fixture(scope="module")
def backup() -> str:
    """The backup of a table with the whole backlog: to restore it takes less than to add it again."""
    table = a_backlog(COUNT)._table.name
    return connect().create_backup(TableName=table, BackupName="backlog")["BackupDetails"]["BackupArn"]


class Place:
    """A table with the backlog, and ticks of it."""

    def __init__(self, backup: str) -> None:
        self.table = f"backlog-{next(_numbers)}"
        connect().restore_table_from_backup(TargetTableName=self.table, BackupArn=backup)
        self.store = store_of(self.table)
        self.ticks = Ticks(self.store, LIMIT)

    def done(self) -> int:
        """How many runs the log says were cancelled."""
        return sum(entry.runs for entry in self.store.log(LogFilter(noun="runs"), limit=10))

    @contextmanager
    def served(self) -> Iterator[httpx.Client]:
        """Somebody who is signed in at a server of this table, and is seen by it as a browser."""
        settings = Settings.from_environment({"HOME": "/nowhere", "DISPATCHER_STORE": "memory://"})
        with served(replace(wire(settings), store=store_of(self.table))) as address:
            origin = f"http://{urlsplit(address).netloc}"
            with httpx.Client(base_url=origin, headers={"Origin": origin}, follow_redirects=True, timeout=None) as browser:
                browser.get(address).raise_for_status()
                yield browser

    def check(self) -> None:
        """All are cancelled, each once, none was started afterwards, and the limit was never passed."""
        self.ticks.until_nothing_runs()
        runs = self.store.runs(BACKFILL, limit=COUNT + 1)
        assert Counter(run.state for run in runs) == {RunState.CANCELLED: COUNT}
        assert self.store.count(RunFilter(states=frozenset({RunState.SCHEDULED})), limit=10) == 3
        assert self.done() == COUNT
        assert {entry.verb for entry in self.store.log(LogFilter(noun="runs"), limit=10)} == {"cancel"}
        provider = self.ticks.provider
        assert {UUID(name[1:33]) for name in provider.starts} == {run.id for run in runs if run.submitted_at is not None}
        assert all(run.claimed_at <= run.submitted_at <= run.ended_at for run in runs if run.submitted_at is not None)
        assert len(provider.starts) >= 2 * LIMIT
        assert set(provider.starts.values()) == {1}
        assert provider.peak_live <= LIMIT


@pytest.fixture
def place(backup: str) -> Place:
    made = Place(backup)
    made.ticks.tick()
    return made


@pytest.mark.long
def test_from_the_page_whose_connection_breaks_during_a_step(place: Place):
    def follow(browser: httpx.Client, steps: int | None) -> Any:
        """Confirm the count, and send the form of each answer; after so many, the form that would be next."""
        asked, sent = browser.get("/runs/bulk", params={"action": "cancel", "tag": "backfill"}), 0
        while (form := Form(asked.raise_for_status().text).fields) and sent != steps:
            asked, sent = browser.post("/runs/bulk", data=form), sent + 1
            place.ticks.tick()
        return form

    with place.served() as browser:
        form = follow(browser, COUNT // STEP // 2)
        connection = HTTPConnection(browser.base_url.host, browser.base_url.port)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {"Origin": browser.headers["Origin"], "Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/runs/bulk", urlencode(form, doseq=True), headers)
        connection.close()
        assert COUNT // 2 <= place.done() <= COUNT // 2 + STEP
        assert not follow(browser, None)
    place.check()


@pytest.mark.long
def test_from_the_api_whose_store_is_gone_for_a_while(place: Place):
    def follow(browser: httpx.Client, steps: int | None) -> httpx.Response:
        """Send the `next` of each answer; after so many, the store does not answer any more."""
        body, sent = {"action": "cancel", "filter": {"tag": "backfill"}}, 0
        while (answer := browser.post("/api/v1/runs/bulk", json=body)).is_success and (body := answer.json()["next"]):
            place.ticks.tick()
            sent += 1
            if sent == steps:
                emulator().faults.add("dynamodb.TransactWriteItems", FaultKind.LOSE_ANSWER, probability=1)
        return answer

    with place.served() as browser:
        try:
            assert follow(browser, COUNT // STEP // 2).status_code == 503
        finally:
            emulator().faults.reset()
        assert COUNT // 2 < place.done() <= COUNT // 2 + STEP  # a lost answer is that of a change that was made
        assert follow(browser, None).status_code == 200
    place.check()


@pytest.mark.long
def test_from_the_command_line_whose_process_is_killed(place: Place):
    def once(until: int) -> int:
        """Give the command, with ticks beside it; kill it when so many are cancelled."""
        environment = {
            **os.environ,
            **emulator().environment(),
            "DISPATCHER_STORE": f"dynamodb://{place.table}?region={REGION}",
        }
        command = [sys.executable, "-m", "dispatcher", "run", "cancel", "--tag", "backfill", "--yes"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                while process.poll() is None and place.done() < until:
                    place.ticks.tick()
            finally:
                process.kill()  # nothing, where it has ended
        return process.returncode

    def cancel(until: int) -> int:
        """The same, given again where it says that the store did not answer in time, as it may on a busy machine."""
        return next((code for code in (once(until) for _ in range(REPEATS)) if code != FAILED), FAILED)

    assert cancel(COUNT // 2) == -9
    assert COUNT // 2 <= place.done() < COUNT
    assert cancel(2 * COUNT) == 0
    place.check()


def test_the_costs_of_a_bulk_are_those_that_the_package_documents():
    """The count before it, and the work: of a filter that the index has, and of a tag."""
    assert costs_of_a_bulk(STEP, RunFilter(pool="nightly")) == (Cost(7, 12, 0), Cost(13, 411, 1011))
    assert costs_of_a_bulk(2 * STEP, BACKFILL) == (Cost(24, 433, 0), Cost(32, 935, 2021))


def costs_of_a_bulk(number: int, where: RunFilter) -> tuple[Cost, Cost]:
    """What it costs to count so many waiting runs, and to cancel them."""
    recorder = Recorder()
    client = Dispatcher(DynamoStore(a_backlog(number)._table.name, connect=lambda: recorder, patience=PATIENT))
    work, cursor = client.bulk(BulkAction.CANCEL, where), ""
    recorder.requests.clear()
    client.bulk_count(work)
    counted = cost_of(recorder.requests)
    recorder.requests.clear()
    while cursor is not None:
        cursor = client.bulk_step(work, cursor).cursor
    return counted, cost_of(recorder.requests)
