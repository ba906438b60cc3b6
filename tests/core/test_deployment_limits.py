"""Concurrency limits of deployments, by admission alone: any claims, ends and changes, in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import lines
from dispatcher.core.admission import MAX_PASSED, Barrier, admit, never_missed
from dispatcher.core.holds import order_in_queue, position_of
from dispatcher.models import Run, RunState, Share
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import DeploymentLimits
from tests.builders import NOW, SECOND, a_pool, a_queue, a_run

NAMES = ("a", "b", None)
PRIORITIES = st.sampled_from((0, 0, 0, -3, 7))
QUEUES = ("high", "default")


class Pool:
    """Runs, and what a claim's transaction reads of them."""

    def __init__(self, limits, share, limit):
        self.limits, self.runs = dict(limits), dict[object, Run]()
        self.pool = a_pool(queues=[a_queue(name, n + 1) for n, name in enumerate(QUEUES)], limit=limit, share=share)

    def add(self, queue, deployment, in_lane, priority=0):
        lane = lane_for(deployment if in_lane else None, priority)
        run = a_run(queue=queue, deployment=deployment, lane=lane, due_at=NOW - (100 - len(self.runs)) * SECOND)
        self.runs[run.id] = run

    def end(self, number):
        if live := self.live():
            run = live[number % len(live)]
            self.runs[run.id] = replace(run, state=RunState.COMPLETED)

    def limit(self, deployment, limit):
        self.limits[deployment] = limit

    def live(self):
        return [run for run in self.runs.values() if run.state.holds_slot]

    def due(self, queue, limit, after=None, lane=None):
        waiting = (
            run for run in self.runs.values() if run.state is RunState.SCHEDULED and (run.queue, run.lane) == (queue, lane)
        )
        coming = sorted((run for run in waiting if after is None or position_of(run) > after), key=position_of)
        return coming[:limit]

    def lanes(self, queue):
        return sorted({run.lane for run in self.runs.values() if run.queue == queue and run.lane and not run.state.holds_slot})

    def claim(self, budget):
        live = Counter(run.deployment for run in self.live())
        limits = DeploymentLimits(lanes=self.lanes, limit=self.limits.get, live=lambda name: live[name])
        in_use = Counter(run.queue for run in self.live())
        result = admit(self.pool, in_use, self.due, now=NOW, budget=budget, limits=limits)
        for run in result.admitted:
            self.runs[run.id] = replace(run, state=RunState.RUNNING)
        return result, live


CHANGES = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(QUEUES), st.sampled_from(NAMES), st.booleans(), PRIORITIES),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("limit"), st.sampled_from(("a", "b")), st.sampled_from((0, 1, 2, None))),
    st.tuples(st.just("claim"), st.integers(1, 5)),
)
POOLS = st.builds(Pool, st.just({"a": 1, "b": 2}), st.sampled_from(Share), st.sampled_from((None, 3)))


@given(POOLS, st.lists(CHANGES, max_size=40))
def test_no_claim_lets_more_runs_of_a_deployment_live_than_its_limit(pool, changes):
    for what, *arguments in changes:
        if what != "claim":
            getattr(pool, what)(*arguments)
            continue
        result, before = pool.claim(*arguments)
        assert len({run.id for run in result.admitted}) == len(result.admitted)
        admitted = Counter(run.deployment for run in result.admitted)
        for name, number in admitted.items():
            limit = pool.limits.get(name)
            assert limit is None or before[name] + number <= limit
        assert {run.deployment for run in result.astray} <= result.full


@given(POOLS, st.lists(CHANGES, max_size=40))
def test_only_runs_of_full_deployments_are_overtaken_by_later_runs_of_their_queue(pool, changes):
    for what, *arguments in changes:
        if what != "claim":
            getattr(pool, what)(*arguments)
            continue
        waiting = [run for run in pool.runs.values() if run.state is RunState.SCHEDULED]
        admission, _ = pool.claim(*arguments)
        admitted = {run.id for run in admission.admitted}
        for run in waiting:
            place = order_in_queue(run)
            is_passed = any(other.queue == run.queue and place < order_in_queue(other) for other in admission.admitted)
            assert run.id in admitted or not is_passed or run.deployment in admission.full


@given(POOLS, st.lists(CHANGES, max_size=40))
def test_a_claim_with_room_leaves_only_runs_of_full_deployments_behind(pool, changes):
    """In a pool without a limit and a claim without a budget, whatever waits afterwards waits for its deployment."""
    pool.pool = replace(pool.pool, concurrency_limit=None)
    for what, *arguments in changes:
        if what != "claim":
            getattr(pool, what)(*arguments)
    result, before = pool.claim(1000)
    live = before + Counter(run.deployment for run in result.admitted)
    for run in pool.runs.values():
        if run.state is RunState.SCHEDULED:
            limit = pool.limits.get(run.deployment)
            assert limit is not None
            assert live[run.deployment] >= limit
            assert run.deployment in result.full


