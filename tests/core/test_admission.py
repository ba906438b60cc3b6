from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.admission import MAX_PASSED, Admission, Barrier, admit, order
from dispatcher.core.holds import position_of
from providers.base import Needs
from tests.builders import NOW, a_hold, a_pool, a_queue, a_run
from tests.core.pools import Scene, ids, scenes


def admitted(scene: Scene, budget: int = 1000):
    return admit(scene.pool, scene.in_use, scene.due, now=NOW, budget=budget)


@given(scenes())
def test_no_limit_is_ever_passed(scene):
    admission = admitted(scene)
    limit = scene.pool.concurrency_limit
    assert limit is None or not admission.admitted or sum(scene.in_use.values()) + len(admission.admitted) <= limit
    for queue in scene.pool.queues:
        taken = sum(run.queue == queue.name for run in admission.admitted)
        assert queue.concurrency_limit is None or not taken or scene.in_use[queue.name] + taken <= queue.concurrency_limit


@given(scenes())
def test_admitted_runs_follow_one_total_order(scene):
    keys = [order(scene.pool.queue(run.queue), run) for run in admitted(scene).admitted]
    assert all(earlier < later for earlier, later in pairwise(keys))


@given(scenes(), st.integers(0, 10))
def test_a_smaller_budget_admits_the_first_of_the_same_runs(scene, budget):
    assert ids(admitted(scene, budget).admitted) == ids(admitted(scene).admitted)[:budget]


@given(scenes())
def test_nothing_of_a_lower_queue_is_admitted_while_a_higher_one_has_a_run_that_its_own_limit_allows(scene):
    admission = admitted(scene)
    lowest = max((scene.pool.queue(run.queue).priority for run in admission.admitted), default=0)
    for queue in scene.pool.queues:
        left = scene.waiting[queue.name][sum(run.queue == queue.name for run in admission.admitted) :]
        if queue.priority < lowest and left:
            assert admission.barriers[queue.name] in {Barrier.QUEUE_PAUSED, Barrier.QUEUE_FULL, Barrier.QUEUE_LIMIT_ZERO}


@given(scenes())
def test_a_slot_is_left_free_only_when_nothing_may_take_it(scene):
    admission = admitted(scene)
    for queue in scene.pool.queues:
        left = len(scene.waiting[queue.name]) - sum(run.queue == queue.name for run in admission.admitted)
        assert not left or queue.name in admission.barriers


@given(scenes(), st.one_of(st.integers(0, 10), st.just(1000)))
def test_every_reported_barrier_really_stops_its_queue(scene, budget):
    """A slot that a higher queue had no run for is there for the next: every barrier is true when all is admitted."""
    admission = admitted(scene, budget)
    limit, used = scene.pool.concurrency_limit, sum(scene.in_use.values())
    free = budget if limit is None else min(budget, max(0, limit - used))
    for name, barrier in admission.barriers.items():
        taken = sum(run.queue == name for run in admission.admitted)
        if barrier in (Barrier.HIGHER_QUEUES, Barrier.EARLIER_RUNS):
            assert len(admission.admitted) == free
        if barrier is Barrier.QUEUE_FULL:
            assert scene.in_use[name] + taken >= scene.pool.queue(name).concurrency_limit


@given(scenes())
def test_only_as_many_runs_are_read_as_are_admitted(scene):
    read = []

    def due(queue, limit, after=None):
        runs = scene.due(queue, limit)
        read.extend(runs)
        return runs

    admission = admit(scene.pool, scene.in_use, due, now=NOW)
    assert ids(read) == ids(admission.admitted)


def scene(pool, in_use=None, **waiting):
    runs = {queue.name: [a_run(queue=queue.name) for _ in range(waiting.get(queue.name, 0))] for queue in pool.queues}
    return Scene(pool, in_use or {}, runs)


def test_the_pool_of_the_documentation_serves_critical_then_high_then_low():
    queues = (a_queue("low", 10), a_queue("high", 5, limit=3), a_queue("critical", 1, limit=1))
    admission = admitted(scene(a_pool(limit=6, queues=queues), low=5, high=5, critical=5))
    assert [run.queue for run in admission.admitted] == ["critical", "high", "high", "high", "low", "low"]
    assert admission.barriers == {"critical": Barrier.QUEUE_FULL, "high": Barrier.QUEUE_FULL, "low": Barrier.EARLIER_RUNS}


def test_runs_of_a_paused_queue_count_against_the_pool():
    queues = (a_queue("paused", 1, paused=True), a_queue("open", 2))
    assert admitted(scene(a_pool(limit=2, queues=queues), {"paused": 2}, open=1)).admitted == ()


