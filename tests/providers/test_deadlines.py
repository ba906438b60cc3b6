import os
import threading

import pytest

from providers.base import CallFailed
from providers.deadlines import NoAnswerInTime, within

PATIENCE = 60
"""Seconds for what happens, however busy the machine is."""


def test_a_call_that_ends_in_time_gives_its_result():
    assert within(PATIENCE, lambda: 7) == 7


def test_an_error_of_the_call_is_raised_to_the_caller():
    with pytest.raises(KeyError, match="lost"):
        within(PATIENCE, lambda: {}["lost"])


def test_a_call_that_goes_on_is_given_up_and_keeps_no_other_waiting():
    released = threading.Event()
    with pytest.raises(NoAnswerInTime, match=r"no whole answer within 0\.01 s"):
        within(0.01, lambda: released.wait(60))
    assert within(PATIENCE, lambda: "the next") == "the next"
    released.set()


def test_a_call_that_is_given_up_has_failed():
    assert issubclass(NoAnswerInTime, CallFailed)


def test_threads_are_used_again():
    within(PATIENCE, threading.get_ident)
    before = provider_call_threads()
    for _ in range(200):
        within(PATIENCE, threading.get_ident)
    assert provider_call_threads() - before < 10


def provider_call_threads() -> int:
    """How many there are in this process; calls that other tests gave up may still hold theirs."""
    return sum(thread.name == "provider-call" for thread in threading.enumerate())


def test_a_forked_process_makes_calls_too():
    within(PATIENCE, lambda: None)
    child = os.fork()
    if child == 0:
        os._exit(within(PATIENCE, lambda: 17))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
