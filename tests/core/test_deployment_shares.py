"""What fair means between the deployments of a queue: which one gets each free slot, in any order of claims and ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import lines
from dispatcher.core.admission import Barrier, admit
from dispatcher.core.holds import order_in_queue, position_of
from dispatcher.models import Run, RunState, Share
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import DeploymentLimits
from tests.builders import NOW, SECOND, a_pool, a_queue, a_run

NAMES = ("a", "b", "c", None)


class Pool:
    """A pool with one queue that is shared, what runs in it, and what a claim's transaction reads of that."""

    def __init__(self, weights=(), limits=(), limit=None, **fields):
        self.weights, self.limits, self.runs = dict(weights), dict(limits), dict[object, Run]()
        self.pool = a_pool(limit=limit, queues=[a_queue(share=Share.FAIR)], **fields)
        self.read: list[tuple[str | None, int]] = []

    def add(self, deployment, *, priority=0, in_lane=True, number=1):
        for _ in range(number):
            lane = lane_for(deployment if in_lane else None, priority)
            due = NOW - (9000 - len(self.runs)) * SECOND
            run = a_run(queue="default", deployment=deployment, lane=lane, due_at=due)
            self.runs[run.id] = run
        return self

    def end(self, number):
        if live := self.live():
            self.runs[live[number % len(live)].id] = replace(live[number % len(live)], state=RunState.COMPLETED)

    def live(self):
        return [run for run in self.runs.values() if run.state.holds_slot]

    def held(self, _queue="default"):
        return Counter(run.deployment or "" for run in self.live())

    def waiting(self):
        return sorted((run for run in self.runs.values() if run.state is RunState.SCHEDULED), key=order_in_queue)

    def due(self, _queue, limit, after=None, lane=None):
        self.read.append((lane, limit))
        of_lane = [run for run in self.waiting() if run.lane == lane]
        return [run for run in of_lane if after is None or position_of(run) > after][:limit]

    def admission(self, budget=1000, **arguments):
        limits = DeploymentLimits(
            lanes=lambda _queue: sorted({run.lane for run in self.waiting() if run.lane is not None}),
            limit=self.limits.get,
            live=self.held().__getitem__,
            held=self.held,
            weight=lambda name: self.weights.get(name, 1),
        )
        in_use = {"default": len(self.live())}
        return admit(self.pool, in_use, self.due, now=NOW, budget=budget, limits=limits, **arguments)

    def claim(self, budget=1000):
        admission = self.admission(budget)
        for run in admission.admitted:
            self.runs[run.id] = replace(run, state=RunState.RUNNING)
        for run in admission.astray:
            self.runs[run.id] = replace(run, lane=lane_for(run.deployment, run.priority))
        return admission

    def one_by_one(self, slots):
        """The rule as it is said: slot after slot, to the deployment that would hold least for its weight with it."""
        held, waiting, order = self.held(), self.waiting(), []
        for _ in range(slots):
            able = [run for run in waiting if self.limits.get(run.deployment) is None]
            able += [run for run in waiting if held[run.deployment] < self.limits.get(run.deployment, 0)]
            if not able:
                break
            first = min(able, key=lambda run: (self.level(run.deployment, held), order_in_queue(run)))
            waiting.remove(first)
            held[first.deployment or ""] += 1
            order.append(first)
        return order

    def level(self, deployment, held):
        return Fraction(held[deployment or ""] + 1, self.weights.get(deployment, 1))


