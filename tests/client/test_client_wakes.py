"""What the client starts a tick for: work and room that it has just given a pool."""

from __future__ import annotations

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import NotFound
from dispatcher.models import RunState
from dispatcher.models.records import Move, RunFilter
from dispatcher.stores.memory import MemoryStore
from dispatcher.waking import NotWoken
from tests.builders import HOUR, NOW
from tests.client.conftest import Clock

COMMAND = {"command": "true"}


class Woken:
    """A client whose wakes are noted."""

    def __init__(self):
        self.pools, self.warnings, self.problem = [], [], None
        self.client = Dispatcher(MemoryStore(), clock=Clock(), warn=self.warnings.append, wake=self.wake)
        self.client.create_work_pool("batch", type="process", job_variables=COMMAND, concurrency_limit=2)
        self.client.create_work_pool("other", type="process", job_variables=COMMAND)

    def wake(self, pools):
        if self.problem:
            raise NotWoken(self.problem)
        self.pools += pools


@pytest.fixture
def woken():
    return Woken()


def test_a_run_that_is_due_starts_a_tick_of_its_pool(woken):
    woken.client.create_run(pool="batch")
    assert woken.pools == ["batch"]


def test_a_future_run_and_a_repeated_request_start_no_tick(woken):
    woken.client.create_run(pool="batch", scheduled_at=NOW + HOUR)
    woken.client.create_run(pool="batch", idempotency_key="once")
    woken.client.create_run(pool="batch", idempotency_key="once")
    assert woken.pools == ["batch"]


def test_a_run_that_is_run_again_starts_one(woken):
    run = woken.client.create_run(pool="batch")
    woken.client.store.move([Move.of(run, RunState.CRASHED, ended_at=NOW)])
    woken.pools.clear()
    woken.client.retry_run(run.id)
    assert woken.pools == ["batch"]


def test_only_a_change_that_makes_room_starts_a_tick(woken):
    woken.client.update_work_pool("batch", description="nightly")
    woken.client.update_work_pool("batch", paused=True)
    woken.client.update_work_queue("batch", "default", concurrency_limit=1)
    assert woken.pools == []
    woken.client.update_work_pool("batch", paused=False)
    woken.client.update_work_pool("batch", concurrency_limit=3)
    woken.client.update_work_queue("batch", "default", concurrency_limit=None)
    assert woken.pools == ["batch"] * 3


def test_apply_starts_one_of_every_pool_that_it_gives_room(woken):
    configuration = woken.client.export()
    configuration["pools"]["batch"]["concurrency_limit"] = 9
    woken.client.apply(woken.client.plan(configuration))
    assert woken.pools == ["batch"]


def test_a_wake_that_fails_is_a_warning_and_the_run_is_there(woken):
    woken.problem = "it answered 403"
    run = woken.client.create_run(pool="batch")
    assert woken.client.run(run.id).state is RunState.SCHEDULED
    [warning] = woken.warnings
    assert "it answered 403" in warning
    assert "DISPATCHER_WAKE" in warning


def test_without_a_setting_nobody_is_woken():
    client = Dispatcher(MemoryStore(), clock=Clock())
    client.create_work_pool("batch", type="process", job_variables=COMMAND)
    assert client.create_run(pool="batch").state is RunState.SCHEDULED


def test_many_runs_in_one_call_start_one_tick_of_each_pool(woken):
    woken.client.create_runs([{"pool": "batch"}] * 3 + [{"pool": "other"}] * 2)
    assert woken.pools == ["batch", "other"]


@pytest.mark.parametrize(("action", "queue"), [("cancel", None), ("start-now", None), ("move", "slow"), ("retry", None)])
def test_each_step_of_work_on_many_runs_starts_one_tick_of_each_pool(woken, action, queue):
    for pool in ("batch", "other"):
        woken.client.create_work_queue(pool, "slow")
        woken.client.create_runs([{"pool": pool, "scheduled_at": NOW + HOUR}] * 3)
    if action == "retry":
        woken.client.store.move([Move.of(run, RunState.CRASHED, ended_at=NOW) for run in woken.client.runs()])
    woken.pools.clear()
    work = woken.client.bulk(action, RunFilter(), queue=queue)
    assert woken.client.bulk_step(work).done == 6
    assert woken.pools == ["batch", "other"]


def test_calls_that_belong_together_start_one_tick_of_each_pool_after_the_last(woken):
    with woken.client.starting_ticks_once() as client:
        for pool in ("batch", "other", "batch"):
            client.create_run(pool=pool)
        assert woken.pools == []
    assert woken.pools == ["batch", "other"]


def test_the_ticks_of_calls_before_a_failure_are_started(woken):
    def fails_at_the_second():
        with woken.client.starting_ticks_once() as client:
            client.create_run(pool="batch")
            client.create_run(pool="missing")

    with pytest.raises(NotFound):
        fails_at_the_second()
    assert woken.pools == ["batch"]
