"""Concurrency limits of deployments in whole ticks: wait, skip, replace; what waits too long, and how many may wait."""

from __future__ import annotations

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import OnCollision, RunState, Schedule, Share, submission_name
from dispatcher.models.records import RunFilter
from tests.builders import MINUTE, NOW, SECOND, a_deployment, a_pool
from tests.tick.stage import Stage

EVERY_TEN = Schedule(slug="ten", cron="*/10 * * * *")


@pytest.fixture
def stage():
    return Stage(a_pool(limit=10))


def deployed(stage, name="nightly", *, limit=1, on_collision=OnCollision.WAIT, **fields):
    deployment = a_deployment(name, concurrency_limit=limit, on_collision=on_collision, **fields)
    return stage.store.save_deployment(deployment, expected_version=None, now=stage.clock.now())


def due(stage, count=1, name="nightly", **fields):
    """Runs of a deployment that are due one second after the other, with names for their order."""
    return [run for n in range(count) for run in stage.add(deployment=name, lane=name, due_at=NOW + n * SECOND, **fields)]


def finish(stage, run):
    stage.provider.finish(submission_name(run.id, stage.get(run).attempt))


def explained(stage, run):
    return Dispatcher(stage.store, clock=stage.clock).explain(run.id)


class TestWait:
    def test_a_run_waits_until_the_live_one_is_seen_to_end_and_lets_others_pass(self, stage):
        deployed(stage)
        first, second = due(stage, 2)
        [other] = stage.add(due_at=NOW + 5 * SECOND)
        stage.wait(MINUTE)
        assert stage.tick_pool().submitted == 2
        assert stage.states(first, second, other) == ["PENDING", "SCHEDULED", "PENDING"]
        assert stage.tick_pool().submitted == 0
        finish(stage, first)
        assert stage.states(second) == ["SCHEDULED"]
        report = stage.tick_pool()
        assert (report.ended, report.submitted) == (1, 1)

    def test_explain_names_the_limit_and_who_holds_it(self, stage):
        deployed(stage)
        first, second = due(stage, 2)
        stage.wait(MINUTE)
        assert stage.tick_pool().barriers == {"default": "DEPLOYMENT_FULL"}
        explanation = explained(stage, second)
        assert (explanation.reason, [holder.id for holder in explanation.holders]) == ("DEPLOYMENT_FULL", [first.id])
        assert "1 of 1 runs are live" in explanation.text

    def test_runs_from_before_the_limit_move_out_of_the_way_and_count(self, stage):
        runs = stage.add(3, deployment="nightly")
        deployed(stage)
        [other] = stage.add(due_at=NOW + SECOND)
        stage.wait(MINUTE)
        assert stage.tick_pool().submitted == 2
        assert stage.states(*runs, other) == ["PENDING", "SCHEDULED", "SCHEDULED", "PENDING"]
        assert [stage.get(run).lane for run in runs[1:]] == ["nightly", "nightly"]

    def test_a_limit_of_none_lets_runs_go_that_still_wait_in_a_lane(self, stage):
        deployment = deployed(stage, limit=0)
        runs = due(stage, 3)
        stage.wait(MINUTE)
        assert stage.tick_pool().submitted == 0
        Dispatcher(stage.store, clock=stage.clock).update_deployment(deployment.name, concurrency_limit=None)
        assert stage.tick_pool().submitted == 3
        assert stage.states(*runs) == ["PENDING"] * 3

    def test_runs_of_all_queues_count(self, stage):
        stage = Stage(a_pool(queues=["high", "default"]))
        deployed(stage)
        [low], [high] = due(stage), due(stage, queue="high")
        stage.wait(MINUTE)
        stage.tick()
        assert stage.states(high, low) == ["PENDING", "SCHEDULED"]