PRIORITIES, NUMBERS = st.sampled_from((0, 0, 0, -3, 7)), st.integers(1, 4)
ADDED = {
    "in lanes": st.tuples(st.just("add"), st.sampled_from(NAMES), PRIORITIES, st.just(True), NUMBERS),
    "astray": st.tuples(st.just("add"), st.sampled_from("abc"), PRIORITIES, st.booleans(), NUMBERS),
}
"""Also runs that wait outside the lanes of their deployments, as they do after a queue began to be shared."""
ENDED, CLAIMED = st.tuples(st.just("end"), st.integers(0, 9)), st.tuples(st.just("claim"), st.integers(1, 5))
CHANGES = st.sampled_from(sorted(ADDED)).flatmap(lambda added: st.lists(st.one_of(ADDED[added], ENDED, CLAIMED), max_size=30))
WEIGHTS = st.fixed_dictionaries({name: st.integers(1, 4) for name in "abc"})
LIMITS = st.dictionaries(st.sampled_from("abc"), st.sampled_from((0, 1, 2)), max_size=2)
POOLS = st.builds(Pool, WEIGHTS, LIMITS, st.sampled_from((None, 3, 6)))


def played(pool, changes):
    """Make the changes; before each claim, the pool and the size of the claim."""
    for what, *arguments in changes:
        match what:
            case "add":
                name, priority, in_lane, number = arguments
                pool.add(name, priority=priority, in_lane=in_lane, number=number)
            case "end":
                pool.end(*arguments)
            case _:
                yield arguments[0]


@given(POOLS, CHANGES)
def test_shares_lane_by_lane_equal_shares_slot_by_slot(pool, changes):
    for budget in played(pool, changes):
        limit = pool.pool.concurrency_limit
        slots = budget if limit is None else min(budget, limit - len(pool.live()))
        expected = pool.one_by_one(slots)
        assert list(pool.claim(budget).admitted) == expected


@given(POOLS, CHANGES)
def test_no_deployment_waits_while_another_that_got_a_slot_is_over_its_share_by_more_than_one(pool, changes):
    """For its weight: a deployment that got a slot holds no more than the waiting one would with one more."""
    for budget in played(pool, changes):
        served = {run.deployment for run in pool.claim(budget).admitted}
        held = pool.held()
        for run in pool.waiting():
            limit = pool.limits.get(run.deployment)
            if limit is None or held[run.deployment] < limit:
                for other in served:
                    over = Fraction(held[other or ""], pool.weights.get(other, 1))
                    assert over <= pool.level(run.deployment, held)


@given(st.lists(st.sampled_from(NAMES), max_size=40), st.integers(1, 30))
def test_deployments_of_equal_weight_that_wait_differ_by_one_at_most(names, budget):
    pool = Pool()
    for name in names:
        pool.add(name)
    pool.claim(budget)
    held = pool.held()
    assert all(max(held.values()) - held[run.deployment or ""] <= 1 for run in pool.waiting())


@given(POOLS, CHANGES, st.integers(1, 6))
def test_a_smaller_claim_admits_the_first_of_the_same_runs(pool, changes, budget):
    list(played(pool, changes))
    assert pool.admission(budget).admitted == pool.admission().admitted[:budget]


@given(POOLS, CHANGES)
def test_a_claim_leaves_runs_behind_only_where_a_limit_says_so_or_no_slot_is_left(pool, changes):
    for budget in played(pool, changes):
        admission, live = pool.claim(budget), pool.live()
        held = pool.held()
        is_full = len(admission.admitted) == budget or len(live) == pool.pool.concurrency_limit
        assert is_full or all(held[run.deployment] >= pool.limits.get(run.deployment, 99) for run in pool.waiting())


def test_ten_thousand_runs_of_one_deployment_do_not_keep_another_waiting_and_are_not_read():
    pool = Pool(limit=4).add("flood", number=10_000).add("other", number=2)
    assert [run.deployment for run in pool.claim().admitted] == ["flood", "other", "flood", "other"]
    assert sum(limit for _, limit in pool.read) <= 12


def test_weights_share_slots_in_their_proportion():
    pool = Pool({"b": 3}, limit=8).add("a", number=9).add("b", number=9)
    assert Counter(run.deployment for run in pool.claim().admitted) == {"a": 2, "b": 6}


