"""The pace of calls: every bucket holds, the burst and what comes back with time."""

from __future__ import annotations

import pytest

from dispatcher.ticking.calls import Pace
from providers.base import Rate
from tests.builders import NOW, SECOND


def drawn(pace, count, now=NOW):
    return [round(pace.take(now), 6) for _ in range(count)]


def test_a_burst_may_be_made_at_once_and_what_follows_waits_its_turn():
    assert drawn(Pace([Rate(burst=2, per_second=4)], NOW), 5) == [0, 0, 0.25, 0.5, 0.75]


def test_time_fills_a_bucket_up_to_its_burst_and_no_further():
    pace = Pace([Rate(burst=2, per_second=4)], NOW)
    assert drawn(pace, 2) == [0, 0]
    assert drawn(pace, 2, NOW + SECOND / 4) == [0, 0.25]
    assert drawn(pace, 3, NOW + 3600 * SECOND) == [0, 0, 0.25]


def test_the_slowest_of_several_rates_decides():
    pace = Pace([Rate(burst=3, per_second=1), Rate(burst=1, per_second=10)], NOW)
    assert drawn(pace, 5) == [0, 0.1, 0.2, 1, 2]


def test_a_clock_that_goes_back_neither_fills_nor_empties_a_bucket():
    pace = Pace([Rate(burst=1, per_second=1)], NOW)
    assert drawn(pace, 2) == [0, 1]
    assert drawn(pace, 1, NOW - SECOND) == [2]
    assert drawn(pace, 1, NOW + 4 * SECOND) == [0]


def test_without_a_rate_nothing_waits():
    assert drawn(Pace([], NOW), 1000) == [0] * 1000
    assert Pace([], NOW).recovery(NOW) == 0


@pytest.mark.parametrize(("taken", "later", "seconds"), [(0, 0, 0), (1, 0, 0.5), (5, 0, 2.5), (5, 2, 0.5), (5, 3, 0)])
def test_recovery_is_the_time_until_every_bucket_is_full(taken, later, seconds):
    pace = Pace([Rate(burst=3, per_second=2), Rate(burst=100, per_second=200)], NOW)
    drawn(pace, taken)
    assert pace.recovery(NOW + later * SECOND) == pytest.approx(seconds)
