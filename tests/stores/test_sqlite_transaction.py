"""Many runs changed by few statements: the same as one after the other."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.models import PinnedJob, RunState
from dispatcher.stores.rows import RUN
from dispatcher.stores.sql_configuration import guard
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.stores.sqlite_transaction import AT_ONCE, SqliteTransaction
from dispatcher.stores.transaction import Change, Transaction
from tests.builders import NOW, a_pool, a_run

RUNS = [a_run(id=UUID(int=number), start_within=0.1 * number) for number in range(150)]
NOBODY = UUID(int=1000)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "state": st.sampled_from([RunState.SCHEDULED, RunState.PENDING, RunState.CANCELLED]),
    "fence": st.integers(0, 1),
    "reason": st.sampled_from(["", "no capacity: 'quoted' \"twice\"", "größer"]),
    "start_within": st.none() | st.floats(0, 1e300),
    "lease_until": st.none() | st.just(NOW),
    "lingers": st.booleans(),
    "job": st.none() | st.builds(PinnedJob, configuration=st.dictionaries(st.text(max_size=3), st.text(max_size=3))),
    "ending": st.none() | st.just(RunState.FAILED),
}
COLUMNS = [("state", "fence"), ("state", "reason", "start_within"), ("lingers", "job", "ending"), ("state", "lease_until")]


@st.composite
def a_change(draw: st.DrawFn) -> Change:
    columns = draw(st.sampled_from(COLUMNS))
    values = RUN.encode_fields({column: draw(VALUES[column]) for column in columns})
    run_id = draw(st.sampled_from([NOBODY, *(run.id for run in RUNS)]))
    pool = draw(st.sampled_from(["pool"] * 5 + ["other"]))
    return values, guard(run_id, pool, RunState.SCHEDULED, draw(st.sampled_from([0, 0, 0, 1])), None)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[SqliteStore]]:
    made = [SqliteStore(tmp_path_factory.mktemp("session") / f"{name}.sqlite") for name in ("many", "one")]
    for store in made:
        store.save_pool(a_pool(), expected_version=None)
        store.add_runs(RUNS)
    yield made
    for store in made:
        store.close()


def outcome(store: SqliteStore, changes: Sequence[Change], *, many: bool) -> tuple[Sequence[bool], Sequence[Any]]:
    """What was answered and what is there then; all of it is taken back."""
    connection = store._connection
    assert connection
    connection.execute("BEGIN IMMEDIATE")
    try:
        transaction = SqliteTransaction(connection, store._statements)
        answer = transaction.change_runs(changes) if many else Transaction.change_runs(transaction, changes)
        return answer, connection.execute(f"SELECT {RUN.columns} FROM runs ORDER BY id").fetchall()
    finally:
        connection.execute("ROLLBACK")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(a_change(), max_size=2 * AT_ONCE + 5))
def test_many_changes_at_once_have_the_result_of_one_after_the_other(stores: Sequence[SqliteStore], changes: Sequence[Change]):
    assert outcome(stores[0], changes, many=True) == outcome(stores[1], changes, many=False)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(a_change(), max_size=2 * AT_ONCE + 5, unique_by=lambda change: change[1]["expected_id"]))
def test_many_changes_of_different_runs_at_once_have_the_result_of_one_after_the_other(
    stores: Sequence[SqliteStore], changes: Sequence[Change]
):
    assert outcome(stores[0], changes, many=True) == outcome(stores[1], changes, many=False)


def test_a_long_list_of_changes_is_written_whole(stores: Sequence[SqliteStore]):
    changes = [({"reason": str(run.id.int)}, guard(run.id, "pool", RunState.SCHEDULED, 0, None)) for run in RUNS]
    answer, rows = outcome(stores[0], changes, many=True)
    assert answer == [True] * len(RUNS)
    assert [row[list(RUN.names).index("reason")] for row in rows] == [str(run.id.int) for run in RUNS]
