"""Deployments with a limit of one, under each policy, while invocations overlap and are killed: on every store."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from random import Random

import pytest

from dispatcher.models import OnCollision, RunState, Schedule
from dispatcher.models.records import RunFilter
from tests.builders import MINUTE, a_deployment, a_pool
from tests.stores.factories import FACTORIES
from tests.tick.stage import Stage

OFTEN = Schedule(slug="often", cron="* * * * *")
MOST_WAITING = 4
"""Of the deployment whose runs wait."""
AT_FULL_SIZE = [
    pytest.param(*case, marks=pytest.mark.long)
    for case in (("memory", 500, 5), ("sqlite", 500, 5), ("postgres", 500, 5), ("dynamodb", 100, 10))
]


class Killed(BaseException):
    """The process of an invocation ends."""


class Unruly:
    """At some submissions another whole tick takes place first, or the process is killed before or after."""

    def __init__(self, stage, random):
        self.stage, self.random, self.submit = stage, random, stage.provider.submit
        self.happened = Counter()
        stage.provider.submit = self.during

    def during(self, job):
        what = self.random.choice(["tick", "killed before", "killed after", "nothing", "nothing"])
        self.happened[what] += 1
        if what == "tick":
            self.stage.provider.submit = self.submit
            try:
                self.stage.tick()
            finally:
                self.stage.provider.submit = self.during
        if what == "killed before":
            raise Killed
        answer = self.submit(job)
        if what == "killed after":
            raise Killed
        return answer


@pytest.mark.parametrize(("store", "windows", "minutes"), [("memory", 60, 1), ("sqlite", 30, 1), *AT_FULL_SIZE])
def test_two_runs_of_a_deployment_are_never_live_however_ticks_overlap_and_die(store, windows, minutes, tmp_path):
    """A window every minute, jobs of some minutes, a tick every minute or more. Few runs are still waiting at the end."""
    stage, random = Stage(a_pool(limit=9), store=FACTORIES[store](tmp_path)), Random(7)
    for policy in OnCollision:
        fields = {"max_waiting": MOST_WAITING} if policy is OnCollision.WAIT else {}
        deployment = a_deployment(policy.value, concurrency_limit=1, on_collision=policy, schedules=(OFTEN,), **fields)
        stage.store.save_deployment(deployment, expected_version=None, now=stage.clock.now())
    unruly = Unruly(stage, random)
    for _ in range(windows // minutes):
        with suppress(Killed):
            stage.tick_pool()
        never_two(stage)
        for name in [name for name in sorted(stage.provider.live) if random.random() < 0.3]:
            stage.provider.finish(name)
        stage.wait(minutes * MINUTE)
    assert {"tick", "killed before", "killed after"} <= unruly.happened.keys()
    stage.provider.submit = unruly.submit
    settled(stage)
    waiting = {policy: of(stage, policy, RunState.SCHEDULED) for policy in OnCollision}
    assert waiting[OnCollision.SKIP] == []
    assert len(waiting[OnCollision.WAIT]) <= MOST_WAITING
    assert len(waiting[OnCollision.REPLACE]) <= 1
    ended = {policy: Counter(run.reason.split()[0] for run in of(stage, policy) if run.reason) for policy in OnCollision}
    made = {policy: len(of(stage, policy)) for policy in OnCollision}
    assert made[OnCollision.SKIP] == made[OnCollision.REPLACE] >= windows - 1
    assert ended[OnCollision.SKIP]["skipped:"] > windows / 4
    assert ended[OnCollision.REPLACE]["replaced"] > windows / 4
    assert all(started <= 1 for started in stage.provider.starts.values())
    assert len(stage.provider.starts) > windows / minutes / 4
    stage.store.close()


def never_two(stage):
    """No two jobs of a deployment live, and no two of its runs hold a slot."""
    runs = list(chain.from_iterable(of(stage, policy, *HOLDING) for policy in OnCollision))
    assert max(Counter(run.deployment for run in runs).values(), default=0) <= 1
    whose = {f"r{run.id.hex}": run.deployment for run in runs}
    alive = [whose[name.split("-")[0]] for name in stage.provider.live]
    assert max(Counter(alive).values(), default=0) <= 1


def settled(stage):
    """No more windows, and ticks without accidents, until no claim is open; the last jobs go on."""
    for deployment in stage.store.deployments():
        stopped = replace(deployment, paused=True)
        stage.store.save_deployment(stopped, expected_version=deployment.version, now=stage.clock.now())
    for _ in range(20):
        stage.let_the_lease_end()
        before = stage.clock.now()
        stage.tick_pool()
        never_two(stage)
        due = [run for run in of(stage, OnCollision.SKIP, RunState.SCHEDULED) if run.due_at <= before]
        if not due and not of(stage, OnCollision.REPLACE, RunState.CANCELLING):
            return
    raise AssertionError("runs still wait")


HOLDING = tuple(state for state in RunState if state.holds_slot)


def of(stage, policy, *states):
    """The due runs of a deployment, in any state or in one of these."""
    where = RunFilter(deployment=policy.value, states=frozenset(states) or None)
    return [run for run in stage.store.runs(where, limit=1000) if run.due_at <= stage.clock.now()]
