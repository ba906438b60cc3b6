"""Connections that are cut, and what is left of a transaction on the server: nothing."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.errors import StoreUnavailable
from dispatcher.models import Run, RunState
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.stores.postgres import PostgresStore
from tests.builders import NOW, a_run
from tests.stores.postgres_server import PostgresServer
from tests.stores.postgres_wire import Cutter
from tests.stores.steps import LEASE, a_stored_run, a_whole_life, claim, granting


def test_nothing_is_opened_before_the_first_verb(postgres: PostgresServer):
    PostgresStore(postgres.url("none")).close()


def test_no_setting_or_prepared_statement_outlives_a_transaction(store: PostgresStore):
    assert store._connection
    store._connection.execute("LOAD 'plpgsql'")  # as the first trigger does: the language brings settings of its own
    settings = "SELECT name, setting FROM pg_settings ORDER BY name"
    before = store._connection.execute(settings).fetchall()
    for _ in range(8):
        a_whole_life(store)
    store.move([])
    for question in (
        "SELECT count(*) FROM pg_prepared_statements",
        "SELECT count(*) FROM pg_cursors WHERE name <> ''",
        "SELECT count(*) FROM pg_listening_channels()",
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid' AND relation IS NULL",
        "SELECT count(*) FROM pg_class WHERE relpersistence = 't'",
    ):
        assert store._connection.execute(question.encode()).fetchone() == (0,), question
    assert store._connection.execute(settings).fetchall() == before


def test_timeouts_hold_within_every_transaction(store: PostgresStore):
    for transaction in (store._reading, store._writing):
        with transaction() as begun:
            begun.row("pool", name="pool")
            assert store._connection
            limits = [
                store._connection.execute(f"SHOW {name}".encode()).fetchone()
                for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            ]
            assert limits == [("10s",), ("5s",), ("30s",)]


def test_a_commit_lasts_even_where_the_database_is_set_to_forget(postgres: PostgresServer, database: str, store: PostgresStore):
    postgres.administer(f"ALTER DATABASE {database} SET synchronous_commit = off")
    store.close()
    with store._writing() as begun:
        begun.row("pool", name="pool")
        assert store._connection
        assert store._connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_of_the_server_between_verbs_is_not_noticed(postgres: PostgresServer, store: PostgresStore, how: str):
    run = a_stored_run(store)
    postgres.restart(how)
    assert store.get(run.id) == run
    postgres.restart(how)
    assert len(claim(store).claims) == 1


def test_a_server_that_is_restarted_within_a_claim_takes_it_back(postgres: PostgresServer, store: PostgresStore):
    run = a_stored_run(store)

    def restarted(snapshot: Snapshot) -> Decision:
        postgres.restart("immediate")
        return granting(run)(snapshot)

    with pytest.raises(StoreUnavailable, match="no answer"):
        claim(store, decide=restarted)
    assert store.get(run.id) == run
    assert [claimed.run.fence for claimed in claim(store, decide=granting(run)).claims] == [1]


def test_a_server_that_is_down_is_reported_and_found_again(postgres: PostgresServer, store: PostgresStore):
    postgres.halt()
    try:
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.pools()
    finally:
        postgres.resume()
    assert len(store.pools()) == 1


@pytest.mark.parametrize(("passed_on", "fence"), [(False, 0), (True, 1)])
def test_a_connection_cut_at_the_commit_of_a_claim_leaves_all_of_it_or_nothing(
    postgres: PostgresServer, stores, store: PostgresStore, passed_on: bool, fence: int
):
    run, cutter = a_stored_run(store), Cutter(postgres.port)
    behind = stores(port=cutter.port)
    behind.pools()
    cutter.cut(lambda _, data: b"COMMIT\0" in data, passed_on=passed_on)
    with pytest.raises(StoreUnavailable, match="repeating it is safe"):
        claim(behind)
    stored = store.get(run.id)
    assert stored
    assert stored.fence == fence
    again = claim(behind, NOW + 2 * LEASE, takeovers=10)
    assert [(claimed.run.id, claimed.run.fence, claimed.repeat) for claimed in again.claims] == [(run.id, fence + 1, passed_on)]
    cutter.close()


def test_only_a_dead_connection_on_which_nothing_was_begun_is_opened_anew(
    postgres: PostgresServer, stores, store: PostgresStore
):
    cutter = Cutter(postgres.port)
    behind = stores(port=cutter.port)
    behind.pools()
    behind._used_at = 0  # long ago
    cutter.cut(lambda _, data: b"BEGIN" in data, passed_on=True)
    assert len(behind.pools()) == 1
    cutter.cut(lambda _, data: b"FROM work_pools" in data, passed_on=False)
    with pytest.raises(StoreUnavailable, match="repeating it is safe"):
        behind.pools()
    cutter.close()


def test_a_store_call_that_is_cut_anywhere_can_be_repeated(postgres: PostgresServer, stores, store: PostgresStore):
    """Every place of a claim, a move and an addition, before and after the server has done its part."""
    cutter = Cutter(postgres.port)
    behind = stores(port=cutter.port)
    cuts = 0
    for passed_on in (False, True):
        for place in range(1, 100):
            cutter.restore()
            behind.pools()
            cutter.cut(lambda number, _, place=place: number == place, passed_on=passed_on)
            run = a_run()
            insistently(lambda run=run: behind.add_runs([run]))
            insistently(lambda run=run: claim(behind, decide=granting(run)))
            claimed = store.get(run.id)
            assert claimed
            assert (claimed.state, claimed.fence) == (RunState.PENDING, 1)
            insistently(lambda run=claimed: behind.move([end_of(run)]))
            ended = store.get(run.id)
            assert ended
            assert (ended.state, ended.fence) == (RunState.COMPLETED, 1)
            if not cutter.has_cut:
                break
            cuts += 1
    assert cuts == 2 * (3 + 4 + 1), "an addition, a claim that also reads the run that it names, a move"
    assert {count.in_use for count in store.counts("pool", NOW).values()} == {0}
    cutter.close()


def test_an_invocation_that_is_frozen_within_a_claim_holds_its_pool_no_longer_than_agreed(stores, store: PostgresStore):
    frozen = stores(idle_timeout=3.0)
    run = a_stored_run(store)

    def freeze(snapshot: Snapshot) -> Decision:
        """While this one stands still, another claims the same run."""
        assert [claimed.run.id for claimed in claim(store, decide=granting(run)).claims] == [run.id]
        return granting(run)(snapshot)

    with pytest.raises(StoreUnavailable, match="stood still within a transaction"):
        claim(frozen, decide=freeze)
    after = store.get(run.id)
    assert after
    assert after.fence == 1


def test_a_forked_process_opens_a_connection_of_its_own(store: PostgresStore):
    def fork(_snapshot: Snapshot) -> Decision:
        child = os.fork()
        if child == 0:
            os._exit(_exit_code(store))
        assert os.waitpid(child, 0)[1] == 0
        return Decision()

    claim(store, NOW, decide=fork)
    pool = store.pool("pool")
    assert pool
    assert pool.last_tick_at == NOW


def _exit_code(store: PostgresStore) -> int:
    """In the child: 0 when it sees what is committed, and leaves its parent's session alone."""
    try:
        pool = store.pool("pool")
        store.close()
    except BaseException:  # noqa: BLE001 - nothing may leave the child
        return 2
    return 0 if pool is not None and pool.last_tick_at is None else 1


def insistently(verb: Callable[[], Any]) -> None:
    """Once more when its answer was lost."""
    try:
        verb()
    except StoreUnavailable:
        verb()


def end_of(run: Run) -> Move:
    return Move.of(run, RunState.COMPLETED, ended_at=NOW)