class TestSkip:
    def test_a_run_that_is_due_while_another_is_live_ends_with_the_reason(self, stage):
        deployed(stage, on_collision=OnCollision.SKIP)
        first, second, third = due(stage, 3)
        stage.wait(MINUTE)
        report = stage.tick_pool()
        assert (report.submitted, report.skipped) == (1, 2)
        assert stage.states(first, second, third) == ["PENDING", "CANCELLED", "CANCELLED"]
        assert stage.get(second).reason == "skipped: 1 of this deployment are live"
        assert stage.tick_pool().skipped == 0

    def test_a_run_that_is_not_due_yet_stays(self, stage):
        deployed(stage, on_collision=OnCollision.SKIP)
        due(stage)
        [later] = stage.add(deployment="nightly", lane="nightly", due_at=NOW + 10 * MINUTE)
        stage.tick()
        stage.tick()
        assert stage.states(later) == ["SCHEDULED"]

    def test_an_attempt_that_follows_another_is_not_skipped(self, stage):
        deployed(stage, on_collision=OnCollision.SKIP)
        [again] = due(stage, ended_attempts=1, attempt=2)
        [first] = stage.add(deployment="nightly", lane="nightly", due_at=NOW - SECOND)
        stage.tick()
        assert stage.states(first, again) == ["PENDING", "SCHEDULED"]

    def test_a_paused_pool_skips_nothing_while_none_is_live(self, stage):
        stage = Stage(a_pool(paused=True))
        deployed(stage, on_collision=OnCollision.SKIP)
        runs = due(stage, 2)
        stage.wait(MINUTE)
        stage.tick_pool()
        assert stage.states(*runs) == ["SCHEDULED"] * 2


class TestReplace:
    def test_the_live_run_is_cancelled_and_the_newest_starts_when_the_end_is_seen(self, stage):
        deployed(stage, on_collision=OnCollision.REPLACE)
        [first] = due(stage)
        stage.tick()
        stage.wait(MINUTE)
        second, third = due(stage, 2)
        report = stage.tick_pool()
        assert (report.submitted, report.replaced, report.skipped) == (0, 1, 1)
        assert stage.states(first, second, third) == ["CANCELLING", "CANCELLED", "SCHEDULED"]
        assert stage.get(second).reason == f"replaced by run {third.id} before it started"
        live = [stage.provider.live]
        while stage.states(third) == ["SCHEDULED"]:
            stage.tick()
            live.append(stage.provider.live)
        assert stage.states(first, third) == ["CANCELLED", "PENDING"]
        assert all(len(names) <= 1 for names in live)
        assert stage.get(first).reason == f"replaced by run {third.id}"

    def test_a_run_is_not_replaced_for_one_that_could_not_start(self, stage):
        stage = Stage(a_pool(queues=["high", "default"]))
        deployed(stage, on_collision=OnCollision.REPLACE)
        [first] = due(stage, queue="high")
        stage.tick()
        client = Dispatcher(stage.store, clock=stage.clock)
        client.update_work_queue("pool", "default", paused=True)
        stage.add(deployment="nightly", lane="nightly", due_at=NOW + SECOND)
        stage.wait(MINUTE)
        stage.tick()
        assert stage.get(first).state is not RunState.CANCELLING


class TestExpiry:
    def test_a_run_not_claimed_in_time_ends_with_the_reason(self, stage):
        [late] = stage.add(expires_at=NOW + MINUTE)
        stage.wait(MINUTE)
        report = stage.tick_pool()
        assert (report.submitted, report.expired) == (0, 1)
        assert stage.states(late) == ["CANCELLED"]
        assert stage.get(late).reason == "expired: not started within 60 s of its due time"

    def test_a_run_expires_in_a_paused_pool_too(self, stage):
        stage = Stage(a_pool(paused=True))
        [late] = stage.add(expires_at=NOW + MINUTE)
        assert [stage.tick_pool().expired, stage.states(late)] == [0, ["SCHEDULED"]]
        stage.wait(MINUTE)
        assert [stage.tick_pool().expired, stage.states(late)] == [1, ["CANCELLED"]]

    def test_runs_of_a_full_deployment_too(self, stage):
        deployed(stage)
        first, second = due(stage, 2, expires_at=NOW + 2 * MINUTE)
        stage.wait(MINUTE)
        stage.tick()
        stage.wait(MINUTE)
        assert stage.tick_pool().expired == 1
        assert stage.states(second) == ["CANCELLED"]
        assert not stage.get(first).state.is_terminal

    def test_a_run_made_due_at_once_has_as_long_as_before(self, stage):
        [run] = stage.add(due_at=NOW + 10 * MINUTE, expires_at=NOW + 11 * MINUTE)
        Dispatcher(stage.store, clock=stage.clock).start_run_now(run.id)
        assert stage.get(run).expires_at == NOW + MINUTE
        stage.wait(MINUTE)
        assert stage.tick_pool().expired == 1


