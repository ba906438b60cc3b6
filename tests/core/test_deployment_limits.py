"""Concurrency limits of deployments, by admission alone: any claims, ends and changes, in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.admission import admit
from dispatcher.core.holds import position_of
from dispatcher.models import Run, RunState, Share
from dispatcher.records import DeploymentLimits
from tests.builders import NOW, SECOND, a_pool, a_queue, a_run

NAMES = ("a", "b", None)
QUEUES = ("high", "default")


class Pool:
    """Runs, and what a claim's transaction reads of them."""

    def __init__(self, limits, share, limit):
        self.limits, self.runs = dict(limits), dict[object, Run]()
        self.pool = a_pool(queues=[a_queue(name, n + 1) for n, name in enumerate(QUEUES)], limit=limit, share=share)

    def add(self, queue, deployment, in_lane):
        lane = deployment if in_lane else None
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
        admission = admit(self.pool, in_use, self.due, now=NOW, budget=budget, limits=limits)
        for run in admission.admitted:
            self.runs[run.id] = replace(run, state=RunState.RUNNING)
        return admission, live


CHANGES = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(QUEUES), st.sampled_from(NAMES), st.booleans()),
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
        admission, before = pool.claim(*arguments)
        assert len({run.id for run in admission.admitted}) == len(admission.admitted)
        admitted = Counter(run.deployment for run in admission.admitted)
        for name, number in admitted.items():
            limit = pool.limits.get(name)
            assert limit is None or before[name] + number <= limit
        assert {run.deployment for run in admission.astray} <= admission.full


@given(POOLS, st.lists(CHANGES, max_size=40))
def test_a_claim_with_room_leaves_only_runs_of_full_deployments_behind(pool, changes):
    """In a pool without a limit and a claim without a budget, whatever waits afterwards waits for its deployment."""
    pool.pool = replace(pool.pool, concurrency_limit=None)
    for what, *arguments in changes:
        if what != "claim":
            getattr(pool, what)(*arguments)
    admission, before = pool.claim(1000)
    live = before + Counter(run.deployment for run in admission.admitted)
    for run in pool.runs.values():
        if run.state is RunState.SCHEDULED:
            limit = pool.limits.get(run.deployment)
            assert limit is not None
            assert live[run.deployment] >= limit
            assert run.deployment in admission.full
