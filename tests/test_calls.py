"""Calls on threads: each item once, paced, none begun after the deadline or a stop, answers as they come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Event, Lock, current_thread
from typing import Any

import pytest

from dispatcher.ticking.calls import Calls, Pace
from providers.base import Rate
from tests.builders import NOW, SECOND


class StillClock:
    """A clock that moves by what is slept."""

    def __init__(self) -> None:
        self._now, self._lock = NOW, Lock()

    def now(self):
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


def some_calls(function: Callable[[Any], Any], *, threads: int = 4, seconds: float = 60, rates: tuple[Rate, ...] = ()) -> Calls:
    deadline = NOW + seconds * SECOND
    return Calls(function, threads=threads, clock=StillClock(), deadline=deadline, pace=Pace(rates, NOW))


@pytest.mark.parametrize("threads", [1, 4])
def test_every_item_comes_back_once_with_its_result(threads):
    answers = [answer for group in some_calls(lambda item: item * item, threads=threads).run(range(100)) for answer in group]
    assert sorted(answers) == [(item, item * item) for item in range(100)]


@pytest.mark.parametrize("threads", [1, 4])
def test_items_after_a_stop_are_returned_together_without_a_result(threads):
    calls = some_calls(lambda item: calls.stop() if item == 5 else item, threads=threads)
    groups = list(calls.run(range(1000)))
    assert sorted(item for group in groups for item, _ in group) == list(range(1000))
    assert all(result is None for _, result in groups[-1])
    assert len(groups[-1]) > 900


def test_answers_that_came_while_the_caller_was_busy_come_together():
    busy, first = Event(), Event()

    def function(item):
        if item:
            assert first.wait(10)
            if item == 3:
                busy.set()
        return item

    calls = some_calls(function, threads=4).run(range(4))
    assert next(calls) == [(0, 0)]
    first.set()
    assert busy.wait(10)
    rest = [answer for group in calls for answer in group]
    assert sorted(rest) == [(1, 1), (2, 2), (3, 3)]


def test_answers_wait_for_others_while_calls_are_under_way_and_for_nobody_after_them():
    calls = Calls(str, threads=4, clock=StillClock(), deadline=NOW + 60 * SECOND, pace=Pace((), NOW), gathers=600)
    [answers] = calls.run(range(100))
    assert len(answers) == 100


def test_as_many_calls_as_there_are_threads_are_under_way_at_once():
    together = Barrier(4, timeout=10)
    assert sum(len(group) for group in some_calls(lambda _: together.wait()).run(range(8))) == 8


@pytest.mark.parametrize("threads", [1, 4])
def test_no_call_begins_that_the_pace_would_let_begin_after_the_deadline(threads):
    calls = some_calls(str, threads=threads, seconds=10, rates=(Rate(burst=5, per_second=1),))
    answers = [answer for group in calls.run(range(100)) for answer in group]
    assert len(answers) == 100
    assert 5 <= sum(result is not None for _, result in answers) <= 15
    assert calls.outpaced


def test_a_caller_that_gives_up_leaves_no_call_behind_its_back():
    begun, over = [], Event()

    def function(item):
        begun.append(item)
        return item and over.wait(10)

    class Noticed(Calls):
        def stop(self):
            super().stop()
            over.set()

    running = Noticed(function, threads=4, clock=StillClock(), deadline=NOW + SECOND, pace=Pace((), NOW)).run(range(1000))
    assert next(running) == [(0, 0)]
    running.close()
    assert len(begun) <= 5


def test_an_unexpected_error_of_the_function_is_raised_to_the_caller():
    def function(item):
        raise KeyError(item)

    with pytest.raises(KeyError):
        list(some_calls(function).run(range(8)))


def test_an_empty_list_makes_no_call():
    assert list(some_calls(str).run(())) == []


def test_no_thread_is_begun_anew_for_what_is_added_once_the_line_is_empty():
    together, threads = Barrier(4, timeout=10), set()

    def function(item):
        together.wait()  # so that each of the threads takes one of every four
        threads.add(current_thread())
        return item

    calls, answers = some_calls(function, threads=4), []
    for group in calls.run(range(4)):
        answers += group
        if len(answers) in (4, 8):
            calls.add(range(4))
    assert len(answers) == 12
    assert len(threads) == 4


@pytest.mark.parametrize("threads", [1, 4])
def test_items_added_between_answers_are_called_too(threads):
    calls = some_calls(lambda item: item, threads=threads)
    more = iter([range(10, 20), range(20, 23), range(0)])
    answers = []
    for group in calls.run(range(10)):
        answers += group
        if calls.runs_short:
            calls.add(next(more, range(0)))
    assert sorted(answers) == [(item, item) for item in range(23)]
