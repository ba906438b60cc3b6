"""Automations in words."""

from __future__ import annotations

import pytest

from dispatcher.core.automation_words import condition, deed
from dispatcher.models import (
    PoolHeld,
    PoolNotTicked,
    QueueLonger,
    RunEnded,
    RunLate,
    RunOf,
    RunState,
    Target,
    Then,
    When,
)
from tests.builders import MINUTE, SECOND

STATES = frozenset({RunState.FAILED, RunState.CRASHED})


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (When(ended=RunEnded(states=STATES)), "a run ended CRASHED or FAILED"),
        (
            When(ended=RunEnded(states=STATES, deployment="a", count=3)),
            "3 runs of deployment 'a' in a row ended CRASHED or FAILED",
        ),
        (When(ended=RunEnded(states=STATES, count=2)), "2 runs in a row ended CRASHED or FAILED"),
        (
            When(ended=RunEnded(states=STATES, pool="p", count=2, of_last=5)),
            "2 of the last 5 runs of work pool 'p' ended CRASHED or FAILED",
        ),
        (When(late=RunLate(by=90 * SECOND, tag="t")), "a run of tag 't' waits for 1 min 30 s beyond its due time"),
        (When(held=PoolHeld(pool="p")), "work pool 'p' is held"),
        (When(held=PoolHeld(pool="p", longer_than=5 * MINUTE)), "work pool 'p' is held for 5 min"),
        (When(not_ticked=PoolNotTicked(pool="p", longer_than=MINUTE)), "work pool 'p' is not ticked for 1 min"),
        (When(longer=QueueLonger(pool="p", queue="q", than=9)), "more than 9 runs of work queue 'q' of 'p' are due"),
    ],
)
def test_a_condition_of_an_automation_is_described_in_words(when, words):
    assert condition(when) == words


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (Then(pause=Target(pool="p")), "pause work pool 'p'"),
        (Then(resume=Target(pool="p", queue="q")), "resume work queue 'q' of 'p'"),
        (Then(run=RunOf(deployment="b")), "run deployment 'b'"),
        (
            Then(run=RunOf(deployment="b", job_variables={"x": 1}, from_run={"y": "id"}, parameters_from_run={"z": "id"})),
            "run deployment 'b' with x, y, parameters.z",
        ),
        (Then(retry=True), "run it again"),
        (Then(cancel=True), "cancel the late runs"),
        (Then(notify="ops"), "notify hook 'ops'"),
    ],
)
def test_a_deed_of_an_automation_is_described_in_words(then, words):
    assert deed(then) == words
