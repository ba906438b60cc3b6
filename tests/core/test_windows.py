"""From schedules to runs: which windows become runs, and when."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from dispatcher.core.windows import (
    WindowLimits,
    delay,
    last_windows,
    materialisation,
    reached,
    runs_to_come,
    windows_to_come,
)
from dispatcher.errors import ScheduleError
from dispatcher.models import CatchUp, Schedule
from dispatcher.models.records import MATERIALISED_AT_ONCE
from tests.builders import HOUR, MINUTE, NOW, SECOND
from tests.core.windows import DAY, LIMITS, every, minutes, saved, ticked


def test_a_new_schedule_begins_when_it_is_saved_and_reaches_an_hour_ahead():
    deployment, runs = ticked(saved(every(10)), NOW)
    assert minutes(runs) == [10, 20, 30, 40, 50, 60]
    assert deployment.windows_until == {"s": NOW + HOUR}
    assert deployment.windows_at == NOW + 10 * MINUTE  # when the window of minute 70 is an hour away


def test_no_more_than_so_many_windows_of_a_schedule_are_runs_before_their_time():
    limits = WindowLimits(most=5)
    deployment, runs = ticked(saved(every(1), every(20, slug="t")), NOW, limits)
    assert sorted(minutes(runs)) == [1, 2, 3, 4, 5, 20, 40, 60]
    assert deployment.windows_at == NOW + MINUTE
    deployment, runs = ticked(deployment, NOW + 2 * MINUTE, limits)
    assert minutes(runs) == [6, 7]


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("ahead", range(1, 13))
def test_the_number_of_runs_ahead_does_not_depend_on_earlier_ticks(most, ahead):
    """At each minute: as many as there may be, or as there are within reach. A window of this moment is due, not ahead."""
    limits, made = WindowLimits(most=most, ahead=ahead * MINUTE, grace=HOUR), set[int]()
    deployment = saved(every(1))
    for minute in (0, 1, 2, 5, 6):
        deployment, runs = ticked(deployment, NOW + minute * MINUTE, limits, most=1)
        assert not made & set(minutes(runs))
        made |= set(minutes(runs))
        assert made == {*range(1, minute + min(most, ahead) + 1)}
        assert deployment.windows_at == NOW + (minute + 1) * MINUTE


def test_a_schedule_makes_a_hundred_runs_ahead_by_default():
    assert WindowLimits() == WindowLimits(ahead=HOUR, most=100, grace=3 * MINUTE)
    assert len(ticked(saved(every(1)), NOW, WindowLimits(ahead=2 * HOUR))[1]) == 100


def test_an_hour_of_every_minute_is_made_in_two_steps():
    deployment = saved(every(1))
    deployment, first = ticked(deployment, NOW, most=1)
    assert (minutes(first), deployment.windows_at) == ([*range(1, MATERIALISED_AT_ONCE + 1)], NOW)
    assert minutes(ticked(deployment, NOW)[1]) == [*range(MATERIALISED_AT_ONCE + 1, 61)]


def test_a_step_that_has_no_room_for_the_second_schedule_leaves_it_where_it_was():
    deployment = saved(every(1), every(30, slug="t"))
    deployment, _ = ticked(deployment, NOW, most=1)
    assert deployment.windows_until == {"s": NOW + MATERIALISED_AT_ONCE * MINUTE, "t": NOW}
    deployment, runs = ticked(deployment, NOW)
    assert [run.schedule for run in runs].count("t") == 2
    assert deployment.windows_until == {"s": NOW + HOUR, "t": NOW + HOUR}


@pytest.mark.parametrize(
    ("fields", "made_up_for"),
    [
        ({}, []),
        ({"catch_up": CatchUp.LAST}, [2860]),
        ({"catch_up": CatchUp.ALL, "catch_up_limit": 3}, [2840, 2850, 2860]),
    ],
    ids=["none", "last", "all"],
)
def test_after_two_days_without_a_tick_the_schedule_decides_how_many_windows_become_runs(fields, made_up_for):
    deployment, _ = ticked(saved(every(10, **fields)), NOW)
    deployment, runs = ticked(deployment, NOW + 2 * DAY - 14 * MINUTE)
    assert minutes(runs) == [*made_up_for, 2870, 2880, 2890, 2900, 2910, 2920][: len(made_up_for) + 6]
    assert deployment.windows_until == {"s": NOW + 2 * DAY + 46 * MINUTE}


def test_a_window_that_passed_a_moment_ago_is_not_missed():
    deployment = saved(every(45))
    assert minutes(ticked(deployment, NOW + 47 * MINUTE)[1]) == [45, 90]
    assert minutes(ticked(deployment, NOW + 49 * MINUTE)[1]) == [90]


def test_an_outage_of_years_costs_a_bounded_look():
    schedule = every(1, catch_up=CatchUp.ALL, catch_up_limit=1000)
    _, runs = ticked(saved(schedule), NOW + 3650 * DAY)
    assert len(runs) == 1000 + 3 + 60
    gaps = {later.scheduled_at - earlier.scheduled_at for earlier, later in pairwise(runs)}
    assert gaps == {MINUTE}


def test_a_window_of_years_ahead_is_waited_for_until_an_hour_before():
    schedule = Schedule(slug="leap", cron="0 0 29 2 *")
    deployment, runs = ticked(saved(schedule), NOW)
    assert (runs, deployment.windows_at) == ([], datetime.fromisoformat("2032-02-28T23:00:00+00:00"))
    assert minutes(ticked(deployment, datetime.fromisoformat("2032-02-28T23:00:00+00:00"))[1]) == [
        round((datetime.fromisoformat("2032-02-29T00:00:00+00:00") - NOW) / MINUTE)
    ]


def test_a_schedule_that_is_over_is_looked_at_again_in_years():
    deployment, runs = ticked(saved(Schedule(slug="over", rrule="FREQ=DAILY;COUNT=2")), NOW)
    assert (runs, deployment.windows_until, deployment.windows_at) == ([], {"over": NOW + HOUR}, NOW + 5 * 366 * DAY)


@pytest.mark.parametrize("ahead", [MINUTE, HOUR, 7 * DAY])
@pytest.mark.parametrize("beyond", [-HOUR, -SECOND, timedelta(0), SECOND, MINUTE, HOUR, 2 * HOUR, 14 * DAY], ids=str)
def test_every_window_becomes_a_run_equally_long_before_it_is_due(ahead, beyond):
    """Also one that lies where the look of five years ends, or a little further."""
    limits = WindowLimits(ahead=ahead)
    far = 5 * 366 * DAY + ahead + beyond
    deployment, now = saved(Schedule(slug="s", interval=far, anchor=NOW)), NOW
    for _ in range(4):
        deployment, runs = ticked(deployment, now, limits)
        if runs:
            break
        now = deployment.windows_at
    assert [run.scheduled_at for run in runs] == [NOW + far]
    assert now == NOW + far - ahead


def test_a_deployment_without_active_schedules_has_nothing_to_be_looked_at():
    step = materialisation(saved(every(10, active=False)), NOW, LIMITS)
    assert (step.runs, step.windows_until, step.windows_at) == ((), {}, None)


@pytest.mark.parametrize(("before", "left_out", "after"), [(0, 0, 0), (0, 2, 2), (5, 0, 5), (5, 2, 7)])
def test_windows_that_are_left_out_add_up(before, left_out, after):
    deployment = replace(saved(every(10)), windows_left_out=before)
    step = replace(materialisation(deployment, NOW, LIMITS), left_out=left_out)
    assert reached(step)["windows_left_out"] == after


def test_future_windows_that_are_not_runs_yet_are_sorted_by_time():
    caught_up = {"catch_up": CatchUp.ALL}
    deployment, made = ticked(saved(every(40, **caught_up), every(60, slug="t", **caught_up)), NOW)
    shown = list(windows_to_come(deployment, NOW, NOW + 3 * HOUR))
    assert [(slug, (window - NOW) / MINUTE) for slug, window in shown] == [
        ("s", 80), ("s", 120), ("t", 120), ("s", 160), ("t", 180),
    ]  # fmt: skip
    _, later = ticked(deployment, NOW + 2 * HOUR)
    coming = list(runs_to_come(deployment, NOW, NOW + 3 * HOUR))
    assert {run.id for run in coming} == {run.id for run in later}
    assert not {run.id for run in made} & {run.id for run in later}


def test_paused_schedules_have_no_future_windows():
    assert list(windows_to_come(saved(every(40), paused=True), NOW, NOW + DAY)) == []
    assert list(windows_to_come(saved(every(40, active=False)), NOW, NOW + DAY)) == []


def test_a_schedule_that_cannot_be_read_hides_no_other():
    broken = Schedule(slug="broken", rrule="FREQ=DAILY;INTERVAL=0")
    shown = list(windows_to_come(saved(broken, every(40)), NOW, NOW + 2 * HOUR))
    assert [slug for slug, _ in shown] == ["s", "s", "s"]
    with pytest.raises(ScheduleError, match="INTERVAL must be a whole number of 1 or more"):
        materialisation(saved(broken, every(40)), NOW, LIMITS)


class TestMaxWaiting:
    """A window becomes a run when it is due, if there is a place for it."""

    BOUNDED = saved(every(10), max_waiting=3)

    def step(self, now, *, waiting=0, deployment=BOUNDED):
        return materialisation(deployment, now, LIMITS, waiting=waiting)

    def test_no_window_becomes_a_run_before_its_time(self):
        assert self.step(NOW + 9 * MINUTE).runs == ()
        step = self.step(NOW + 10 * MINUTE)
        assert (minutes(step.runs), step.left_out, step.windows_at) == ([10], 0, NOW + 20 * MINUTE)

    @pytest.mark.parametrize(
        ("waiting", "made", "left_out"), [(0, [10, 20, 30], 1), (1, [10, 20], 2), (2, [10], 3), (3, [], 4), (9, [], 4)]
    )
    def test_windows_without_a_place_are_left_out_and_never_come_back(self, waiting, made, left_out):
        often = saved(every(10, catch_up=CatchUp.ALL), max_waiting=3)
        step = self.step(NOW + 45 * MINUTE, waiting=waiting, deployment=often)
        assert (minutes(step.runs), step.left_out) == (made, left_out)
        after = replace(often, **reached(step))
        assert after.windows_left_out == left_out
        assert self.step(NOW + 45 * MINUTE, deployment=after).runs == ()

    def test_all_schedules_of_a_deployment_share_the_places(self):
        two = saved(every(10, "a"), every(10, "b"), max_waiting=1)
        step = self.step(NOW + 10 * MINUTE, deployment=two)
        assert ([run.schedule for run in step.runs], step.left_out) == (["a"], 1)

    def test_a_spread_window_becomes_a_run_at_its_spread_time_and_is_not_missed_before(self):
        spread = saved(every(60, spread=50 * MINUTE, catch_up=CatchUp.NONE), max_waiting=1)
        later = delay(spread, spread.schedules[0])
        assert later > LIMITS.grace
        due = NOW + HOUR + later
        assert self.step(due - SECOND, deployment=spread).runs == ()
        for late, made in ((0 * SECOND, [60]), (LIMITS.grace - SECOND, [60]), (LIMITS.grace, [])):
            step = self.step(due + late, deployment=spread)
            assert minutes(step.runs) == made
        assert [run.due_at for run in self.step(due, deployment=spread).runs] == [due]


@pytest.mark.parametrize(
    ("since", "before", "count", "last"),
    [
        (0, 65, 2, [50, 60]),
        (0, 60, 2, [50, 60]),
        (50, 60, 9, [60]),
        (0, 60, 0, []),
        (60, 60, 9, []),
        (70, 60, 9, []),
        (0, 60_000, 3, [59_980, 59_990, 60_000]),
    ],
)
def test_the_last_windows_of_a_time_are_those_after_its_begin_up_to_its_end(since, before, count, last):
    windows = last_windows(every(10), NOW + since * MINUTE, NOW + before * MINUTE, count)
    assert [(window - NOW) // MINUTE for window in windows] == last


def test_a_schedule_makes_no_runs_ahead_by_default():
    assert minutes(materialisation(saved(every(10), max_waiting=1), NOW + 10 * MINUTE, LIMITS).runs) == [10]
