"""Schedules and pauses, as people and programs give them to deployments."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dispatcher.client import Dispatcher
from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.errors import AlreadyExists, Conflict, InvalidInput, InvalidVariables, NotFound
from dispatcher.models import CatchUp, RetryPolicy, Schedule
from dispatcher.stores.memory import MemoryStore
from tests.builders import HOUR, MINUTE, NOW
from tests.client.conftest import Clock, refused
from tests.client.schedules import DATE, EVERY_TEN, HOURLY, TWICE, minutes, tick
from tests.client.test_client_deployments import NEEDS_SIZE


@pytest.fixture
def etl(dispatcher, pool):
    """A deployment that runs every ten minutes."""
    return dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, schedules=[EVERY_TEN], retry=TWICE)


# Made and changed


def test_a_deployment_is_made_with_schedules_and_retries_and_paused(dispatcher, pool):
    made = dispatcher.create_deployment(
        "etl", pool="pool", job_variables=DATE, schedules=[EVERY_TEN, HOURLY], retry=TWICE, paused=True
    )
    assert made == dispatcher.deployment("etl")
    assert (made.schedules, made.retry, made.paused) == ((EVERY_TEN, HOURLY), TWICE, True)
    assert tick(dispatcher) == []


def test_an_update_replaces_all_schedules_and_unchanged_ones_continue(dispatcher, etl):
    assert minutes(tick(dispatcher)) == [10, 20, 30, 40, 50, 60]
    dispatcher.clock.time += 25 * MINUTE
    changed = dispatcher.update_deployment("etl", schedules=[HOURLY, EVERY_TEN])
    assert changed.windows_until == {"ten": NOW + HOUR, "hourly": NOW + 25 * MINUTE}
    dispatcher.update_deployment("etl", schedules=[])
    assert minutes(tick(dispatcher)) == [10, 20]  # what is due stays


def test_an_anchor_with_another_offset_and_a_whole_back_off_are_kept_in_one_form(dispatcher, etl):
    anchor = datetime(2030, 1, 1, 8, tzinfo=timezone(timedelta(hours=1)))
    changed = dispatcher.update_deployment(
        "etl", schedules=[replace(EVERY_TEN, anchor=anchor)], retry=replace(TWICE, backoff=2)
    )
    assert changed.schedules[0].anchor.tzinfo is UTC
    assert changed.schedules[0].anchor == anchor
    assert type(changed.retry.backoff) is float
    assert dispatcher.plan(dispatcher.export()).changes == ()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"schedules": "daily"}, "schedules: must be a list, not 'daily'"),
        ({"schedules": 5}, "schedules: must be a list"),
        ({"schedules": [5]}, r"schedules\[0\]: "),
        ({"schedules": [Schedule(slug="x", cron="x")]}, r"schedules\[0\].cron: must have five fields"),
        ({"schedules": [EVERY_TEN, EVERY_TEN]}, "two schedules have the slug 'ten'"),
        ({"schedules": [replace(EVERY_TEN, anchor=datetime(2030, 1, 1))]}, "anchor: must be a time in UTC"),  # noqa: DTZ001
        ({"retry": 3}, "retry: must be a retry policy"),
        ({"retry": RetryPolicy(attempts=0)}, "retry.attempts: must be a whole number from 1 to 20"),
        ({"paused": "yes"}, "paused: must be true or false"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_schedule_is_refused_with_its_field(arguments, says, dispatcher, etl):
    with refused(dispatcher, InvalidInput, says):
        dispatcher.create_deployment("new", pool="pool", **arguments)
    with refused(dispatcher, InvalidInput, says):
        dispatcher.update_deployment("etl", **arguments)
    with refused(dispatcher, InvalidInput, says):
        dispatcher.update_deployment("etl", job_variables={}, **arguments)


# Whole, because runs of a schedule bring nothing


@pytest.fixture
def sized(dispatcher):
    return dispatcher.create_work_pool("sized", type="process", base_job_template=NEEDS_SIZE)


def test_a_deployment_with_an_active_schedule_has_to_have_all_that_its_template_requires(dispatcher, sized):
    lacking = "size: is required and missing; .* the runs of a schedule without job variables bring none of their own"
    with refused(dispatcher, InvalidVariables, lacking):
        dispatcher.create_deployment("etl", pool="sized", schedules=[EVERY_TEN])
    dispatcher.create_deployment("etl", pool="sized", schedules=[replace(EVERY_TEN, active=False)])
    with refused(dispatcher, InvalidVariables, lacking):
        dispatcher.resume_schedule("etl", "ten")
    dispatcher.update_deployment("etl", schedules=[EVERY_TEN], paused=True)
    for change in (
        lambda: dispatcher.resume_deployment("etl"),
        lambda: dispatcher.update_deployment("etl", paused=False),
    ):
        with refused(dispatcher, InvalidVariables, lacking):
            change()
    assert dispatcher.update_deployment("etl", paused=False, job_variables={"size": 1}).paused is False
    with refused(dispatcher, InvalidVariables, lacking):
        dispatcher.update_deployment("etl", job_variables={})


def test_a_changed_template_has_to_leave_deployments_with_schedules_whole(dispatcher, sized):
    dispatcher.create_deployment("people", pool="sized")
    dispatcher.create_deployment("etl", pool="sized", schedules=[EVERY_TEN], job_variables={"size": 1})
    properties = {**NEEDS_SIZE["variables"]["properties"], "color": {"type": "string"}}
    changed = {**NEEDS_SIZE, "variables": {**NEEDS_SIZE["variables"], "properties": properties, "required": ["size", "color"]}}
    with refused(dispatcher, InvalidVariables, "^deployment 'etl' would no longer fit its template: color: is required"):
        dispatcher.update_work_pool("sized", base_job_template=changed)
    dispatcher.pause_deployment("etl")
    dispatcher.update_work_pool("sized", base_job_template=changed)
    with refused(dispatcher, InvalidVariables, "color: is required and missing"):
        dispatcher.resume_deployment("etl")


def test_variables_that_only_the_runs_of_a_schedule_needed_may_go_with_the_schedule(dispatcher, sized, pool):
    dispatcher.create_deployment("etl", pool="sized", schedules=[EVERY_TEN], job_variables={"size": 1})
    store = dispatcher.store
    assert store.materialise(materialisation(dispatcher.deployment("etl"), NOW, WindowLimits()))
    changed = dispatcher.update_deployment("etl", schedules=[], job_variables={})
    assert (changed.job_variables, dispatcher.runs(deployment="etl")) == ({}, [])


# One by one


def test_schedules_are_added_changed_paused_resumed_and_removed_one_by_one(dispatcher, etl):
    assert dispatcher.add_schedule("etl", HOURLY).schedules == (EVERY_TEN, HOURLY)
    assert dispatcher.update_schedule("etl", "hourly", catch_up=CatchUp.LAST).schedules[1].catch_up is CatchUp.LAST
    assert dispatcher.update_schedule("etl", "hourly", interval=HOUR).schedules[1] == Schedule(
        slug="hourly", interval=HOUR, catch_up=CatchUp.LAST
    )
    assert dispatcher.pause_schedule("etl", "ten").active_schedules.keys() == {"hourly"}
    assert dispatcher.resume_schedule("etl", "ten").active_schedules.keys() == {"hourly", "ten"}
    assert [schedule.slug for schedule in dispatcher.remove_schedule("etl", "ten").schedules] == ["hourly"]
    assert dispatcher.clear_schedules("etl").schedules == ()


def test_pausing_withdraws_future_runs_and_resuming_makes_them_from_then_on(dispatcher, etl):
    tick(dispatcher)
    dispatcher.clock.time += 15 * MINUTE
    dispatcher.pause_deployment("etl")
    assert minutes(tick(dispatcher)) == [10]
    dispatcher.clock.time += HOUR
    dispatcher.resume_deployment("etl")
    assert minutes(tick(dispatcher)) == [10, 80, 90, 100, 110, 120, 130]


def test_resuming_an_active_deployment_changes_nothing(dispatcher, etl):
    assert dispatcher.resume_deployment("etl") == dispatcher.resume_schedule("etl", "ten") == etl


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda d: d.add_schedule("etl", EVERY_TEN), AlreadyExists, "slug: schedule 'ten' of deployment 'etl' already exists"),
        (lambda d: d.add_schedule("elt", HOURLY), NotFound, "'elt' does not exist; did you mean 'etl'"),
        (lambda d: d.add_schedule("etl", {"cron": "x"}), InvalidInput, "schedule: must be a Schedule"),
        (lambda d: d.add_schedule("etl", replace(HOURLY, cron="x")), InvalidInput, r"schedules\[1\].cron"),
        (lambda d: d.pause_schedule("etl", "tem"), NotFound, "schedule 'tem' of 'etl' does not exist; did you mean 'ten'"),
        (lambda d: d.remove_schedule("etl", "x"), NotFound, "'x' of 'etl' does not exist"),
        (lambda d: d.update_schedule("etl", "ten", crn="x"), InvalidInput, "crn: is not a field that can be changed"),
        (lambda d: d.update_schedule("etl", "ten", slug="x"), InvalidInput, "slug: is not a field that can be changed"),
        (lambda d: d.update_schedule("etl", "ten", cron="0 * * * *", rrule="x"), InvalidInput, "exactly one of"),
        (lambda d: d.pause_deployment("elt"), NotFound, "did you mean 'etl'"),
        (lambda d: d.next_windows(EVERY_TEN, count=0), InvalidInput, "count: must be from 1 to 1000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_impossible_change_of_a_schedule_is_reported(act, error, says, dispatcher, etl):
    with refused(dispatcher, error, says):
        act(dispatcher)


class Contested(MemoryStore):
    """Somebody else changes the deployment between the reading and the writing, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def save_deployment(self, deployment, *, expected_version, now, entry=None):
        if expected_version is not None and self.times:
            self.times -= 1
            stored = self.deployment(deployment.name)
            super().save_deployment(replace(stored, tags=(f"{self.times}",)), expected_version=stored.version, now=now)
        return super().save_deployment(deployment, expected_version=expected_version, now=now, entry=entry)


