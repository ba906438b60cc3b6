"""A far side that is connected and says nothing, or says it a byte at a time: every verb ends."""

from collections.abc import Iterator

import pytest

from dispatcher.errors import StoreUnavailable
from dispatcher.models.records import Decision, Snapshot
from dispatcher.stores.postgres import PostgresStore
from tests.builders import NOW, a_run
from tests.network.faults import Call, Fault, Script, always, nth
from tests.network.proxy import on_a_thread
from tests.network.wire import TcpProxy
from tests.stores.postgres_server import PostgresServer
from tests.stores.steps import LEASE, a_stored_run, claim, granting, nothing

SLOW = [Fault.SILENT, Fault.DRIP]
SECONDS = 3.0


@pytest.fixture
def wire(postgres: PostgresServer) -> Iterator[TcpProxy]:
    with TcpProxy(postgres.port) as wire:
        yield wire


@pytest.fixture
def behind(stores, store: PostgresStore, wire: TcpProxy) -> PostgresStore:
    """A store with an open connection through the wire. It waits as long as a busy server may take, and then some."""
    made = stores(port=wire.port, answer_timeout=SECONDS)
    assert len(made.pools()) == 1
    return made


def saying(words: bytes, fault: Fault) -> Script:
    """The fault meets what holds these words."""

    def holds(call: Call) -> bool:
        return words in call.body

    return nth(1, fault, only=holds)


@pytest.mark.parametrize("fault", SLOW)
def test_a_broken_transaction_is_left_and_the_next_verb_works(behind: PostgresStore, wire: TcpProxy, fault: Fault):
    wire.script = saying(b"FROM work_pools", fault)
    with pytest.raises(StoreUnavailable, match=rf"no answer \(no whole answer within {SECONDS:g} s\).*repeating it is safe"):
        on_a_thread(behind.pools)
    assert len(on_a_thread(behind.pools)) == 1


@pytest.mark.parametrize("fault", SLOW)
def test_a_connection_that_fails_at_its_first_statement_is_replaced(behind: PostgresStore, wire: TcpProxy, fault: Fault):
    behind._used_at = 0  # long ago
    wire.script = saying(b"BEGIN", fault)
    assert len(on_a_thread(behind.pools)) == 1


@pytest.mark.parametrize("fault", SLOW)
def test_many_changes_in_one_trip_may_have_been_made(behind: PostgresStore, store: PostgresStore, wire: TcpProxy, fault: Fault):
    runs = [a_run() for _ in range(5)]
    store.add_runs(runs)
    wire.script = saying(b"UPDATE runs", fault)
    with pytest.raises(StoreUnavailable):
        on_a_thread(lambda: claim(behind, decide=granting(*runs)))
    again = claim(store, NOW + LEASE, takeovers=5).claims
    assert [(claimed.run.fence, claimed.repeat) for claimed in again] == [(2, True)] * 5


@pytest.mark.parametrize("fault", SLOW)
def test_a_commit_whose_answer_does_not_come_may_have_been_made(
    behind: PostgresStore, store: PostgresStore, wire: TcpProxy, fault: Fault
):
    run = a_stored_run(store)
    wire.script = saying(b"COMMIT\0", fault)
    with pytest.raises(StoreUnavailable, match="repeating it is safe"):
        on_a_thread(lambda: claim(behind, decide=granting(run)))
    stored = store.get(run.id)
    assert stored
    assert stored.fence in (0, 1)


def test_nobody_waits_for_a_rollback_without_an_answer(behind: PostgresStore, store: PostgresStore, wire: TcpProxy):
    def fail(_snapshot: Snapshot) -> Decision:
        raise LookupError("the decision failed")

    wire.script = saying(b"ROLLBACK", Fault.SILENT)
    with pytest.raises(LookupError):
        on_a_thread(lambda: claim(behind, decide=fail))
    assert on_a_thread(lambda: claim(behind, decide=nothing)).claims == ()


@pytest.mark.parametrize("fault", SLOW)
def test_a_pooler_that_never_answers_a_newcomer(postgres: PostgresServer, database: str, wire: TcpProxy, fault: Fault):
    wire.script = always(fault)
    newcomer = PostgresStore(postgres.url(database, port=wire.port) + "&connect_timeout=2")
    with pytest.raises(StoreUnavailable, match="connection"):
        on_a_thread(newcomer.pools)


def test_a_refused_connection_is_reported_at_once(behind: PostgresStore, wire: TcpProxy):
    with wire.refusing(), pytest.raises(StoreUnavailable, match="cannot be reached"):
        on_a_thread(behind.pools)
    assert len(on_a_thread(behind.pools)) == 1
