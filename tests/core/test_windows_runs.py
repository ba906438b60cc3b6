"""What the run of a window has of its schedule, its deployment and its pool."""

from datetime import timedelta

import pytest

from dispatcher.core.windows import (
    materialisation,
)
from dispatcher.models import Hook, RetryPolicy, RunState, Share
from tests.builders import HOUR, MINUTE, NOW, SECOND
from tests.core.windows import LIMITS, every, saved, ticked


def test_a_run_has_the_place_the_tags_and_the_retries_of_its_deployment_and_the_windows_time():
    retry = RetryPolicy(attempts=3)
    deployment = saved(every(45), queue="high", tags=("a",), retry=retry, name="etl")
    [run] = ticked(deployment, NOW)[1]
    place = (run.pool, run.queue, run.deployment, run.schedule, run.tags, run.retry)
    assert place == ("pool", "high", "etl", "s", ("a",), retry)
    assert run.scheduled_at == run.due_at == NOW + 45 * MINUTE
    assert (run.created_at, run.state, run.name) == (NOW, RunState.SCHEDULED, "etl-2030-01-01T12:45:00Z")


@pytest.mark.parametrize(("limit", "lane"), [(None, None), (0, "etl"), (3, "etl")])
def test_a_run_waits_in_the_lane_of_a_deployment_with_a_limit(limit, lane):
    [run] = ticked(saved(every(45), name="etl", concurrency_limit=limit), NOW)[1]
    assert run.lane == lane


@pytest.mark.parametrize(
    ("share", "priority", "lane"), [(Share.STRICT, 0, None), (Share.FAIR, 0, "etl"), (Share.FAIR, 3, "etl%3")]
)
def test_a_run_waits_in_the_lane_of_its_deployment_where_its_queue_is_shared(share, priority, lane):
    deployment = saved(every(45, priority=priority), name="etl")
    [run] = materialisation(deployment, NOW, LIMITS, share=share).runs
    assert run.lane == lane


@pytest.mark.parametrize("expires_after", [None, 2 * HOUR])
def test_a_run_expires_as_long_after_its_due_time_as_its_deployment_says(expires_after):
    [run] = ticked(saved(every(45, spread=10 * MINUTE), expires_after=expires_after), NOW)[1]
    assert run.due_at > run.scheduled_at
    assert run.expires_at == (expires_after and run.due_at + expires_after)


def test_the_hooks_of_the_pool_and_of_the_deployment_are_notified_of_its_runs():
    of_pool = Hook(name="pool", states=frozenset({RunState.CRASHED}), late_after=5 * MINUTE)
    own = Hook(name="own", states=frozenset({RunState.FAILED}))
    [run] = materialisation(saved(every(45), hooks=(own,)), NOW, LIMITS, (of_pool,)).runs
    assert (run.notify_states, run.notify_at) == ({RunState.CRASHED, RunState.FAILED}, run.due_at + 5 * MINUTE)


@pytest.mark.parametrize(("length", "kept"), [(149, 149), (150, 150), (151, 150), (200, 150)])
def test_a_run_has_so_many_characters_of_its_deployments_name(length, kept):
    [run] = ticked(saved(every(45), name="n" * length), NOW)[1]
    assert run.name == "n" * kept + "-2030-01-01T12:45:00Z"


def test_no_blank_stands_before_the_time_in_a_name():
    [run] = ticked(saved(every(45), name="n" * 148 + "  more"), NOW)[1]
    assert run.name == "n" * 148 + "-2030-01-01T12:45:00Z"


def test_the_same_window_always_makes_the_same_run():
    deployment = saved(every(45))
    [early], [late] = ticked(deployment, NOW)[1], ticked(deployment, NOW + 45 * MINUTE)[1][:1]
    assert early.id == late.id
    other = saved(every(45, slug="t"), id=deployment.id)
    assert ticked(other, NOW)[1][0].id != early.id


def test_a_spread_makes_runs_due_later_by_as_much_every_time_and_their_windows_stay():
    schedule = every(60, spread=30 * MINUTE)
    _, runs = ticked(saved(schedule), NOW + 3 * HOUR)
    _, plain = ticked(saved(every(60)), NOW + 3 * HOUR)
    delays = {run.due_at - run.scheduled_at for run in runs}
    assert [(run.name, run.scheduled_at) for run in runs] == [(run.name, run.scheduled_at) for run in plain]
    assert len(delays) == 1
    assert timedelta() < delays.pop() < 30 * MINUTE


@pytest.mark.parametrize(("spread", "delays"), [(0, {0}), (1, {0}), (2, {0, 1}), (3, {0, 1, 2}), (3.9, {0, 1, 2})])
def test_a_delay_is_a_whole_number_of_seconds_below_the_spread(spread, delays):
    runs = [ticked(saved(every(45, spread=spread * SECOND), name=f"etl-{number}"), NOW)[1][0] for number in range(30)]
    assert {(run.due_at - run.scheduled_at) / SECOND for run in runs} == delays


def test_deployments_with_one_spread_are_due_all_over_it():
    offsets = []
    for number in range(400):
        _, [run, *_] = ticked(saved(every(60, spread=HOUR), name=f"etl-{number}"), NOW)
        offsets.append((run.due_at - run.scheduled_at) // MINUTE)
    tenths = [sum(tenth * 6 <= offset < tenth * 6 + 6 for offset in offsets) for tenth in range(10)]
    assert min(tenths) >= 20, "of 40 on average"


def test_runs_of_a_schedule_have_its_job_variables_as_their_own():
    deployment = saved(every(60, "small", job_variables={"cpu": 256}), every(60, "plain"), job_variables={"cpu": 512})
    _, runs = ticked(deployment, NOW)
    assert {(run.schedule, run.job_variables.get("cpu")) for run in runs} == {("small", 256), ("plain", None)}


def test_runs_of_a_schedule_have_its_parameters_as_their_own():
    deployment = saved(every(60, "small", parameters={"limit": 1}), every(60, "plain"), parameters={"limit": 5})
    _, runs = ticked(deployment, NOW)
    assert {(run.schedule, run.parameters.get("limit")) for run in runs} == {("small", 1), ("plain", None)}