class Reading:
    """One claim of a pool, with what it reads."""

    def __init__(self, *runs, limits=None, live=None, pool=None, missed=never_missed):
        self.runs, self.read, self.counted = runs, list[tuple[str, str | None, int]](), list[str]()
        self.live = live or {}
        self.admission = admit(
            pool or a_pool(),
            {},
            self.due,
            now=NOW,
            limits=DeploymentLimits(lanes=self.lanes, limit=(limits or {}).get, live=self.count),
            missed=missed,
        )

    def due(self, queue, limit, after=None, lane=None):
        self.read.append((queue, lane, limit))
        coming = [run for run in self.runs if (run.queue, run.lane) == (queue, lane)]
        return [run for run in coming if after is None or position_of(run) > after][:limit]

    def lanes(self, queue):
        return sorted({run.lane for run in self.runs if run.queue == queue and run.lane})

    def count(self, deployment):
        self.counted.append(deployment)
        return self.live.get(deployment, 0)

    @property
    def admitted(self):
        return list(self.admission.admitted)


def in_order(*deployments, in_lanes=True, queue="default"):
    """Runs that are due one after the other."""
    due = [NOW - (100 - number) * SECOND for number in range(len(deployments))]
    return [
        a_run(queue=queue, deployment=name, lane=name if in_lanes else None, due_at=at)
        for name, at in zip(deployments, due, strict=True)
    ]


def test_runs_of_a_full_deployment_that_wait_in_no_lane_are_passed_over_and_named():
    runs = in_order("a", "b", "a", None, in_lanes=False)
    claim = Reading(*runs, limits={"a": 1}, live={"a": 1})
    assert claim.admitted == [runs[1], runs[3]]
    assert (claim.admission.full, claim.admission.astray) == ({"a"}, (runs[0], runs[2]))
    assert claim.admission.barriers == {"default": Barrier.DEPLOYMENT_FULL}


def test_the_lane_of_a_full_deployment_is_not_read():
    runs = in_order("a", None, "a")
    claim = Reading(*runs, limits={"a": 1}, live={"a": 1})
    assert claim.admitted == [runs[1]]
    assert claim.read == [("default", None, MAX_PASSED)]
    assert (claim.admission.full, claim.admission.astray) == ({"a"}, ())
    assert claim.admission.barriers == {"default": Barrier.DEPLOYMENT_FULL}


def test_a_lane_is_read_up_to_its_room_and_one_run_more():
    runs = in_order("a", None, "a", "a", "a")
    claim = Reading(*runs, limits={"a": 3}, live={"a": 1})
    assert claim.admitted == runs[:3]
    assert claim.read == [("default", None, MAX_PASSED), ("default", "a", 3)]
    assert (claim.admission.full, claim.admission.astray) == ({"a"}, ())
    assert claim.admission.barriers == {"default": Barrier.DEPLOYMENT_FULL}


def test_a_lane_that_is_emptied_leaves_nothing_behind():
    runs = in_order("a", "a")
    claim = Reading(*runs, limits={"a": 2})
    assert (claim.admitted, claim.admission.full, claim.admission.barriers) == (runs, frozenset(), {})


def test_a_lane_is_read_no_further_than_the_pool_has_slots():
    runs = in_order("a", "a", "a")
    claim = Reading(*runs, limits={"a": 9}, pool=a_pool(limit=1))
    assert (claim.admitted, claim.admission.barriers) == (runs[:1], {"default": Barrier.EARLIER_RUNS})
    assert claim.read == [("default", None, 1), ("default", "a", 1)]


def test_a_deployment_whose_limit_is_gone_starts_all_that_wait_in_its_lane():
    runs = in_order("a", "a", "b", "a")
    assert Reading(*runs, limits={"b": 0}).admitted == [runs[0], runs[1], runs[3]]


def test_the_live_runs_of_a_deployment_are_counted_once_and_only_where_it_has_a_limit():
    runs = [*in_order("a", "a", "b", in_lanes=False), *in_order("a", "b", queue="low")]
    claim = Reading(*runs, limits={"a": 9}, pool=a_pool(queues=["default", "low"]))
    assert (len(claim.admitted), claim.counted) == (5, ["a"])


def test_runs_in_both_queues_count_against_the_limit_of_their_deployment():
    high, low = in_order("a", "a"), in_order("a", queue="low")
    claim = Reading(*high, *low, limits={"a": 2}, pool=a_pool(queues=["default", "low"]))
    assert claim.admitted == high
    assert claim.admission.barriers == {"low": Barrier.DEPLOYMENT_FULL}


