"""A queue that its deployments share, in whole ticks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from dispatcher.models import Schedule, Share, submission_name
from dispatcher.models.records import RunFilter
from tests.builders import MINUTE, NOW, SECOND, a_deployment, a_pool, a_queue
from tests.tick.stage import Stage


def shared(limit=4, **fields):
    return Stage(a_pool(limit=limit, queues=[a_queue(share=Share.FAIR)], **fields))


def deployed(stage, name, **fields):
    return stage.store.save_deployment(a_deployment(name, **fields), expected_version=None, now=stage.clock.now())


def live(stage):
    return Counter(run.deployment for run in stage.store.live("pool", limit=100))


def test_a_flood_of_one_deployment_takes_no_more_than_its_share_while_others_wait():
    stage = shared()
    deployed(stage, "flood")
    deployed(stage, "other", weight=3)
    stage.add(30, deployment="flood", lane="flood")
    stage.tick()
    assert live(stage) == {"flood": 4}
    stage.add(9, deployment="other", lane="other", due_at=NOW + SECOND)
    stage.wait(MINUTE)
    for run in stage.store.live("pool", limit=100):
        stage.provider.finish(submission_name(run.id, stage.get(run).attempt))
    stage.tick()
    assert live(stage) == {"flood": 1, "other": 3}


def test_waiting_runs_move_into_lanes_when_their_queue_begins_to_be_shared():
    stage = Stage(a_pool(limit=2))
    deployed(stage, "flood")
    deployed(stage, "other")
    stage.add(5, deployment="flood")
    stage.add(deployment="other", due_at=NOW + SECOND)
    stage.wait(MINUTE)
    pool = stage.store.pool("pool")
    stage.store.save_pool(replace(pool, queues=(a_queue(share=Share.FAIR),)), expected_version=pool.version)
    stage.tick()
    assert live(stage) == {"flood": 1, "other": 1}
    waiting = [run for run in stage.store.runs(RunFilter(deployment="flood"), limit=10) if not run.state.holds_slot]
    assert [run.lane for run in waiting] == ["flood"] * 4


def test_windows_of_a_shared_queue_become_runs_in_the_lane_of_their_deployment():
    stage = shared()
    deployed(stage, "flood", schedules=(Schedule(slug="ten", cron="*/10 * * * *"),))
    stage.tick()
    assert {run.lane for run in stage.store.runs(RunFilter(deployment="flood"), limit=10)} == {"flood"}
    strict = Stage(a_pool(limit=4))
    deployed(strict, "flood", schedules=(Schedule(slug="ten", cron="*/10 * * * *"),))
    strict.tick()
    assert {run.lane for run in strict.store.runs(RunFilter(deployment="flood"), limit=10)} == {None}
