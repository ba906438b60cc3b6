"""Priorities of runs in their queue: one total order, read as far as there are slots."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.admission import MAX_PASSED, Barrier, admit, order
from dispatcher.core.holds import order_in_queue, passed_over, position_of
from dispatcher.core.transitions import requeued
from dispatcher.models import FIRST_PRIORITY, FORBIDDEN_IN_NAMES, LAST_PRIORITY, Deployment, Run, Schedule, Share, WorkPool
from dispatcher.models.lanes import SEPARATOR, lane_for, lanes_between, limited_by, priority_of
from dispatcher.models.records import DeploymentLimits
from providers.base import Needs
from tests.builders import HOUR, NOW, SECOND, a_deployment, a_hold, a_pool, a_queue, a_run

PRIORITIES = st.integers(FIRST_PRIORITY, LAST_PRIORITY)
NAMES = st.sampled_from((None, "etl", "5", "-5", "a b"))


class Waiting:
    """Due runs, read as a claim reads them; it notes what was read."""

    def __init__(self, runs: list[Run], pool: WorkPool | None = None) -> None:
        self.runs, self.pool = runs, pool or a_pool(queues=[a_queue("high", 1), a_queue("default", 2)])
        self.read: list[Run] = []

    def due(self, queue, limit, after=None, lane=None):
        here = [run for run in self.runs if (run.queue, run.lane) == (queue, lane)]
        coming = sorted((run for run in here if after is None or position_of(run) > after), key=position_of)[:limit]
        self.read += coming
        return coming

    def lanes(self, queue):
        return sorted({run.lane for run in self.runs if run.queue == queue and run.lane is not None})

    def claim(self, budget=1000, **arguments):
        self.read = []
        return admit(self.pool, {}, self.due, now=NOW, budget=budget, limits=DeploymentLimits(lanes=self.lanes), **arguments)


def a_run_with(priority: int, age: int = 0, queue: str = "default", **fields: object) -> Run:
    return a_run(queue=queue, lane=lane_for(None, priority), due_at=NOW - age * SECOND, **fields)


def some_runs() -> st.SearchStrategy[list[Run]]:
    priorities, queues = st.sampled_from((0, 0, -100, -2, 1, 100)), st.sampled_from(("high", "default"))
    drawn = st.builds(a_run_with, priorities, st.integers(0, 3), queues)
    return st.lists(drawn, max_size=30)


@given(NAMES, PRIORITIES)
def test_a_lane_says_whose_runs_wait_in_it_and_with_which_priority(name, priority):
    lane = lane_for(name, priority)
    assert (limited_by(lane), priority_of(lane)) == (name, priority)


def test_a_run_without_a_priority_waits_in_the_usual_lane():
    assert (lane_for(None, 0), lane_for("etl", 0), lane_for("etl", -5), lane_for(None, -5)) == (None, "etl", "etl%-5", "%-5")
    assert SEPARATOR in FORBIDDEN_IN_NAMES


@given(NAMES, PRIORITIES, st.sampled_from(("etl", "5", "et", "etl0", "a")))
def test_only_lanes_of_a_deployment_with_a_priority_lie_between_its_bounds(name, priority, deployment):
    lane = lane_for(name, priority) or ""
    first, last = lanes_between(deployment)
    assert (first < lane < last) == (name == deployment and priority != 0)


@given(some_runs())
def test_the_order_is_total_and_is_queue_priority_due_time_id(runs):
    queues = {"high": a_queue("high", 1), "default": a_queue("default", 2)}
    keys = [order(queues[run.queue], run) for run in runs]
    assert keys == [(queues[run.queue].priority, run.priority, run.due_at, run.id) for run in runs]
    assert all(one < two for one, two in pairwise(sorted(keys)))


@given(some_runs(), st.integers(0, 12))
def test_runs_are_admitted_in_the_one_order_whatever_the_number_of_slots(runs, budget):
    waiting = Waiting(runs)
    queues = {queue.name: queue for queue in waiting.pool.queues}
    expected = sorted(runs, key=lambda run: order(queues[run.queue], run))
    assert list(waiting.claim(budget).admitted) == expected[:budget]


@given(some_runs())
def test_in_a_pool_with_fair_shares_the_order_within_a_queue_is_the_same(runs):
    waiting = Waiting(runs, a_pool(queues=[a_queue("high", 1), a_queue("default", 2)], share=Share.FAIR))
    admitted = waiting.claim().admitted
    for queue in ("high", "default"):
        expected = sorted((run for run in runs if run.queue == queue), key=order_in_queue)
        assert [run for run in admitted if run.queue == queue] == expected


@given(some_runs(), st.integers(1, 12))
def test_no_more_is_read_of_a_queue_than_there_are_slots_and_lanes_to_reach_them(runs, budget):
    """A lane behind the last admitted run is not read at all; each line before it gives at most what is still needed."""
    waiting = Waiting([run for run in runs if run.queue == "default"])
    admitted = waiting.claim(budget).admitted
    last = max(map(order_in_queue, admitted), default=None)
    assert len(waiting.read) <= 2 * budget
    assert last is None or all(run.priority <= last[0] for run in waiting.read)


def test_runs_of_the_first_priority_are_all_that_a_claim_reads_if_they_take_all_slots():
    waiting = Waiting([*(a_run_with(-5, n) for n in range(9)), *(a_run_with(0, 60 + n) for n in range(9)), a_run_with(3, 99)])
    assert waiting.claim(4).admitted == tuple(waiting.read)
    assert len(waiting.read) == 4


def test_held_runs_of_a_priority_keep_the_others_waiting_for_two_claims_at_most():
    """As many as one claim passes over: it notes how far it came, and the next one goes on behind them."""
    hold = a_hold(NOW + HOUR, place=("eu",))
    held = [a_run_with(-5, n) for n in range(MAX_PASSED + 5, 0, -1)]
    free, first = a_run_with(0, 1), a_run_with(-7, 1)
    pool = a_pool(queues=[a_queue("default", 1)], holds=(hold,))
    waiting = Waiting([*held, free], pool)

    def needs(run: Run) -> Needs:
        return Needs(place=("us" if run in (free, first) else "eu",))

    blocked = waiting.claim(1, needs=needs)
    assert (blocked.admitted, list(blocked.passed)) == ((), ["default/%-5"])
    waiting.pool = replace(pool, holds=passed_over(pool.holds, blocked.passed, NOW))
    free_again = waiting.claim(1, needs=needs)
    assert free_again.admitted == (free,)
    assert len(waiting.read) == 1
    waiting.runs.append(first)
    assert waiting.claim(1, needs=needs).admitted == (first,)
    waiting.runs = held
    assert waiting.claim(1, needs=needs).barriers == {"default": Barrier.PLACE_HELD}


def test_held_runs_of_many_lines_let_the_one_behind_them_start_in_the_end():
    """None of the lines holds as many as one claim passes over, and all of them together do."""
    lines = [a_run_with(priority, n) for priority in (-5, 0) for n in range(MAX_PASSED // 2 + 1)]
    free = a_run_with(3, 1)
    waiting = Waiting([*lines, free], a_pool(queues=[a_queue("default", 1)], holds=(a_hold(NOW + HOUR, place=("eu",)),)))
    for admitted in ((), (free,)):
        claim = waiting.claim(needs=lambda run: Needs(place=("us" if run is free else "eu",)))
        assert claim.admitted == admitted
        waiting.pool = replace(waiting.pool, holds=passed_over(waiting.pool.holds, claim.passed, NOW))


def test_a_deployment_that_a_run_with_a_priority_fills_is_full_for_the_others():
    runs = [a_run(queue="default", deployment="etl", lane=lane_for("etl", priority), due_at=NOW) for priority in (-5, 0)]
    waiting = Waiting(runs)
    limits = DeploymentLimits(lanes=waiting.lanes, limit={"etl": 1}.get)
    admission = admit(waiting.pool, {}, waiting.due, now=NOW, limits=limits)
    assert admission.admitted == (runs[0],)
    assert (admission.full, admission.astray) == ({"etl"}, ())
    assert admission.barriers == {"default": Barrier.DEPLOYMENT_FULL}


def test_a_run_with_a_priority_is_outside_its_lane_once_its_deployment_gets_a_limit():
    runs = [a_run(queue="default", deployment="etl", lane="%-5", due_at=NOW)]
    waiting = Waiting(runs)
    admission = admit(
        waiting.pool, {}, waiting.due, now=NOW, limits=DeploymentLimits(lanes=waiting.lanes, limit={"etl": 0}.get)
    )
    assert (admission.admitted, admission.astray, admission.full) == ((), tuple(runs), {"etl"})


def test_a_deployment_and_its_schedules_say_which_priority_their_runs_have():
    deployment: Deployment = a_deployment("etl", priority=-5, schedules=(Schedule(slug="a", cron="@daily", priority=0),))
    assert (deployment.lane, deployment.lane_at(3), deployment.lane_at(0)) == ("%-5", "%3", None)
    limited = replace(deployment, concurrency_limit=1)
    assert (limited.lane, limited.lane_at(3), limited.lane_at(0)) == ("etl%-5", "etl%3", "etl")
    plain = replace(deployment, priority=0)
    assert [plain.has_lanes, deployment.has_lanes, replace(limited, priority=0).has_lanes] == [False, True, True]
    assert replace(plain, schedules=(Schedule(slug="a", cron="@daily", priority=2),)).has_lanes


def test_a_waiting_run_changes_its_priority_and_keeps_the_limit_of_its_deployment():
    run = a_run(deployment="etl", lane="etl", queue="default")
    requeue = requeued(run, "default", -5)
    assert (requeue.queue, requeue.changes) == ("default", {"lane": "etl%-5"})
    assert requeued(replace(run, lane="etl%-5"), "default", 0).changes == {"lane": "etl"}
    assert requeued(replace(run, lane="%3"), "default", 0).changes == {"lane": None}
    moved = requeued(replace(run, lane="%3"), "high")
    assert (moved.queue, moved.changes) == ("high", {})
