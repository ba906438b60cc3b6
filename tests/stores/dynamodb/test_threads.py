"""Eight invocations on one table at once, each with a client of its own."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from dispatcher.models import RunState
from dispatcher.models.records import Decision, Move, RunFilter, Snapshot
from dispatcher.stores.dynamodb import DynamoStore
from tests.builders import a_pool, a_run
from tests.stores.dynamodb.places import Place
from tests.stores.dynamodb_server import PATIENT, new_client
from tests.stores.steps import claim, granting

THREADS, RUNS, POOL_LIMIT, QUEUE_LIMIT = 8, 24, 5, 2


def test_invocations_that_race_never_exceed_a_limit_and_claim_each_run_once(place: Place):
    place.store.save_pool(a_pool(queues=["high", "default"], limit=POOL_LIMIT), expected_version=1)
    runs = [a_run(queue=("high", "default")[n % 2]) for n in range(RUNS)]
    place.store.add_runs(runs)
    with ThreadPoolExecutor(THREADS) as threads:
        races = list(threads.map(lambda _: race(place.table), range(THREADS)))
    assert Counter(run_id for claimed, _ in races for run_id in claimed) == Counter(run.id for run in runs)
    assert max(seen for _, seen in races) <= POOL_LIMIT
    assert {(run.state, run.fence) for run in place.store.runs(RunFilter(), limit=100)} == {(RunState.COMPLETED, 1)}
    assert place.store.check() == []


def race(table: str) -> tuple[list[UUID], int]:
    """Claim up to the limits and end it again until nothing waits: what was claimed, the most seen held."""
    store = DynamoStore(table, connect=new_client, patience=PATIENT)
    claimed: list[UUID] = []
    most = 0

    def decide(snapshot: Snapshot) -> Decision:
        free = POOL_LIMIT - sum(snapshot.in_use.values())
        high = snapshot.due("high", min(free, QUEUE_LIMIT - snapshot.in_use.get("high", 0)))
        return granting(*high, *snapshot.due("default", free - len(high)))(snapshot)

    while True:
        granted = [claimed.run for claimed in claim(store, decide=decide).claims]
        held = Counter(run.queue for run in store.runs(RunFilter(states=frozenset({RunState.PENDING})), limit=100))
        most = max(most, held.total())
        assert held["high"] <= QUEUE_LIMIT
        claimed += [run.id for run in granted]
        assert store.move([Move.of(run, RunState.COMPLETED) for run in granted]) == {run.id for run in granted}
        if not granted and not store.runs(RunFilter(states=frozenset({RunState.SCHEDULED, RunState.PENDING})), limit=1):
            store.close()
            return claimed, most
