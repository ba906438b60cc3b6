from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.holds import (
    MAX_HOLDS,
    accepted,
    active,
    added,
    concerns,
    first_position,
    freed,
    hold_for,
    is_whole,
    line,
    passed_over,
    position_of,
)
from dispatcher.models import HoldKind
from providers.base import Hold, Misconfigured, Needs, Throttled
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_hold, a_run, an_id

EAST, WEST = a_hold(place=("east",)), a_hold(place=("west",))
PLACE = (NOW, an_id())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Throttled(reason="rate exceeded"), HoldKind.RATE),
        (Throttled(reason="quota", hold=Hold(place=("", "eu"))), HoldKind.RATE),
        (Throttled(reason="RESOURCE:GPU", hold=Hold(size={"gpu": 1})), HoldKind.CAPACITY),
        (Throttled(reason="running jobs", hold=Hold(freed_by_end=True)), HoldKind.CAPACITY),
        (Misconfigured(reason="no region"), HoldKind.MISCONFIGURED),
    ],
)
def test_a_refusal_says_what_it_holds_and_of_which_kind_that_is(answer, kind):
    hold = hold_for(answer, NOW)
    assert (hold.kind, hold.reason, hold.until) == (kind, answer.reason, NOW)
    assert (hold.place, hold.size, hold.freed_by_end) == (answer.hold.place, answer.hold.size, answer.hold.freed_by_end)


def test_a_refusal_of_one_job_alone_holds_nothing():
    assert hold_for(Throttled(reason="too big", hold=None), NOW) is None


def test_the_later_end_of_two_holds_of_one_place_stays():
    later = replace(EAST, until=EAST.until + SECOND, reason="still")
    assert added((EAST, WEST), later) == (WEST, later)
    assert added((WEST, later), EAST) == (WEST, later)
    assert added((EAST,), replace(EAST, kind=HoldKind.CAPACITY)) == (EAST, replace(EAST, kind=HoldKind.CAPACITY))


@given(st.lists(st.integers(0, 40), max_size=60))
def test_a_pool_keeps_a_few_holds_and_the_newest_is_one_of_them(minutes):
    holds = ()
    for number in minutes:
        new = a_hold(NOW + number * MINUTE, place=(str(number),))
        holds = added(holds, new)
        assert any(hold.place == new.place for hold in holds)
    assert len(holds) <= MAX_HOLDS
    assert len({hold.identity for hold in holds}) == len(holds)


def test_the_end_of_a_job_ends_those_that_wait_for_it_and_forgets_what_was_passed_over():
    waits = a_hold(kind=HoldKind.CAPACITY, freed_by_end=True, passed={"default": PLACE})
    assert freed((replace(EAST, passed={"default": PLACE}), waits)) == (EAST,)
    kept = (replace(EAST, passed={"default": PLACE}),)
    assert freed(kept) == kept


def test_an_accepted_job_ends_what_is_over_where_it_went_and_nothing_else():
    over = replace(EAST, until=NOW)
    assert accepted((over, EAST, WEST), Needs(place=("east", "main")), NOW) == (EAST, WEST)
    assert accepted((over, WEST), Needs(place=("west",)), NOW) == (over, WEST)
    assert accepted((a_hold(NOW),), Needs(place=("west",)), NOW) == ()


def test_holds_in_force_remember_the_position_even_when_renewed():
    over = replace(WEST, until=NOW, passed={"default": PLACE, "high": PLACE})
    [east, west] = passed_over((EAST, over), {"default": PLACE}, NOW)
    assert (east.passed, west.passed) == ({"default": PLACE}, {"high": PLACE})
    assert first_position((east, west), "default", NOW) == PLACE
    [_, renewed] = added((west, east), replace(EAST, until=NOW + HOUR, reason="again"))
    assert renewed.passed == {"default": PLACE}
    assert first_position((renewed,), "high", NOW) is None


def test_a_hold_is_in_force_until_its_time_has_come():
    assert active((EAST,), EAST.until - timedelta(microseconds=1)) == (EAST,)
    assert active((EAST,), EAST.until) == ()


def test_the_position_of_a_run_is_its_due_time_and_id():
    run = a_run()
    assert position_of(run) == (run.due_at, run.id)


@pytest.mark.parametrize(
    ("hold", "whole"),
    [
        (a_hold(), True),
        (a_hold(place=("east",)), False),
        (a_hold(size={"gpu": 1}), False),
        (a_hold(place=("a",), size={"gpu": 1}), False),
    ],
)
def test_a_hold_without_place_and_size_is_one_of_the_whole_pool(hold, whole):
    assert is_whole(hold) is whole


def test_a_hold_of_a_size_keeps_back_the_runs_that_need_as_much():
    hold = a_hold(size={"gpu": 2})
    assert [concerns(hold, Needs(size={"gpu": gpus})) for gpus in (1, 2, 3)] == [False, True, True]
    assert not concerns(a_hold(place=("east",)), Needs(place=("west",)))


def test_the_first_of_two_holds_that_end_together_stays():
    assert added((EAST,), replace(EAST, reason="again")) == (EAST,)


def test_the_seventeenth_hold_takes_the_place_of_the_one_that_ends_first():
    holds = tuple(a_hold(NOW + number * MINUTE, place=(str(number),)) for number in (3, 1, *range(4, 18)))
    newest = a_hold(NOW + 2 * MINUTE, place=("newest",))
    assert added(holds[:-1], newest) == (*holds[:-1], newest)
    assert added(holds, newest) == (holds[0], *holds[2:], newest)


def test_a_stored_position_is_valid_only_while_exactly_its_holds_are_in_force():
    passed, ended = replace(EAST, passed={"default": PLACE}), replace(WEST, until=NOW)
    assert first_position((passed,), "default", NOW) == PLACE
    assert first_position((passed, ended), "default", NOW) == PLACE
    assert first_position((passed, replace(ended, passed={"default": PLACE})), "default", NOW) is None
    assert (
        first_position((passed, replace(ended, passed={"default": PLACE}), replace(ended, place=("south",))), "default", NOW)
        is None
    )
    assert first_position((passed, WEST), "default", NOW) is None
    assert first_position((), "default", NOW) is None


def test_a_queue_and_each_of_its_lanes_are_called_by_names_of_their_own():
    assert [line("high", lane) for lane in (None, "etl", "etl%-5", "%-5")] == ["high", "high/etl", "high/etl%-5", "high/%-5"]
