"""The ticks of the last hour."""

from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.ticks import MINUTES, LastHour, last_hour, noted, place
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_pool

PATIENCE = 3 * MINUTE
LATEST = "from 11:25 to 11:30, from 11:40 to 11:43 and from 11:51 to 11:55"


def after(*ticks: datetime, until: datetime, patience: timedelta = PATIENCE) -> LastHour:
    hours: tuple[int, ...] = reduce(noted, ticks, ())
    return last_hour(a_pool(ticked_hours=hours), until, patience)


def each_minute(begin: datetime, minutes: int) -> tuple[datetime, ...]:
    return tuple(begin + number * MINUTE for number in range(minutes))


@given(st.lists(st.integers(0, 300 * 60), max_size=90), st.integers(0, 2 * 60 * 60))
def test_the_minutes_are_those_of_the_ticks_while_the_clock_goes_forward(seconds: list[int], later: int):
    ticks = [NOW + second * SECOND for second in sorted(seconds)]
    now = (ticks[-1] if ticks else NOW) + later * SECOND
    first = now.replace(second=0) - (MINUTES - 1) * MINUTE
    hour = after(*ticks, until=now)
    assert list(hour.minutes) == sorted({tick.replace(second=0) for tick in ticks if tick >= first})
    assert all(first <= minute <= now for minute in hour.minutes)


@given(st.lists(st.integers(-5, 200), max_size=60))
def test_gaps_are_all_that_is_too_long_and_have_no_tick(minutes: list[int]):
    ticks = [NOW + minute * MINUTE for minute in minutes]
    now = NOW + 200 * MINUTE + 30 * SECOND
    hour = after(*ticks, until=now)
    for begin, end in hour.gaps:
        assert hour.since <= begin
        assert end <= now
        assert end - begin >= PATIENCE
        assert not [minute for minute in hour.minutes if begin <= minute < end]
    without = [minute for minute in each_minute(hour.since, 60) if minute < now - MINUTE and minute not in hour.minutes]
    for first in without:
        if {first + MINUTE, first + 2 * MINUTE} <= set(without):
            assert any(begin <= first < end for begin, end in hour.gaps)


def test_a_tick_is_noted_only_in_the_place_of_its_minute():
    first = datetime(1970, 1, 1, 1, 7, 59, tzinfo=UTC)
    assert place(first) == (1, 7)
    hours = noted(noted((), first), first + MINUTE)
    assert hours == (*(0,) * 7, 1, 1, *(0,) * 51)
    assert noted(hours, first + HOUR) == (*(0,) * 7, 2, 1, *(0,) * 51)


def test_a_tick_in_every_minute_leaves_no_gap():
    hour = after(*each_minute(NOW - HOUR, 61), until=NOW + 20 * SECOND)
    assert hour.minutes == each_minute(NOW - 59 * MINUTE, 60)
    assert (hour.since, hour.until, hour.gaps) == (NOW - 59 * MINUTE, NOW + 20 * SECOND, ())


def test_a_minute_that_has_just_begun_misses_no_tick_yet():
    hour = after(*each_minute(NOW - HOUR, 58), until=NOW + 59 * SECOND)
    assert hour.minutes[-1] == NOW - 3 * MINUTE
    assert hour.gaps == ()
    assert after(*each_minute(NOW - HOUR, 58), until=NOW + MINUTE).gaps == ((NOW - 2 * MINUTE, NOW + MINUTE),)


def test_a_gap_is_named_from_its_first_to_its_last_minute():
    ticks = [tick for tick in each_minute(NOW - 2 * HOUR, 121) if not NOW - 30 * MINUTE <= tick < NOW - 11 * MINUTE]
    hour = after(*ticks, until=NOW)
    assert hour.gaps == ((NOW - 30 * MINUTE, NOW - 11 * MINUTE),)
    assert len(hour.minutes) == 60 - 19


