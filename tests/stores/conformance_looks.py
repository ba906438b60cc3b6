"""What every store does in a look: it reads what a claim would be shown, and changes nothing."""

from uuid import UUID

import pytest

from dispatcher.models import RunState
from dispatcher.models.records import Snapshot
from dispatcher.protocols import Store
from tests.builders import HOUR, MINUTE, NOW, SECOND
from tests.stores.conformance_runs import TwoPools
from tests.stores.steps import (
    a_run_in,
    a_stored_run,
    claim,
)


class Looks(TwoPools):
    """`look` shows what a claim is shown, and is no claim."""

    def test_a_look_is_shown_what_a_claim_is_shown(self, store: Store):
        runs = [a_stored_run(store, due_at=NOW - n * SECOND, deployment="nightly") for n in (2, 1)]
        a_run_in(store, RunState.RUNNING, queue="high")

        def read(snapshot: Snapshot) -> tuple[list[UUID], dict[str, int], str]:
            held = {queue: slots for queue, slots in snapshot.in_use.items() if slots}
            return [run.id for run in snapshot.due("default", 5)], held, snapshot.pool.name

        assert store.look("pool", NOW, read) == ([run.id for run in runs], {"high": 1}, "pool")
        assert store.look("pool", NOW - MINUTE, read)[0] == []

    def test_a_look_reads_on_from_a_place(self, store: Store):
        first, second = (a_stored_run(store, due_at=NOW - n * SECOND) for n in (2, 1))
        behind = store.look("pool", NOW, lambda snapshot: snapshot.due("default", 5, (first.due_at, first.id)))
        assert [run.id for run in behind] == [second.id]

    def test_a_look_reads_any_run_by_its_id_whole(self, store: Store):
        waiting = a_stored_run(store, queue="high", due_at=NOW + HOUR, tags=("later",))
        running, ended = a_run_in(store, RunState.RUNNING), a_run_in(store, RunState.FAILED)
        runs = [store.get(run.id) for run in (waiting, running, ended)]
        ids = [run.id for run in (waiting, running, ended)]
        assert store.look("pool", NOW, lambda snapshot: [snapshot.run(run_id) for run_id in ids]) == runs
        assert store.look("pool", NOW, lambda snapshot: snapshot.run(UUID(int=1))) is None

    def test_a_look_changes_nothing_and_leaves_no_heartbeat(self, store: Store):
        waiting, running = a_stored_run(store), a_run_in(store, RunState.RUNNING)
        before = store.pool("pool"), store.get(waiting.id), store.get(running.id)
        store.look("pool", NOW + HOUR, lambda snapshot: snapshot.due("default", 1))
        assert (store.pool("pool"), store.get(waiting.id), store.get(running.id)) == before

    def test_a_look_sees_the_last_heartbeat_and_not_its_own(self, store: Store):
        claim(store)
        assert store.look("pool", NOW + HOUR, lambda snapshot: snapshot.pool.last_tick_at) == NOW

    def test_a_look_at_an_unknown_pool_reads_nothing(self, store: Store):
        assert store.look("nowhere", NOW, lambda _: pytest.fail("it was read")) is None

    def test_an_error_in_a_look_is_raised_and_the_store_goes_on(self, store: Store):
        with pytest.raises(ZeroDivisionError):
            store.look("pool", NOW, lambda _: 1 / 0)
        assert store.look("pool", NOW, lambda snapshot: snapshot.pool.name) == "pool"
