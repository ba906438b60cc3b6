"""A refusal belongs to what was refused: the runs that it concerns wait, and all others go on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.models import HoldKind, RunState, submission_name
from dispatcher.models.records import RunFilter
from providers.base import Hold, JobState, Misconfigured, Observation, ProviderLimits, Submission, Throttled, Unreachable
from providers.testing import FakeProvider, Remembers
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_pool
from tests.tick.stage import Stage

TEMPLATE = {
    "job_configuration": {"place": "{{ place }}", "size": "{{ size }}"},
    "variables": {"type": "object", "properties": {"place": {"type": "array"}, "size": {"type": "object"}}},
}
EAST, WEST = {"place": ["east"]}, {"place": ["west"]}


class Cloud(FakeProvider):
    """Refuses what its rule says, before anything is started."""

    def __init__(self, stage, rule, *, concurrency=1, **limits):
        super().__init__(
            remembers=Remembers.OBJECT, clock=stage.clock.now, limits=ProviderLimits(concurrency=concurrency, **limits)
        )
        self.rule = rule

    def submit(self, job):
        refusal = self.rule(self.needs(job.configuration))
        if refusal is None:
            return super().submit(job)
        self.calls.append(("submit", job.name))
        return refusal


def a_stage(rule, *, limit=None, **options):
    stage = Stage(a_pool(limit=limit, base_job_template=TEMPLATE))
    stage.provider = Cloud(stage, rule, **options)
    return stage


def too_big(needs):
    return Throttled(reason="RESOURCE:GPU", hold=None) if needs.size.get("gpu") else None


def closed_east(needs):
    closed = Throttled(reason="quota", hold=Hold(place=("east",)), retry_after=3600.0)
    return closed if needs.place == ("east",) else None


def started(stage, runs):
    return [run for run in runs if any(name.startswith(f"r{run.id.hex}-") for name in stage.provider.starts)]


@pytest.mark.parametrize("concurrency", [1, 16])
def test_runs_behind_one_that_can_never_be_placed_start_at_once(concurrency):
    stage = a_stage(too_big, concurrency=concurrency)
    [unplaceable] = stage.add(job_variables={"size": {"gpu": 8}})
    small = stage.add(200)
    for _ in range(3):
        stage.tick(batch=10)
        stage.wait(MINUTE)
    assert len(started(stage, small)) == 200
    waits = stage.get(unplaceable)
    assert (waits.state, waits.reason) == (RunState.SCHEDULED, "RESOURCE:GPU")
    assert waits.refusals >= 2, "it is tried again, by a back-off of its own"


@pytest.mark.parametrize("concurrency", [1, 16])
def test_ten_small_runs_a_minute_for_three_hours_all_start_beside_one_that_can_never_be_placed(concurrency):
    stage = a_stage(too_big, concurrency=concurrency, limit=20)
    [unplaceable] = stage.add(job_variables={"size": {"gpu": 8}})
    for _ in range(180):
        small = stage.add(10, due_at=stage.clock.time)
        stage.tick(history=timedelta(0))
        assert stage.states(*small) == ["PENDING"] * 10
        for name in stage.provider.live:
            stage.provider.finish(name)
        stage.provider.jobs.clear()
        stage.wait(MINUTE)
    assert stage.get(unplaceable).not_before - stage.clock.time <= 15 * MINUTE


def test_missing_capacity_holds_what_needs_as_much_in_the_same_place_and_nothing_else():
    def full_in_the_east(needs):
        if needs.place == ("east",) and needs.size.get("gpu", 0) >= 4:
            return Throttled(reason="no capacity", hold=Hold(place=("east",), size={"gpu": 4}), retry_after=60.0)
        return None

    stage = a_stage(full_in_the_east)
    refused, same = stage.add(2, job_variables=EAST | {"size": {"gpu": 4}})
    [bigger] = stage.add(job_variables=EAST | {"size": {"gpu": 8, "cpu": 1}})
    others = [stage.add(job_variables=needs)[0] for needs in (EAST | {"size": {"gpu": 1}}, WEST | {"size": {"gpu": 8}}, {})]
    report = stage.tick_pool()
    assert (report.throttled, report.submitted, report.barriers) == (1, 3, {"default": "PLACE_HELD"})
    assert len(started(stage, others)) == 3
    assert stage.states(refused, same, bigger) == ["SCHEDULED"] * 3
    assert [stage.get(run).reason for run in (refused, same)] == ["no capacity", "given back: no capacity"]
    [hold] = stage.store.pool("pool").holds
    assert (hold.place, hold.size, hold.kind) == (("east",), {"gpu": 4}, HoldKind.CAPACITY)
    assert stage.tick_pool().claimed == 0
    stage.provider.rule = lambda _needs: None
    stage.wait(MINUTE)
    assert stage.tick_pool().submitted == 3
    assert list(stage.provider.starts)[3:] == [
        submission_name(refused.id, 2),
        *(submission_name(r.id, 1) for r in (same, bigger)),
    ]
    assert stage.store.pool("pool").holds == (), "an accepted job in its place removes the last refusal"


@pytest.mark.parametrize("refusal", [Throttled, Misconfigured])
def test_a_quota_of_one_region_does_not_hold_another_region_and_holds_all_of_its_own(refusal):
    stage = a_stage(lambda needs: refusal(reason="quota", hold=Hold(place=("east",))) if needs.place[:1] == ("east",) else None)
    east, west = stage.add(30, job_variables=EAST), stage.add(30, job_variables=WEST)
    report = stage.tick_pool(batch=10)
    assert (report.throttled, report.submitted) == (1, 30)
    assert (started(stage, east), len(started(stage, west))) == ([], 30)
    kind = HoldKind.MISCONFIGURED if refusal is Misconfigured else HoldKind.RATE
    assert [hold.kind for hold in stage.store.pool("pool").holds] == [kind]


def test_a_rate_or_an_accounts_quota_holds_the_whole_pool():
    stage = a_stage(lambda _needs: Throttled(reason="rate exceeded", retry_after=30.0))
    runs = stage.add(5, job_variables=EAST) + stage.add(5, job_variables=WEST)
    assert stage.tick_pool().throttled == 1
    assert stage.tick_pool().barriers == {"default": "POOL_HELD"}
    assert set(stage.states(*runs)) == {"SCHEDULED"}
    stage.provider.rule = lambda _needs: None
    stage.wait(30 * SECOND)
    assert stage.tick_pool().submitted == 10


def test_the_quota_of_running_jobs_never_idles_longer_than_a_tick_after_an_end():
    stage = a_stage(None)

    def four(_needs):
        if len(stage.provider.live) < 4:
            return None
        return Throttled(reason="running job executions", hold=Hold(freed_by_end=True), retry_after=60.0)

    stage.provider.rule = four
    runs = stage.add(8)
    for _ in range(12):
        stage.tick()
        assert len(stage.provider.live) == 4 or len(started(stage, runs)) == 8
        for name in sorted(stage.provider.live)[:1]:
            stage.provider.finish(name)
        stage.wait(5 * SECOND)
    assert len(started(stage, runs)) == 8
    assert stage.provider.peak_live == 4


def test_an_event_of_an_end_frees_what_waits_for_it():
    stage = a_stage(lambda _needs: None)
    [first] = stage.add()
    stage.tick()
    stage.provider.rule = lambda _needs: Throttled(reason="full", hold=Hold(freed_by_end=True), retry_after=600.0)
    [second] = stage.add()
    stage.tick()
    assert len(stage.store.pool("pool").holds) == 1
    stage.provider.rule = lambda _needs: None
    name = submission_name(first.id, 1)
    stage.provider.finish(name)
    assert stage.event(stage.get(first), Observation(state=JobState.SUCCEEDED, exit_code=0), Submission(name=name, handle={}))
    assert stage.admit_next().submitted == 1
    assert started(stage, [second]) == [second]


def test_a_hold_that_does_not_match_its_own_job_still_makes_that_job_back_off():
    stage = a_stage(lambda _needs: Throttled(reason="odd", hold=Hold(place=("nowhere",))))
    [run] = stage.add(job_variables=EAST)
    assert stage.tick_pool().throttled == 1, "it is not tried again and again in one tick"
    assert stage.get(run).not_before > stage.clock.time


def test_more_places_than_a_pool_remembers_holds_for_are_each_tried_once_a_tick():
    stage = a_stage(lambda needs: Throttled(reason="quota", hold=Hold(place=needs.place)))
    for number in range(40):
        stage.add(2, job_variables={"place": [str(number)]})
    assert stage.tick_pool().throttled == 40
    assert len(stage.store.pool("pool").holds) == 16


def test_many_held_runs_do_not_keep_one_of_another_place_behind_them():
    stage = a_stage(closed_east)
    stage.add(1700, job_variables=EAST)
    [behind] = stage.add(job_variables=WEST)
    assert stage.tick_pool().submitted == 1
    assert started(stage, [behind]) == [behind]
    [hold] = stage.store.pool("pool").holds
    assert hold.passed["default"][0] == NOW
    [later] = stage.add(job_variables=WEST, due_at=NOW + SECOND)
    stage.wait(MINUTE)
    asked = stage.provider.needs
    looked_at = []
    stage.provider.needs = lambda configuration: (looked_at.append(1), asked(configuration))[1]
    assert stage.tick_pool().submitted == 1
    assert started(stage, [later]) == [later]
    assert len(looked_at) < 700, "what was passed over is not looked at again"


def test_a_place_that_refuses_connections_keeps_no_other_waiting_and_costs_no_attempt():
    stage = a_stage(lambda needs: Unreachable(cause="connection refused") if needs.place == ("east",) else None)
    east, west = stage.add(10, job_variables=EAST), stage.add(10, job_variables=WEST)
    report = stage.tick_pool()
    assert (report.unknown, report.submitted) == (3, 10)
    assert len(started(stage, west)) == 10
    given_back = [stage.get(run) for run in east]
    assert {(run.state, run.attempt, run.refusals, run.not_before) for run in given_back} == {(RunState.SCHEDULED, 1, 0, None)}
    assert stage.store.pool("pool").holds == ()
    stage.provider.rule = lambda _needs: None
    assert stage.tick_pool().submitted == 10
    assert set(stage.provider.starts.values()) == {1}


def test_a_refused_repeat_gives_its_slot_back_when_a_second_look_a_lease_later_is_refused_too():
    stage = a_stage(None, limit=1)
    [unplaceable] = stage.add(job_variables={"size": {"gpu": 8}})
    [behind] = stage.add()
    stage.provider.rule = too_big
    submit = stage.provider.submit
    stage.provider.submit = lambda job: (_ for _ in ()).throw(ConnectionResetError("reset"))
    assert stage.tick_pool().unknown == 1
    stage.provider.submit = submit
    for _ in range(2):
        assert stage.states(unplaceable, behind) == ["PENDING", "SCHEDULED"]
        stage.wait(6 * MINUTE)
        stage.tick()
    assert stage.get(unplaceable).attempt == 2
    assert stage.states(unplaceable, behind) == ["SCHEDULED", "PENDING"]


def test_holds_do_not_outlive_what_they_are_for():
    stage = a_stage(
        lambda needs: Throttled(reason="quota", hold=Hold(place=("east",)), retry_after=60.0) if needs.place else None
    )
    stage.add(job_variables=EAST)
    stage.tick()
    stage.wait(2 * HOUR)
    [over] = stage.store.pool("pool").holds
    assert over.reason == "quota", "the last refusal can still be shown"
    stage.add()
    stage.tick()
    assert [hold.until > stage.clock.time for hold in stage.store.pool("pool").holds] == [True], "refused again"
    assert len(stage.store.runs(RunFilter(states=frozenset({RunState.PENDING})), limit=10)) == 1
