"""Which index each statement of the default store reads, by the query planner's word."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.stores.sql_listing import ends, named, pages
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW, a_pool
from tests.stores.heads import READ_FROM_HEADS
from tests.stores.sqlite_plans import plan_of
from tests.stores.steps import a_stored_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "store.sqlite")
    made.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
    yield made
    made.close()


INDICES = {
    "abandoned": "runs_unsubmitted",
    "in_use": "runs_holding",
    "due": "runs_queued",
    "due_after": "runs_queued",
    "due_in_lane": "runs_in_lanes",
    "due_in_lane_after": "runs_in_lanes",
    "live_of_deployment": "runs_holding_of_deployment",
    "expired": "runs_expiring",
    "waiting_in_lanes": "runs_in_lanes",
    "holds": "sqlite_autoindex_work_pools_1",
    "live": "runs_live",
    "live_before": "runs_live",
    "lingering": "runs_lingering",
    "change_run": "sqlite_autoindex_runs_1",
    "run": "sqlite_autoindex_runs_1",
    "discarded": "sqlite_autoindex_runs_1",
    "heartbeat": "sqlite_autoindex_work_pools_1",
    "pool": "sqlite_autoindex_work_pools_1",
    "queues_of_pool": "sqlite_autoindex_work_queues_2",
    "queue_exists": "sqlite_autoindex_work_queues_1",
    "deployment": "sqlite_autoindex_deployments_1",
    "queue_is_busy": "runs_holding",
    "pool_is_busy": "runs_by_pool",
    "ahead": "runs_queued",
    "ahead_in_lane": "runs_in_lanes",
    "ended": "runs_ended",
    "ended_lingering": "runs_lingering",
    "waiting": "runs_waiting",
    "withdraw_all": "runs_of_schedules",
}
"""Statement -> the index in which it has to find its rows."""


@pytest.mark.parametrize("name", INDICES)
def test_a_statement_searches_an_index_and_sorts_nothing(store: SqliteStore, name: str):
    plan = plan_of(store, store._statements[name].replace("{changes}", "reason = ''"))
    assert [step for step in plan if step.startswith("SEARCH") and f"INDEX {INDICES[name]} " in step], plan
    assert not [step for step in plan if step.startswith(("SCAN runs", "SCAN work_", "USE TEMP B-TREE"))]


def test_pools_with_work_are_looked_up_pool_by_pool(store: SqliteStore):
    plan = plan_of(store, store._statements["pools_with_work"])
    for index in (
        "runs_by_pool",
        "runs_waiting",
        "runs_unsubmitted",
        "deployments_scheduled",
        "runs_lingering",
        "runs_to_notify",
        "runs_ended",
    ):
        assert [step for step in plan if step.startswith("SEARCH") and f"INDEX {index} " in step], plan
    assert not [step for step in plan if step.startswith(("SCAN runs", "SCAN deployments", "USE TEMP B-TREE"))], plan


@pytest.mark.parametrize(
    "name", ["in_use", "queue_is_busy", "pool_is_busy", "waiting", "ahead", "ahead_in_lane", "waiting_in_lanes"]
)
def test_rows_that_are_only_counted_are_counted_in_the_index(store: SqliteStore, name: str):
    steps = [step for step in plan_of(store, store._statements[name]) if step.startswith("SEARCH")]
    assert all("COVERING INDEX" in step for step in steps), steps


@pytest.mark.parametrize(("where", "index"), READ_FROM_HEADS)
def test_a_page_of_runs_is_read_from_the_head_of_an_index(store: SqliteStore, where: RunFilter, index: str):
    ids, parameters = pages(where, limit=50, offset=0)
    plan = plan_of(store, store._statements["runs"].replace("{ids}", ids), **parameters)
    read_from = "SEARCH run_tags USING PRIMARY KEY (tag=?" if index == "run_tags" else f"INDEX {index} "
    heads = [step for step in plan if read_from in step]
    assert len(heads) == len(where.states or RunState), plan
    assert all(step.startswith("SEARCH") for step in heads), plan
    bounded = where.since or where.until or where.after
    assert not bounded or all("created_at" in step for step in heads), plan
    assert not [step for step in plan if step.startswith("SCAN runs")], plan


def test_runs_with_a_rare_name_are_found_by_it(store: SqliteStore):
    where = RunFilter(name="rare", tag="nightly", pool="pool", states=frozenset({RunState.FAILED}))
    ids, parameters = pages(where, limit=50, offset=0, few=True)
    for statement in (store._statements["named"], store._statements["runs"].replace("{ids}", ids)):
        plan = plan_of(store, statement, **{**named("rare"), **parameters})
        assert [step for step in plan if "INDEX runs_by_name (name>? AND name<?)" in step], plan
        assert not [step for step in plan if step.startswith(("SCAN runs", "SCAN run_tags"))], plan


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (RunFilter(name="nightly"), "COVERING INDEX runs_by_state (state=?)"),
        (RunFilter(queue="high"), "COVERING INDEX runs_by_state (state=?)"),
        (RunFilter(name="nightly", pool="pool"), "COVERING INDEX runs_by_pool (pool=? AND state=?)"),
        (RunFilter(tag="nightly", deployment="rare"), "COVERING INDEX runs_by_deployment (deployment=? AND state=?)"),
        (RunFilter(tag="nightly", pool="pool", queue="high"), "run_tags USING PRIMARY KEY (tag=? AND state=?)"),
        (RunFilter(tag="nightly", pool="pool", after=(NOW, UUID(int=1))), "run_tags USING PRIMARY KEY (tag=?"),
    ],
)
def test_the_end_of_a_search_is_read_from_an_index_alone(store: SqliteStore, where: RunFilter, index: str):
    ids, parameters = ends(where, most=50)
    plan = plan_of(store, store._statements["newest_end"].replace("{ids}", ids), **parameters)
    assert len([step for step in plan if index in step]) == len(RunState), plan
    assert not [step for step in plan if step.startswith("SCAN runs")], plan


@pytest.mark.parametrize("name", ["runs_as_expected", "change_runs"])
def test_each_of_many_runs_is_found_by_its_id_whatever_the_planner_knows(store: SqliteStore, name: str):
    statement = store._statements[name].replace("{columns}", "reason").replace("{changes}", "reason = target.reason")
    row = "('', '')" if name == "change_runs" else "('', '', '', 0, '')"
    for _ in range(2):
        plan = plan_of(store, statement.replace("{rows}", ", ".join([row] * 64)))
        assert [step for step in plan if step.startswith("SEARCH runs USING") and "sqlite_autoindex_runs_1" in step], plan
        assert not [step for step in plan if step.startswith("SCAN runs")], plan
        a_stored_run(store)
        assert store._connection
        store._connection.execute("ANALYZE")  # from now on the planner believes that there is a single run
