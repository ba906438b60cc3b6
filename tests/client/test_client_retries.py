"""Retries, as people and programs give them to deployments and runs, and runs that people run again."""

from __future__ import annotations

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import Conflict, InvalidInput, NotFound
from dispatcher.models import RetryPolicy, Run, RunState
from dispatcher.models.records import Move
from tests.builders import HOUR, MINUTE, NOW, SECOND
from tests.client.conftest import refused
from tests.client.schedules import DATE, EVERY_TEN, TWICE, tick
from tests.stores.steps import claim


@pytest.fixture
def etl(dispatcher, pool):
    """A deployment that runs every ten minutes, and each run twice where it fails."""
    return dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, schedules=[EVERY_TEN], retry=TWICE)


def ended(dispatcher: Dispatcher, run: Run, state: RunState = RunState.FAILED) -> Run:
    """Bring a run to an end."""
    claim(dispatcher.store, dispatcher.clock.now())
    stored = dispatcher.run(run.id)
    assert dispatcher.store.move([Move.of(stored, state, ended_at=dispatcher.clock.now())])
    return dispatcher.run(run.id)


def test_a_run_is_born_with_the_retries_of_its_deployment_or_its_own(dispatcher, etl):
    own = RetryPolicy(attempts=5, backoff=3)
    assert dispatcher.create_run(deployment="etl").retry == TWICE
    assert dispatcher.create_run(deployment="etl", retry=own).retry == own
    assert dispatcher.create_run(pool="pool", job_variables=DATE, retry=own).retry == own
    assert dispatcher.create_run(pool="pool", job_variables=DATE).retry is None
    with refused(dispatcher, InvalidInput, "retry.attempts: must be"):
        dispatcher.create_run(deployment="etl", retry=RetryPolicy(attempts=0))
    assert {run.retry for run in tick(dispatcher) if run.schedule} == {TWICE}


def test_an_ended_run_is_followed_by_a_new_one_of_the_same_kind_and_a_repeat_gives_the_same(dispatcher, etl):
    dispatcher.create_work_queue("pool", "high")
    asked = {"queue": "high", "tags": ["x"], "job_variables": {"command": "false"}, "retry": RetryPolicy(attempts=4)}
    old = ended(dispatcher, dispatcher.create_run(deployment="etl", name="night", **asked))
    dispatcher.clock.time += HOUR
    new = dispatcher.retry_run(old.id)
    assert dispatcher.run(old.id) == old
    same = ("pool", "queue", "deployment", "tags", "job_variables", "retry")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert (new.name, new.state, new.attempt, new.due_at) == ("night-retry", RunState.SCHEDULED, 1, NOW + HOUR)
    assert new.scheduled_at == old.scheduled_at == NOW, "what it is for stays, whenever it is made up for"
    assert dispatcher.retry_run(old.id) == new
    again = ended(dispatcher, new)
    assert dispatcher.retry_run(old.id) == again
    assert dispatcher.retry_run(again.id).name == "night-retry-2"
    assert len(dispatcher.runs(limit=100)) == 3


def test_a_run_of_a_schedule_is_run_again_as_one_of_people(dispatcher, etl):
    dispatcher.clock.time += 10 * MINUTE
    tick(dispatcher)
    [old] = [run for run in dispatcher.runs(limit=100) if run.due_at <= dispatcher.clock.now()]
    new = dispatcher.retry_run(ended(dispatcher, old, RunState.CRASHED).id)
    assert (new.schedule, new.deployment, new.retry) == (None, "etl", TWICE)
    dispatcher.clear_schedules("etl")
    assert dispatcher.run(new.id) == new


def test_a_run_without_tags_is_run_again_without_tags(dispatcher, pool):
    dispatcher.create_deployment("etl", pool="pool", job_variables=DATE)
    old = ended(dispatcher, dispatcher.create_run(deployment="etl"), RunState.COMPLETED)
    dispatcher.update_deployment("etl", tags=["later"])
    assert dispatcher.retry_run(old.id).tags == ()


def test_a_run_that_waits_is_unknown_or_has_no_deployment_cannot_be_run_again(dispatcher, etl):
    waiting = dispatcher.create_run(deployment="etl", name="night")
    with refused(dispatcher, Conflict, "^run 'night' has not ended, it is SCHEDULED: "):
        dispatcher.retry_run(waiting.id)
    old = ended(dispatcher, waiting)
    with refused(dispatcher, NotFound, "does not exist"):
        dispatcher.retry_run(dispatcher.clock.new_id())
    dispatcher.delete_deployment("etl")
    with refused(dispatcher, NotFound, "deployment 'etl' does not exist"):
        dispatcher.retry_run(old.id)


def test_a_retry_delay_with_a_fraction_of_a_second_is_kept(dispatcher, pool):
    policy = RetryPolicy(attempts=2, delay=1.5 * SECOND)
    dispatcher.create_deployment("etl", pool="pool", retry=policy)
    assert dispatcher.deployment("etl").retry == policy
    assert dispatcher.export()["deployments"]["etl"]["retry"] == {"attempts": 2, "delay": 1.5}
