"""What starts after a pause: `catch_up` decides about the runs of schedules that were due in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from dispatcher.client import Dispatcher
from dispatcher.core.automations import Look
from dispatcher.core.deeds import Deeds
from dispatcher.core.pauses import noted
from dispatcher.models import CatchUp, Hook, RetryPolicy, RunState, Schedule, Target, Then, submission_name
from dispatcher.models.records import RunFilter
from tests.builders import HOUR, MINUTE, NOW, a_deployment, a_pool, an_automation
from tests.stores.factories import FACTORIES
from tests.tick.stage import Stage

EVERY_FIVE = Schedule(slug="five", cron="*/5 * * * *")


@pytest.fixture
def stage():
    return Stage(a_pool(queues=["default", "other"]))


def client_of(stage):
    return Dispatcher(stage.store, clock=stage.clock)


def deployed(stage, catch_up, name="nightly", *, schedule=EVERY_FIVE, **fields):
    deployment = a_deployment(name, schedules=(replace(schedule, catch_up=catch_up),), **fields)
    return stage.store.save_deployment(deployment, expected_version=None, now=stage.clock.now())


def let_pass(stage, duration, every=MINUTE):
    """Ticks come all the time, and jobs end at once."""
    until = stage.clock.now() + duration
    while stage.clock.now() < until:
        stage.tick_pool()
        for name in list(stage.provider.live):
            stage.provider.finish(name)
        stage.wait(every)


def pause(stage, duration):
    """A pause of the pool, in which ticks come."""
    client_of(stage).update_work_pool("pool", paused=True)
    let_pass(stage, duration, min(duration, 20 * MINUTE))
    client_of(stage).update_work_pool("pool", paused=False)


def runs_of(stage, name="nightly"):
    """The runs of a deployment that are due, in order."""
    runs = stage.store.runs(RunFilter(deployment=name), limit=1000)
    return sorted((run for run in runs if run.due_at <= stage.clock.now()), key=lambda run: run.due_at)


def states(stage, name="nightly"):
    return Counter(run.state.value for run in runs_of(stage, name))


def started(stage, name="nightly"):
    return [run for run in runs_of(stage, name) if run.claimed_at]


LONG = [pytest.param(*case, marks=pytest.mark.long) for case in (("sqlite", 120), ("postgres", 120), ("dynamodb", 8))]


@pytest.mark.parametrize(("store", "windows"), [("memory", 120), ("sqlite", 12), *LONG])
def test_after_hours_of_pause_the_right_runs_start_and_the_others_say_why_not(store, windows, tmp_path):
    stage = Stage(a_pool(), store=FACTORIES[store](tmp_path))
    for catch_up in CatchUp:
        deployed(stage, catch_up, catch_up.value)
    stage.tick_pool()
    stage.wait(4 * MINUTE)
    pause(stage, windows * 5 * MINUTE)
    report = stage.tick_pool(claims=1000)
    assert (report.submitted, report.missed) == (2 * windows + 1, 2 * windows - 1)
    assert states(stage, "none") == states(stage, "all") == {"PENDING": windows}
    assert states(stage, "last") == {"CANCELLED": windows - 1, "PENDING": 1}
    assert states(stage, "drop") == {"CANCELLED": windows}
    [newest] = started(stage, "last")
    assert newest == runs_of(stage, "last")[-1]
    words = "missed: it was due while its work pool was paused"
    reasons = {run.reason for run in runs_of(stage, "last")[:-1]}
    assert reasons == {f"{words}, and a newer run of its schedule takes its place (catch_up: last)"}
    assert {run.reason for run in runs_of(stage, "drop")} == {f"{words} (catch_up: drop)"}
    assert words in client_of(stage).explain(runs_of(stage, "drop")[0].id).text
    assert stage.tick_pool().missed == 0
    stage.store.close()


def test_a_window_that_was_due_just_before_the_end_of_the_pause_is_not_missed(stage):
    deployed(stage, CatchUp.DROP)
    let_pass(stage, 4 * MINUTE)
    pause(stage, 8 * MINUTE)
    let_pass(stage, MINUTE)
    assert [run.state.value for run in runs_of(stage)] == ["CANCELLED", "PENDING"]


def test_runs_that_were_due_before_the_pause_start(stage):
    client_of(stage).update_work_pool("pool", concurrency_limit=0)
    deployed(stage, CatchUp.DROP)
    let_pass(stage, 14 * MINUTE)
    pause(stage, HOUR)
    client_of(stage).update_work_pool("pool", concurrency_limit=None)
    let_pass(stage, MINUTE)
    assert [run.scheduled_at.minute for run in started(stage)] == [5, 10]


def test_runs_of_people_start_and_so_do_those_that_people_have_moved(stage):
    deployed(stage, CatchUp.LAST)
    stage.tick_pool()
    client = client_of(stage)
    client.update_work_pool("pool", paused=True)
    stage.wait(HOUR)
    stage.tick_pool()
    own = client.create_run(deployment="nightly")
    moved = runs_of(stage)[3]
    client.move_run(moved.id, queue="other")
    stage.wait(HOUR)
    client.update_work_pool("pool", paused=False)
    stage.tick_pool()
    assert {run.id for run in started(stage)} == {own.id, moved.id, runs_of(stage)[-1].id}


def test_a_further_attempt_of_a_run_starts(stage):
    deployed(stage, CatchUp.DROP, retry=RetryPolicy(attempts=2, delay=5 * MINUTE))
    stage.tick_pool()
    stage.wait(6 * MINUTE)
    stage.tick_pool()
    [first] = started(stage)
    stage.wait(3 * MINUTE)
    stage.provider.finish(submission_name(first.id, 1), exit_code=1)
    stage.tick_pool()
    pause(stage, HOUR)
    stage.tick_pool()
    assert (stage.get(first).attempt, stage.states(first)) == (2, ["PENDING"])
    assert {run.state.value for run in runs_of(stage) if run.id != first.id} == {"CANCELLED"}


def test_a_pause_of_a_queue_is_as_one_of_the_pool(stage):
    deployed(stage, CatchUp.LAST)
    deployed(stage, CatchUp.LAST, "elsewhere", queue="other")
    stage.tick_pool()
    client_of(stage).update_work_queue("pool", "other", paused=True)
    let_pass(stage, HOUR, 5 * MINUTE)
    client_of(stage).update_work_queue("pool", "other", paused=False)
    let_pass(stage, MINUTE)
    assert "CANCELLED" not in states(stage)
    assert [run.scheduled_at for run in started(stage, "elsewhere")] == [NOW + HOUR]
    assert runs_of(stage, "elsewhere")[0].reason.startswith("missed: it was due while its work queue was paused")


def test_a_full_pool_judges_no_missed_runs_and_later_starts_the_newest(stage):
    client = client_of(stage)
    client.update_work_pool("pool", concurrency_limit=1)
    deployed(stage, CatchUp.LAST)
    stage.tick_pool()
    pause(stage, HOUR)
    stage.add(due_at=NOW - HOUR)
    stage.tick_pool()
    stage.wait(2 * MINUTE)
    stage.tick_pool()
    assert set(states(stage)) == {"SCHEDULED"}
    [name] = stage.provider.live
    stage.provider.finish(name)
    stage.tick_pool()
    assert started(stage) == runs_of(stage)[-1:]


def test_a_pause_that_follows_at_once_continues_the_one_before(stage):
    client = client_of(stage)
    client.update_work_pool("pool", concurrency_limit=0)
    deployed(stage, CatchUp.DROP)
    stage.tick_pool()
    pause(stage, HOUR)
    stage.wait(MINUTE)
    pause(stage, 10 * MINUTE)
    client.update_work_pool("pool", concurrency_limit=None)
    stage.tick_pool()
    assert [run.scheduled_at for run in started(stage)] == [NOW + HOUR + 10 * MINUTE]


def test_after_left_out_windows_the_last_waiting_run_starts(stage):
    deployed(stage, CatchUp.LAST, max_waiting=3)
    stage.tick_pool()
    client_of(stage).update_work_pool("pool", paused=True)
    let_pass(stage, 4 * HOUR, 5 * MINUTE)
    client_of(stage).update_work_pool("pool", paused=False)
    stage.tick_pool()
    assert states(stage)["CANCELLED"] == 2
    assert started(stage)[0].scheduled_at == NOW + 15 * MINUTE


def test_a_newer_run_that_people_have_cancelled_or_that_has_expired_takes_nobodys_place(stage):
    deployed(stage, CatchUp.LAST)
    stage.tick_pool()
    client = client_of(stage)
    client.update_work_pool("pool", paused=True)
    stage.wait(31 * MINUTE)
    client.cancel_run(runs_of(stage)[-1].id)
    client.update_work_pool("pool", paused=False)
    stage.tick_pool()
    assert [run.scheduled_at for run in started(stage)] == [NOW + 25 * MINUTE]


def test_hooks_are_notified_of_a_missed_run_and_the_log_shows_its_end(stage):
    deployed(stage, CatchUp.DROP, hooks=(Hook(name="ops", states=frozenset({RunState.CANCELLED})),))
    stage.tick_pool()
    pause(stage, 9 * MINUTE)
    stage.tick_pool()
    [run] = runs_of(stage)
    assert run.notify_at == stage.clock.now()
    assert any(fields.get("run") == run.id and "missed" in str(fields.get("reason")) for _, fields in stage.events)


def test_explain_says_of_a_missed_run_that_it_does_not_start_before_a_tick_ends_it(stage):
    deployed(stage, CatchUp.LAST)
    stage.tick_pool()
    client = client_of(stage)
    pause(stage, HOUR)
    *missed, newest = runs_of(stage)
    answers = [client.explain(run.id) for run in missed]
    assert {answer.reason for answer in answers} == {"MISSED"}
    assert "a newer run of its schedule takes its place" in answers[0].text
    assert client.explain(newest.id).reason in ("NEXT", "EARLIER_RUNS")
    client.update_work_pool("pool", paused=True)
    assert client.explain(missed[0].id).reason == "POOL_PAUSED"


def test_a_thousand_missed_runs_are_ended_by_one_tick_and_others_start_in_it(stage):
    deployed(stage, CatchUp.DROP, schedule=Schedule(slug="one", cron="* * * * *"))
    stage.tick_pool()
    client_of(stage).update_work_pool("pool", paused=True)
    for _ in range(24):
        stage.wait(50 * MINUTE)
        stage.tick_pool()
    client_of(stage).update_work_pool("pool", paused=False)
    [own] = stage.add(due_at=stage.clock.now())
    report = stage.tick_pool()
    assert report.missed == 24 * 50 - 4
    assert stage.states(own) == ["PENDING"]


def test_an_automation_that_resumes_a_pool_ends_its_pause():
    pool = a_pool(queues=["default", "other"], paused=True)
    begun = noted(None, pool, NOW)
    deeds = Deeds(pool="pool", now=NOW + HOUR, read_pool=lambda _name: begun, read_deployment=lambda _name: None)
    look = Look(automation=an_automation("a", Then(resume=Target(pool="pool"))), progressed=False, because="x")
    deeds.act(look)
    [saved] = deeds.pools.values()
    assert (saved.paused, saved.paused_at, saved.resumed_at) == (False, NOW, NOW + HOUR)


def test_a_file_that_pauses_and_resumes_notes_the_pause(stage):
    client = client_of(stage)
    for paused in (True, False):
        plan = client.plan({"pools": {"pool": {"type": "process", "paused": paused}}})
        client.apply(plan)
        stage.wait(HOUR)
    pool = client.work_pool("pool")
    assert (pool.paused_at, pool.resumed_at) == (NOW, NOW + HOUR)