def test_slots_that_a_deployment_already_holds_count_against_its_share():
    pool = Pool(limit=6).add("busy", number=9)
    pool.claim(3)
    pool.add("new", number=9)
    assert [run.deployment for run in pool.claim().admitted] == ["new", "new", "new"]


def test_among_equal_shares_the_longest_waiting_run_goes_first():
    """With one slot, three deployments take turns: none of them holds anything when a slot comes free."""
    pool, order = Pool(limit=1), []
    for name in ("a", "b", "c", "a", "b", "c"):
        pool.add(name)
    for _ in range(6):
        order += [run.deployment for run in pool.claim().admitted]
        pool.end(0)
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_a_priority_counts_among_the_runs_of_its_deployment():
    pool = Pool(limit=3).add("a", number=2).add("b").add("a", priority=-5)
    assert [(run.deployment, run.priority) for run in pool.claim().admitted] == [("a", -5), ("b", 0), ("a", 0)]


def test_runs_without_a_deployment_count_as_one():
    pool = Pool(limit=4).add(None, number=9).add("a", number=9)
    assert [run.deployment for run in pool.claim().admitted] == [None, "a", None, "a"]


def test_runs_that_wait_outside_the_lane_of_their_deployment_take_part_and_are_named():
    pool = Pool(limit=2).add("a", number=3, in_lane=False).add("b", in_lane=False)
    admission = pool.claim()
    assert [run.deployment for run in admission.admitted] == ["a", "b"]
    assert [(run.deployment, run.lane) for run in admission.astray] == [("a", None), ("a", None)]
    assert admission.full == frozenset()


def test_a_queue_that_its_deployments_do_not_share_starts_by_due_time_whatever_their_weights():
    pool = Pool({"b": 9}, limit=3).add("a", number=3).add("b", number=3)
    pool.pool = replace(pool.pool, queues=(a_queue(),))
    assert [run.deployment for run in pool.claim().admitted] == ["a", "a", "a"]


@pytest.fixture
def ten_passed(monkeypatch):
    monkeypatch.setattr(lines, "MAX_PASSED", 10)


@pytest.mark.usefixtures("ten_passed")
def test_a_claim_reads_a_bounded_number_of_runs_outside_lanes_and_the_next_goes_on():
    pool = Pool(limit=2).add("a", number=40, in_lane=False).add("b", in_lane=False)
    admission = pool.claim()
    assert [run.deployment for run in admission.admitted] == ["a", "a"]
    assert len(admission.astray) == 8
    pool.end(0)
    pool.end(0)
    for _ in range(4):
        pool.claim(0)
    assert "b" in pool.held() or pool.claim()


@pytest.mark.usefixtures("ten_passed")
@pytest.mark.parametrize("share", Share)
def test_no_lower_queue_gets_slots_while_missed_runs_hide_the_rest_of_a_queue(share):
    """The next claim does not meet them any more, and then it is seen how many the higher queue can use."""
    queues = [a_queue("high", 1, share=Share.STRICT), a_queue("low", 2)]
    missed = [a_run(queue="high", due_at=NOW - SECOND) for _ in range(30)]
    runs = {"high": sorted([*missed, a_run(queue="high", due_at=NOW)], key=position_of), "low": [a_run(queue="low")]}

    def due(queue, limit, after=None, _lane=None):
        return [run for run in runs[queue] if after is None or position_of(run) > after][:limit]

    def why(run):
        return "missed" if run in missed else ""

    admission = admit(a_pool(limit=1, queues=queues), {}, due, now=NOW, missed=why)
    assert (admission.admitted, admission.barriers) == ((), {"high": Barrier.EARLIER_RUNS, "low": Barrier.HIGHER_QUEUES})
    if share is Share.FAIR:
        fair = admit(a_pool(limit=2, queues=queues, share=share), {}, due, now=NOW, missed=why)
        assert [run.queue for run in fair.admitted] == ["low"]
        assert fair.barriers["high"] is Barrier.EARLIER_RUNS
