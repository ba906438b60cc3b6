"""Many pools in one tick: idle ones cost next to nothing, and a slow cloud holds up no other."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from dispatcher.errors import StoreUnavailable
from dispatcher.functions.fan_out import fan_out
from dispatcher.models import Status
from dispatcher.stores.memory import MemoryStore
from providers.base import CallFailed
from tests.builders import MINUTE, a_pool
from tests.tick.stage import Stage

PATIENCE = 30.0
"""Seconds after which a test says that somebody waits for somebody, where it would hang otherwise."""


class CountingStore:
    """A store that counts the calls of its verbs."""

    def __init__(self):
        self.behind, self.calls = MemoryStore(), Counter()

    def __getattr__(self, verb):
        method = getattr(self.behind, verb)
        return partial(self._call, verb, method) if callable(method) else method

    def _call(self, verb, method, *arguments, **named):
        self.calls[verb] += 1
        return method(*arguments, **named)


def many(count, *, busy=0):
    """A stage with pools of which the first are busy; what was needed to set it up is not counted."""
    stage = Stage(*(a_pool(f"pool-{number:04}") for number in range(count)), store=CountingStore())
    for number in range(busy):
        stage.add(pool=f"pool-{number:04}")
    stage.store.calls.clear()
    return stage


@pytest.mark.parametrize("count", [2, 300])
def test_idle_pools_do_not_add_store_calls_to_a_tick(count):
    few, stage = many(2, busy=1), many(count, busy=1)
    assert few.tick().pools[0].submitted == stage.tick().pools[0].submitted == 1
    assert stage.store.calls == few.store.calls


def test_idle_pools_are_a_number_in_the_report_one_line_in_the_log_and_ready():
    stage = many(50, busy=1)
    report = stage.tick()
    assert ([pool.pool for pool in report.pools], report.idle) == (["pool-0000"], 49)
    assert stage.logged("tick.idle") == [("tick.idle", {"pools": 49, "problem": ""})]
    assert len(stage.logged("tick.pool")) == 1
    assert {pool.status(stage.clock.now(), MINUTE) for pool in stage.store.pools()} == {Status.READY}


def test_a_heartbeat_that_fails_keeps_no_pool_with_work_from_its_tick():
    stage = many(3, busy=1)

    def fails(*_):
        raise StoreUnavailable("away")

    stage.store.heartbeats = fails
    assert stage.tick().pools[0].submitted == 1
    assert stage.logged("tick.idle") == [("tick.idle", {"pools": 2, "problem": "away"})]


def test_a_tick_without_idle_pools_says_nothing_of_them():
    stage = many(1, busy=1)
    assert stage.tick().idle == 0
    assert stage.logged("tick.idle") == []


def test_old_history_of_a_pool_that_is_idle_otherwise_is_pruned():
    stage = Stage()
    [run] = stage.add()
    stage.tick()
    stage.provider.finish(f"r{run.id.hex}-1")
    assert stage.tick().pools[0].ended == 1
    assert stage.tick().idle == 1
    stage.wait(31 * 24 * 60 * MINUTE)
    assert stage.tick().pools[0].pruned == 1
    assert stage.tick().idle == 1


def test_fan_out_leaves_idle_pools_to_one_write_too():
    stage, invoked = many(300, busy=3), []
    answer = fan_out(stage.dispatch(), stage.clock.now() + MINUTE, invoked.append)
    assert answer["invoked"] == ["pool-0000", "pool-0001", "pool-0002"]
    assert (answer["pools"], answer["idle"]) == ([], 297)
    assert stage.store.calls["heartbeats"] == 1


def test_fan_out_starts_no_invocation_for_a_paused_pool_in_which_runs_wait():
    stage, invoked = many(4, busy=4), []
    stage.store.save_pool(replace(stage.store.pool("pool-0000"), paused=True), expected_version=1)
    answer = fan_out(stage.dispatch(), stage.clock.now() + MINUTE, invoked.append)
    assert answer["invoked"] == ["pool-0001", "pool-0002", "pool-0003"]
    assert [pool["pool"] for pool in answer["pools"]] == ["pool-0000"]


# Side by side


def two_clouds():
    """One pool on a cloud of its own, two on another; each has a run to submit."""
    stage = Stage(a_pool("slow", type="slow"), a_pool("fast", type="fast"), a_pool("faster", type="fast"))
    clouds = {"slow": stage.provider, "fast": Stage().provider}
    stage.providers = clouds.__getitem__
    for pool in ("slow", "fast", "faster"):
        stage.add(pool=pool)
    return stage, clouds["slow"], clouds["fast"]


@pytest.mark.parametrize("call", ["submit", "observe"])
def test_a_slow_cloud_holds_up_no_pool_of_another(call):
    stage, slow, fast = two_clouds()
    stage.tick()
    for pool in ("slow", "fast", "faster"):
        stage.add(pool=pool)
    both_are_submitted, submit, behind = threading.Event(), fast.submit, getattr(slow, call)

    def submit_and_count(job):
        outcome = submit(job)
        if len(fast.starts) == 4:
            both_are_submitted.set()
        return outcome

    def wait_for_the_others(*arguments):
        assert both_are_submitted.wait(PATIENCE), "the other cloud's runs wait for this call"
        return behind(*arguments)

    fast.submit = submit_and_count
    setattr(slow, call, wait_for_the_others)
    report = stage.tick(side_by_side=2)
    assert report.problems == []
    assert [pool.submitted for pool in report.pools] == [1, 1, 1]


def test_the_report_of_pools_side_by_side_is_in_their_turn_and_each_problem_its_own():
    stage, slow, _ = two_clouds()
    stage.tick()

    def fails(_submissions):
        raise CallFailed("away")

    slow.observe = fails
    report = stage.tick(side_by_side=2)
    assert [pool.pool for pool in report.pools] == ["fast", "faster", "slow"]
    assert report.problems == ["slow: 1 of 1 live jobs could not be looked at: away"]


def test_a_store_serves_one_pool_at_a_time():
    stage, _, _ = two_clouds()
    inside, most, lock = [], [], threading.Lock()

    class Watched(CountingStore):
        def _call(self, verb, method, *arguments, **named):
            with lock:
                inside.append(verb)
                most.append(len(inside))
            try:
                return super()._call(verb, method, *arguments, **named)
            finally:
                with lock:
                    inside.remove(verb)

    watched = Watched()
    watched.behind = stage.store
    stage.store = watched
    assert [pool.submitted for pool in stage.tick(side_by_side=2).pools] == [1, 1, 1]
    assert max(most) == 1


def test_a_dispatch_ticks_pools_one_after_the_other_unless_configured():
    stage, slow, _ = two_clouds()
    threads = set()
    behind = slow.observe
    slow.observe = lambda submissions: (threads.add(threading.current_thread()), behind(submissions))[1]
    stage.tick()
    stage.tick()
    assert threads == {threading.current_thread()}
