"""When `serve` and `dev` tick."""

from __future__ import annotations

from itertools import count

import pytest

from dispatcher.serving.turns import MAX_WAKES, Turns


class Watch:
    """A clock that shows what it is set to."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def turns(watch):
    return Turns(10, now=watch)


def test_the_first_turn_comes_at_once_and_the_next_after_the_interval(turns, watch):
    waiting = iter(turns)
    assert next(waiting) is None
    watch.time = 10.0
    assert next(waiting) is None


def test_a_tick_that_took_longer_than_the_interval_delays_the_next_and_is_not_made_up_for(turns, watch):
    waiting = iter(turns)
    next(waiting)
    watch.time = 35.0
    assert next(waiting) is None
    turns.wake("a")
    assert next(waiting) == ["a"], "the next turn of every pool comes at 45 s"


def test_wakes_that_come_together_make_one_turn_of_their_pools(turns):
    waiting = iter(turns)
    next(waiting)
    for pool in ("a", "b", "a"):
        turns.wake(pool)
    assert next(waiting) == ["a", "b"]


def test_a_wake_of_every_pool_covers_those_of_single_ones(turns):
    waiting = iter(turns)
    next(waiting)
    turns.wake("a")
    turns.wake()
    assert next(waiting) is None


def test_wakes_before_a_turn_of_every_pool_are_covered_by_it(turns, watch):
    waiting = iter(turns)
    next(waiting)
    turns.wake("a")
    watch.time = 10.0
    assert next(waiting) is None
    turns.wake("b")
    assert next(waiting) == ["b"]


def test_a_wake_does_not_put_off_the_next_turn_of_every_pool(turns, watch):
    waiting = iter(turns)
    next(waiting)
    watch.time = 9.0
    turns.wake("a")
    assert next(waiting) == ["a"]
    watch.time = 10.0
    assert next(waiting) is None


def test_wakes_that_wait_are_bounded(turns):
    for number in count():
        turns.wake(str(number))
        if number > MAX_WAKES:
            break
    waiting = iter(turns)
    assert next(waiting) is None


@pytest.mark.parametrize("wakes", [0, 2])
def test_a_stop_ends_the_turns_also_when_somebody_has_woken(turns, wakes):
    waiting = iter(turns)
    next(waiting)
    for _ in range(wakes):
        turns.wake("a")
    turns.stop()
    assert list(waiting) == []
    assert turns.is_stopped()
