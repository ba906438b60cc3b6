"""Who waits for whom."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import psycopg
import pytest

from dispatcher.errors import StoreUnavailable
from dispatcher.models import Run, RunState
from dispatcher.models.records import Decision, Move, Snapshot
from dispatcher.stores.postgres import PostgresStore
from tests.builders import NOW, a_pool, a_queue, a_run
from tests.stores.postgres_server import PostgresServer
from tests.stores.steps import a_running_run, a_stored_run, claim, granting, hold, moved


def test_claims_that_overlap_never_exceed_a_limit_and_claim_each_run_once(stores, store: PostgresStore):
    store.add_runs([a_run() for _ in range(20)])

    def up_to_the_limit(snapshot: Snapshot) -> Decision:
        return granting(*snapshot.due("default", 3 - sum(snapshot.in_use.values())))(snapshot)

    def claims(_: int) -> list[Any]:
        mine = stores()
        got = []
        for _ in range(10):
            answer = claim(mine, decide=up_to_the_limit).claims
            assert sum(count.in_use for count in mine.counts("pool", NOW).values()) <= 3
            got += [claimed.run.id for claimed in answer]
            assert mine.move([end_of(claimed.run) for claimed in answer]) == {claimed.run.id for claimed in answer}
        return got

    with ThreadPoolExecutor(4) as threads:
        claimed = [run for got in threads.map(claims, range(4)) for run in got]
    assert len(claimed) == len(set(claimed)) == 20


def test_a_claim_locks_out_other_claims_and_changes_of_the_pool_but_no_added_or_moved_runs(stores, store: PostgresStore):
    hasty, running = stores(lock_timeout=0.05), a_running_run(store)

    def decide(_snapshot: Snapshot) -> Decision:
        for write in (
            lambda: claim(hasty),
            lambda: hasty.save_pool(a_pool(limit=99), expected_version=1),
            lambda: hasty.delete_pool("pool", expected_version=1),
            lambda: hold(hasty),
        ):
            with pytest.raises(StoreUnavailable, match="holds the work pool"):
                write()
        a_stored_run(hasty)
        moved(hasty, running, RunState.COMPLETED)
        return Decision()

    claim(store, decide=decide)


def test_a_queue_is_not_deleted_while_runs_are_added_to_it(stores, store: PostgresStore):
    hasty = stores(lock_timeout=0.05)
    store.save_pool(a_pool("two", queues=[a_queue(), a_queue("other", 2)]), expected_version=None)
    with store._writing() as transaction:
        transaction.row("keep_pool", pool="two")
        with pytest.raises(StoreUnavailable, match="holds the work pool"):
            hasty.save_pool(a_pool("two"), expected_version=1)
        claim(hasty, pool="two")
    assert hasty.save_pool(a_pool("two"), expected_version=1).version == 2


def test_a_claim_sees_what_was_committed_while_it_waited_for_the_pool(stores, store: PostgresStore):
    first, second, waiting = a_stored_run(store), a_stored_run(store), stores()
    seen: list[int] = []

    def look(snapshot: Snapshot) -> Decision:
        seen.append(sum(snapshot.in_use.values()))
        return granting(*snapshot.due("default", 1))(snapshot)

    later = Thread(target=lambda: seen.extend(claimed.run.id.int for claimed in claim(waiting, decide=look).claims))

    def decide(snapshot: Snapshot) -> Decision:
        waiting.pools()
        later.start()
        wait_until_blocked(store)
        return granting(first)(snapshot)

    claim(store, decide=decide)
    later.join()
    assert seen == [1, second.id.int]


def test_a_claim_that_the_server_sacrifices_to_a_deadlock_is_made_again(
    postgres: PostgresServer, database: str, stores, store: PostgresStore, other: "psycopg.Connection[Any]"
):
    postgres.administer(f"ALTER DATABASE {database} SET deadlock_timeout = '10ms'")
    other.execute("SET deadlock_timeout = '1h'")
    run, victim = a_stored_run(store), stores()
    decisions: list[Snapshot] = []

    def cross() -> None:
        other.execute("UPDATE work_pools SET description = 'crossed'")
        other.execute("COMMIT")

    crossing = Thread(target=cross)

    def decide(snapshot: Snapshot) -> Decision:
        decisions.append(snapshot)
        if len(decisions) == 1:
            other.execute("BEGIN")
            other.execute("SELECT 1 FROM runs FOR UPDATE")
            crossing.start()
            wait_until_blocked(victim)
        return granting(run)(snapshot)

    assert [claimed.run.id for claimed in claim(victim, decide=decide).claims] == [run.id]
    crossing.join()
    assert len(decisions) > 1
    assert (decisions[0].pool.description, decisions[-1].pool.description) == ("", "crossed")


def test_a_store_call_inside_a_store_call_is_an_error(store: PostgresStore):
    def decide(_snapshot: Snapshot) -> Decision:
        store.pools()
        return Decision()

    with pytest.raises(AssertionError, match="from within another"):
        claim(store, decide=decide)
    pool = store.pool("pool")
    assert pool
    assert pool.last_tick_at is None


def end_of(run: Run) -> Move:
    return Move.of(run, RunState.COMPLETED, ended_at=NOW)


def wait_until_blocked(store: PostgresStore) -> None:
    """Until another session waits for a lock of this one; asked within its transaction, where the server itself may wait."""
    assert store._connection
    question = (
        "SELECT count(*) FROM pg_stat_activity, pg_stat_clear_snapshot() WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    while store._connection.execute(question).fetchone() == (0,):
        pass