def test_a_queue_that_is_read_again_for_its_fair_share_counts_its_runs_once():
    """The other queue has nothing, so that this one is asked for more."""
    runs = in_order(*["a"] * 6)
    other = in_order(None, queue="other")
    pool = a_pool(limit=6, queues=["default", "other"], share=Share.FAIR)
    claim = Reading(*runs, *other, limits={"a": 5}, pool=pool)
    assert Counter(run.queue for run in claim.admitted) == {"default": 5, "other": 1}
    assert claim.read.count(("default", "a", 3)) == 1


def missed_of(*runs):
    return lambda run: "missed: it is too late" if run in runs else ""


def test_a_missed_run_takes_no_slot_and_is_named_with_its_reason():
    runs = in_order(None, "a", None, "a")
    claim = Reading(*runs, limits={"a": 1}, pool=a_pool(limit=2), missed=missed_of(runs[0], runs[1]))
    assert claim.admitted == [runs[2], runs[3]]
    assert claim.admission.missed == ((runs[0], "missed: it is too late"), (runs[1], "missed: it is too late"))
    assert claim.admission.full == frozenset()


@pytest.fixture
def ten_passed(monkeypatch):
    monkeypatch.setattr(lines, "MAX_PASSED", 10)


@pytest.mark.usefixtures("ten_passed")
def test_a_claim_passes_over_a_bounded_number_of_missed_runs():
    runs = in_order(*[None] * 40)
    claim = Reading(*runs, pool=a_pool(limit=1), missed=missed_of(*runs))
    assert claim.read == [("default", None, 1), ("default", None, 2), ("default", None, 4), ("default", None, 8)]
    assert [run for run, _ in claim.admission.missed] == runs[:15]
    assert (claim.admitted, claim.admission.passed) == ([], {})


@pytest.mark.usefixtures("ten_passed")
def test_a_claim_passes_over_a_bounded_number_of_runs_that_wait_in_no_lane():
    runs = in_order(*["a"] * 40, in_lanes=False)
    claim = Reading(*runs, limits={"a": 0}, pool=a_pool(limit=3))
    assert claim.read == [("default", None, 3), ("default", None, 6), ("default", None, 10)]
    assert list(claim.admission.astray) == runs[:19]
    assert claim.admission.barriers == {"default": Barrier.DEPLOYMENT_FULL}


@pytest.mark.usefixtures("ten_passed")
def test_runs_in_lanes_that_are_passed_over_do_not_end_the_look():
    """Of each lane one run more is read than there is room for, however many lanes there are."""
    names = [f"d{number}" for number in range(20)]
    runs = [run for name in names for run in in_order(name, name, name)] + in_order(None)
    claim = Reading(*runs, limits=dict.fromkeys(names, 2))
    assert len(claim.admitted) == 41
    assert claim.admission.full == set(names)


def sharing_fairly(slots, runs):
    """Four queues that share fairly, three of them with a limit, and their runs."""
    limits = {"first": 3, "second": 3, "heavy": 5, "last": None}
    weights = {"heavy": 2}
    numbered = enumerate(limits.items(), 1)
    queues = [a_queue(name, number, limit, weight=weights.get(name, 1)) for number, (name, limit) in numbered]
    pool = Pool({"a": 2, "b": 2}, Share.FAIR, None)
    pool.pool = a_pool(queues=queues, limit=slots, share=Share.FAIR)
    for queue, deployment in runs:
        pool.add(queue, deployment, True)
    return pool, limits


WAITING = st.tuples(st.sampled_from(("first", "second", "heavy", "last")), st.sampled_from(("a", "b", None, None)))


@given(st.lists(WAITING, max_size=24), st.integers(1, 12))
def test_a_fair_pool_with_free_slots_leaves_no_run_waiting_that_every_limit_lets_start(runs, slots):
    pool, limits = sharing_fairly(slots, runs)
    result, _ = pool.claim(1000)
    live, used = Counter(run.deployment for run in pool.live()), Counter(run.queue for run in pool.live())
    waiting = [run for run in pool.runs.values() if run.state is RunState.SCHEDULED]
    with_room = [run for run in waiting if run.deployment is None or live[run.deployment] < pool.limits[run.deployment]]
    free = [run for run in with_room if limits[run.queue] is None or used[run.queue] < limits[run.queue]]
    assert len(result.admitted) == slots or not free


def test_a_run_that_is_read_beyond_the_share_of_its_queue_keeps_no_other_of_its_deployment_waiting():
    """`first` is read for four runs and may start three. The fourth, of `a`, does not take the room of the last of `second`."""
    kinds = [None, "b", None, "a", None, "b", None, None]
    pool, _ = sharing_fairly(10, [*(("first", kind) for kind in kinds), ("second", None), ("second", "a"), ("second", "a")])
    result, _ = pool.claim(1000)
    admitted = Counter((run.queue, run.deployment) for run in result.admitted)
    assert admitted == {("first", None): 2, ("first", "b"): 1, ("second", None): 1, ("second", "a"): 2}
