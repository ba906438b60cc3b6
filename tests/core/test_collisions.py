"""What becomes of due runs while their deployment is full, by the pure decision alone."""

from __future__ import annotations

import pytest

from dispatcher.core import collisions
from dispatcher.core.collisions import colliding, moves
from dispatcher.models import OnCollision, RunState
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import Snapshot
from tests.builders import MINUTE, NOW, a_deployment, a_hold, a_live_run, a_pool, a_queue, a_run

SKIPS, REPLACES, WAITS = (
    a_deployment(policy, concurrency_limit=2, on_collision=policy)
    for policy in (OnCollision.SKIP, OnCollision.REPLACE, OnCollision.WAIT)
)


def snapshot(*deployments, live=0, due=(), queues=("default",)):
    """A pool in which as many runs of every deployment are live."""
    known = {deployment.name: deployment for deployment in deployments}

    def read(queue, limit, _after, lane):
        return [run for run in due if (run.queue, run.lane) == (queue, lane)][:limit]

    def lanes(queue):
        return sorted({run.lane for run in due if run.queue == queue and run.lane})

    pool = a_pool(queues=queues)
    return Snapshot(pool=pool, in_use={}, due=read, deployment=known.get, lanes=lanes, live=lambda _name: live)


def due_runs(*ages, **fields):
    """Runs that are due, the first ones longest ago."""
    return [a_run(due_at=NOW - age * MINUTE, **fields) for age in ages]


def live_runs(*ages, **fields):
    return [a_live_run(due_at=NOW - age * MINUTE, **fields) for age in ages]


def moved(deployment, due, live, pool=None):
    """Where each run goes, and why."""
    return {run.id: (move.to, move.changes["reason"]) for run, move in moves(pool or a_pool(), deployment, due, live, NOW)}


class TestColliding:
    @pytest.mark.parametrize(("live", "names"), [(1, []), (2, ["skip", "replace"]), (3, ["skip", "replace"])])
    def test_deployments_at_their_limits_are_looked_at_unless_their_runs_wait(self, live, names):
        seen = snapshot(SKIPS, REPLACES, WAITS, live=live)
        assert [deployment.name for deployment, _ in colliding(seen, ["skip", "wait", "gone", "replace"])] == names

    def test_a_deployment_without_a_limit_is_never_full(self):
        free = a_deployment("free", on_collision=OnCollision.SKIP)
        assert list(colliding(snapshot(free, live=9), ["free"])) == []

    def test_due_runs_of_a_full_deployment_are_read_from_every_queue_up_to_a_bound(self, monkeypatch):
        monkeypatch.setattr(collisions, "AT_ONCE", 2)
        high, low = due_runs(3, 2, 1, queue="high", lane="skip"), due_runs(9, queue="low", lane="skip")
        others = [*due_runs(9, queue="high"), *due_runs(9, queue="high", lane="replace")]
        [(_, runs)] = colliding(snapshot(SKIPS, live=2, due=[*others, *high, *low], queues=["high", "low"]), ["skip"])
        assert runs == [*high[:2], *low]

    def test_colliding_runs_of_every_priority_are_read_and_no_others(self):
        plain, first = due_runs(2, lane="skip"), due_runs(1, lane=lane_for("skip", -5))
        others = [*due_runs(9, lane="replace"), *due_runs(9, lane=lane_for("replace", -5))]
        [(_, runs)] = colliding(snapshot(SKIPS, live=2, due=[*others, *plain, *first]), ["skip"])
        assert runs == [*plain, *first]


