"""Schedules in whole ticks: windows become runs ahead of time, once each, whatever overlaps, and old history goes."""

from __future__ import annotations

import sys

import pytest

from dispatcher.core.cron import cron
from dispatcher.core.windows import WindowLimits
from dispatcher.errors import StoreUnavailable
from dispatcher.models import RunState, Schedule, submission_name
from dispatcher.models.records import RunFilter
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import tick
from dispatcher.ticking.windows import TRIED_AGAIN
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool
from tests.tick.stage import Stage

EVERY_TEN = Schedule(slug="ten", cron="*/10 * * * *")


def deployed(stage, *schedules, name="nightly", **fields):
    deployment = a_deployment(name, schedules=schedules or (EVERY_TEN,), **fields)
    return stage.store.save_deployment(deployment, expected_version=None, now=stage.clock.now())


def windows(stage):
    runs = stage.store.runs(RunFilter(), limit=1000)
    return sorted((run.scheduled_at - NOW) // MINUTE for run in runs)


def test_windows_of_the_next_hour_become_runs_and_each_starts_when_its_time_has_come():
    stage = Stage()
    deployed(stage, job_variables={"command": "date"}, tags=("finance",))
    report = stage.tick_pool()
    assert (report.materialised, report.submitted) == (6, 0)
    assert windows(stage) == [10, 20, 30, 40, 50, 60]
    stage.wait(10 * MINUTE)
    report = stage.tick_pool()
    assert (report.materialised, report.submitted) == (1, 1)
    [job] = stage.provider.jobs
    assert job.job.configuration["command"] == "date"
    assert job.job.environment["DISPATCHER_DEPLOYMENT"] == "nightly"
    assert job.job.environment["DISPATCHER_SCHEDULED_AT"] == (NOW + 10 * MINUTE).isoformat()
    [run] = [run for run in stage.store.runs(RunFilter(), limit=10) if run.state is not RunState.SCHEDULED]
    assert (run.scheduled_at, run.tags, run.schedule) == (NOW + 10 * MINUTE, ("finance",), "ten")


def test_a_tick_between_two_windows_has_nothing_to_do():
    stage = Stage()
    deployed(stage)
    stage.tick()
    stage.wait(9 * MINUTE)
    assert stage.tick_pool().materialised == 0


def test_a_paused_pool_goes_on_making_runs():
    stage = Stage(a_pool(paused=True))
    deployed(stage)
    report = stage.tick_pool()
    assert report.materialised == 6
    stage.wait(30 * MINUTE)
    report = stage.tick_pool()
    assert (report.materialised, report.submitted) == (3, 0)


class Meanwhile(MemoryStore):
    """Lets something happen right after a read of what is scheduled."""

    then = None

    def scheduled(self, *arguments, **named):
        deployments = super().scheduled(*arguments, **named)
        then, self.then = self.then, None
        if then:
            then()
        return deployments


def test_two_ticks_at_the_edge_of_a_window_make_one_run():
    store = Meanwhile()
    stage = Stage(store=store)
    deployed(stage)
    stage.tick()
    stage.wait(10 * MINUTE)
    store.then = stage.tick
    assert stage.tick_pool().materialised == 0
    assert windows(stage) == [10, 20, 30, 40, 50, 60, 70]
    assert len(stage.provider.jobs) == 1


def test_a_schedule_that_is_changed_under_a_tick_is_followed_as_it_is_now():
    store = Meanwhile()
    stage = Stage(store=store)
    deployment = deployed(stage)
    hourly = a_deployment("nightly", id=deployment.id, schedules=(Schedule(slug="ten", cron="0 * * * *"),))
    store.then = lambda: store.save_deployment(hourly, expected_version=1, now=stage.clock.now())
    assert stage.tick_pool().materialised == 0
    stage.tick()
    assert windows(stage) == [60]


def test_an_answer_that_is_lost_makes_no_window_twice():
    class Losing(MemoryStore):
        lost = 0

        def materialise(self, step):
            super().materialise(step)
            self.lost += 1
            if self.lost == 1:
                raise StoreUnavailable("the answer was lost")
            return frozenset()

    stage = Stage(store=Losing())
    deployed(stage)
    assert "the answer was lost" in stage.tick_pool().problem
    stage.tick()
    assert windows(stage) == [10, 20, 30, 40, 50, 60]


def test_many_deployments_are_made_runs_in_one_tick_and_what_the_deadline_leaves_in_the_next():
    stage = Stage()
    for number in range(120):
        deployed(stage, name=f"deployment-{number:03}")
    assert stage.tick_pool().materialised == 120 * 6
    assert tick(stage.dispatch(), stage.clock.now(), pools=["pool"]).skipped == ["pool"]


def test_a_schedule_that_cannot_be_computed_does_not_stop_waiting_runs(monkeypatch):
    stage = Stage()
    deployed(stage)
    [run] = stage.add()
    cron.cache_clear()
    monkeypatch.setitem(sys.modules, "cronsim", None)
    report = stage.tick_pool()
    assert stage.provider.starts == {submission_name(run.id, 1): 1}
    assert report.problem.startswith("deployment 'nightly': its schedules need cronsim, which is not installed: pip install")
    monkeypatch.undo()
    stage.wait(TRIED_AGAIN)
    assert stage.tick_pool().materialised == 6


def test_fan_out_sees_windows_that_have_come_near():
    stage = Stage()
    assert "pool" not in stage.store.pools_with_work(NOW)
    deployed(stage)
    assert "pool" in stage.store.pools_with_work(NOW)
    stage.tick()
    assert "pool" not in stage.store.pools_with_work(NOW + 9 * MINUTE)


def test_a_shorter_look_ahead_makes_fewer_runs_before_their_time():
    stage = Stage()
    deployed(stage)
    assert stage.tick_pool(windows=WindowLimits(ahead=20 * MINUTE)).materialised == 2


@pytest.mark.parametrize(("kept", "pruned"), [(HOUR, 1), (None, 0), (2 * HOUR, 0)])
def test_ended_runs_are_forgotten_when_they_are_old(kept, pruned):
    stage = Stage()
    old, _ = stage.add(2)
    stage.tick()
    stage.provider.finish(submission_name(old.id, 1))
    stage.tick()
    stage.wait(HOUR + SECOND)
    assert stage.tick_pool(history=kept).pruned == pruned
    assert (stage.get(old) is None) == bool(pruned)
