"""No window becomes a run twice and none is missing: against an enumeration that knows all windows beforehand."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.windows import (
    WindowLimits,
    materialisation,
)
from dispatcher.models import CatchUp, Run, Schedule
from tests.builders import HOUR, MINUTE, NOW, SECOND
from tests.core.windows import LIMITS, every, minutes, saved, ticked


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
def test_exactly_the_windows_within_reach_are_made_once_each_at_any_times_of_ticks(step, fields, gaps, limits):
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
def test_no_window_is_made_twice_or_is_missing_after_cuts_and_losses_once_a_tick_gets_through(steps, cuts):
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
def test_a_second_tick_at_the_same_time_finds_no_windows(step, gaps):
    deployment = saved(every(step, catch_up=CatchUp.ALL))
    for at in after(gaps):
        deployment, _ = ticked(deployment, NOW + at)
        assert deployment.windows_at is not None
        assert deployment.windows_at > NOW + at
        assert materialisation(deployment, NOW + at, LIMITS).runs == ()