def test_a_queue_at_its_limit_does_not_block_those_below():
    queues = (a_queue("full", 1, limit=1), a_queue("free", 2))
    admission = admitted(scene(a_pool(limit=5, queues=queues), {"full": 1}, full=3, free=1))
    assert [run.queue for run in admission.admitted] == ["free"]


def test_a_limit_lowered_below_what_runs_admits_nothing():
    assert admitted(scene(a_pool(limit=1), {"default": 3}, default=1)).admitted == ()


def test_a_held_pool_admits_again_when_its_time_has_come():
    held = scene(a_pool(holds=(a_hold(NOW + timedelta(seconds=1)),)), default=1)
    assert admitted(held).barriers == {"default": Barrier.POOL_HELD}
    assert len(admit(held.pool, {}, held.due, now=NOW + timedelta(seconds=1)).admitted) == 1


EAST, WEST = Needs(place=("east", "main")), Needs(place=("west", "main"))


def going(*needs):
    """Runs of the default queue with these needs, due one after the other, and a function that gives the needs of a run."""
    runs = [a_run(due_at=NOW - timedelta(hours=1) + timedelta(seconds=place)) for place, _ in enumerate(needs)]
    needs_by_id = {run.id: need for run, need in zip(runs, needs, strict=True)}
    return runs, lambda run: needs_by_id[run.id]


def admitted_of(runs, needs, *holds, limit=None, queues=("default",), now=NOW):
    pool = a_pool(limit=limit, queues=queues, holds=holds)
    reads = []
    waiting = Scene(pool, {}, {name: [run for run in runs if run.queue == name] for name in queues})

    def due(queue, limit, after=None):
        reads.append(limit)
        return waiting.due(queue, limit, after)

    return admit(pool, {}, due, now=now, needs=needs), reads


def test_a_run_that_a_hold_concerns_is_passed_over_and_those_behind_it_go_on():
    runs, needs = going(EAST, WEST, EAST, WEST)
    admission, _ = admitted_of(runs, needs, a_hold(place=("east",)), limit=3)
    assert ids(admission.admitted) == [runs[1].id, runs[3].id]
    assert admission.barriers == {"default": Barrier.PLACE_HELD}
    admission, _ = admitted_of(runs, needs, a_hold(place=("east",)), limit=3, now=NOW + timedelta(minutes=1))
    assert ids(admission.admitted) == ids(runs[:3]), "when the hold is over, each has its old place"
    assert admission.barriers == {"default": Barrier.EARLIER_RUNS}


def test_missing_capacity_holds_only_what_needs_as_much_in_the_same_place():
    big, small = Needs(place=("east",), size={"gpu": 4, "cpu": 1}), Needs(place=("east",), size={"cpu": 64})
    runs, needs = going(big, small, Needs(place=("west",), size={"gpu": 8}), Needs(place=("east",), size={"gpu": 3}), big)
    admission, _ = admitted_of(runs, needs, a_hold(place=("east",), size={"gpu": 4}))
    assert ids(admission.admitted) == ids(runs[1:4])


@given(st.lists(st.sampled_from([EAST, WEST, Needs()]), max_size=40), st.integers(1, 5), st.sampled_from(["east", "west"]))
def test_the_first_runs_that_are_not_held_are_admitted_in_their_order(needs_of, limit, held):
    runs, needs = going(*needs_of)
    admission, _ = admitted_of(runs, needs, a_hold(place=(held,)), limit=limit)
    free = [run for run in runs if needs(run).place[:1] != (held,)]
    assert ids(admission.admitted) == ids(free)[:limit]


def test_a_queue_whose_runs_are_all_held_leaves_the_slots_to_those_below():
    runs = [a_run(queue="high"), a_run(queue="default")]
    admission, _ = admitted_of(
        runs, lambda run: EAST if run.queue == "high" else WEST, a_hold(place=("east",)), queues=("high", "default")
    )
    assert [run.queue for run in admission.admitted] == ["default"]
    assert admission.barriers == {"high": Barrier.PLACE_HELD}


def test_without_a_hold_that_is_in_force_nobody_asks_what_a_run_needs():
    def unasked(_run):
        raise AssertionError("no hold needs to know")

    runs, _ = going(EAST, WEST)
    admission, reads = admitted_of(runs, unasked, a_hold(NOW, place=("east",)), limit=2)
    assert (ids(admission.admitted), reads) == (ids(runs), [2])
    admission, reads = admitted_of(runs, unasked, a_hold(), a_hold(place=("east",)))
    assert (admission.barriers, reads) == ({"default": Barrier.POOL_HELD}, []), "a hold of the whole pool needs none either"


