"""What fair means: which queue gets each free slot of a pool whose queues have equal rank."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.admission import UNLIMITED, Admission, Barrier, admit
from dispatcher.core.sharing import Claimant, dealt, turn
from dispatcher.models import Share
from tests.builders import NOW, a_pool, a_queue, a_run
from tests.core.pools import Scene, fair_scenes, ids, scenes

OPEN = frozenset({Barrier.FAIR_SHARE, Barrier.EARLIER_RUNS})
"""What stops a queue that waits for a slot of the pool, and for nothing of its own."""


@st.composite
def claimants(draw):
    count = draw(st.integers(1, 5))
    return [
        Claimant(
            party=a_queue(f"q{number}", number, weight=draw(st.integers(1, 9))),
            held=draw(st.integers(0, 8)),
            most=draw(st.one_of(st.integers(0, 8), st.just(UNLIMITED))),
        )
        for number in range(1, count + 1)
    ]


def one_by_one(slots, taking_part):
    """The rule as it is said: slot after slot, to the queue whose turn it is."""
    shares = {claimant.party.name: 0 for claimant in taking_part}
    for _ in range(slots):
        able = [claimant for claimant in taking_part if shares[claimant.party.name] < claimant.most]
        if not able:
            break
        first = min(able, key=lambda claimant: turn(claimant.party, claimant.held + shares[claimant.party.name]))
        shares[first.party.name] += 1
    return shares


def admitted(scene: Scene, budget: int = 1000) -> Admission:
    return admit(scene.pool, scene.in_use, scene.due, now=NOW, budget=budget)


def held_after(scene: Scene, admission: Admission):
    return {
        queue.name: scene.in_use.get(queue.name, 0) + sum(run.queue == queue.name for run in admission.admitted)
        for queue in scene.pool.queues
    }


@given(claimants(), st.integers(0, 40))
def test_shares_of_all_slots_at_once_equal_shares_slot_by_slot(taking_part, slots):
    assert dealt(slots, taking_part) == one_by_one(slots, taking_part)


@pytest.mark.parametrize(("slots", "shares"), [(1, (0, 1, 0)), (2, (0, 1, 1)), (3, (1, 1, 1)), (4, (1, 2, 1)), (5, (1, 2, 2))])
def test_equal_turns_go_to_the_first_queue_and_never_to_a_later_turn(slots, shares):
    """A third of a slot for a weight of 1 is more than a quarter, so a higher priority does not help."""
    queues = [a_queue("later", 1, weight=3), a_queue("first", 2, weight=4), a_queue("second", 3, weight=4)]
    taking_part = [Claimant(party=queue, held=0, most=UNLIMITED) for queue in queues]
    assert tuple(dealt(slots, taking_part).values()) == shares


@given(fair_scenes(), st.one_of(st.integers(0, 10), st.just(1000)))
def test_no_queue_waits_while_another_that_got_a_slot_is_over_its_share_by_more_than_one(scene, budget):
    """For its weight: a queue that got a slot holds no more than the waiting one would with one more."""
    admission = admitted(scene, budget)
    held, served = held_after(scene, admission), {run.queue for run in admission.admitted}
    for waiting in scene.pool.queues:
        left = scene.waiting[waiting.name][held[waiting.name] - scene.in_use.get(waiting.name, 0) :]
        if not left or admission.barriers[waiting.name] not in OPEN:
            continue
        for other in scene.pool.queues:
            if other.name in served:
                assert Fraction(held[other.name], other.weight) <= Fraction(held[waiting.name] + 1, waiting.weight)


@given(scenes(), st.integers(0, 10))
def test_queues_of_equal_weight_that_wait_differ_by_one_at_most(scene, budget):
    fair = replace(scene, pool=replace(scene.pool, share=Share.FAIR), in_use=dict.fromkeys(scene.in_use, 0))
    admission = admitted(fair, budget)
    held = held_after(fair, admission)
    waiting = [name for name, barrier in admission.barriers.items() if barrier in OPEN and len(fair.waiting[name]) > held[name]]
    assert all(max(held.values()) - held[name] <= 1 for name in waiting)


@given(fair_scenes())
def test_no_limit_is_ever_passed_and_a_slot_is_left_only_when_nothing_may_take_it(scene):
    admission = admitted(scene)
    limit = scene.pool.concurrency_limit
    assert limit is None or not admission.admitted or sum(scene.in_use.values()) + len(admission.admitted) <= limit
    for queue in scene.pool.queues:
        taken = sum(run.queue == queue.name for run in admission.admitted)
        assert queue.concurrency_limit is None or not taken or scene.in_use[queue.name] + taken <= queue.concurrency_limit
        assert len(scene.waiting[queue.name]) == taken or queue.name in admission.barriers


@given(fair_scenes(), st.integers(0, 10))
def test_the_order_is_total_and_a_smaller_budget_admits_the_first_of_the_same_runs(scene, budget):
    whole = admitted(scene).admitted
    assert ids(admitted(scene, budget).admitted) == ids(whole)[:budget]
    numbers, turns = dict(scene.in_use), []
    for run in whole:
        turns.append(turn(scene.pool.queue(run.queue), numbers.get(run.queue, 0)))
        numbers[run.queue] = numbers.get(run.queue, 0) + 1
    assert all(earlier < later for earlier, later in pairwise(turns))


@given(fair_scenes())
def test_within_a_queue_runs_start_by_due_time(scene):
    admission = admitted(scene)
    for name, runs in scene.waiting.items():
        mine = [run for run in admission.admitted if run.queue == name]
        assert ids(mine) == ids(runs[: len(mine)])


@given(fair_scenes(), st.integers(1, 10))
def test_little_more_is_read_than_is_admitted(scene, budget):
    read = []

    def due(queue, limit, after=None):
        runs = scene.due(queue, limit, after) if after else scene.due(queue, limit)
        read.extend(runs)
        return runs

    admission = admit(scene.pool, scene.in_use, due, now=NOW, budget=budget)
    assert len(read) <= 4 * len(admission.admitted) + len(scene.pool.queues)


def test_a_queue_whose_share_rises_step_by_step_is_read_few_times():
    """Thirty short queues, each one run longer than the one before, leave more and more to a long one."""
    lengths = {"long": 300, **{f"q{number}": 5 + number for number in range(30)}}
    queues = [a_queue(name, place) for place, name in enumerate(lengths, 1)]
    runs = {name: [a_run(queue=name) for _ in range(length)] for name, length in lengths.items()}
    read = []

    def due(queue, limit, after=None):
        read.extend(runs[queue][:limit])
        return runs[queue][:limit]

    admission = admit(a_pool(limit=590, queues=queues, share=Share.FAIR), {}, due, now=NOW)
    assert len(admission.admitted) == 590
    assert len(read) <= 2 * 590


def test_a_queue_that_holds_many_slots_waits_until_the_others_have_as_many():
    pool = a_pool(limit=6, queues=[a_queue("busy", 1), a_queue("new", 2)], share=Share.FAIR)
    runs = {name: [a_run(queue=name) for _ in range(9)] for name in ("busy", "new")}
    admission = admitted(Scene(pool, {"busy": 3, "new": 0}, runs))
    assert [run.queue for run in admission.admitted] == ["new", "new", "new"]
    assert admission.barriers == {"busy": Barrier.FAIR_SHARE, "new": Barrier.EARLIER_RUNS}


def test_weights_share_slots_in_their_proportion():
    pool = a_pool(limit=8, queues=[a_queue("one", 1), a_queue("three", 2, weight=3)], share=Share.FAIR)
    runs = {name: [a_run(queue=name) for _ in range(9)] for name in ("one", "three")}
    admission = admitted(Scene(pool, {}, runs))
    assert [run.queue for run in admission.admitted].count("three") == 6


def test_slots_that_one_queue_cannot_use_go_to_the_others():
    pool = a_pool(limit=9, queues=[a_queue("few", 1), a_queue("limited", 2, limit=1), a_queue("many", 3)], share=Share.FAIR)
    runs = {"few": [a_run(queue="few")], **{name: [a_run(queue=name) for _ in range(9)] for name in ("limited", "many")}}
    admission = admitted(Scene(pool, {}, runs))
    assert sorted(run.queue for run in admission.admitted) == ["few", "limited", *["many"] * 7]
    assert admission.barriers == {"limited": Barrier.QUEUE_FULL, "many": Barrier.FAIR_SHARE}


def test_a_queue_that_holds_nothing_comes_in_its_turn():
    pool = a_pool(limit=4, queues=["first", "second"], share=Share.FAIR)
    runs = {name: [a_run(queue=name) for _ in range(2)] for name in ("first", "second")}
    for in_use in ({}, {"second": 0}, {"first": 0}):
        admission = admitted(Scene(pool, in_use, runs))
        assert [run.queue for run in admission.admitted] == ["first", "second", "first", "second"]


def test_later_runs_of_the_only_queue_wait_for_its_earlier_runs():
    for limit in (1, 2):
        pool = a_pool(limit=limit, queues=["only"], share=Share.FAIR)
        admission = admitted(Scene(pool, {}, {"only": [a_run(queue="only") for _ in range(3)]}))
        assert (len(admission.admitted), admission.barriers) == (limit, {"only": Barrier.EARLIER_RUNS})


def test_a_claim_without_free_slots_says_that_they_went_to_others():
    pool = a_pool(queues=["only"], share=Share.FAIR)
    admission = admitted(Scene(pool, {}, {"only": [a_run(queue="only")]}), budget=0)
    assert (admission.admitted, admission.barriers) == ((), {"only": Barrier.FAIR_SHARE})
