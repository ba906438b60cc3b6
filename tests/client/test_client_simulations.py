"""The past of a pool, and what it would have been under other limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.errors import NotFound
from dispatcher.models import Attempt, RunState
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_live_run, a_run

SINCE = NOW - 2 * HOUR


def an_ended_run(begin, end, queue="default", **fields):
    """A run that was due when its job began."""
    times = {"due_at": begin, "claimed_at": begin, "submitted_at": begin, "started_at": begin, "ended_at": end}
    return a_live_run(queue=queue, state=RunState.COMPLETED, **{**times, **fields})


@pytest.fixture
def past(dispatcher, pool):
    """Three runs of an hour, all due two hours ago; one that ended before that, and one that never started."""
    dispatcher.create_work_queue("pool", "etl")
    runs = [an_ended_run(SINCE, SINCE + HOUR, queue="etl") for _ in range(3)]
    early = an_ended_run(SINCE - 2 * HOUR, SINCE - HOUR)
    cancelled = a_run(state=RunState.CANCELLED, due_at=SINCE, ended_at=NOW)
    dispatcher.store.restore(runs=[*runs, early, cancelled])
    return runs


def test_past_runs_wait_longer_under_a_lower_limit(dispatcher, past):
    plan = dispatcher.plan_pool("pool", concurrency_limit=1)
    simulation = dispatcher.simulate(plan.before, plan.after, since=SINCE)
    before, after = ({waits.queue: waits for waits in outcome.queues} for outcome in (simulation.before, simulation.after))
    assert (simulation.runs, simulation.is_cut) == (3, False)
    assert (simulation.before.most_slots, simulation.after.most_slots) == (2, 1)
    assert (before["etl"].median, before["etl"].longest) == (0, 3600)
    assert (after["etl"].median, after["etl"].p95, after["etl"].longest) == (3600, 6840, 7200)
    assert (after["default"].runs, after["default"].median) == (0, None)
    assert simulation.after.ended_at == SINCE + 3 * HOUR
    assert len(simulation.after.holds) == 3
    assert dispatcher.work_pool("pool") == plan.before, "nothing changes"


def test_a_queue_that_admits_nothing_lets_its_runs_wait_for_ever(dispatcher, past):
    plan = dispatcher.plan_pool("pool", queues={"etl": {"concurrency_limit": 0}})
    after = dispatcher.simulate(plan.before, plan.after, since=SINCE).after
    assert [(waits.queue, waits.never, waits.longest) for waits in after.queues] == [("default", 0, None), ("etl", 3, None)]


def test_a_simulation_of_many_runs_is_cut_and_says_so(dispatcher, past):
    pool = dispatcher.work_pool("pool")
    assert dispatcher.simulate(pool, pool, since=SINCE, limit=4).runs == 3
    cut = dispatcher.simulate(pool, pool, since=SINCE, limit=2)
    assert (cut.runs <= 2, cut.is_cut) == (True, True)


def test_slots_over_time_show_every_attempt_and_what_is_live(dispatcher, pool):
    failed = Attempt(number=1, state=RunState.FAILED, claimed_at=SINCE, ended_at=SINCE + 30 * MINUTE)
    again = an_ended_run(SINCE + HOUR, SINCE + 90 * MINUTE, past=(failed,), attempt=2)
    live = a_live_run(claimed_at=NOW - 30 * MINUTE)
    dispatcher.store.restore(runs=[again, live])
    slots = dispatcher.slots_over_time("pool", since=SINCE, parts=4)
    assert slots.queues == {"default": [1, 0, 1, 1]}
    assert (slots.begin, slots.end, slots.runs, slots.is_cut) == (SINCE, NOW, 2, False)
    assert dispatcher.slots_over_time("pool", since=SINCE, parts=4, limit=1).is_cut
    with pytest.raises(NotFound):
        dispatcher.slots_over_time("other", since=SINCE)


def test_runs_whose_queue_is_gone_are_shown_and_would_never_be_admitted(dispatcher, pool):
    run = an_ended_run(SINCE, SINCE + HOUR)
    dispatcher.store.restore(runs=[replace(run, queue="gone")])
    after = dispatcher.simulate(pool, pool, since=SINCE).after
    assert [(waits.queue, waits.never) for waits in after.queues] == [("default", 0), ("gone", 1)]
    assert dispatcher.slots_over_time("pool", since=SINCE, parts=2).queues == {"gone": [1, 0]}


def test_a_length_of_time_of_zero_is_shown_too(dispatcher, pool):
    slots = dispatcher.slots_over_time("pool", since=NOW + timedelta(days=1))
    assert (slots.queues, slots.begin < slots.end) == ({}, True)


def test_runs_of_a_lower_number_start_sooner_in_a_simulation_too(dispatcher, pool):
    late = an_ended_run(SINCE + MINUTE, SINCE + HOUR, lane="%-5")
    runs = [an_ended_run(SINCE, SINCE + HOUR), an_ended_run(SINCE + SECOND, SINCE + HOUR), late]
    dispatcher.store.restore(runs=runs)
    plan = dispatcher.plan_pool("pool", concurrency_limit=1)
    after = dispatcher.simulate(plan.before, plan.after, since=SINCE).after
    begun = sorted((begin, end - begin) for _, begin, end in after.holds)
    assert begun[1][1] == HOUR - MINUTE, "the one with a priority is second, and not last"
