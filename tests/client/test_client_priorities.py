"""Priorities of runs, as people give them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.core.reasons import Reason
from dispatcher.errors import Conflict, InvalidInput
from dispatcher.models import RunState, Schedule
from tests.builders import NOW
from tests.client.conftest import refused
from tests.stores.steps import claim, granting, moved

MINUTE = timedelta(minutes=1)


@pytest.fixture
def etl(dispatcher, pool):
    dispatcher.create_work_queue("pool", "high", priority=1)
    return dispatcher.create_deployment("etl", pool="pool", job_variables={"command": "x"}, priority=5)


def made(dispatcher, **fields):
    return dispatcher.create_run(pool="pool", job_variables={"command": "x"}, **fields)


def positions(dispatcher, *runs):
    return [dispatcher.explain(run.id).position for run in runs]


def test_a_run_has_its_own_priority_or_that_of_its_deployment_or_none(dispatcher, etl):
    runs = [dispatcher.create_run(deployment="etl", priority=priority) for priority in (None, 0, -100)]
    assert [(run.priority, run.lane) for run in runs] == [(5, "%5"), (0, None), (-100, "%-100")]
    assert [made(dispatcher).priority, made(dispatcher, priority=100).priority] == [0, 100]


def test_explain_counts_the_runs_ahead_in_the_order_of_admission(dispatcher, pool):
    early, late = made(dispatcher, scheduled_at=NOW - MINUTE), made(dispatcher)
    last, first = made(dispatcher, priority=1, scheduled_at=NOW - 9 * MINUTE), made(dispatcher, priority=-1)
    assert positions(dispatcher, first, early, late, last) == [1, 2, 3, 4]
    explanation = dispatcher.explain(last.id)
    assert explanation.reason is Reason.EARLIER_RUNS
    assert "it is number 4 of its queue (priority 1)" in explanation.text
    assert "(priority" not in dispatcher.explain(late.id).text


def test_the_front_is_before_all_that_are_due_in_the_queue(dispatcher, etl):
    runs = [made(dispatcher, priority=-3), made(dispatcher, priority=-7, queue="high"), made(dispatcher)]
    later = made(dispatcher, priority=-50, scheduled_at=NOW + MINUTE)
    front, again = made(dispatcher, front=True), made(dispatcher, front=True)
    assert (front.priority, again.priority, later.priority) == (-4, -5, -50)
    assert positions(dispatcher, again, front, runs[0], runs[2]) == [1, 2, 3, 4]
    assert dispatcher.create_run(deployment="etl", queue="high", front=True).priority == -8


def test_the_front_of_a_queue_without_priorities_is_minus_one(dispatcher, pool):
    assert made(dispatcher, front=True).priority == -1


def test_a_waiting_run_gets_another_priority_and_keeps_all_else(dispatcher, etl):
    first, run = made(dispatcher), made(dispatcher)
    after = dispatcher.move_run(run.id, priority=-2)
    assert (after.priority, after.queue, after.due_at, after.fence) == (-2, "default", run.due_at, 1)
    assert dispatcher.move_run(run.id, priority=-2) == after
    assert positions(dispatcher, run, first) == [1, 2]
    both = dispatcher.move_run(run.id, queue="high", priority=0)
    assert (both.queue, both.priority, both.lane) == ("high", 0, None)
    assert dispatcher.move_run(run.id, queue="high") == both


def test_a_run_of_a_deployment_with_a_limit_keeps_that_whatever_its_priority(dispatcher, etl):
    dispatcher.update_deployment("etl", concurrency_limit=1, priority=0)
    run = dispatcher.create_run(deployment="etl")
    assert [dispatcher.move_run(run.id, priority=priority).lane for priority in (-2, 0)] == ["etl%-2", "etl"]


def test_a_run_moves_to_the_front_once(dispatcher, pool):
    first, run = made(dispatcher), made(dispatcher)
    after = dispatcher.move_run(run.id, front=True)
    assert after.priority == -1
    assert dispatcher.move_run(run.id, front=True) == after
    assert dispatcher.move_run(first.id, front=True).priority == -2


def test_an_invalid_priority_is_refused_with_the_range(dispatcher, etl):
    run = made(dispatcher)
    for priority in (-101, 101, True, "1", 1.0):
        with refused(dispatcher, InvalidInput, "priority: must be a whole number from -100 .starts first. to 100, not"):
            made(dispatcher, priority=priority)
        with refused(dispatcher, InvalidInput, "priority: must be a whole number from -100"):
            dispatcher.move_run(run.id, priority=priority)
        with refused(dispatcher, InvalidInput, "priority: must be a whole number from -100 .starts first. to 100"):
            dispatcher.update_deployment("etl", priority=priority)
    with refused(dispatcher, InvalidInput, "priority: does not go with front"):
        made(dispatcher, priority=1, front=True)
    with refused(dispatcher, InvalidInput, "front: must be true or false, not 1"):
        made(dispatcher, front=1)
    with refused(dispatcher, InvalidInput, "queue: name a queue, a priority or the front"):
        dispatcher.move_run(run.id)
    schedule = Schedule(slug="a", cron="0 6 * * *", priority=101)
    with refused(dispatcher, InvalidInput, "priority: must be a whole number from -100 .starts first. to 100, or null"):
        dispatcher.update_deployment("etl", schedules=[schedule])


def test_nothing_goes_in_front_of_the_lowest_priority(dispatcher, pool):
    run = made(dispatcher, priority=-100)
    with refused(
        dispatcher, Conflict, "front: nothing goes in front of work queue 'default': runs are due there with priority -100"
    ):
        made(dispatcher, front=True)
    assert dispatcher.move_run(run.id, front=True) == run


def test_a_run_that_is_run_again_has_the_same_priority(dispatcher, pool):
    made(dispatcher, priority=-5)
    [claimed] = claim(dispatcher.store, decide=_first).claims
    moved(dispatcher.store, claimed.run, RunState.FAILED, ended_at=NOW)
    assert dispatcher.retry_run(claimed.run.id).priority == -5


def _first(snapshot):
    return granting(*snapshot.due("default", 1, None, "%-5"))(snapshot)


def test_a_deployment_that_changes_its_pool_takes_the_priorities_of_its_runs_along(dispatcher, etl):
    dispatcher.create_work_pool("other", type="process")
    run = dispatcher.create_run(deployment="etl", priority=-7)
    dispatcher.update_deployment("etl", pool="other")
    [new] = dispatcher.runs(pool="other")
    assert (new.priority, dispatcher.run(run.id).state) == (-7, RunState.CANCELLED)


def test_the_log_says_which_priority_a_run_had(dispatcher, pool):
    run = made(dispatcher)
    dispatcher.move_run(run.id, priority=-2)
    [entry] = [entry for entry in dispatcher.log().items if entry.verb == "move"]
    assert entry.fields == ({"path": "priority", "action": "change", "before": 0, "after": -2},)


def test_a_file_states_priorities_and_gets_them_back(dispatcher, pool):
    schedules = {"early": {"cron": "0 6 * * *", "priority": -7}}
    file = {"deployments": {"etl": {"pool": "pool", "job_variables": {"command": "x"}, "priority": 5, "schedules": schedules}}}
    dispatcher.apply(dispatcher.plan(file))
    assert (dispatcher.deployment("etl").priority, dispatcher.schedule("etl", "early").priority) == (5, -7)
    exported = dispatcher.export()["deployments"]["etl"]
    assert (exported["priority"], exported["schedules"]["early"]["priority"]) == (5, -7)
    assert not dispatcher.plan(file).changes
    changed = {"deployments": {"etl": {**file["deployments"]["etl"], "priority": 0}}}
    [change] = dispatcher.plan(changed).changes
    assert [(field.path, field.before, field.after) for field in change.fields] == [("priority", 5, 0)]
    dispatcher.apply(dispatcher.plan(changed))
    assert "priority" not in dispatcher.export()["deployments"]["etl"]


def test_the_head_of_a_queue_is_the_run_that_starts_next_and_its_oldest_the_one_that_waits_longest(dispatcher, pool):
    oldest, first = made(dispatcher, scheduled_at=NOW - MINUTE), made(dispatcher, priority=-1)
    [lane] = dispatcher.picture("pool").lanes
    assert (lane.head, lane.oldest, dispatcher.oldest_due("pool")) == (first, oldest, oldest)
    assert [entry.run for entry in dispatcher.preview_work_pool("pool")] == [oldest, first]