@pytest.mark.parametrize(("missing", "gaps"), [(2, 0), (3, 1)])
def test_ticks_may_be_as_late_as_patience_allows(missing: int, gaps: int):
    ticks = [*each_minute(NOW - HOUR, 30), *each_minute(NOW - (30 - missing) * MINUTE, 31 - missing)]
    assert len(after(*ticks, until=NOW).gaps) == gaps


def test_ticks_that_come_every_five_minutes_have_no_gaps_where_that_is_the_interval():
    ticks = [NOW - number * 5 * MINUTE for number in range(24, -1, -1)]
    assert after(*ticks, until=NOW, patience=15 * MINUTE).gaps == ()
    assert len(after(*ticks, until=NOW, patience=15 * MINUTE).minutes) == 12


def test_a_pool_that_was_never_ticked_has_no_gap():
    assert after(until=NOW) == LastHour(NOW, NOW, (), ())


def test_before_the_first_tick_that_was_noted_nothing_is_known():
    hour = after(*each_minute(NOW - 10 * MINUTE, 11), until=NOW)
    assert (hour.since, len(hour.minutes), hour.gaps) == (NOW - 10 * MINUTE, 11, ())


def test_a_known_older_tick_makes_the_whole_hour_known():
    hour = after(NOW - HOUR, *each_minute(NOW - 10 * MINUTE, 10), until=NOW)
    assert (hour.since, hour.gaps) == (NOW - 59 * MINUTE, ((NOW - 59 * MINUTE, NOW - 10 * MINUTE),))


def test_a_pool_whose_ticks_ended_long_ago_has_one_gap():
    assert after(NOW - 30 * HOUR, until=NOW) == LastHour(NOW - 59 * MINUTE, NOW, (), ((NOW - 59 * MINUTE, NOW),))


def test_minutes_that_a_clock_ahead_wrote_are_not_shown_before_they_come():
    hour = after(NOW, NOW + 5 * MINUTE, NOW + MINUTE, until=NOW + MINUTE)
    assert hour.minutes == (NOW, NOW + MINUTE)
    assert hour.gaps == ()
    later = after(NOW, NOW + 5 * MINUTE, NOW + MINUTE, until=NOW + 6 * MINUTE)
    assert later.minutes == (NOW, NOW + MINUTE, NOW + 5 * MINUTE)
    assert after(NOW + 5 * MINUTE, until=NOW).since == NOW


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ([], "ticks in 60 of the last 60 minutes"),
        ([(20, 17)], "ticks in 57 of the last 60 minutes; none from 11:40 to 11:43 UTC"),
        ([(40, 30), (20, 17)], "ticks in 47 of the last 60 minutes; none from 11:20 to 11:30 and from 11:40 to 11:43 UTC"),
        ([(35, 30), (20, 17), (9, 5)], f"ticks in 48 of the last 60 minutes; none {LATEST} UTC"),
        ([(45, 40), (35, 30), (20, 17), (9, 5)], f"ticks in 43 of the last 60 minutes; none {LATEST} UTC, and 1 more before"),
        (
            [(55, 50), (45, 40), (35, 30), (20, 17), (9, 5)],
            f"ticks in 38 of the last 60 minutes; none {LATEST} UTC, and 2 more before",
        ),
    ],
)
def test_words_name_the_minutes_and_the_latest_gaps(missing: list[tuple[int, int]], words: str):
    ago = [minutes for minutes in range(90, -1, -1) if not any(end < minutes <= begin for begin, end in missing)]
    assert after(*(NOW - minutes * MINUTE for minutes in ago), until=NOW).words == words


def test_an_hour_with_few_ticks_is_described_in_words():
    assert after(until=NOW).words == "no tick is noted yet"
    assert after(NOW - MINUTE, until=NOW).words == "ticks in 1 of the last 2 minutes"
    assert after(NOW - 9 * HOUR, until=NOW).words == "ticks in 0 of the last 60 minutes; none from 11:01 to 12:00 UTC"
    assert after(NOW, until=NOW).missing == ""
