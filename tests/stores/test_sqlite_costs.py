"""What the default store's verbs cost, by counted instructions: nothing here is timed."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dispatcher.core.admission import admit
from dispatcher.models import Run, RunState, Share
from dispatcher.models.records import Decision, Move, RunFilter, Snapshot
from dispatcher.stores.rows import RUN
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_deployment, a_pool, a_queue, a_run
from tests.stores.sqlite_plans import plan_of
from tests.stores.steps import LEASE, a_running_run, a_stored_run, claim, granting, hold, moved


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "store.sqlite")
    made.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
    yield made
    made.close()


UNFITTING = [
    RunFilter(queue="none"),
    RunFilter(tag="often", pool="none"),
    RunFilter(name="run-", queue="none"),
    RunFilter(name="run-", tag="often", pool="pool", queue="none"),
    RunFilter(name="run-", pool="pool", tag="none", states=frozenset({RunState.COMPLETED})),
]
"""Filters of which no index has everything, and that no run matches."""


def test_a_search_without_an_index_costs_the_same_with_a_long_history(store: SqliteStore):
    history(store, up_to=3_000)
    short = [instructions(store, lambda store, where=where: store.search(where, limit=50, most=500)) for where in UNFITTING]
    history(store, up_to=30_000)
    long = [instructions(store, lambda store, where=where: store.search(where, limit=50, most=500)) for where in UNFITTING]
    assert [count for count, few in zip(long, short, strict=True) if count > 1.1 * few] == []
    assert all(store.search(where, limit=50, most=500).until for where in UNFITTING[:4])


def test_a_page_of_any_filter_costs_the_same_with_a_long_history(store: SqliteStore):
    rare = a_running_run(store, deployment="rare", name="rare", tags=("rare", "often"))
    filters = [
        RunFilter(),
        RunFilter(pool="pool"),
        RunFilter(pool="pool", queue="high"),
        RunFilter(deployment="rare"),
        *(RunFilter(states=frozenset({state})) for state in RunState),
        RunFilter(tag="rare"),
        RunFilter(tag="often"),
        *(RunFilter(tag="often", states=frozenset({state})) for state in RunState),
        RunFilter(name="rare"),
        RunFilter(since=NOW + SECOND),
        RunFilter(until=NOW + SECOND, tag="often"),
        RunFilter(pool="pool", after=(NOW, UUID(int=0))),
        RunFilter(pool="pool", states=frozenset({RunState.PENDING, RunState.RUNNING, RunState.CANCELLING})),
    ]
    history(store, up_to=300)
    short = [instructions(store, lambda store, where=where: store.runs(where, limit=50)) for where in filters]
    history(store, up_to=30_000)
    long = [instructions(store, lambda store, where=where: store.runs(where, limit=50)) for where in filters]
    assert [count for count, few in zip(long, short, strict=True) if count > 1.05 * few] == []
    assert [run.id for run in store.runs(RunFilter(deployment="rare"), limit=50)] == [rare.id]


def test_space_of_pruned_rows_is_given_back_to_the_file_system(store: SqliteStore):
    history(store, up_to=30_000)
    assert store._connection
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    full = Path(store.path).stat().st_size
    while store.prune("pool", NOW + LEASE, limit=5_000):
        pass
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert Path(store.path).stat().st_size < full / 4


def test_a_tick_costs_the_same_with_a_thousand_waiting_runs_and_with_a_hundred_thousand(store: SqliteStore):
    populate(store)
    crowd(store, up_to=1_000)
    few = {name: instructions(store, verb) for name, verb in TICK.items()}
    crowd(store, up_to=100_000)
    many = {name: instructions(store, verb) for name, verb in TICK.items()}
    assert all(count > 0 for count in few.values())
    assert {name: count for name, count in many.items() if count > 1.05 * few[name]} == {}, f"with few: {few}"


def test_a_claim_of_fifty_takes_few_statements(store: SqliteStore):
    crowd(store, up_to=100)
    statements: list[str] = []
    assert store._connection
    store._connection.set_trace_callback(statements.append)
    assert len(claim(store, decide=fifty).claims) == 50
    sent = dict.fromkeys(statements)  # a trigger's are traced as the statement that sets it off
    assert len(sent) <= 2 * 3 + 10  # 50 = 32 + 16 + 2
    assert [text for text in statements if text.startswith(("BEGIN", "COMMIT"))] == ["BEGIN IMMEDIATE", "COMMIT"]


def test_a_move_within_a_state_leaves_the_indices_by_state_alone(store: SqliteStore):
    run = a_running_run(store)
    statements: list[str] = []
    assert store._connection
    store._connection.set_trace_callback(statements.append)
    assert store.move([Move.of(run, RunState.RUNNING, exit_code=3)]) == {run.id}
    [change] = [text for text in statements if text.startswith("UPDATE")]
    assert "SET exit_code = 3" in change
    assert store.move([Move.of(run, RunState.RUNNING)]) == {run.id}, (
        "a move without changes says whether the run is as expected"
    )


def test_the_heads_of_a_thousand_queues_are_read_by_one_statement(store: SqliteStore):
    store.save_pool(a_pool("wide", queues=[f"queue-{n}" for n in range(1_000)]), expected_version=None)
    runs = [a_run("wide", f"queue-{n}", due_at=NOW - MINUTE) for n in (0, 499, 999)]
    store.add_runs(runs)
    statements: list[str] = []
    assert store._connection
    store._connection.set_trace_callback(statements.append)
    claims = store.claim("wide", NOW, lease=LEASE, takeovers=9, decide=every_queue).claims
    assert {claim.run.id for claim in claims} == {run.id for run in runs}
    assert len([text for text in statements if "due_at <=" in text and "RECURSIVE" not in text]) == 1


def test_runs_that_are_held_back_are_passed_over_in_the_index_alone(store: SqliteStore):
    """They come first in their queue; each costs a step along the index, and its row is not read."""
    crowd(store, up_to=100)
    free = instructions(store, look_once)
    for early in [a_stored_run(store, due_at=NOW - LEASE) for _ in range(50)]:
        moved(store, early, RunState.SCHEDULED, not_before=NOW + LEASE)
    assert 0 < instructions(store, look_once) - free <= 50 * 8
    [step] = plan_of(store, store._statements["due"].replace(RUN.columns, "id"))
    assert "COVERING INDEX runs_queued" in step, "the conditions of `due` can be answered from the index"


def test_a_claim_does_not_read_what_waits_in_the_lane_of_a_full_deployment(store: SqliteStore):
    """Ten thousand due runs of it, ahead of the run whose turn it is."""
    store.save_deployment(a_deployment("nightly", concurrency_limit=1), expected_version=None, now=NOW)
    a_running_run(store, deployment="nightly", lane="nightly")
    a_stored_run(store, due_at=NOW)
    crowd(store, up_to=10, deployment="nightly", lane="nightly")
    few = instructions(store, admit_one)
    crowd(store, up_to=10_000, deployment="nightly", lane="nightly")
    assert instructions(store, admit_one) <= few + 100
    assert store.waiting_in_lanes("pool", "nightly", NOW) > 10_000


def test_a_claim_reads_no_priority_behind_the_one_that_takes_its_slots(store: SqliteStore):
    """Nor what is due later with a priority before it, however many runs that is."""
    store.save_pool(a_pool(limit=1, queues=["high", "default"]), expected_version=1)
    a_stored_run(store, due_at=NOW, lane="%-5")
    sizes = {"%-7": {"due_at": NOW + HOUR}, "%3": {"due_at": NOW - MINUTE}, None: {"due_at": NOW - MINUTE}}
    costs = []
    for up_to in (10, 5_000):
        for number, (lane, fields) in enumerate(sizes.items()):
            crowd(store, f"{number}", up_to=up_to, lane=lane, **fields)
        costs.append(instructions(store, admit_one))
    assert costs[1] <= costs[0] + 100


def test_a_claim_of_a_shared_queue_reads_nothing_behind_the_shares(store: SqliteStore):
    """Thousands of due runs of one deployment, ahead of those of another: two slots go to each."""
    store.save_pool(a_pool(limit=4, queues=["high", a_queue(priority=2, share=Share.FAIR)]), expected_version=1)
    store.save_deployment(a_deployment("other"), expected_version=None, now=NOW)
    store.add_runs([a_run(deployment="other", lane="other", due_at=NOW) for _ in range(20)])

    def admit_four(store: SqliteStore) -> None:
        runs = store.look("pool", NOW, read_admitted) or ()
        assert Counter(run.lane for run in runs) == {"flood": 2, "other": 2}

    costs = []
    for up_to in (10, 5_000):
        crowd(store, "f", up_to=up_to, lane="flood", deployment="flood", due_at=NOW - MINUTE)
        costs.append(instructions(store, admit_four))
    assert costs[1] <= costs[0] + 100


def read_admitted(snapshot: Snapshot) -> Sequence[Run]:
    """What a claim admits, with limits and shares."""
    pool, limits = snapshot.pool, snapshot.deployment_limits
    return admit(pool, snapshot.in_use, snapshot.due, now=NOW, budget=50, limits=limits).admitted


def admit_one(store: SqliteStore) -> None:
    """The read of a claim that admits, with its limits."""
    [run] = store.look("pool", NOW, read_admitted) or ()
    assert run.deployment is None


def populate(store: SqliteStore) -> None:
    """Some runs in every place that a tick looks at."""
    store.save_deployment(a_deployment(), expected_version=None, now=NOW)
    for _ in range(3):
        a_running_run(store)
        moved(store, a_running_run(store), RunState.FAILED, ended_at=NOW, lingers=True)
        a_stored_run(store, queue="high", due_at=NOW + MINUTE)


def crowd(store: SqliteStore, digit: str = "c", *, up_to: int, **fields: Any) -> None:
    """Fill the default queue with due runs, copied inside the database. `digit` begins their ids."""
    first = a_stored_run(store, **{"due_at": NOW - MINUTE, "tags": ("crowd",), **fields})
    others = ", ".join(name for name in RUN.names if name != "id")
    assert store._connection
    store._connection.execute(
        f"""INSERT OR IGNORE INTO runs (id, {others})
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
        SELECT printf('{digit}%031x', n), {others} FROM numbers, (SELECT {others} FROM runs WHERE id = ?)""",
        (up_to, first.id.hex),
    )


def history(store: SqliteStore, *, up_to: int) -> None:
    """Runs that have ended, copied inside the database, each created before the one before."""
    first = moved(store, a_running_run(store, tags=("often",)), RunState.COMPLETED, ended_at=NOW)
    others = ", ".join(name for name in RUN.names if name != "id")
    values = others.replace("created_at", "created_at - n")
    assert store._connection
    store._connection.execute(
        f"""INSERT OR IGNORE INTO runs (id, {others})
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
        SELECT printf('e%031x', n), {values} FROM numbers, (SELECT {others} FROM runs WHERE id = ?)""",
        (up_to, first.id.hex),
    )


def instructions(store: SqliteStore, verb: Callable[[SqliteStore], object]) -> int:
    """How many steps SQLite's virtual machine takes for a verb: the same on every machine."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    assert store._connection
    store._connection.set_progress_handler(count, 1)
    verb(store)
    store._connection.set_progress_handler(None, 1)
    return steps


