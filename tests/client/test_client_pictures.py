"""A pool as people look at it, and a change of it before it happens."""

from __future__ import annotations

import pytest

from dispatcher.client import pictures
from dispatcher.core.reasons import Reason
from dispatcher.errors import Conflict, InvalidInput, NotFound
from dispatcher.models import RunState, Status
from tests.builders import MINUTE, NOW, SECOND, a_live_run, a_run


@pytest.fixture
def busy(dispatcher, pool):
    """Two queues: of `critical`, the only slot is held, and two runs are due; of `default`, one is due and one is for later."""
    dispatcher.create_work_queue("pool", "critical", priority=1, concurrency_limit=1)
    runs = [
        a_live_run(queue="critical", claimed_at=NOW - MINUTE),
        a_run(queue="critical", due_at=NOW - 2 * MINUTE),
        a_run(queue="critical", due_at=NOW - MINUTE),
        a_run(due_at=NOW - 3 * MINUTE),
        a_run(due_at=NOW + MINUTE),
    ]
    dispatcher.store.restore(runs=runs)
    return runs


def test_a_picture_shows_slots_waiting_runs_and_why_the_next_one_waits(dispatcher, busy):
    picture = dispatcher.picture("pool")
    critical, default = picture.lanes

    assert (critical.queue.name, critical.count.in_use, critical.count.due) == ("critical", 1, 2)
    assert [run.id for run in critical.holders] == [busy[0].id]
    assert critical.head.id == busy[1].id
    assert critical.explanation.reason is Reason.QUEUE_FULL
    assert [holder.id for holder in critical.explanation.holders] == [busy[0].id]
    assert (default.count.due, default.count.later, default.explanation.reason) == (1, 1, Reason.NEXT)
    assert (picture.in_use, picture.due, picture.later, picture.oldest.id) == (1, 3, 1, busy[3].id)
    assert picture.status is Status.NOT_READY


def test_runs_are_late_once_they_have_been_due_for_the_heartbeat_and_are_counted_up_to_a_limit(dispatcher, pool, monkeypatch):
    patience = dispatcher.heartbeat
    due = [NOW - patience - MINUTE, NOW - patience, NOW - patience + SECOND, NOW, NOW + MINUTE]
    dispatcher.create_work_queue("pool", "paused", paused=True)
    runs = [a_run(due_at=moment, queue=queue) for queue in ("default", "paused") for moment in due]
    dispatcher.store.restore(runs=runs)
    picture = dispatcher.picture("pool")
    assert [(lane.queue.name, lane.count.due, lane.late) for lane in picture.lanes] == [("default", 4, 2), ("paused", 4, 2)]
    assert (picture.due, picture.late, picture.has_more_late, picture.late_after) == (8, 4, False, patience)
    monkeypatch.setattr(pictures, "MOST_LATE", 1)
    [capped] = dispatcher.overview()
    assert (capped.due, capped.late, capped.has_more_late) == (8, 2, True)


def test_an_overview_has_every_pool(dispatcher, busy):
    dispatcher.create_work_pool("another", type="process", paused=True)
    assert [(picture.pool.name, picture.due, picture.status) for picture in dispatcher.overview()] == [
        ("another", 0, Status.PAUSED),
        ("pool", 3, Status.NOT_READY),
    ]


def test_a_plan_of_one_pool_changes_nothing_before_it_is_applied(dispatcher, busy):
    plan = dispatcher.plan_pool(
        "pool",
        concurrency_limit=9,
        paused=True,
        queues={"critical": {"concurrency_limit": None}},
        order=["default", "critical"],
    )
    assert {change.path: (change.before, change.after) for change in plan.changes} == {
        "concurrency_limit": (2, 9),
        "paused": (False, True),
        "queues.critical.concurrency_limit": (1, None),
        "queues.critical.priority": (1, 2),
        "queues.default.priority": (2, 1),
    }
    assert dispatcher.work_pool("pool") == plan.before

    saved = dispatcher.apply_pool(plan)
    assert [queue.name for queue in saved.queues] == ["default", "critical"]
    assert (saved.concurrency_limit, saved.paused) == (9, True)
    assert dispatcher.plan_pool("pool", concurrency_limit=9).changes == ()


def test_a_plan_that_somebody_else_has_overtaken_is_refused(dispatcher, busy):
    plan = dispatcher.plan_pool("pool", concurrency_limit=9)
    dispatcher.update_work_pool("pool", description="meanwhile")
    with pytest.raises(Conflict):
        dispatcher.apply_pool(plan)
    assert dispatcher.work_pool("pool").concurrency_limit == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"concurrency_limit": -1}, InvalidInput),
        ({"queues": {"critical": {"concurrency_limit": -1}}}, InvalidInput),
        ({"queues": {"critical": {"priority": 3}}}, InvalidInput),
        ({"queues": {"nobody": {"paused": True}}}, NotFound),
        ({"order": ["critical"]}, InvalidInput),
        ({"order": ["critical", "critical"]}, InvalidInput),
        ({"base_job_template": {"job_configuration": {"command": "{{ missing }}"}, "variables": {}}}, InvalidInput),
    ],
)
def test_a_plan_is_checked_as_the_change_would_be(dispatcher, busy, change, error):
    with pytest.raises(error):
        dispatcher.plan_pool("pool", **change)


def test_a_pause_shows_in_the_picture(dispatcher, busy):
    dispatcher.apply_pool(dispatcher.plan_pool("pool", paused=True))
    assert {lane.explanation.reason for lane in dispatcher.picture("pool").lanes} == {Reason.POOL_PAUSED}
    assert dispatcher.store.get(busy[1].id).state is RunState.SCHEDULED


def test_the_version_that_was_read_guards_a_change(dispatcher, pool):
    dispatcher.update_work_pool("pool", description="meanwhile")
    with pytest.raises(Conflict, match="has the version 2 by now, not 1"):
        dispatcher.only_at(pool=1).update_work_pool("pool", paused=True)
    assert dispatcher.only_at(pool=2).update_work_pool("pool", paused=True).paused


def test_a_job_is_shown_before_there_is_a_run(dispatcher, pool):
    preview = dispatcher.preview_job(pool="pool", job_variables={"command": "echo hello", "env": {"A": "b"}})
    assert (preview.pool, preview.configuration["command"], preview.configuration["env"]) == ("pool", "echo hello", {"A": "b"})
    with pytest.raises(InvalidInput, match="name a work pool or a deployment"):
        dispatcher.preview_job()
    template = {"job_configuration": {"command": "{{ x }}"}, "variables": {"properties": {"x": {"type": "string"}}}}
    assert dispatcher.preview_job(pool="pool", job_variables={"x": "y"}, base_job_template=template).configuration == {
        "command": "y"
    }