def contested(times: int) -> Dispatcher:
    made = Dispatcher(Contested(times), clock=Clock())
    made.create_work_pool("pool", type="process")
    made.create_deployment("etl", pool="pool", job_variables=DATE, schedules=[EVERY_TEN])
    return made


@pytest.mark.parametrize(
    "act",
    [
        lambda d: d.pause_schedule("etl", "ten"),
        lambda d: d.pause_deployment("etl"),
        lambda d: d.add_schedule("etl", HOURLY),
        lambda d: d.remove_schedule("etl", "ten"),
    ],
)
def test_a_pause_that_lost_a_race_is_repeated_and_keeps_the_other_change(act):
    dispatcher = contested(3)
    changed = act(dispatcher)
    assert changed == dispatcher.deployment("etl")
    assert changed.tags == ("0",)
    assert (changed.active_schedules.keys() == {"ten"}) is False


def test_pausing_a_deployment_gives_up_after_endless_conflicts():
    with pytest.raises(Conflict, match="was changed in between"):
        contested(1000).pause_deployment("etl")


def test_other_changes_that_lost_a_race_are_refused():
    for act in (
        lambda d: d.update_schedule("etl", "ten", interval=HOUR),
        lambda d: d.update_deployment("etl", schedules=[]),
    ):
        with pytest.raises(Conflict, match="was changed in between"):
            act(contested(1))