def fifty(snapshot: Snapshot) -> Decision:
    return granting(*snapshot.due("high", 50), *snapshot.due("default", 50))(snapshot)


def every_queue(snapshot: Snapshot) -> Decision:
    return granting(*(run for queue in snapshot.pool.queues for run in snapshot.due(queue.name, 1)))(snapshot)


def look(snapshot: Snapshot) -> Decision:
    snapshot.due("default", 1)
    return Decision()


def look_once(store: SqliteStore) -> None:
    claim(store, decide=look)


def _move_fifty(store: SqliteStore) -> None:
    with store._reading() as transaction:
        runs = [RUN.decode(row) for row in transaction.rows("abandoned", pool="pool", now=NOW + 2 * LEASE, limit=50)]
    assert store.move([Move.of(run, RunState.COMPLETED, ended_at=NOW) for run in runs]) == {run.id for run in runs}


TICK: dict[str, Callable[[SqliteStore], object]] = {
    "claim fifty": lambda store: claim(store, decide=fifty),
    "take fifty over": lambda store: claim(store, NOW + LEASE, takeovers=50, decide=look),
    "move fifty": _move_fifty,
    "live": lambda store: store.live("pool", limit=100),
    "lingering": lambda store: store.lingering("pool", limit=100),
    "pools with work": lambda store: store.pools_with_work(NOW),
    "add a run": lambda store: store.add_runs([a_run(queue="high", due_at=NOW + MINUTE)]),
    "hold": hold,
    "a page of runs": lambda store: store.runs(RunFilter(pool="pool"), limit=50),
}
