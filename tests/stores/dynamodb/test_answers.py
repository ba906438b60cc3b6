"""An answer counts only if it is DynamoDB's, whole, and names the table. The SDK is as it is; the network is not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.errors import Conflict, NotFound, StoreError, StoreUnavailable
from dispatcher.models import Deployment, Run, RunState
from dispatcher.models.records import Materialisation, Move, RunFilter
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.dynamodb.client import connect as connect_to
from dispatcher.stores.dynamodb.requests import Patience
from tests.builders import NOW, a_deployment, a_pool, a_run
from tests.network.canned import put_in, recorded, spoiled
from tests.network.canned_aws import answering
from tests.network.faults import Answer, Fault, always, bodies, every_unasked, nth
from tests.network.proxy import HttpProxy, on_a_thread
from tests.stores.dynamodb.places import Place
from tests.stores.dynamodb_server import REGION, session, url
from tests.stores.steps import LEASE, a_claimed_run, a_running_run, a_stored_run, claim, hold

ONCE = Patience(tries=1)
ADDED = [a_run(), a_run()]


@pytest.fixture
def proxy() -> Iterator[HttpProxy]:
    with HttpProxy(url()) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: HttpProxy) -> Any:
    """A client of the kind that the store makes, by way of the proxy."""
    return connect_to(REGION, proxy.url, session())


@pytest.fixture
def store(place: Place, client: Any) -> DynamoStore:
    """It asks once, and knows the table already."""
    store = DynamoStore(place.table, connect=lambda: client, patience=ONCE)
    store.pool("pool")
    return store


@pytest.fixture
def patient(place: Place, client: Any) -> DynamoStore:
    """It asks again, and no time passes meanwhile."""
    return DynamoStore(place.table, connect=lambda: client, clock=place.clock)


@pytest.fixture
def hasty(place: Place, client: Any) -> DynamoStore:
    """It waits for nobody."""
    return DynamoStore(place.table, connect=lambda: client, clock=place.clock, patience=Patience(tries=2, try_seconds=0.3))


Nouns = tuple[Run, Deployment]


@pytest.fixture
def nouns(place: Place) -> Nouns:
    """A running run and a deployment, among runs in every state."""
    a_claimed_run(place.store, now=NOW - LEASE)
    a_stored_run(place.store)
    ended, running = a_running_run(place.store), a_running_run(place.store)
    place.store.move([Move.of(ended, RunState.COMPLETED, ended_at=NOW, lingers=True)])
    return running, place.store.save_deployment(a_deployment(windows_at=NOW), expected_version=None, now=NOW)


Verb = Callable[[DynamoStore, Nouns], Any]

READS: dict[str, Verb] = {
    "open": lambda store, _: DynamoStore(store.name, connect=lambda: store._table.client, patience=ONCE).pool("nobody's"),
    "live": lambda store, _: store.live("pool", limit=10),
    "lingering": lambda store, _: store.lingering("pool", limit=10),
    "expired": lambda store, _: store.expired("pool", NOW, limit=10),
    "pools_with_work": lambda store, _: store.pools_with_work(NOW),
    "runs": lambda store, _: store.runs(RunFilter(), limit=2),
    "ended": lambda store, _: store.ended("pool", NOW, limit=10),
    "counts": lambda store, _: store.counts("pool", NOW),
    "deployments": lambda store, _: store.deployments(),
    "scheduled": lambda store, _: store.scheduled("pool", NOW + timedelta(days=1), limit=10),
    "look": lambda store, _: store.look("pool", NOW, lambda snapshot: snapshot.due("default", 5)),
}
WRITES: dict[str, Verb] = {
    "claim": lambda store, _: claim(store, takeovers=5),
    "move": lambda store, nouns: store.move([Move.of(nouns[0], RunState.COMPLETED, ended_at=NOW)]),
    "add_runs": lambda store, _: store.add_runs(ADDED),
    "hold": lambda store, _: hold(store),
    "heartbeat": lambda store, _: store.heartbeat("pool", NOW),
    "heartbeats": lambda store, _: store.heartbeats(["pool", "unknown"], NOW),
    "save_pool": lambda store, _: store.save_pool(a_pool(queues=["high", "default"], limit=3), expected_version=1),
    "save_deployment": lambda store, _: store.save_deployment(a_deployment(paused=True), expected_version=1, now=NOW),
    "materialise": lambda store, nouns: store.materialise(
        Materialisation(deployment=nouns[1], runs=(ADDED[0],), windows_until={}, windows_at=None)
    ),
}
VERBS = {**READS, **WRITES}


@pytest.mark.parametrize("verb", VERBS)
def test_neither_junk_in_an_answer_nor_a_foreign_one_is_taken_for_an_answer(store, nouns, client, proxy, verb):
    """Junk in any place is the store's error or does no harm. What is left out of an answer is not there for anybody:
    NotFound, or Conflict with what was read before.
    """
    answers = recorded(proxy, lambda: VERBS[verb](store, nouns))
    assert answers
    for case in spoiled(answers):
        try:
            with answering(client, put_in(answers, case.turn, case.answer)):
                VERBS[verb](store, nouns)
        except (StoreError, NotFound, Conflict):
            continue
        except Exception as problem:
            raise AssertionError(f"{verb}: {case}: {problem!r}") from problem
    for turn in range(len(answers)):
        for foreign in (*every_unasked(), *bodies()):
            with answering(client, put_in(answers, turn, foreign)), pytest.raises(StoreUnavailable, match="after 1 tries"):
                VERBS[verb](store, nouns)


@pytest.mark.parametrize("fault", [Fault.HTML_200, Fault.OBJECT, Fault.EMPTY, Fault.HALF, Fault.CUT_AFTER, Fault.REPEATED])
@pytest.mark.parametrize("verb", ["claim", "move", "add_runs"])
def test_a_write_that_was_not_answered_is_made_once(patient, nouns, proxy, fault, verb):
    proxy.script = nth(1, fault, only=lambda call: call.action == "TransactWriteItems")
    answer = WRITES[verb](patient, nouns)
    assert len(answer.claims if verb == "claim" else answer) == {"claim": 2, "move": 1, "add_runs": 2}[verb]
    assert patient.check() == []


def test_an_answer_whose_checksum_is_wrong_counts_as_no_answer(store, nouns, client, proxy):
    [answer] = recorded(proxy, lambda: store.live("pool", limit=10))
    changed = Answer(status=200, headers=answer.headers, body=answer.body.replace(b"RUNNING", b"PENDING"))
    with answering(client, [changed]), pytest.raises(StoreUnavailable, match="not an answer of DynamoDB's: its checksum"):
        store.live("pool", limit=10)


def test_an_answer_about_another_table_counts_as_no_answer(store, nouns, client, proxy):
    [answer] = recorded(proxy, lambda: store.live("pool", limit=10))
    foreign = answer.with_body(answer.body.replace(store.name.encode(), b"another-table"))
    with answering(client, [foreign]), pytest.raises(StoreUnavailable, match="lacks the consumed capacity that was requested"):
        store.live("pool", limit=10)


@pytest.mark.parametrize("fault", [Fault.DRIP, Fault.SILENT])
@pytest.mark.parametrize("verb", ["claim", "live"])
def test_an_answer_that_drips_or_never_comes_ends_in_time(hasty, nouns, proxy, fault, verb):
    proxy.script = always(fault)
    with pytest.raises(StoreUnavailable, match=r"after 2 tries: no whole answer within 0.3 s"):
        on_a_thread(lambda: VERBS[verb](hasty, nouns))


def test_the_last_attempt_is_cut_short_where_the_patience_ends(place, client, proxy):
    store = DynamoStore(place.table, connect=lambda: client, patience=Patience(tries=1000, seconds=0.5))
    proxy.script = always(Fault.SILENT)
    with pytest.raises(StoreUnavailable, match=r"after 1 tries: no whole answer within 0.5 s"):
        on_a_thread(lambda: store.live("pool", limit=10))