class TestSkip:
    def test_due_runs_end_while_as_many_are_live_as_may_be(self):
        first, second = due_runs(2, 1)
        words = (RunState.CANCELLED, "skipped: 2 of this deployment are live")
        assert moved(SKIPS, [first, second], live_runs(9, 8)) == {first.id: words, second.id: words}

    def test_a_limit_of_zero_is_named_as_the_reason(self):
        closed = a_deployment(concurrency_limit=0, on_collision=OnCollision.SKIP)
        (run,) = due = due_runs(1)
        assert moved(closed, due, []) == {run.id: (RunState.CANCELLED, "skipped: the limit of its deployment is 0")}

    def test_nothing_is_skipped_where_one_more_may_be_live(self):
        """One has ended since the claim found the deployment full."""
        assert moved(SKIPS, due_runs(1), live_runs(9)) == {}

    def test_nothing_is_skipped_where_the_limit_is_gone(self):
        assert moved(a_deployment(on_collision=OnCollision.SKIP), due_runs(1), live_runs(9, 8)) == {}

    def test_an_attempt_that_follows_another_waits(self):
        [again] = due_runs(1, attempt=2, ended_attempts=1)
        assert moved(SKIPS, [again], live_runs(9, 8)) == {}


class TestReplace:
    def test_the_newest_stay_and_the_others_are_stopped_or_never_start(self):
        oldest, older = live_runs(9, 8)
        middle, newest = due_runs(2, 1)
        words = f"replaced by run {newest.id}"
        assert moved(REPLACES, [middle, newest], [oldest, older]) == {
            oldest.id: (RunState.CANCELLING, words),
            older.id: (RunState.CANCELLING, words),
        }
        [latest] = due_runs(0)
        words = f"replaced by run {latest.id}"
        assert moved(REPLACES, [middle, newest, latest], [oldest, older]) == {
            oldest.id: (RunState.CANCELLING, words),
            older.id: (RunState.CANCELLING, words),
            middle.id: (RunState.CANCELLED, f"{words} before it started"),
        }

    def test_replace_orders_runs_by_their_scheduled_time(self):
        """An attempt that follows another is due later than its run is for."""
        [live] = live_runs(5)
        again = a_run(due_at=NOW, scheduled_at=NOW - 9 * MINUTE, attempt=2, ended_attempts=1)
        one = a_deployment(concurrency_limit=1, on_collision=OnCollision.REPLACE)
        assert moved(one, [again], [live]) == {
            again.id: (RunState.CANCELLED, f"replaced by run {live.id} before it started"),
        }

    def test_a_run_that_is_being_stopped_is_left_alone(self):
        stopping, live = live_runs(9, state=RunState.CANCELLING), live_runs(8)
        [newest] = due_runs(1)
        assert moved(REPLACES, [newest], [*stopping, *live]) == {}

    def test_a_limit_of_zero_stops_nothing(self):
        none = a_deployment(concurrency_limit=0, on_collision=OnCollision.REPLACE)
        assert moved(none, due_runs(1), live_runs(9)) == {}

    @pytest.mark.parametrize(
        "pool",
        [
            a_pool(paused=True),
            a_pool(limit=0),
            a_pool(queues=[a_queue(paused=True)]),
            a_pool(queues=[a_queue(limit=0)]),
            a_pool(holds=(a_hold(),)),
            a_pool(queues=["other"]),
        ],
        ids=["paused pool", "pool limit of 0", "paused queue", "queue limit of 0", "held pool", "queue is gone"],
    )
    def test_nothing_is_stopped_for_a_run_that_could_not_start(self, pool):
        assert moved(REPLACES, due_runs(1), live_runs(9, 8), pool) == {}

    def test_a_full_pool_does_not_keep_the_newest_from_replacing(self):
        """The slot that the oldest holds is the one that becomes free."""
        full = a_pool(limit=2, queues=[a_queue(limit=2)])
        oldest, live = live_runs(9, 8)
        [newest] = due_runs(1)
        assert moved(REPLACES, [newest], [oldest, live], full) == {
            oldest.id: (RunState.CANCELLING, f"replaced by run {newest.id}")
        }

    def test_runs_for_the_same_time_are_ordered_by_id(self):
        one = a_deployment(concurrency_limit=1, on_collision=OnCollision.REPLACE)
        [live] = live_runs(1)
        first, second = due_runs(1, 1)
        assert first.id < second.id
        assert moved(one, [second, first], [live])[first.id] == (
            RunState.CANCELLED,
            f"replaced by run {second.id} before it started",
        )
