"""What every store does when people move a waiting run: into another queue, or to another due time."""

from dataclasses import replace
from uuid import UUID

import pytest

from dispatcher.core.transitions import due_now, requeued
from dispatcher.errors import Conflict, NotFound
from dispatcher.models import Run, RunState, Schedule
from dispatcher.models.records import Requeue
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, a_deployment, a_pool, a_run, an_id
from tests.stores.steps import a_run_in, a_stored_run, claim, granting, moved, snapshot_of


def _stored(store: Store, run_id: UUID) -> Run:
    run = store.get(run_id)
    assert run is not None
    return run


class Requeues:
    @pytest.fixture(autouse=True)
    def _pools(self, store: Store):
        store.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)

    def test_a_waiting_run_moves_into_another_queue_with_the_next_fence(self, store: Store):
        run = a_stored_run(store, queue="default", tags=("x",))
        assert store.requeue([requeued(run, "high")]) == {run.id}
        assert store.get(run.id) == replace(run, queue="high", fence=run.fence + 1)
        assert snapshot_of(store, queue="high").due == [run.id]
        assert snapshot_of(store, queue="default").due == []

    def test_a_moved_run_stands_at_the_position_of_its_due_time(self, store: Store):
        first, last = (a_stored_run(store, queue="high", due_at=NOW - minutes * MINUTE) for minutes in (3, 1))
        run = a_stored_run(store, queue="default", due_at=NOW - 2 * MINUTE)
        store.requeue([requeued(run, "high")])
        assert snapshot_of(store, queue="high").due == [first.id, run.id, last.id]

    def test_a_run_for_later_that_is_started_now_is_due(self, store: Store):
        run = a_stored_run(store, due_at=NOW + HOUR, scheduled_at=NOW + HOUR, notify_at=NOW + HOUR + MINUTE)
        requeue = due_now(run, NOW)
        assert requeue is not None
        assert store.requeue([requeue]) == {run.id}
        assert store.get(run.id) == replace(run, due_at=NOW, fence=1, notify_at=NOW + MINUTE)
        assert snapshot_of(store).due == [run.id]
        assert store.pools_with_work(NOW) == ["pool"]

    def test_a_run_that_is_held_back_can_be_started_now(self, store: Store):
        run = a_stored_run(store, due_at=NOW - MINUTE, not_before=NOW + HOUR, reason="no capacity")
        requeue = due_now(run, NOW)
        assert requeue is not None
        assert store.requeue([requeue]) == {run.id}
        assert store.get(run.id) == replace(run, not_before=None, reason="", fence=1)
        assert snapshot_of(store).due == [run.id]

    def test_only_a_scheduled_run_moves(self, store: Store):
        for state in RunState:
            run = a_run_in(store, state)
            done = store.requeue([requeued(run, "high")])
            assert done == ({run.id} if state is RunState.SCHEDULED else frozenset()), state

    def test_a_run_that_was_claimed_since_it_was_read_stays_as_it_is(self, store: Store):
        run = a_stored_run(store)
        claimed = claim(store).claims[0].run
        assert store.requeue([requeued(run, "high")]) == frozenset()
        assert store.get(run.id) == claimed

    def test_a_claim_that_read_the_run_before_it_moved_does_not_get_it(self, store: Store):
        run = a_stored_run(store)
        store.requeue([requeued(run, "high")])
        assert claim(store, decide=granting(run)).claims == ()
        assert _stored(store, run.id).state is RunState.SCHEDULED
        assert [got.run.queue for got in claim(store).claims] == ["high"]

    def test_the_first_of_two_readers_of_a_run_moves_it(self, store: Store):
        run = a_stored_run(store)
        later = Requeue(run_id=run.id, pool=run.pool, fence=run.fence, queue="default", changes={"due_at": NOW + HOUR})
        assert store.requeue([requeued(run, "high")]) == {run.id}
        assert store.requeue([later]) == frozenset()
        assert _stored(store, run.id).queue == "high"

    def test_a_run_that_came_back_from_a_claim_is_not_moved_by_who_read_it_before(self, store: Store):
        run = a_stored_run(store)
        back = moved(store, claim(store).claims[0].run, RunState.SCHEDULED)
        assert store.requeue([requeued(run, "high")]) == frozenset()
        assert store.requeue([requeued(back, "high")]) == {run.id}

    def test_a_queue_that_does_not_exist_moves_nothing(self, store: Store):
        first, second = a_stored_run(store), a_stored_run(store)
        with pytest.raises(NotFound, match="no work queue named 'none' in a work pool named 'pool'"):
            store.requeue([requeued(first, "high"), requeued(second, "none")])
        assert store.get(first.id) == first

    def test_unknown_runs_and_other_pools_are_left_alone(self, store: Store):
        run = a_stored_run(store)
        unknown, foreign = requeued(a_run(id=an_id()), "high"), replace(requeued(run, "default"), pool="other")
        assert store.requeue([unknown, foreign]) == frozenset()
        assert store.get(run.id) == run

    def test_many_runs_move_into_another_queue_in_one_call(self, store: Store):
        runs = [a_run() for _ in range(60)]
        store.add_runs(runs)
        assert store.requeue([requeued(run, "high") for run in runs]) == {run.id for run in runs}
        assert store.counts("pool", NOW)["high"].due == len(runs)
        assert store.counts("pool", NOW)["default"].due == 0

    def test_an_empty_list_of_moves_changes_nothing(self, store: Store):
        assert store.requeue([]) == frozenset()

    def test_another_field_is_refused(self, store: Store):
        run = a_stored_run(store)
        with pytest.raises(ValueError, match="cannot change name"):
            store.requeue([replace(requeued(run, "high"), changes={"name": "other"})])

    def test_a_run_that_people_moved_stays_when_its_schedule_goes(self, store: Store):
        schedule = Schedule(slug="daily", cron="0 8 * * *")
        store.save_deployment(a_deployment("etl", schedules=(schedule,)), expected_version=None, now=NOW)
        later = {"deployment": "etl", "schedule": "daily", "scheduled_at": NOW + HOUR, "due_at": NOW + HOUR}
        other, started, left = (a_stored_run(store, **later) for _ in range(3))
        hastened = due_now(started, NOW)
        assert hastened is not None
        store.requeue([requeued(other, "high"), hastened])
        store.delete_deployment("etl")
        assert store.get(left.id) is None
        assert (_stored(store, other.id).queue, _stored(store, started.id).due_at) == ("high", NOW)

    def test_a_queue_with_a_moved_run_is_not_deleted(self, store: Store):
        run = a_stored_run(store)
        store.requeue([requeued(run, "high")])
        pool = store.pool("pool")
        assert pool is not None
        with pytest.raises(Conflict, match="has runs that have not ended"):
            store.save_pool(a_pool(queues=["default"], id=pool.id), expected_version=pool.version)
