"""What one pool, deployment, provider or run does badly keeps no other waiting."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.errors import StoreUnavailable
from dispatcher.models import RunState, Schedule, Status, submission_name
from dispatcher.models.records import MATERIALISED_AT_ONCE
from dispatcher.ticking import windows
from dispatcher.ticking.windows import AT_ONCE
from providers.base import ConfigurationError
from providers.testing import FakeProvider, Remembers
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_run
from tests.tick.stage import Stage

EVERY_MINUTE = Schedule(slug="minute", interval=MINUTE, anchor=NOW)
NEVER = Schedule(slug="never", interval=timedelta(days=7), anchor=datetime.max.replace(tzinfo=UTC))
"""Its first window lies beyond the last date."""


def deployed(stage, name, *schedules, **fields):
    deployment = a_deployment(name, schedules=schedules, **fields)
    return stage.store.save_deployment(deployment, expected_version=None, now=stage.clock.now())


# Pools


@pytest.mark.parametrize("count", range(2, 13))
def test_each_pool_goes_first_in_its_turn_whatever_lies_between_two_ticks(count):
    stage = Stage(*(a_pool(f"pool-{number}") for number in range(count)))
    submit = stage.provider.submit
    stage.provider.submit = lambda job: (stage.wait(MINUTE), submit(job))[1]
    first = Counter()
    for _ in range(2 * count):
        began = stage.clock.time
        stage.store.add_runs([a_run(f"pool-{number}") for number in range(count)])
        report = stage.tick(lasts=30 * SECOND)
        first[report.pools[0].pool] += 1
        assert len(report.skipped) == count - 1
        stage.clock.time = began + 5 * MINUTE
    assert set(first.values()) == {2}
    assert len(first) == count


def test_a_pool_that_takes_the_whole_invocation_down_does_not_go_first_again():
    stage = Stage(a_pool("a"), a_pool("b"))

    def dies(_type):
        raise SystemExit

    stage.providers, provider = dies, stage.providers
    for pool in ("a", "b"):
        stage.add(pool=pool)
    with pytest.raises(SystemExit):
        stage.tick()
    stage.providers = provider
    assert [pool.pool for pool in stage.tick().pools] == ["b", "a"]


ODD = [
    KeyError("tasks"),
    TypeError("'NoneType' object is not iterable"),
    AttributeError("status"),
    ConfigurationError("no entry 'x'"),
]


@pytest.mark.parametrize("problem", ODD, ids=lambda problem: type(problem).__name__)
@pytest.mark.parametrize("call", ["observe", "cancel", "discard", "find", "submit", "needs"])
def test_any_error_of_a_provider_is_its_own_pools_problem(call, problem):
    stage = Stage(a_pool("odd"), a_pool("well"), remembers=Remembers.OBJECT, lingers=True)
    live, to_stop, ended = (stage.add(pool="odd")[0] for _ in range(3))
    stage.tick()
    stage.provider.finish(submission_name(ended.id, 1))
    stage.tick()
    stage.wait(HOUR)
    Dispatcher(stage.store, clock=stage.clock).cancel_run(to_stop.id)
    good = stage.provider
    odd = FakeProvider(remembers=Remembers.OBJECT, clock=stage.clock.now, limits=good.limits)
    odd.__dict__.update({name: value for name, value in good.__dict__.items() if name not in ("limits", "clock")})

    def raises(*_arguments):
        raise problem

    setattr(odd, call, raises)
    in_turn = iter([odd, good])
    stage.providers = lambda _type: next(in_turn)
    stage.store.heartbeat("well", stage.clock.time)
    waiting = [stage.add(pool="odd")[0], stage.add(pool="well")[0]]
    report = stage.tick()
    assert [pool.pool for pool in report.pools] == ["odd", "well"]
    assert stage.states(waiting[1]) == ["PENDING"]
    assert stage.states(waiting[0]) == ["PENDING"], "its own due runs are claimed all the same"
    if call in ("observe", "cancel", "discard"):
        assert str(problem) in report.pools[0].problem
    assert report.pools[1].problem == ""
    assert stage.states(live) == ["RUNNING"]
    assert stage.store.pool("odd").status(stage.clock.time, MINUTE) is Status.READY


def test_a_problem_before_the_claim_leaves_the_heartbeat():
    stage = Stage(a_pool("a"), a_pool("b"))
    settled = stage.store.live

    def broken(pool, **named):
        if pool == "b":
            raise ZeroDivisionError("a mistake of ours")
        return settled(pool, **named)

    stage.store.live = broken
    report = stage.tick(pools=["a", "b"])
    assert report.problems == ["b: ZeroDivisionError: a mistake of ours"]
    assert {pool.last_tick_at for pool in stage.store.pools()} == {NOW}


# Schedules


def test_due_runs_are_claimed_before_windows_become_runs(monkeypatch):
    stage = Stage()
    for number in range(200):
        deployed(stage, f"d{number}", EVERY_MINUTE)
    make = windows.materialisation
    monkeypatch.setattr(windows, "materialisation", lambda *all_, **named: (stage.wait(SECOND), make(*all_, **named))[1])
    [run] = stage.add()
    report = stage.tick_pool(lasts=20 * SECOND)
    assert stage.states(run) == ["PENDING"]
    assert 0 < report.materialised <= MATERIALISED_AT_ONCE * 6
    assert report.problem == "schedules: this tick had no time left for 95 deployments or more whose windows have come near"
    assert stage.logged("windows.cut_short")


def test_windows_have_a_share_of_a_tick_that_more_than_fills_its_time_with_submissions():
    stage = Stage()
    deployed(stage, "nightly", EVERY_MINUTE)
    stage.add(100)
    submit = stage.provider.submit
    stage.provider.submit = lambda job: (stage.wait(SECOND), submit(job))[1]
    report = stage.tick_pool(lasts=20 * SECOND)
    assert report.materialised > 0
    assert 18 <= report.submitted <= 21


def test_a_window_that_is_due_when_it_is_made_starts_in_the_same_tick():
    stage = Stage()
    deployed(stage, "nightly", Schedule(slug="ten", interval=10 * MINUTE, anchor=NOW + SECOND))
    stage.wait(SECOND)
    assert stage.tick_pool().submitted == 1


@pytest.mark.parametrize(
    "schedule", [NEVER, Schedule(slug="none"), Schedule(slug="zone", cron="0 5 * * *", timezone="Mars/Base")]
)
def test_a_deployment_whose_windows_cannot_be_computed_is_its_own_problem(schedule):
    stage = Stage(a_pool("a"), a_pool("b"))
    deployed(stage, "broken", schedule, pool="a")
    deployed(stage, "nightly", EVERY_MINUTE, pool="a")
    [first], [second] = stage.add(pool="a"), stage.add(pool="b")
    report = stage.tick()
    assert report.pools[0].problem.startswith("deployment 'broken': ")
    assert report.pools[0].materialised > 0
    assert stage.states(first, second) == ["PENDING", "PENDING"]
    assert stage.store.pool("a").status(stage.clock.time, MINUTE) is Status.READY


def test_a_hundred_broken_deployments_do_not_keep_the_windows_of_others():
    stage = Stage()
    for number in range(AT_ONCE + 1):
        deployed(stage, f"broken-{number}", NEVER)
    deployed(stage, "nightly", EVERY_MINUTE)
    assert stage.tick_pool().materialised > 0


def test_a_deployment_that_takes_long_is_reported(monkeypatch):
    stage = Stage()
    deployed(stage, "nightly", EVERY_MINUTE)
    make = windows.materialisation
    monkeypatch.setattr(windows, "materialisation", lambda *all_, **named: (stage.wait(5 * SECOND), make(*all_, **named))[1])
    assert stage.tick_pool().problem == "deployment 'nightly': its windows took 5.0 s of the tick: make its schedules simpler"


def test_a_store_that_is_away_ends_the_windows_and_is_reported():
    stage = Stage()
    deployed(stage, "nightly", EVERY_MINUTE)

    def away(_step):
        raise StoreUnavailable("no answer")

    stage.store.materialise = away
    assert stage.tick_pool().problem == "no answer"


# One run


def test_a_cancel_that_the_configuration_forbids_keeps_no_other_run_waiting():
    stage = Stage(a_pool(limit=2))
    [gone] = stage.add()
    stage.tick()
    Dispatcher(stage.store, clock=stage.clock).cancel_run(gone.id)

    def no_entry(_submission):
        raise ConfigurationError("modal_credentials: no entry 'team'")

    stage.provider.cancel = no_entry
    [other] = stage.add()
    report = stage.tick_pool()
    assert stage.states(gone, other) == ["CANCELLING", "PENDING"]
    assert report.problem == "1 of 1 jobs could not be asked to stop: modal_credentials: no entry 'team'"


@pytest.mark.parametrize("answer", [None, {}, "accepted"])
def test_an_answer_that_is_not_an_outcome_counts_as_no_answer(answer):
    stage = Stage()
    [run] = stage.add()
    stage.provider.submit = lambda _job: answer
    assert stage.tick_pool().unknown == 1
    assert stage.get(run).reason == f"no answer from the provider: the provider answered {answer!r}"


def test_a_run_that_was_cancelled_before_any_job_existed_says_so():
    stage = Stage()
    [run] = stage.add()
    stage.provider.submit = lambda _job: (_ for _ in ()).throw(TimeoutError("timed out"))
    people = Dispatcher(stage.store, clock=stage.clock)
    stage.tick()
    people.cancel_run(run.id)
    stage.let_the_lease_end()
    stage.tick()
    ended = stage.get(run)
    assert (ended.state, ended.reason) == (RunState.CANCELLED, "cancelled before it was submitted")
