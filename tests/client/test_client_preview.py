"""What is due in the next hours, as people ask it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import InvalidInput, NotFound
from dispatcher.models import RunState
from dispatcher.models.records import Move
from tests.builders import HOUR, MINUTE, NOW
from tests.client.conftest import Clock, contents
from tests.stores.factories import JUDGED

DATE = {"command": "date"}


@pytest.fixture(params=JUDGED)
def here(request, tmp_path):
    store = JUDGED[request.param](tmp_path)
    made = Dispatcher(store, clock=Clock())
    made.create_work_pool("pool", type="process")
    made.create_work_queue("pool", "high", priority=1)
    yield made
    store.close()


def a_run(here: Dispatcher, minutes: int, queue: str = "default"):
    return here.create_run(pool="pool", queue=queue, job_variables=DATE, scheduled_at=NOW + minutes * MINUTE)


def test_runs_of_all_queues_come_by_their_time_late_ones_first(here: Dispatcher):
    later, late, soon, high = a_run(here, 90), a_run(here, -30), a_run(here, 10), a_run(here, 5, "high")
    assert [entry.run.id for entry in here.preview_work_pool("pool")] == [late.id, high.id, soon.id]
    assert [entry.run.id for entry in here.preview_work_pool("pool", within=2 * HOUR)] == [late.id, high.id, soon.id, later.id]
    assert [entry.run.id for entry in here.preview_work_pool("pool", within=timedelta(0))] == [late.id]
    assert [entry.run.id for entry in here.preview_work_pool("pool", limit=2)] == [late.id, high.id]


def test_runs_that_no_longer_wait_are_not_there(here: Dispatcher):
    held, gone = a_run(here, 1), a_run(here, 2)
    here.cancel_run(gone.id)
    assert here.store.move([Move.of(held, RunState.SCHEDULED, not_before=NOW + 2 * HOUR)])
    assert here.preview_work_pool("pool") == []
    assert [entry.run.id for entry in here.preview_work_pool("pool", within=3 * HOUR)] == [held.id]


def test_a_look_ahead_changes_nothing(here: Dispatcher):
    a_run(here, 1)
    before = contents(here)
    here.preview_work_pool("pool")
    assert contents(here) == before
    assert here.work_pool("pool").last_tick_at is None


def test_a_paused_pool_is_previewed_as_well(here: Dispatcher):
    run = a_run(here, 1)
    here.update_work_pool("pool", paused=True)
    assert [entry.run.id for entry in here.preview_work_pool("pool")] == [run.id]


def test_an_unknown_pool_or_an_invalid_limit_cannot_be_previewed(here: Dispatcher):
    with pytest.raises(NotFound, match="'pol' does not exist; did you mean 'pool'"):
        here.preview_work_pool("pol")
    with pytest.raises(InvalidInput, match="limit: must be from 1 to 1000, not 0"):
        here.preview_work_pool("pool", limit=0)
