"""Every store keeps the notifications of its runs until they have been delivered."""

import pytest

from dispatcher.models import Hook, RunState
from dispatcher.models.records import Notified
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_run
from tests.stores.steps import a_claimed_run, claim, moved

HOOKS = (Hook(name="ops"), Hook(name="pager", states=frozenset({RunState.CANCELLED}), late_after=90 * SECOND))


class Notifications:
    @pytest.fixture(autouse=True)
    def _pools(self, store: Store):
        store.save_pool(a_pool(hooks=HOOKS), expected_version=None)
        store.save_pool(a_pool("other"), expected_version=None)

    def test_hooks_read_back_with_their_pool_and_deployment(self, store: Store):
        pool = store.pool("pool")
        assert pool
        assert pool.hooks == HOOKS
        saved = store.save_deployment(a_deployment(hooks=HOOKS[1:]), expected_version=None, now=NOW)
        assert saved.hooks == HOOKS[1:]
        assert store.deployment("deployment") == saved

    def test_a_run_reads_back_with_its_notifications(self, store: Store):
        run = a_run(
            notify_states=frozenset({RunState.FAILED}),
            notify_at=NOW + MINUTE,
            notify_tries=2,
            notified_hooks=frozenset({"ops"}),
        )
        store.add_runs([run])
        assert store.get(run.id) == run

    def test_a_notification_is_found_by_its_time_whatever_the_run_does(self, store: Store):
        waiting = a_run(notify_at=NOW)
        store.add_runs([waiting, a_run(notify_at=NOW + HOUR), a_run("other", notify_at=NOW), a_run()])
        ended = moved(store, a_claimed_run(store), RunState.FAILED, ended_at=NOW, notify_at=NOW - SECOND)
        assert [run.id for run in store.to_notify("pool", NOW, limit=10)] == [ended.id, waiting.id]
        assert [run.id for run in store.to_notify("pool", NOW, limit=1)] == [ended.id]
        assert store.to_notify("pool", NOW - MINUTE, limit=10) == []

    def test_a_delivered_notification_is_not_delivered_again(self, store: Store):
        ended = moved(store, a_claimed_run(store), RunState.FAILED, ended_at=NOW, notify_at=NOW)
        store.notified([Notified(run_id=ended.id, notify_at=NOW, again_at=None)])
        assert store.to_notify("pool", NOW + HOUR, limit=10) == []
        stored = store.get(ended.id)
        assert stored
        assert (stored.notify_at, stored.notify_tries, stored.state) == (None, 1, RunState.FAILED)

    def test_an_undelivered_notification_is_due_again_at_its_time(self, store: Store):
        run = a_run(notify_at=NOW)
        store.add_runs([run])
        store.notified([Notified(run_id=run.id, notify_at=NOW, again_at=NOW + MINUTE)])
        assert store.to_notify("pool", NOW, limit=10) == []
        [again] = store.to_notify("pool", NOW + MINUTE, limit=10)
        assert (again.id, again.notify_tries) == (run.id, 1)

    def test_hooks_that_have_confirmed_are_not_notified_by_the_next_try(self, store: Store):
        run = a_run(notify_at=NOW)
        store.add_runs([run])
        store.notified([Notified(run_id=run.id, notify_at=NOW, again_at=NOW + MINUTE, hooks=frozenset({"ops", "ü"}))])
        [again] = store.to_notify("pool", NOW + MINUTE, limit=10)
        assert again.notified_hooks == {"ops", "ü"}
        assert store.get(run.id) == again

    def test_noting_another_notification_changes_nothing(self, store: Store):
        run = a_run(notify_at=NOW + MINUTE)
        store.add_runs([run])
        store.notified([Notified(run_id=run.id, notify_at=NOW, again_at=None)])
        store.notified([])
        assert store.get(run.id) == run

    def test_a_claim_withdraws_the_notifications_of_a_waiting_run(self, store: Store):
        run = a_run(notify_at=NOW + MINUTE)
        store.add_runs([run])
        claim(store)
        assert store.to_notify("pool", NOW + HOUR, limit=10) == []
        claimed = store.get(run.id)
        assert claimed
        assert claimed.notify_at is None

    def test_the_notifications_of_a_pool_are_deleted_with_it(self, store: Store):
        ended = moved(store, a_claimed_run(store, "other"), RunState.FAILED, ended_at=NOW, notify_at=NOW)
        store.delete_pool("other", expected_version=1)
        assert store.to_notify("other", NOW, limit=10) == []
        assert store.get(ended.id) is None
