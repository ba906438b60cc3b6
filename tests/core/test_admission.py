from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.admission import Barrier, admit, order
from tests.builders import NOW, a_pool, a_queue, a_run
from tests.core.pools import Scene, ids, scenes


def admitted(scene: Scene, budget: int = 1000):
    return admit(scene.pool, scene.in_use, scene.due, now=NOW, budget=budget)


@given(scenes())
def test_no_limit_is_ever_passed(scene):
    plan = admitted(scene)
    limit = scene.pool.concurrency_limit
    assert limit is None or not plan.admitted or sum(scene.in_use.values()) + len(plan.admitted) <= limit
    for queue in scene.pool.queues:
        taken = sum(run.queue == queue.name for run in plan.admitted)
        assert queue.concurrency_limit is None or not taken or scene.in_use[queue.name] + taken <= queue.concurrency_limit


@given(scenes())
def test_what_is_admitted_is_in_the_one_order_which_is_total(scene):
    keys = [order(scene.pool.queue(run.queue), run) for run in admitted(scene).admitted]
    assert all(earlier < later for earlier, later in pairwise(keys))


@given(scenes(), st.integers(0, 10))
def test_a_smaller_budget_admits_the_first_of_the_same_runs(scene, budget):
    assert ids(admitted(scene, budget).admitted) == ids(admitted(scene).admitted)[:budget]


@given(scenes())
def test_nothing_of_a_lower_queue_is_admitted_while_a_higher_one_has_a_run_that_its_own_limit_allows(scene):
    plan = admitted(scene)
    lowest = max((scene.pool.queue(run.queue).priority for run in plan.admitted), default=0)
    for queue in scene.pool.queues:
        left = scene.waiting[queue.name][sum(run.queue == queue.name for run in plan.admitted) :]
        if queue.priority < lowest and left:
            assert plan.barriers[queue.name] in {Barrier.QUEUE_PAUSED, Barrier.QUEUE_FULL, Barrier.QUEUE_LIMIT_ZERO}


@given(scenes())
def test_a_slot_is_left_free_only_when_nothing_may_take_it(scene):
    plan = admitted(scene)
    for queue in scene.pool.queues:
        left = len(scene.waiting[queue.name]) - sum(run.queue == queue.name for run in plan.admitted)
        assert not left or queue.name in plan.barriers


@given(scenes())
def test_only_as_many_runs_are_read_as_are_admitted(scene):
    read = []

    def due(queue, wanted):
        runs = scene.due(queue, wanted)
        read.extend(runs)
        return runs

    plan = admit(scene.pool, scene.in_use, due, now=NOW)
    assert ids(read) == ids(plan.admitted)


def scene(pool, in_use=None, **waiting):
    runs = {queue.name: [a_run(queue=queue.name) for _ in range(waiting.get(queue.name, 0))] for queue in pool.queues}
    return Scene(pool, in_use or {}, runs)


def test_the_pool_of_the_documentation_serves_critical_then_high_then_low():
    queues = (a_queue("low", 10), a_queue("high", 5, limit=3), a_queue("critical", 1, limit=1))
    plan = admitted(scene(a_pool(limit=6, queues=queues), low=5, high=5, critical=5))
    assert [run.queue for run in plan.admitted] == ["critical", "high", "high", "high", "low", "low"]
    assert plan.barriers == {"critical": Barrier.QUEUE_FULL, "high": Barrier.QUEUE_FULL, "low": Barrier.OWN_QUEUE}


def test_runs_of_a_paused_queue_count_against_the_pool():
    queues = (a_queue("paused", 1, paused=True), a_queue("open", 2))
    assert admitted(scene(a_pool(limit=2, queues=queues), {"paused": 2}, open=1)).admitted == ()


def test_a_queue_at_its_limit_does_not_block_those_below():
    queues = (a_queue("full", 1, limit=1), a_queue("free", 2))
    plan = admitted(scene(a_pool(limit=5, queues=queues), {"full": 1}, full=3, free=1))
    assert [run.queue for run in plan.admitted] == ["free"]


def test_a_limit_lowered_below_what_runs_admits_nothing():
    assert admitted(scene(a_pool(limit=1), {"default": 3}, default=1)).admitted == ()


def test_a_held_pool_admits_again_when_its_time_has_come():
    held = scene(a_pool(held_until=NOW + timedelta(seconds=1)), default=1)
    assert admitted(held).barriers == {"default": Barrier.POOL_HELD}
    assert len(admit(held.pool, {}, held.due, now=NOW + timedelta(seconds=1)).admitted) == 1
