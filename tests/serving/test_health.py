"""What /healthz says."""

from __future__ import annotations

import pytest

from dispatcher.serving.health import Health


class Watched:
    def __init__(self):
        self.time = 100.0
        self.health = Health(80, now=lambda: self.time)

    def tick(self, problem=""):
        self.health.began()
        if problem:
            self.health.failed(problem)
        else:
            self.health.succeeded()


@pytest.fixture
def watched():
    return Watched()


def test_the_process_is_not_healthy_before_its_first_tick(watched):
    assert watched.health.fault() == "no tick has succeeded yet: the next one has not begun"


def test_a_tick_that_succeeds_makes_the_process_healthy_for_the_stated_time(watched):
    watched.tick()
    watched.time += 80
    assert watched.health.fault() == ""
    watched.time += 1
    assert watched.health.fault() == "no tick has succeeded for 81 s: the next one has not begun"


def test_one_failed_tick_is_ignored_and_several_in_a_row_are_reported_with_the_last_problem(watched):
    watched.tick()
    watched.time += 10
    watched.tick("the database is away")
    assert watched.health.fault() == ""
    watched.time += 80
    watched.tick("it is still away")
    assert watched.health.fault() == "no tick has succeeded for 90 s: it is still away"
    watched.tick()
    assert watched.health.fault() == ""


def test_a_process_that_is_about_to_end_says_so():
    health = Health(80, is_stopped=lambda: True)
    health.succeeded()
    assert health.fault() == "it is about to end"


def test_a_tick_that_hangs_is_reported(watched):
    watched.tick()
    watched.health.began()
    watched.time += 95
    assert watched.health.fault() == "no tick has succeeded for 95 s: one is under way for 95 s"