def test_a_claim_looks_past_a_bounded_number_of_held_runs_and_the_next_goes_on_behind_them():
    runs, needs = going(*[EAST] * 2500, WEST)
    hold = a_hold(place=("east",))
    looked_at = []
    for _ in range(3):
        admission, reads = admitted_of(runs, needs, hold, limit=1)
        looked_at.append(sum(reads))
        hold = replace(hold, passed=admission.passed)
        if admission.admitted:
            break
    assert [admission.admitted[0].id, admission.barriers] == [runs[-1].id, {"default": Barrier.EARLIER_RUNS}]
    assert len(looked_at) == 3
    assert all(reads <= 3 * MAX_PASSED for reads in looked_at)


def test_passed_over_runs_are_skipped_only_while_exactly_the_same_holds_are_in_force():
    runs, needs = going(EAST, WEST)
    behind = {"default": (runs[1].due_at, runs[1].id)}
    east = a_hold(place=("east",), passed=behind)
    assert admitted_of(runs, needs, east)[0].admitted == ()
    for other in (a_hold(place=("north",)), a_hold(NOW, place=("west",), passed=behind)):
        assert ids(admitted_of(runs, needs, east, other)[0].admitted) == [runs[1].id]
    assert admitted_of(runs, needs, east, a_hold(place=("west",), passed=behind))[0].admitted == ()


def test_a_closed_queue_names_the_first_barrier_in_the_order_in_which_they_are_stated():
    queues = (a_queue("paused", 1, paused=True), a_queue("zero", 2, limit=0), a_queue("full", 3, limit=1), a_queue("open", 4))
    admission = admitted(scene(a_pool(limit=1, queues=queues), {"full": 1}, paused=1, zero=1, full=1, open=1))
    assert admission.barriers == {
        "paused": Barrier.QUEUE_PAUSED,
        "zero": Barrier.QUEUE_LIMIT_ZERO,
        "full": Barrier.POOL_FULL,
        "open": Barrier.POOL_FULL,
    }


HELD_EAST = a_hold(place=("east",))


def test_a_claim_reads_pages_that_double_until_it_has_passed_enough_held_runs():
    runs, needs = going(*[EAST] * 2000)
    assert admitted_of(runs, needs, HELD_EAST, limit=3)[1] == [3, 6, 12, 24, 48, 96, 192, 384, 768]
    assert admitted_of(runs, needs, HELD_EAST, limit=600)[1] == [600, MAX_PASSED]
    assert admitted_of(runs, needs, HELD_EAST, limit=5000)[1] == [MAX_PASSED]


def test_a_claim_reads_no_further_than_to_the_last_run_that_has_a_slot():
    runs, needs = going(*[WEST] * 9)
    admission, reads = admitted_of(runs, needs, HELD_EAST, limit=2)
    assert (ids(admission.admitted), reads) == (ids(runs[:2]), [2])


def test_a_claim_that_has_passed_enough_held_runs_remembers_the_position_of_the_last():
    runs, needs = going(*[EAST] * MAX_PASSED, *[WEST] * 5)
    admission, _ = admitted_of(runs, needs, HELD_EAST, limit=MAX_PASSED)
    assert admission.admitted == ()
    assert admission.passed == {"default": position_of(runs[MAX_PASSED - 1])}


def test_a_claim_that_admits_a_run_remembers_no_position():
    runs, needs = going(WEST, *[EAST] * 3 * MAX_PASSED)
    admission, _ = admitted_of(runs, needs, HELD_EAST, limit=2 * MAX_PASSED)
    assert (ids(admission.admitted), admission.passed) == ([runs[0].id], {})


def test_an_admission_has_passed_over_nothing_unless_it_says_so():
    assert Admission((), {}).passed == {}


def test_without_a_limit_all_due_runs_are_admitted():
    runs, needs = going(*[WEST] * 200)
    assert len(admitted_of(runs, needs)[0].admitted) == 200


def test_the_last_slot_of_a_pool_goes_to_the_higher_queue_and_the_lower_one_says_so():
    runs = [a_run(queue="high"), a_run(queue="low")]
    admission, _ = admitted_of(runs, None, limit=1, queues=("high", "low"))
    assert ids(admission.admitted) == [runs[0].id]
    assert admission.barriers == {"high": Barrier.EARLIER_RUNS, "low": Barrier.HIGHER_QUEUES}