def test_a_schedule_has_next_windows_whether_it_is_active_or_not(dispatcher, pool):
    paused = replace(EVERY_TEN, active=False)
    assert dispatcher.next_windows(paused, count=2) == [NOW + 10 * MINUTE, NOW + 20 * MINUTE]
    assert dispatcher.next_windows(Schedule(slug="x", rrule="FREQ=DAILY;COUNT=1")) == []


# What is to come


def test_a_preview_shows_runs_that_are_made_and_windows_beyond_them_as_the_runs_they_will_be(dispatcher, etl):
    tick(dispatcher)
    manual = dispatcher.create_run(deployment="etl", scheduled_at=NOW + 65 * MINUTE)
    shown = dispatcher.preview_work_pool("pool", within=2 * HOUR)
    assert [((entry.run.due_at - NOW) / MINUTE, entry.created) for entry in shown] == [
        *((minute, True) for minute in (10, 20, 30, 40, 50, 60, 65)),
        *((minute, False) for minute in (70, 80, 90, 100, 110, 120)),
    ]
    assert shown[6].run == manual
    assert len(dispatcher.preview_work_pool("pool", within=8760 * HOUR, limit=9)) == 9
    dispatcher.clock.time += HOUR
    made = {run.id for run in tick(dispatcher)}
    assert {entry.run.id for entry in shown} <= made


