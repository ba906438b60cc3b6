"""Which changes of a pool give its runs room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.core.room import gives_room, with_room
from tests.builders import a_pool, a_queue


def pool(**fields):
    limit, paused = fields.pop("queue_limit", 2), fields.pop("queue_paused", False)
    queues = [a_queue("critical", 1, limit, paused=paused), a_queue("default", 2)]
    return replace(a_pool(queues=queues), **{"concurrency_limit": 5, **fields})


ROOM = {
    "a raised limit": (pool(), pool(concurrency_limit=6)),
    "a limit that goes": (pool(), pool(concurrency_limit=None)),
    "a limit of 0 that is raised": (pool(concurrency_limit=0), pool()),
    "a pause that ends": (pool(paused=True), pool()),
    "a queue's raised limit": (pool(), pool(queue_limit=3)),
    "a queue's pause that ends": (pool(queue_paused=True), pool()),
}
NO_ROOM = {
    "no change": (pool(), pool()),
    "a lowered limit": (pool(), pool(concurrency_limit=4)),
    "a limit where there was none": (pool(concurrency_limit=None), pool()),
    "a pause": (pool(), pool(paused=True)),
    "a queue's lowered limit": (pool(), pool(queue_limit=0)),
    "a description": (pool(), pool(description="changed")),
    "a queue that goes": (pool(), replace(pool(), queues=pool().queues[1:])),
}


@pytest.mark.parametrize("change", [*ROOM, *NO_ROOM])
def test_a_change_makes_room_if_more_runs_may_start_after_it(change):
    before, after = (ROOM | NO_ROOM)[change]
    assert gives_room(before, after) == (change in ROOM)


def test_the_pools_that_have_room_are_named():
    first, second = replace(pool(), name="first"), replace(pool(), name="second")
    assert with_room([first, second], [first, replace(second, concurrency_limit=None), pool()]) == ["second"]
