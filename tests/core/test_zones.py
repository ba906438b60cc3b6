"""Stretches of time in which a zone's clocks are not moved, in zones whose moves are known."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.schedules import windows_due
from dispatcher.core.zones import Stretch, first_not_shown, stretches
from dispatcher.models import Schedule

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
NEW_YEAR = datetime.fromisoformat("2026-01-01T00:00:00")
APART = 3 * DAY
"""Two moves that are further apart are found, whenever they are."""


class Zone(tzinfo):
    """Its clocks show UTC until the first of these moves: each has an instant in UTC, and the offset from then on."""

    def __init__(self, *moves):
        self.moves = moves

    def offset(self, at):
        return next((offset for moved, offset in reversed(self.moves) if moved <= at), timedelta(0))

    def fromutc(self, at):
        offset = self.offset(at.replace(tzinfo=None))
        return (at + offset).replace(tzinfo=timezone(offset))

    def stretches(self, begin, end):
        """Those that there are, by the moves."""
        edges = [begin, *(at for at, _ in self.moves if begin < at < end), end]
        return [
            Stretch(first + self.offset(first), past + self.offset(first), self.offset(first))
            for first, past in pairwise(edges)
        ]


@st.composite
def zones(draw):
    """A zone with a few moves, at any second and by any number of them."""
    first = draw(st.one_of(st.integers(-3 * 86400, 3 * 86400), st.integers(-200 * 86400, 200 * 86400)))
    gaps = draw(st.lists(st.one_of(st.integers(1, 3 * 86400), st.integers(1, 300 * 86400)), max_size=4))
    at = accumulate((APART + gap * SECOND for gap in gaps), initial=NEW_YEAR + first * SECOND)
    shifts = draw(st.lists(st.integers(-12 * 3600, 12 * 3600), min_size=len(gaps) + 1, max_size=len(gaps) + 1))
    moves = [(instant, shift * SECOND) for instant, shift in zip(at, shifts, strict=True)]
    before = [timedelta(0), *(offset for _, offset in moves)]
    return Zone(*(move for move, offset in zip(moves, before, strict=False) if move[1] != offset))


@st.composite
def questions(draw):
    """A zone and two instants, perhaps those of its moves, or near them."""
    zone = draw(zones())
    near = st.sampled_from([NEW_YEAR, *(at for at, _ in zone.moves)])
    away = st.one_of(st.integers(-1, 1), st.integers(-40 * 86400, 400 * 86400))
    begin, end = sorted(draw(near) + draw(away) * SECOND for _ in range(2))
    return zone, begin, end + (SECOND if begin == end else timedelta(0))


@settings(max_examples=100, deadline=None)
@given(questions())
def test_a_zone_is_divided_at_its_clock_changes(question):
    zone, begin, end = question
    assert list(stretches(zone, begin, end)) == zone.stretches(begin, end)


@settings(max_examples=60, deadline=None)
@given(questions())
def test_the_first_time_not_yet_shown_follows_all_times_ever_shown(question):
    zone, at, _ = question
    assert first_not_shown(zone, at) == max(stretch.end for stretch in zone.stretches(at - 2000 * DAY, at))


@pytest.mark.parametrize("moved", [HOUR, -HOUR, 17 * SECOND], ids=str)
@pytest.mark.parametrize(
    "after_new_year",
    [-DAY, -SECOND, timedelta(0), SECOND, 23 * HOUR, DAY, 2 * DAY, APART - SECOND, APART, 30 * DAY, 31 * DAY],
    ids=str,
)
def test_a_clock_change_around_new_year_is_found_once_to_the_second(after_new_year, moved):
    at = NEW_YEAR + after_new_year
    zone = Zone((at, moved))
    for begin in (at - 400 * DAY, at - DAY, at - SECOND, at, at + SECOND):
        for end in (at, at + SECOND, at + 400 * DAY):
            if begin < end:
                assert list(stretches(zone, begin, end)) == zone.stretches(begin, end)


@pytest.mark.parametrize("apart", [APART + SECOND, APART + HOUR, 4 * DAY, 6 * DAY], ids=str)
@pytest.mark.parametrize("day", range(12))
def test_two_clock_changes_within_days_are_both_found(apart, day):
    at = NEW_YEAR + day * DAY / 2
    zone = Zone((at, HOUR), (at + apart, timedelta(0)))
    assert list(stretches(zone, NEW_YEAR - DAY, NEW_YEAR + 40 * DAY)) == zone.stretches(NEW_YEAR - DAY, NEW_YEAR + 40 * DAY)


@pytest.mark.parametrize(
    ("schedule", "first"),
    [
        (Schedule(slug="s", cron="0 0 * * *"), "1970-01-01T00:00:00+00:00"),
        (Schedule(slug="s", cron="30 * * * *"), "1970-01-01T00:30:00+00:00"),
        (Schedule(slug="s", cron="0 0 * * *", timezone="Asia/Tokyo"), "1970-01-01T15:00:00+00:00"),
    ],
)
def test_windows_begin_with_1970(schedule, first):
    since = datetime(1960, 5, 5, tzinfo=UTC)
    assert next(windows_due(schedule, since, since + 4000 * DAY)).isoformat() == first


@pytest.mark.parametrize(
    ("cron", "last"), [("0 0 * * *", "9998-01-01T00:00:00+00:00"), ("30 * * * *", "9997-12-31T23:30:00+00:00")]
)
def test_windows_end_with_9997(cron, last):
    since = datetime(9997, 12, 25, tzinfo=UTC)
    assert [*windows_due(Schedule(slug="s", cron=cron), since, since + 100 * DAY)][-1].isoformat() == last
