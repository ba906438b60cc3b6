"""What every store does to spare a tick the pools for which there is nothing to do."""

from datetime import datetime

import pytest

from dispatcher.models import RunState, Schedule
from dispatcher.models.records import Move
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_queue, a_run
from tests.stores.steps import LEASE, SUBMISSION, a_claimed_run, a_running_run, a_stored_run, claim, granting, hold, moved


class Work:
    @pytest.fixture(autouse=True)
    def _pools(self, store: Store):
        for name in ("idle", "other", "pool"):
            store.save_pool(a_pool(name, queues=["high", "default", "low"]), expected_version=None)

    def test_a_pool_without_runs_and_schedules_has_no_work(self, store: Store):
        store.save_deployment(a_deployment(), expected_version=None, now=NOW)
        assert store.pools_with_work(NOW) == []

    def test_every_pool_is_named_in_order(self, store: Store):
        assert list(store.pool_names()) == ["idle", "other", "pool"]

    def test_a_run_is_work_from_its_due_time_on_whatever_its_queue(self, store: Store):
        a_stored_run(store, "pool", "low", due_at=NOW)
        a_stored_run(store, "other", due_at=NOW + SECOND)
        assert store.pools_with_work(NOW - SECOND) == []
        assert store.pools_with_work(NOW) == ["pool"]
        assert store.pools_with_work(NOW + SECOND) == ["other", "pool"]

    def test_a_run_that_is_held_back_is_not_work_and_hides_none(self, store: Store):
        a_stored_run(store, not_before=NOW + MINUTE)
        assert store.pools_with_work(NOW) == []
        assert store.pools_with_work(NOW + MINUTE) == ["pool"]
        a_stored_run(store, due_at=NOW)
        assert store.pools_with_work(NOW) == ["pool"]

    def test_a_run_that_was_given_back_is_work_again(self, store: Store):
        run = a_claimed_run(store)
        moved(store, run, RunState.SCHEDULED, not_before=NOW + MINUTE)
        assert store.pools_with_work(NOW) == []
        assert store.pools_with_work(NOW + MINUTE) == ["pool"]

    def test_a_pool_with_a_due_run_has_work_whatever_the_run_waits_for(self, store: Store):
        paused = a_pool("paused", 0, [a_queue(paused=True)], paused=True)
        store.save_pool(paused, expected_version=None)
        a_stored_run(store, "paused")
        a_stored_run(store)
        hold(store)
        assert store.pools_with_work(NOW) == ["paused", "pool"]

    def test_a_claim_is_work_when_its_lease_has_ended(self, store: Store):
        a_claimed_run(store)
        assert store.pools_with_work(NOW + LEASE - SECOND) == []
        assert store.pools_with_work(NOW + LEASE) == ["pool"]

    @pytest.mark.parametrize("state", [RunState.PENDING, RunState.RUNNING, RunState.CANCELLING])
    def test_a_live_job_is_work_until_its_end(self, store: Store, state: RunState):
        run = moved(store, a_claimed_run(store), state, submission=SUBMISSION)
        assert store.pools_with_work(NOW - HOUR) == ["pool"]
        moved(store, run, RunState.FAILED, ended_at=NOW)
        assert store.pools_with_work(NOW + HOUR) == []

    def test_a_job_that_lingers_is_work_until_it_is_discarded(self, store: Store):
        run = a_running_run(store)
        moved(store, run, RunState.FAILED, ended_at=NOW, lingers=True)
        assert store.pools_with_work(NOW) == ["pool"]
        store.discarded([run.id])
        assert store.pools_with_work(NOW) == []

    def test_a_pool_has_work_when_a_notification_is_due(self, store: Store):
        run = a_stored_run(store, due_at=NOW + HOUR, notify_at=NOW + MINUTE)
        assert store.pools_with_work(NOW) == []
        assert store.pools_with_work(NOW + MINUTE) == ["pool"]
        store.move([Move.of(run, RunState.CANCELLED, ended_at=NOW, notify_at=NOW)])
        assert store.pools_with_work(NOW) == ["pool"]

    def test_a_schedule_is_work_when_its_windows_come_near(self, store: Store):
        hourly = (Schedule(slug="hourly", interval=HOUR),)
        store.save_deployment(a_deployment(schedules=hourly), expected_version=None, now=NOW)
        assert store.pools_with_work(NOW - SECOND) == []
        assert store.pools_with_work(NOW) == ["pool"]

    def test_a_pool_that_was_ticked_until_nothing_was_left_has_no_work(self, store: Store):
        run = a_stored_run(store)
        [granted] = claim(store, decide=granting(run)).claims
        running = moved(store, granted.run, RunState.RUNNING, submission=SUBMISSION)
        moved(store, running, RunState.COMPLETED, ended_at=NOW)
        assert store.pools_with_work(NOW + HOUR) == []

    def test_one_heartbeat_for_many_pools_leaves_the_others_and_unknown_ones(self, store: Store):
        store.heartbeats(["idle", "unknown", "pool"], NOW)
        assert self._ticked(store) == {"idle": NOW, "other": None, "pool": NOW}
        store.heartbeats([], NOW + MINUTE)
        store.heartbeats(["other", "pool", "pool"], NOW + MINUTE)
        assert self._ticked(store) == {"idle": NOW, "other": NOW + MINUTE, "pool": NOW + MINUTE}

    def test_a_heartbeat_of_many_pools_changes_no_version(self, store: Store):
        before = {pool.name: pool.version for pool in store.pools()}
        store.heartbeats(list(before), NOW)
        assert {pool.name: pool.version for pool in store.pools()} == before

    def test_more_pools_than_one_transaction_holds_get_their_heartbeat(self, store: Store):
        names = [f"many-{number}" for number in range(120)]
        store.restore(pools=[a_pool(name) for name in names])
        store.heartbeats(names, NOW)
        ticked = self._ticked(store)
        assert {ticked[name] for name in names} == {NOW}

    def test_a_run_of_a_pool_that_was_made_anew_is_work(self, store: Store):
        a_stored_run(store, "idle", due_at=NOW + HOUR)
        assert store.pools_with_work(NOW) == []
        store.add_runs([a_run("idle", due_at=NOW)])
        assert store.pools_with_work(NOW) == ["idle"]

    def _ticked(self, store: Store) -> dict[str, datetime | None]:
        return {pool.name: pool.last_tick_at for pool in store.pools()}