class TestMaxWaiting:
    """`max_waiting`: windows become runs when they are due, and those beyond it are left out and counted."""

    def waiting(self, stage):
        return stage.store.runs(RunFilter(deployment="nightly", states=frozenset({RunState.SCHEDULED})), limit=100)

    def test_windows_beyond_max_waiting_do_not_become_runs_and_are_counted(self, stage):
        deployed(stage, max_waiting=2, schedules=(EVERY_TEN,))
        made, left_out = [], []
        for _ in range(7):
            report = stage.tick_pool()
            made.append(report.materialised)
            left_out.append(report.windows_left_out)
            assert len(self.waiting(stage)) <= 2
            stage.wait(10 * MINUTE)
        assert made == [0, 1, 1, 1, 0, 0, 0]
        assert left_out == [0, 0, 0, 0, 1, 1, 1]
        assert stage.store.deployment("nightly").windows_left_out == 3
        assert "3 windows of it were left out" in explained(stage, self.waiting(stage)[0]).text

    def test_a_free_waiting_place_goes_to_the_next_window(self, stage):
        deployed(stage, max_waiting=1, schedules=(EVERY_TEN,))
        for _ in range(4):
            stage.tick()
            stage.wait(10 * MINUTE)
        [live] = stage.provider.live
        stage.provider.finish(live)
        assert (stage.tick_pool().submitted, len(self.waiting(stage))) == (1, 1)

    def test_max_waiting_needs_no_concurrency_limit(self, stage):
        stage = Stage(a_pool(paused=True))
        deployed(stage, limit=None, max_waiting=1, schedules=(EVERY_TEN,))
        for _ in range(4):
            stage.tick_pool()
            stage.wait(10 * MINUTE)
        assert len(self.waiting(stage)) == 1
        assert stage.store.deployment("nightly").windows_left_out == 2

    def test_a_spread_window_becomes_a_run_at_its_spread_time(self, stage):
        spread = Schedule(slug="ten", cron="*/10 * * * *", spread=9 * MINUTE)
        deployed(stage, max_waiting=1, schedules=(spread,))
        for _ in range(40):
            stage.tick_pool()
            runs = stage.store.runs(RunFilter(deployment="nightly"), limit=100)
            assert all(run.due_at <= stage.clock.now() for run in runs)
            stage.wait(MINUTE)
        assert [(run.scheduled_at - NOW) // MINUTE for run in runs][-2:] == [20, 10]


def test_a_pool_with_fair_shares_counts_the_runs_of_all_queues():
    stage = Stage(a_pool(queues=["high", "default"], limit=10, share=Share.FAIR))
    deployed(stage, limit=2)
    runs = [*due(stage, 4), *due(stage, 4, queue="high")]
    [other] = stage.add(due_at=NOW + 9 * SECOND)
    stage.wait(MINUTE)
    stage.tick()
    assert sorted(stage.states(*runs)) == ["PENDING"] * 2 + ["SCHEDULED"] * 6
    assert stage.states(other) == ["PENDING"]
    live = stage.store.live("pool", limit=10)
    finish(stage, next(run for run in live if run.deployment))
    stage.tick()
    assert sorted(stage.states(*runs)) == ["COMPLETED", "PENDING", "RUNNING"] + ["SCHEDULED"] * 5
