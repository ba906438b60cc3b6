"""How often a verb waits for an answer, counted on the wire: a trip to a database in another zone takes milliseconds."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from dispatcher.models import RunState
from dispatcher.models.records import Decision, Move, Notified, RunFilter, Snapshot
from dispatcher.stores.postgres import PostgresStore
from tests.builders import MINUTE, NOW, a_deployment, a_pool, a_queue, a_run
from tests.stores.postgres_wire import Cutter
from tests.stores.steps import LEASE, SUBMISSION, a_claimed_run, a_running_run, claim, granting

BATCH = 100


class Wire:
    """A store, and what it sends."""

    def __init__(self, store: PostgresStore, cutter: Cutter) -> None:
        self.store, self.cutter = store, cutter

    def trips(self, act: Callable[[PostgresStore], object]) -> int:
        """How often something waits for an answer."""
        self.store.pools()
        self.cutter.trips = 0
        act(self.store)
        return self.cutter.trips


@pytest.fixture
def wire(stores: Callable[..., PostgresStore]) -> Iterator[Wire]:
    store = stores()
    store.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
    assert store._connection
    cutter = Cutter(store._connection.info.port)
    store.close()
    behind = stores(port=cutter.port)
    yield Wire(behind, cutter)
    behind.close()
    cutter.close()


def batch(snapshot: Snapshot) -> Decision:
    """Grant a batch in order, each with a look at its deployment, as a tick does."""
    runs: list[Any] = []
    for queue in snapshot.pool.queues:
        runs += snapshot.due(queue.name, BATCH - len(runs)) if len(runs) < BATCH else []
    for run in runs:
        assert run.deployment is None or snapshot.deployment(run.deployment)
    return granting(*runs)(snapshot)


def claimed(store: PostgresStore) -> None:
    assert len(claim(store, takeovers=BATCH, decide=batch).claims) == BATCH


@pytest.mark.parametrize("deployments", [0, 1, BATCH])
def test_a_claim_of_a_hundred_is_three_trips_whatever_deployments_they_are_of(wire: Wire, deployments: int):
    names = [f"deployment-{number}" for number in range(deployments)]
    wire.store.restore(deployments=[a_deployment(name) for name in names])
    owners: Sequence[str | None] = names or [None]
    queues = ("high", "default", "default")
    runs = [a_run(queue=queues[n % 3], deployment=owners[n % len(owners)]) for n in range(2 * BATCH)]
    wire.store.add_runs(runs)
    assert wire.trips(claimed) == 3


def test_a_claim_that_takes_over_grants_and_crashes_is_three_trips(wire: Wire):
    overdue = [a_claimed_run(wire.store, now=NOW - LEASE) for _ in range(3)]
    waiting = [a_run() for _ in range(4)]
    wire.store.add_runs(waiting)

    def decide(snapshot: Snapshot) -> Decision:
        first, *others = snapshot.due("default", 10)
        return Decision(grants=granting(*others)(snapshot).grants, crashes=((first, "no image"),))

    def act(store: PostgresStore) -> None:
        answer = claim(store, takeovers=10, decide=decide)
        assert [(claimed.run.id, claimed.repeat) for claimed in answer.claims] == [
            *((run.id, True) for run in overdue),
            *((run.id, False) for run in waiting[1:]),
        ]
        assert [run.id for run in answer.crashed] == [waiting[0].id]

    assert wire.trips(act) == 3


def test_a_claim_with_nothing_due_is_three_trips_and_of_a_closed_pool_two(wire: Wire):
    assert wire.trips(lambda store: claim(store, decide=batch)) == 3
    wire.store.save_pool(a_pool("closed", paused=True), expected_version=None)
    assert wire.trips(lambda store: claim(store, pool="closed", decide=lambda _snapshot: Decision())) == 2
    assert wire.trips(lambda store: claim(store, pool="unknown")) == 2


def test_a_claim_from_a_thousand_queues_is_three_trips(wire: Wire):
    queues = [a_queue("default", 1), *(a_queue(f"queue-{number}", number, limit=1) for number in range(2, 1001))]
    wire.store.save_pool(a_pool("wide", queues=queues), expected_version=None)
    runs = [a_run("wide", f"queue-{number}") for number in range(2, 1001, 7) for _ in range(2)]
    wire.store.add_runs(runs)

    def act(store: PostgresStore) -> None:
        granted = claim(store, pool="wide", takeovers=BATCH, decide=one_of_each).claims
        assert [claimed.run.id for claimed in granted] == [run.id for run in runs[::2][:BATCH]]

    def one_of_each(snapshot: Snapshot) -> Decision:
        left = BATCH
        runs: list[Any] = []
        for queue in snapshot.pool.queues:
            if left and (due := snapshot.due(queue.name, min(left, queue.concurrency_limit or left))):
                runs += due
                left -= len(due)
        return granting(*runs)(snapshot)

    assert wire.trips(act) == 3


def test_a_batch_is_recorded_in_one_trip(wire: Wire):
    wire.store.add_runs([a_run() for _ in range(BATCH)])
    runs = [claimed.run for claimed in claim(wire.store).claims]
    submitted = [Move.of(run, RunState.PENDING, submission=SUBMISSION, submitted_at=NOW) for run in runs]
    assert wire.trips(lambda store: store.move(submitted)) == 1
    ended = [
        Move.of(run, state, ended_at=NOW) for run, state in zip(runs, [RunState.FAILED, RunState.RUNNING] * 50, strict=True)
    ]
    assert wire.trips(lambda store: store.move(ended)) == 1
    assert {run.state for run in wire.store.runs(RunFilter(), limit=1000)} == {RunState.FAILED, RunState.RUNNING}


def test_a_run_that_is_not_as_expected_costs_the_others_nothing(wire: Wire):
    first, second = a_running_run(wire.store), a_running_run(wire.store)
    stale = Move.of(first, RunState.COMPLETED)
    wire.store.move([stale])
    moves = [stale, Move.of(second, RunState.COMPLETED)]
    assert wire.store.move(moves) == {second.id}


VERBS: dict[str, Callable[[PostgresStore], object]] = {
    "pools": lambda store: store.pools(),
    "pool": lambda store: store.pool("pool"),
    "pools_with_work": lambda store: store.pools_with_work(NOW),
    "heartbeat": lambda store: store.heartbeat("pool", NOW),
    "heartbeats": lambda store: store.heartbeats(["pool", "other"], NOW),
    "scheduled": lambda store: store.scheduled("pool", NOW, limit=10),
    "live": lambda store: store.live("pool", limit=10),
    "live from": lambda store: store.live("pool", limit=10, start=a_run().id),
    "lingering": lambda store: store.lingering("pool", limit=10),
    "expired": lambda store: store.expired("pool", NOW, limit=10),
    "waiting_in_lanes": lambda store: store.waiting_in_lanes("pool", "deployment", NOW),
    "discarded": lambda store: store.discarded([a_run().id, a_run().id]),
    "to_notify": lambda store: store.to_notify("pool", NOW, limit=10),
    "notified": lambda store: store.notified([Notified(run_id=a_run().id, notify_at=NOW, again_at=None)]),
    "prune": lambda store: store.prune("pool", NOW, limit=10),
    "deployments": lambda store: store.deployments(),
    "deployment": lambda store: store.deployment("deployment"),
    "get": lambda store: store.get(a_run().id),
    "runs": lambda store: store.runs(RunFilter(pool="pool"), limit=10),
    "ended": lambda store: store.ended("pool", NOW, limit=10),
    "counts": lambda store: store.counts("pool", NOW),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_store_call_with_one_read_or_write_takes_one_trip(wire: Wire, verb: str):
    assert wire.trips(VERBS[verb]) == 1


def test_counting_the_runs_ahead_takes_three_trips(wire: Wire):
    """Which lanes there are, all numbers together, and the end of the transaction."""
    wire.store.add_runs([a_run(lane=lane) for lane in (None, "%-5", "%7")])
    assert wire.trips(lambda store: store.ahead(a_run(due_at=NOW + MINUTE), NOW)) == 3


def test_a_tick_of_an_idle_pool_is_three_trips(wire: Wire):
    """As a tick begins: it lists the pools, asks which have work, and notes that it has seen the others."""

    def act(store: PostgresStore) -> None:
        names = [pool.name for pool in store.pools()]
        assert store.pools_with_work(NOW) == []
        store.heartbeats(names, NOW)

    assert wire.trips(act) == 3


def test_a_connection_that_was_idle_is_asked_first_whether_it_lives(wire: Wire):
    wire.store.pools()
    wire.store._used_at -= 60
    wire.cutter.trips = 0
    wire.store.pools()
    assert wire.cutter.trips == 2


def test_a_run_that_moves_twice_in_one_batch_moves_in_order(wire: Wire):
    run = a_running_run(wire.store)
    moves = [Move.of(run, RunState.RUNNING, reason="first"), Move.of(run, RunState.COMPLETED, ended_at=NOW + MINUTE)]
    assert wire.store.move(moves) == {run.id}
    ended = wire.store.get(run.id)
    assert ended
    assert (ended.state, ended.reason) == (RunState.COMPLETED, "first")
