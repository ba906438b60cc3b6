"""Slots over time: each part of the time has the average of its queue."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.usage import usage
from tests.builders import NOW

END = NOW + timedelta(seconds=100)


def at(second):
    return NOW + timedelta(seconds=second)


def test_a_part_of_a_chart_shows_the_average_number_of_held_slots():
    holds = [("etl", at(5), at(30)), ("etl", at(-50), at(10)), ("reports", at(90), at(500))]
    shown = usage(holds, NOW, END, parts=10)
    assert shown["etl"] == [1.5, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert shown["reports"] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_slots_held_outside_the_period_or_for_no_time_are_left_out():
    holds = [("before", at(-9), at(0)), ("after", at(100), at(200)), ("backwards", at(20), at(10)), ("never", at(20), at(20))]
    assert usage(holds, NOW, END, parts=10) == {}


@given(st.lists(st.tuples(st.integers(-50, 150), st.integers(-50, 150)), max_size=30), st.integers(1, 12))
def test_the_sum_of_all_parts_is_the_time_that_was_held(pairs, parts):
    holds = [("etl", at(begin), at(end)) for begin, end in pairs]
    seconds = sum(max(0, min(end, 100) - max(begin, 0)) for begin, end in pairs)
    lane = usage(holds, NOW, END, parts=parts).get("etl", [])
    assert abs(sum(lane) * 100 / parts - seconds) < 1e-3
    most = max((sum(begin <= second < end for begin, end in pairs) for second in range(100)), default=0)
    assert all(slots <= most + 1e-6 for slots in lane)
