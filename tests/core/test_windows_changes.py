"""What a change of a deployment or a schedule means for the runs to come."""

from dataclasses import replace

import pytest

from dispatcher.core.windows import (
    goes_with_deployment,
    is_withdrawn,
    saving,
)
from dispatcher.models import CatchUp, RetryPolicy, RunState
from tests.builders import HOUR, MINUTE, NOW, a_run
from tests.core.windows import DAY, every, minutes, saved, ticked


def test_a_change_that_does_not_concern_runs_lets_schedules_go_on():
    stored, _ = ticked(saved(every(10)), NOW)
    change = saving(stored, replace(stored, description="x", job_variables={"a": 1}), NOW + 5 * MINUTE)
    assert change.withdrawn == frozenset()
    assert (change.deployment.windows_until, change.deployment.windows_at) == (stored.windows_until, stored.windows_at)


@pytest.mark.parametrize(
    "fields",
    [{"queue": "high"}, {"tags": ("x",)}, {"retry": RetryPolicy(attempts=2)}, {"pool": "other"}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_change_that_concerns_runs_makes_future_runs_anew(fields):
    stored, _ = ticked(saved(every(10)), NOW)
    change = saving(stored, replace(stored, **fields), NOW + 5 * MINUTE)
    assert change.withdrawn == {"s"}
    assert minutes(ticked(change.deployment, NOW + 5 * MINUTE)[1]) == [10, 20, 30, 40, 50, 60]


def test_only_the_schedule_that_changes_begins_anew():
    stored, _ = ticked(saved(every(10), every(30, slug="t")), NOW)
    changed = replace(stored, schedules=(every(15), every(30, slug="t", catch_up=CatchUp.LAST)))
    change = saving(stored, changed, NOW + MINUTE)
    assert change.withdrawn == {"s"}
    assert change.deployment.windows_until == {"s": NOW + MINUTE, "t": NOW + HOUR}
    assert minutes(ticked(change.deployment, NOW + MINUTE)[1]) == [15, 30, 45, 60]


@pytest.mark.parametrize("target", [{"paused": True}, {"schedules": ()}, {"schedules": (every(10, active=False),)}], ids=str)
def test_a_pause_withdraws_future_runs_and_resuming_creates_them_from_then_on(target):
    stored, _ = ticked(saved(every(10)), NOW)
    pause = saving(stored, replace(stored, **target), NOW + MINUTE)
    assert (pause.withdrawn, pause.deployment.windows_until, pause.deployment.windows_at) == ({"s"}, {}, None)
    resumed = saving(pause.deployment, replace(stored, windows_until={}), NOW + DAY).deployment
    assert resumed.windows_until == {"s": NOW + DAY}
    assert minutes(ticked(resumed, NOW + DAY)[1])[0] == 24 * 60 + 10


def test_a_run_is_deleted_with_its_schedule_only_if_it_is_not_due_and_was_never_claimed():
    coming = a_run(schedule="s", due_at=NOW + MINUTE)
    assert is_withdrawn(coming, {"s"}, NOW)
    for kept in (
        replace(coming, schedule="t"),
        replace(coming, schedule=None),
        replace(coming, scheduled_at=NOW),
        replace(coming, fence=1),
        replace(coming, state=RunState.CANCELLED),
    ):
        assert not is_withdrawn(kept, {"s"}, NOW)


def test_a_run_is_deleted_with_its_deployment_if_a_schedule_made_it_and_it_was_never_claimed():
    late = a_run(schedule="s", due_at=NOW)
    assert goes_with_deployment(late)
    for kept in (replace(late, schedule=None), replace(late, fence=1), replace(late, state=RunState.CANCELLED)):
        assert not goes_with_deployment(kept)


@pytest.mark.parametrize(
    "change",
    [
        {"spread": MINUTE},
        {"job_variables": {"cpu": 1}},
        {"parameters": {"day": 1}},
        {"exclude": (NOW.date(),)},
        {"end": NOW + HOUR},
    ],
)
def test_a_change_of_a_schedule_that_changes_its_runs_makes_them_anew(change):
    before = saved(every(60))
    changed = replace(before, schedules=(every(60, **change),))
    assert saving(before, changed, NOW + MINUTE).withdrawn == {"s"}
    assert saving(changed, changed, NOW + MINUTE).withdrawn == frozenset()


def test_a_change_keeps_how_many_windows_were_left_out():
    before = replace(saved(every(10), max_waiting=1), windows_left_out=3)
    assert saving(before, replace(before, description="new", windows_left_out=0), NOW).deployment.windows_left_out == 3
    assert saving(None, before, NOW).deployment.windows_left_out == 0


def test_a_limit_of_waiting_runs_that_comes_or_goes_withdraws_the_runs_to_come():
    """With it no run is made before its time."""
    free, bounded = saved(every(10)), saved(every(10), max_waiting=3)
    limited = replace(free, max_waiting=3)
    assert saving(free, limited, NOW).withdrawn == saving(limited, free, NOW).withdrawn == {"s"}
    assert saving(bounded, replace(bounded, max_waiting=9), NOW).withdrawn == frozenset()
