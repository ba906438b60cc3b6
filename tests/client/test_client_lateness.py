"""When a run is late: after the same time in every list, count and mark."""

from __future__ import annotations

import pytest

from dispatcher.cli.output.listing import listing
from dispatcher.client import Dispatcher, shapes
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.stores.memory import MemoryStore
from tests.builders import HOUR, NOW, SECOND, a_live_run, a_run
from tests.client.conftest import Clock

PATIENCE = 90 * SECOND


@pytest.fixture
def client():
    made = Dispatcher(MemoryStore(), clock=Clock(), heartbeat=PATIENCE)
    made.create_work_pool("pool", type="process", job_variables={"command": "true"})
    return made


@pytest.mark.parametrize(("waited", "late"), [(0 * SECOND, False), (PATIENCE - SECOND, False), (PATIENCE, True), (HOUR, True)])
def test_every_list_and_count_calls_the_same_run_late(client, waited, late):
    client.store.restore(runs=[a_run(due_at=NOW - waited)])
    [listed] = listing(client, RunFilter(), limit=9).runs
    [upcoming] = client.preview_work_pool("pool", within=0 * SECOND, limit=9)
    shape = shapes.upcoming(upcoming, NOW, client.heartbeat)
    assert (listed.late, shape["late"], client.picture("pool").late) == (late, late, int(late))


def test_a_run_whose_claim_came_late_stays_late_and_one_that_ended_unclaimed_never_is():
    in_time = a_live_run(due_at=NOW - HOUR, claimed_at=NOW - HOUR + PATIENCE - SECOND)
    late = a_live_run(due_at=NOW - HOUR, claimed_at=NOW - HOUR + PATIENCE)
    cancelled = a_run(due_at=NOW - HOUR, state=RunState.CANCELLED, ended_at=NOW)
    to_come = a_run(due_at=NOW + HOUR)
    assert [run.is_late(NOW, PATIENCE) for run in (in_time, late, cancelled, to_come)] == [False, True, False, False]
    assert [run.waited(NOW) for run in (late, cancelled)] == [PATIENCE, 0 * SECOND]


@pytest.mark.parametrize(("interval", "seconds"), [("10", 60), ("20", 60), ("60", 180), ("300", 900)])
def test_the_tick_interval_decides_when_a_run_is_late(interval, seconds):
    settings = Settings.from_environment({"HOME": "/tmp", "DISPATCHER_TICK_INTERVAL_SECONDS": interval})
    assert settings.heartbeat == seconds * SECOND
