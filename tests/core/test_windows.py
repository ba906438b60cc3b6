"""From schedules to runs, against an enumeration that knows all windows beforehand and shares no step with it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.windows import (
    WindowLimits,
    delay,
    is_withdrawn,
    last_windows,
    materialisation,
    reached,
    runs_to_come,
    saving,
    windows_to_come,
)
from dispatcher.errors import ScheduleError
from dispatcher.models import CatchUp, Deployment, Hook, RetryPolicy, Run, RunState, Schedule, Share
from dispatcher.records import MATERIALISED_AT_ONCE
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_run

LIMITS = WindowLimits()
DAY = 24 * HOUR


def every(minutes: int, slug: str = "s", **fields) -> Schedule:
    return Schedule(slug=slug, interval=minutes * MINUTE, anchor=NOW, **fields)


def saved(*schedules: Schedule, **fields) -> Deployment:
    """A deployment that was created at NOW."""
    return saving(None, a_deployment(schedules=schedules, **fields), NOW).deployment


def ticked(
    deployment: Deployment, now: datetime, limits: WindowLimits = LIMITS, most: int = 1000
) -> tuple[Deployment, list[Run]]:
    """What a tick at `now` makes of it, in at most so many steps."""
    runs: list[Run] = []
    while most and deployment.windows_at is not None and deployment.windows_at <= now:
        step = materialisation(deployment, now, limits)
        assert len(step.runs) <= MATERIALISED_AT_ONCE
        runs += step.runs
        deployment = replace(deployment, **reached(step))
        most -= 1
    return deployment, runs


def minutes(runs: Iterable[Run]) -> list[int]:
    """When they are due, in minutes after NOW."""
    return [round((run.scheduled_at - NOW) / MINUTE) for run in runs]


def test_a_new_schedule_begins_when_it_is_saved_and_reaches_an_hour_ahead():
    deployment, runs = ticked(saved(every(10)), NOW)
    assert minutes(runs) == [10, 20, 30, 40, 50, 60]
    assert deployment.windows_until == {"s": NOW + HOUR}
    assert deployment.windows_at == NOW + 10 * MINUTE  # when the window of minute 70 is an hour away


def test_a_run_has_the_place_the_tags_and_the_retries_of_its_deployment_and_the_windows_time():
    retry = RetryPolicy(attempts=3)
    deployment = saved(every(45), queue="high", tags=("a",), retry=retry, name="etl")
    [run] = ticked(deployment, NOW)[1]
    place = (run.pool, run.queue, run.deployment, run.schedule, run.tags, run.retry)
    assert place == ("pool", "high", "etl", "s", ("a",), retry)
    assert run.scheduled_at == run.due_at == NOW + 45 * MINUTE
    assert (run.created_at, run.state, run.name) == (NOW, RunState.SCHEDULED, "etl-2030-01-01T12:45:00Z")


@pytest.mark.parametrize(("limit", "lane"), [(None, None), (0, "etl"), (3, "etl")])
def test_a_run_waits_in_the_lane_of_a_deployment_with_a_limit(limit, lane):
    [run] = ticked(saved(every(45), name="etl", concurrency_limit=limit), NOW)[1]
    assert run.lane == lane


@pytest.mark.parametrize(
    ("share", "priority", "lane"), [(Share.STRICT, 0, None), (Share.FAIR, 0, "etl"), (Share.FAIR, 3, "etl%3")]
)
def test_a_run_waits_in_the_lane_of_its_deployment_where_its_queue_is_shared(share, priority, lane):
    deployment = saved(every(45, priority=priority), name="etl")
    [run] = materialisation(deployment, NOW, LIMITS, share=share).runs
    assert run.lane == lane


@pytest.mark.parametrize("expires_after", [None, 2 * HOUR])
def test_a_run_expires_as_long_after_its_due_time_as_its_deployment_says(expires_after):
    [run] = ticked(saved(every(45, spread=10 * MINUTE), expires_after=expires_after), NOW)[1]
    assert run.due_at > run.scheduled_at
    assert run.expires_at == (expires_after and run.due_at + expires_after)


def test_the_hooks_of_the_pool_and_of_the_deployment_are_notified_of_its_runs():
    of_pool = Hook(name="pool", states=frozenset({RunState.CRASHED}), late_after=5 * MINUTE)
    own = Hook(name="own", states=frozenset({RunState.FAILED}))
    [run] = materialisation(saved(every(45), hooks=(own,)), NOW, LIMITS, (of_pool,)).runs
    assert (run.notify_states, run.notify_at) == ({RunState.CRASHED, RunState.FAILED}, run.due_at + 5 * MINUTE)


@pytest.mark.parametrize(("length", "kept"), [(149, 149), (150, 150), (151, 150), (200, 150)])
def test_a_run_has_so_many_characters_of_its_deployments_name(length, kept):
    [run] = ticked(saved(every(45), name="n" * length), NOW)[1]
    assert run.name == "n" * kept + "-2030-01-01T12:45:00Z"


def test_no_blank_stands_before_the_time_in_a_name():
    [run] = ticked(saved(every(45), name="n" * 148 + "  more"), NOW)[1]
    assert run.name == "n" * 148 + "-2030-01-01T12:45:00Z"


def test_the_same_window_is_the_same_run_whoever_makes_it_and_whenever():
    deployment = saved(every(45))
    [early], [late] = ticked(deployment, NOW)[1], ticked(deployment, NOW + 45 * MINUTE)[1][:1]
    assert early.id == late.id
    other = saved(every(45, slug="t"), id=deployment.id)
    assert ticked(other, NOW)[1][0].id != early.id


def test_no_more_than_so_many_windows_of_a_schedule_are_runs_before_their_time():
    limits = WindowLimits(most=5)
    deployment, runs = ticked(saved(every(1), every(20, slug="t")), NOW, limits)
    assert sorted(minutes(runs)) == [1, 2, 3, 4, 5, 20, 40, 60]
    assert deployment.windows_at == NOW + MINUTE
    deployment, runs = ticked(deployment, NOW + 2 * MINUTE, limits)
    assert minutes(runs) == [6, 7]


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("ahead", range(1, 13))
def test_as_many_are_runs_before_their_time_whatever_was_made_before(most, ahead):
    """At each minute: as many as there may be, or as there are within reach. A window of this moment is due, not ahead."""
    limits, made = WindowLimits(most=most, ahead=ahead * MINUTE, grace=HOUR), set[int]()
    deployment = saved(every(1))
    for minute in (0, 1, 2, 5, 6):
        deployment, runs = ticked(deployment, NOW + minute * MINUTE, limits, most=1)
        assert not made & set(minutes(runs))
        made |= set(minutes(runs))
        assert made == {*range(1, minute + min(most, ahead) + 1)}
        assert deployment.windows_at == NOW + (minute + 1) * MINUTE


def test_a_hundred_windows_of_a_schedule_are_runs_before_their_time_if_nothing_else_is_said():
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
def test_of_the_windows_of_two_days_without_a_tick_as_many_are_made_up_for_as_the_schedule_says(fields, made_up_for):
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
def test_however_far_ahead_a_window_is_it_becomes_a_run_as_long_before_it_as_all_others(ahead, beyond):
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


# Never twice, never missing


def enumerated(step: int, schedule: Schedule, ticks: Sequence[timedelta], limits: WindowLimits) -> list[int]:
    """The minutes of the windows that are to be made: all that there are, tick by tick, each looked at once."""
    every_window = [k * step * MINUTE for k in range(1, (max(ticks) + limits.ahead) // (step * MINUTE) + 1)]
    expected = {CatchUp.LAST: 1, CatchUp.ALL: schedule.catch_up_limit}.get(schedule.catch_up, 0)
    passed, made = set[timedelta](), list[timedelta]()
    for now in ticks:
        missed = [window for window in every_window if window <= now - limits.grace and window not in passed]
        made += missed[-expected:] if expected else []
        passed |= set(missed)
        for window in every_window:
            has_room = window <= now or sum(window_made > now for window_made in made) < limits.most
            if now - limits.grace < window <= now + limits.ahead and window not in passed and has_room:
                made.append(window)
                passed.add(window)
    return [window // MINUTE for window in made]


STEPS = st.integers(1, 90)
SECONDS = st.one_of(st.integers(0, 300), st.integers(0, 4 * 3600), st.integers(0, 86400))
CAUGHT_UP = st.fixed_dictionaries(
    {}, optional={"catch_up": st.sampled_from(list(CatchUp)), "catch_up_limit": st.integers(1, 60)}
)
BOUNDS = st.builds(
    WindowLimits,
    ahead=st.integers(1, 120).map(lambda number: number * MINUTE),
    most=st.integers(1, 100),
    grace=st.integers(1, 600).map(lambda number: number * SECOND),
)


def after(gaps: Iterable[int]) -> list[timedelta]:
    """Ticks in their order, after NOW."""
    at, ticks = timedelta(0), []
    for gap in gaps:
        at += gap * SECOND
        ticks.append(at)
    return ticks


@settings(max_examples=80, deadline=None)
@given(STEPS, CAUGHT_UP, st.lists(SECONDS, min_size=1, max_size=5), BOUNDS)
def test_whenever_ticks_come_each_window_within_reach_is_made_once_and_none_else(step, fields, gaps, limits):
    schedule, ticks = every(step, **fields), after(gaps)
    deployment, made = saved(schedule), []
    for at in ticks:
        deployment, runs = ticked(deployment, NOW + at, limits)
        made += runs
    assert minutes(made) == enumerated(step, schedule, ticks, limits)
    assert len({run.id for run in made}) == len(made)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(STEPS, min_size=1, max_size=3, unique=True),
    st.lists(st.tuples(st.integers(0, 50 * 60), st.integers(0, 3), st.booleans()), min_size=1, max_size=12),
)
def test_whatever_is_cut_off_or_lost_no_window_is_made_twice_and_none_is_missing_once_a_tick_gets_through(steps, cuts):
    schedules = [every(step, slug=str(step), catch_up=CatchUp.ALL, catch_up_limit=1000) for step in steps]
    deployment, made, now = saved(*schedules), list[Run](), NOW
    for gap, most, is_lost in cuts:
        now += gap * SECOND
        cut, runs = ticked(deployment, now, most=most)
        if not is_lost:  # a transaction that was rolled back, or came second
            deployment, made = cut, made + runs
    deployment, runs = ticked(deployment, now)
    made += runs
    for step in steps:
        times = minutes(run for run in made if run.schedule == str(step))
        assert times == [*range(step, round((now + HOUR - NOW) / SECOND) // 60 + 1, step)]


@settings(max_examples=50, deadline=None)
@given(STEPS, st.lists(st.integers(1, 63 * 60), min_size=1, max_size=20))
def test_while_ticks_come_within_the_hour_nothing_is_ever_missed_even_without_catch_up(step, gaps):
    deployment, made = saved(every(step)), list[Run]()
    for at in after([0, *gaps]):
        deployment, runs = ticked(deployment, NOW + at)
        made += runs
    assert minutes(made) == [*range(step, sum(gaps) // 60 + 61, step)]


@settings(max_examples=50, deadline=None)
@given(STEPS, st.lists(SECONDS, min_size=1, max_size=6))
def test_once_a_tick_is_through_nothing_is_left_for_one_at_the_same_time(step, gaps):
    deployment = saved(every(step, catch_up=CatchUp.ALL))
    for at in after(gaps):
        deployment, _ = ticked(deployment, NOW + at)
        assert deployment.windows_at is not None
        assert deployment.windows_at > NOW + at
        assert materialisation(deployment, NOW + at, LIMITS).runs == ()


# What a change means


def test_a_change_of_what_runs_do_not_take_lets_schedules_go_on_where_they_were():
    stored, _ = ticked(saved(every(10)), NOW)
    change = saving(stored, replace(stored, description="x", job_variables={"a": 1}), NOW + 5 * MINUTE)
    assert change.withdrawn == frozenset()
    assert (change.deployment.windows_until, change.deployment.windows_at) == (stored.windows_until, stored.windows_at)


@pytest.mark.parametrize(
    "fields",
    [{"queue": "high"}, {"tags": ("x",)}, {"retry": RetryPolicy(attempts=2)}, {"pool": "other"}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_change_of_what_runs_take_lets_them_be_made_anew(fields):
    stored, _ = ticked(saved(every(10)), NOW)
    change = saving(stored, replace(stored, **fields), NOW + 5 * MINUTE)
    assert change.withdrawn == {"s"}
    assert minutes(ticked(change.deployment, NOW + 5 * MINUTE)[1]) == [10, 20, 30, 40, 50, 60]


def test_only_the_schedule_that_changes_begins_anew():
    stored, _ = ticked(saved(every(10), every(30, slug="t")), NOW)
    changed = replace(stored, schedules=(every(15), every(30, slug="t", catch_up=CatchUp.LAST)))
    change = saving(stored, changed, NOW + MINUTE)
    assert change.withdrawn == {"s"}
    assert change.deployment.windows_until == {"s": NOW + MINUTE, "t": NOW + HOUR}
    assert minutes(ticked(change.deployment, NOW + MINUTE)[1]) == [15, 30, 45, 60]


@pytest.mark.parametrize("target", [{"paused": True}, {"schedules": ()}, {"schedules": (every(10, active=False),)}], ids=str)
def test_a_pause_withdraws_future_runs_and_resuming_creates_them_from_then_on(target):
    stored, _ = ticked(saved(every(10)), NOW)
    pause = saving(stored, replace(stored, **target), NOW + MINUTE)
    assert (pause.withdrawn, pause.deployment.windows_until, pause.deployment.windows_at) == ({"s"}, {}, None)
    resumed = saving(pause.deployment, replace(stored, windows_until={}), NOW + DAY).deployment
    assert resumed.windows_until == {"s": NOW + DAY}
    assert minutes(ticked(resumed, NOW + DAY)[1])[0] == 24 * 60 + 10


def test_a_run_goes_with_its_schedule_only_while_it_is_to_come_and_was_never_claimed():
    coming = a_run(schedule="s", due_at=NOW + MINUTE)
    assert is_withdrawn(coming, {"s"}, NOW)
    for kept in (
        replace(coming, schedule="t"),
        replace(coming, schedule=None),
        replace(coming, scheduled_at=NOW),
        replace(coming, fence=1),
        replace(coming, state=RunState.CANCELLED),
    ):
        assert not is_withdrawn(kept, {"s"}, NOW)


# What people are shown


def test_future_windows_that_are_no_runs_yet_are_sorted_by_time():
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


# What the runs of a schedule have besides


def test_a_spread_makes_runs_due_later_by_as_much_every_time_and_their_windows_stay():
    schedule = every(60, spread=30 * MINUTE)
    _, runs = ticked(saved(schedule), NOW + 3 * HOUR)
    _, plain = ticked(saved(every(60)), NOW + 3 * HOUR)
    delays = {run.due_at - run.scheduled_at for run in runs}
    assert [(run.name, run.scheduled_at) for run in runs] == [(run.name, run.scheduled_at) for run in plain]
    assert len(delays) == 1
    assert timedelta() < delays.pop() < 30 * MINUTE


@pytest.mark.parametrize(("spread", "delays"), [(0, {0}), (1, {0}), (2, {0, 1}), (3, {0, 1, 2}), (3.9, {0, 1, 2})])
def test_a_delay_is_a_whole_number_of_seconds_below_the_spread(spread, delays):
    runs = [ticked(saved(every(45, spread=spread * SECOND), name=f"etl-{number}"), NOW)[1][0] for number in range(30)]
    assert {(run.due_at - run.scheduled_at) / SECOND for run in runs} == delays


def test_deployments_with_one_spread_are_due_all_over_it():
    offsets = []
    for number in range(400):
        _, [run, *_] = ticked(saved(every(60, spread=HOUR), name=f"etl-{number}"), NOW)
        offsets.append((run.due_at - run.scheduled_at) // MINUTE)
    tenths = [sum(tenth * 6 <= offset < tenth * 6 + 6 for offset in offsets) for tenth in range(10)]
    assert min(tenths) >= 20, "of 40 on average"


def test_runs_of_a_schedule_have_its_job_variables_as_their_own():
    deployment = saved(every(60, "small", job_variables={"cpu": 256}), every(60, "plain"), job_variables={"cpu": 512})
    _, runs = ticked(deployment, NOW)
    assert {(run.schedule, run.job_variables.get("cpu")) for run in runs} == {("small", 256), ("plain", None)}


def test_runs_of_a_schedule_have_its_parameters_as_their_own():
    deployment = saved(every(60, "small", parameters={"limit": 1}), every(60, "plain"), parameters={"limit": 5})
    _, runs = ticked(deployment, NOW)
    assert {(run.schedule, run.parameters.get("limit")) for run in runs} == {("small", 1), ("plain", None)}


@pytest.mark.parametrize(
    "change",
    [
        {"spread": MINUTE},
        {"job_variables": {"cpu": 1}},
        {"parameters": {"day": 1}},
        {"exclude": (NOW.date(),)},
        {"end": NOW + HOUR},
    ],
)
def test_a_schedule_whose_runs_would_be_others_makes_them_anew(change):
    before = saved(every(60))
    changed = replace(before, schedules=(every(60, **change),))
    assert saving(before, changed, NOW + MINUTE).withdrawn == {"s"}
    assert saving(changed, changed, NOW + MINUTE).withdrawn == frozenset()


# How many may wait


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

    def test_a_window_that_is_spread_becomes_a_run_when_that_is_due_and_is_missed_no_sooner(self):
        spread = saved(every(60, spread=50 * MINUTE, catch_up=CatchUp.NONE), max_waiting=1)
        later = delay(spread, spread.schedules[0])
        assert later > LIMITS.grace
        due = NOW + HOUR + later
        assert self.step(due - SECOND, deployment=spread).runs == ()
        for late, made in ((0 * SECOND, [60]), (LIMITS.grace - SECOND, [60]), (LIMITS.grace, [])):
            step = self.step(due + late, deployment=spread)
            assert minutes(step.runs) == made
        assert [run.due_at for run in self.step(due, deployment=spread).runs] == [due]


# The last windows before a time


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


def test_no_run_waits_unless_it_is_said():
    assert minutes(materialisation(saved(every(10), max_waiting=1), NOW + 10 * MINUTE, LIMITS).runs) == [10]


def test_a_change_keeps_how_many_windows_were_left_out():
    before = replace(saved(every(10), max_waiting=1), windows_left_out=3)
    assert saving(before, replace(before, description="new", windows_left_out=0), NOW).deployment.windows_left_out == 3
    assert saving(None, before, NOW).deployment.windows_left_out == 0


def test_a_limit_of_waiting_runs_that_comes_or_goes_withdraws_the_runs_to_come():
    """With it no run is made before its time."""
    free, bounded = saved(every(10)), saved(every(10), max_waiting=3)
    limited = replace(free, max_waiting=3)
    assert saving(free, limited, NOW).withdrawn == saving(limited, free, NOW).withdrawn == {"s"}
    assert saving(bounded, replace(bounded, max_waiting=9), NOW).withdrawn == frozenset()
