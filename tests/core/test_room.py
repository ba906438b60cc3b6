"""Which changes of people give a tick something to do at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.core.room import gives_deployment_room, gives_room, may_start, may_start_after, with_room
from dispatcher.core.transitions import due_now, requeued
from dispatcher.models import HoldKind, OnCollision, PoolHold
from tests.builders import HOUR, NOW, SECOND, a_deployment, a_pool, a_queue, a_run

SKIP, REPLACE, WAIT = OnCollision.SKIP, OnCollision.REPLACE, OnCollision.WAIT
HELD = (PoolHold(place=("eu",), size={}, freed_by_end=False, until=NOW + HOUR, reason="no", kind=HoldKind.RATE),)
WHOLE = (replace(HELD[0], place=()),)


def pool(**fields):
    limit, paused = fields.pop("queue_limit", 2), fields.pop("queue_paused", False)
    queues = [a_queue("critical", 1, limit, paused=paused), a_queue("default", 2)]
    return replace(a_pool(queues=queues), **{"concurrency_limit": 5, **fields})


def other_template(**fields):
    return pool(base_job_template={**pool().base_job_template, "changed": 1}, **fields)


ROOM = {
    "a raised limit": (pool(), pool(concurrency_limit=6)),
    "a limit that goes": (pool(), pool(concurrency_limit=None)),
    "a limit of 0 that is raised to 1": (pool(concurrency_limit=0), pool(concurrency_limit=1)),
    "a pause that ends": (pool(paused=True), pool()),
    "a queue's raised limit": (pool(), pool(queue_limit=3)),
    "a queue's pause that ends": (pool(queue_paused=True), pool()),
    "another template where runs are held": (pool(holds=HELD), other_template(holds=HELD)),
}
NO_ROOM = {
    "no change": (pool(), pool()),
    "no change where runs are held": (pool(holds=HELD), pool(holds=HELD)),
    "a lowered limit": (pool(), pool(concurrency_limit=4)),
    "a limit where there was none": (pool(concurrency_limit=None), pool()),
    "a pause": (pool(), pool(paused=True)),
    "a queue's lowered limit": (pool(), pool(queue_limit=0)),
    "a description": (pool(), pool(description="changed")),
    "another template": (pool(), other_template()),
    "a queue that goes": (pool(), replace(pool(), queues=pool().queues[1:])),
    "a raised limit in a pause": (pool(paused=True), pool(paused=True, concurrency_limit=6)),
    "a queue's raised limit in its pause": (pool(queue_paused=True), pool(queue_paused=True, queue_limit=3)),
    "a queue's raised limit in a pool with limit 0": (pool(concurrency_limit=0), pool(concurrency_limit=0, queue_limit=3)),
    "a pause that ends at limit 0": (pool(paused=True, concurrency_limit=0), pool(concurrency_limit=0)),
}


@pytest.mark.parametrize("change", [*ROOM, *NO_ROOM])
def test_a_change_of_a_pool_makes_room_if_more_runs_may_start_after_it(change):
    before, after = (ROOM | NO_ROOM)[change]
    assert gives_room(before, after) == (change in ROOM)


def etl(**fields):
    return a_deployment("etl", **{"concurrency_limit": 2, **fields})


@pytest.mark.parametrize(
    ("before", "after", "owner", "room"),
    [
        (etl(), etl(concurrency_limit=3), pool(), True),
        (etl(), etl(concurrency_limit=None), pool(), True),
        (etl(), etl(concurrency_limit=1), pool(), False),
        (etl(), etl(concurrency_limit=3), pool(paused=True), False),
        (etl(), etl(concurrency_limit=3), pool(concurrency_limit=0), False),
        (etl(), etl(on_collision=SKIP), pool(), True),
        (etl(on_collision=SKIP), etl(on_collision=REPLACE), pool(), True),
        (etl(on_collision=SKIP), etl(on_collision=SKIP), pool(), False),
        (etl(on_collision=SKIP), etl(on_collision=WAIT), pool(), False),
        (etl(concurrency_limit=None), etl(concurrency_limit=None, on_collision=SKIP), pool(), False),
        (etl(), etl(job_variables={"cpu": 1}), pool(holds=HELD), True),
        (etl(), etl(job_variables={"cpu": 1}), pool(), False),
        (etl(), etl(description="changed"), pool(holds=HELD), False),
    ],
)
def test_a_change_of_a_deployment_makes_room_if_a_tick_can_do_more_after_it(before, after, owner, room):
    assert gives_deployment_room(before, after, owner) == room


@pytest.mark.parametrize(
    ("fields", "owner", "may"),
    [
        ({}, pool(), True),
        ({"due_at": NOW + SECOND}, pool(), False),
        ({"not_before": NOW}, pool(), True),
        ({"not_before": NOW + SECOND}, pool(), False),
        ({"due_at": NOW + SECOND, "not_before": NOW}, pool(), False),
        ({"queue": "gone"}, pool(), False),
        ({}, pool(paused=True), False),
        ({}, pool(concurrency_limit=0), False),
        ({"queue": "critical"}, pool(queue_paused=True), False),
        ({"queue": "critical"}, pool(queue_limit=0), False),
        ({}, pool(queue_paused=True), True),
        ({}, pool(holds=HELD), True),
        ({}, pool(holds=WHOLE), False),
    ],
)
def test_a_run_may_start_if_it_is_due_and_its_queue_is_open(fields, owner, may):
    assert may_start(a_run(due_at=fields.pop("due_at", NOW), **fields), owner, NOW) == may


def test_a_waiting_run_may_start_after_a_change_of_its_queue_or_due_time_and_not_of_its_priority_alone():
    due, held, later = a_run(due_at=NOW), a_run(due_at=NOW, not_before=NOW + HOUR), a_run(due_at=NOW + HOUR)
    assert may_start_after(due, requeued(due, "critical"), pool(), NOW)
    assert may_start_after(due, requeued(due, "critical", -1), pool(), NOW)
    assert not may_start_after(due, requeued(due, "critical"), pool(queue_paused=True), NOW)
    assert not may_start_after(due, requeued(due, "default", -1), pool(), NOW)
    assert not may_start_after(later, requeued(later, "critical"), pool(), NOW)
    for run in (held, later):
        assert may_start_after(run, due_now(run, NOW), pool(), NOW)
        assert not may_start_after(run, due_now(run, NOW), pool(paused=True), NOW)


def test_the_pools_that_have_room_are_named_once_each():
    first, second = replace(pool(), name="first"), replace(pool(), name="second")
    wider = replace(second, concurrency_limit=None)
    assert with_room([first, second], [first, wider, pool()]) == ["second"]
    before, after = etl(pool="first"), etl(pool="first", concurrency_limit=3)
    assert with_room([first, second], [first, wider], [(before, after)]) == ["second", "first"]
    assert with_room([first, second], [first, wider], [(replace(before, pool="second"), replace(after, pool="second"))]) == [
        "second"
    ]
    assert with_room([first, second], [first, second], [(replace(before, pool="second"), after)]) == []