def test_a_paused_deployment_has_no_future_windows(dispatcher, etl):
    dispatcher.pause_deployment("etl")
    assert dispatcher.preview_work_pool("pool", within=5 * HOUR) == []


def test_a_queue_that_a_deployment_names_is_not_deleted_under_it(dispatcher, etl):
    dispatcher.create_work_queue("pool", "high")
    dispatcher.update_deployment("etl", queue="high")
    dispatcher.create_deployment("other", pool="pool", queue="high")
    with refused(dispatcher, Conflict, "^work queue 'high' of 'pool' is the queue of deployment 'etl' and 1 more; give it"):
        dispatcher.delete_work_queue("pool", "high")
    dispatcher.delete_deployment("other")
    dispatcher.update_deployment("etl", queue="default")
    dispatcher.delete_work_queue("pool", "high")


# Validation computes windows


OVER = Schedule(slug="over", rrule="FREQ=DAILY;COUNT=3")


def test_a_schedule_without_further_windows_is_refused_only_when_it_is_saved_itself(dispatcher, etl):
    with refused(dispatcher, InvalidInput, r"schedules\[1\].rrule: never comes again: .*COUNT is counted from 2020-01-01"):
        dispatcher.add_schedule("etl", OVER)
    with refused(dispatcher, InvalidInput, r"schedules\[0\].rrule: never comes again"):
        dispatcher.create_deployment("late", pool="pool", job_variables=DATE, schedules=[OVER])
    file = {"deployments": {"late": {"pool": "pool", "job_variables": DATE, "schedules": {"over": {"rrule": OVER.rrule}}}}}
    with refused(dispatcher, InvalidInput, "deployments.late.schedules.over.rrule: never comes again"):
        dispatcher.plan(file)
    stored = dispatcher.deployment("etl")
    dispatcher.store.save_deployment(replace(stored, schedules=(OVER,)), expected_version=stored.version, now=NOW)
    assert dispatcher.update_deployment("etl", description="x").description == "x"
    assert dispatcher.plan({**dispatcher.export(), "pools": {}}).changes == ()


def test_an_anchor_at_the_end_of_time_is_refused_at_its_field(dispatcher, pool):
    weekly = Schedule(slug="weekly", interval=timedelta(days=7), anchor=datetime(9999, 12, 31, tzinfo=UTC))
    with refused(dispatcher, InvalidInput, r"schedules\[0\].anchor: must be from 1970-01-03 to 9900-01-01"):
        dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, schedules=[weekly])


def test_day_or_is_stored_exported_and_planned(dispatcher, pool):
    both = Schedule(slug="both", cron="0 6 1-7 * 1", day_or=False)
    dispatcher.create_deployment("etl", pool="pool", job_variables=DATE, schedules=[both, HOURLY])
    assert dispatcher.deployment("etl").schedules == (both, HOURLY)
    exported = dispatcher.export()
    written = exported["deployments"]["etl"]["schedules"]
    assert (written["both"]["day_or"], "day_or" in written["hourly"]) == (False, False)
    assert dispatcher.plan(exported).changes == ()
    assert dispatcher.next_windows(both)[0].isoweekday() == 1
    assert dispatcher.next_windows(both)[0].day <= 7
    del written["both"]["day_or"]
    assert len(dispatcher.plan(exported).changes) == 1


def test_a_schedule_may_give_what_its_template_requires(dispatcher, sized):
    schedule = replace(EVERY_TEN, job_variables={"size": 2})
    dispatcher.create_deployment("etl", pool="sized", schedules=[schedule])
    with refused(dispatcher, InvalidVariables, r"schedules\[0\].job_variables.size"):
        dispatcher.update_deployment("etl", schedules=[replace(schedule, job_variables={"size": "much"})])
    with refused(dispatcher, InvalidVariables, "size: is required and missing"):
        dispatcher.add_schedule("etl", HOURLY)


def test_the_runs_of_a_schedule_are_made_anew_with_its_job_variables(dispatcher, etl):
    assert {run.job_variables.get("command") for run in tick(dispatcher)} == {None}
    dispatcher.update_deployment("etl", schedules=[replace(EVERY_TEN, job_variables={"command": "hostname"})])
    assert {run.job_variables.get("command") for run in tick(dispatcher)} == {"hostname"}
