"""When a waiting run becomes late for its hooks."""

import pytest

from dispatcher.core.notifications import next_look
from dispatcher.models import Hook, RunState
from tests.builders import MINUTE, NOW, a_live_run, a_run

HOOKS = [Hook(name="slow", late_after=10 * MINUTE), Hook(name="fast", late_after=5 * MINUTE), Hook(name="ends")]


@pytest.mark.parametrize(("minutes", "next_minutes"), [(0, 5), (4, 5), (5, 10), (9, 10), (10, None), (11, None)])
def test_the_next_look_is_when_the_run_becomes_late_for_the_next_hook(minutes: int, next_minutes: int | None):
    moment = next_look(a_run(due_at=NOW), HOOKS, NOW + minutes * MINUTE)
    assert moment == (None if next_minutes is None else NOW + next_minutes * MINUTE)


def test_a_run_that_no_longer_waits_is_not_looked_at():
    assert next_look(a_live_run(state=RunState.PENDING), HOOKS, NOW) is None
