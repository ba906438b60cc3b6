from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from providers.once import MAX_REMEMBERED, Once


def test_threads_that_need_the_same_value_wait_for_the_one_that_makes_it():
    once, made, together = Once(), [], threading.Barrier(8)

    def ask(_):
        together.wait()
        return once.get("key", lambda: made.append(1) or "value")

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(8))) == {"value"}
    assert made == [1]


def test_a_failure_is_not_remembered():
    once = Once()
    with pytest.raises(ZeroDivisionError):
        once.get("key", lambda: 1 // 0)
    assert once.get("key", lambda: 2) == 2


def test_a_forgotten_value_is_made_again():
    once = Once()
    assert once.get("key", lambda: 1) == 1
    once.forget("key")
    assert once.get("key", lambda: 2) == 2


def test_memory_is_bounded():
    once = Once()
    for number in range(3 * MAX_REMEMBERED):
        once.get(number, lambda: "value")
    assert len(once._values) <= MAX_REMEMBERED
    assert len(once._locks) <= MAX_REMEMBERED + 1
