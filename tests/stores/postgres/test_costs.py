"""What the verbs of a tick cost, by the planner's word and by counted rows and pages: nothing here is timed."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from dispatcher.core.admission import admit
from dispatcher.models import RunState, Share
from dispatcher.models.records import Decision, RunFilter, Snapshot
from dispatcher.stores.codecs import microseconds
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.rows import RUN, beat
from dispatcher.stores.sql_listing import ends, named, pages
from tests.builders import MINUTE, NOW, a_deployment, a_pool, a_run
from tests.stores.heads import READ_FROM_HEADS
from tests.stores.postgres_server import PostgresServer
from tests.stores.steps import a_claimed_run, a_running_run, a_stored_run, claim, granting, moved

PARAMETERS: Mapping[str, Any] = {
    "pool": "pool",
    "queue": "default",
    "name": "pool",
    "id": "0" * 32,
    "start": "8" * 32,
    **beat(NOW + 10 * MINUTE),
    "now": microseconds(NOW + 10 * MINUTE),
    "due_at": 0,
    "ended_before": 0,
    "since": 0,
    "total": 50,
    "rooms": '{"high": 50, "default": 50}',
    "ids": ["0" * 32],
    "expected": "[]",
    "rows": "[]",
    "limit": 50,
    "offset": 0,
    "expected_id": "0" * 32,
    "expected_pool": "pool",
    "expected_state": "SCHEDULED",
    "expected_fence": 0,
    "expected_ending": "",
}

INDICES = {
    "abandoned": "runs_unsubmitted",
    "in_use": "runs_holding",
    "due": "runs_queued",
    "live": "runs_live",
    "live_before": "runs_live",
    "lingering": "runs_lingering",
    "change_run": "runs_pkey",
    "change_runs": "runs_pkey",
    "due_heads": "runs_queued",
    "deployments_of_heads": "deployments_pkey",
    "run": "runs_pkey",
    "discarded": "runs_pkey",
    "heartbeat": "work_pools_pkey",
    "pool": "work_pools_pkey",
    "pool_version": "work_pools_pkey",
    "keep_pool": "work_pools_pkey",
    "queues_of_pool": "work_queues_pool_priority_key",
    "queue_exists": "work_queues_pkey",
    "deployment": "deployments_pkey",
    "queue_is_busy": "runs_holding",
    "pool_is_busy": "runs_holding",
    "ahead": "runs_queued",
    "ended": "runs_ended",
    "ended_lingering": "runs_lingering",
}
"""Statement -> the index in which it has to find its rows."""

HEADS = {"run_tags": "run_tags_listed"}
"""The index in which a table is read that has one."""

WORK = (
    "runs_live",
    "runs_waiting",
    "runs_expiring",
    "runs_unsubmitted",
    "deployments_scheduled",
    "runs_lingering",
    "runs_to_notify",
    "runs_to_automate",
    "runs_ended",
)
"""In which `pools_with_work` looks."""

HOLDING = dict.fromkeys(("runs_holding", "runs_by_pool"), "runs_live")
"""Those that lead to the few runs that hold a slot as well."""

TICK = (
    "pools_with_work",
    "abandoned",
    "in_use",
    "due",
    "due_heads",
    "deployments_of_heads",
    "live",
    "live_before",
    "lingering",
    "heartbeat",
    "pool",
    "queues_of_pool",
    "deployment",
)


@pytest.fixture
def store(stores: Callable[..., PostgresStore]) -> PostgresStore:
    made = stores()
    made.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
    for number in range(30):
        made.save_deployment(a_deployment(f"deployment-{number}"), expected_version=None, now=NOW)
    for _ in range(3):
        a_running_run(made)
        a_claimed_run(made)
        moved(made, a_running_run(made), RunState.FAILED, ended_at=NOW, lingers=True)
    return made


@pytest.fixture(params=["never", "before", "after"])
def crowded(
    request: pytest.FixtureRequest, postgres: PostgresServer, database: str, store: PostgresStore
) -> Iterator[PostgresStore]:
    """20,000 runs wait; statistics were never taken, or are from before, or are from now."""
    if request.param == "before":
        postgres.administer("ANALYZE", database)
    crowd(postgres, database, store, up_to=20_000)
    if request.param == "after":
        postgres.administer("VACUUM ANALYZE", database)
    return store


def test_a_statement_searches_its_index_and_sorts_nothing_whenever_statistics_were_taken(crowded: PostgresStore):
    for name, index in INDICES.items():
        steps = among_many(steps_of(plan(crowded, crowded._statements[name].replace("{changes}", "reason = ''"))))
        assert [step for step in steps if step.get("Index Name") == index], (name, steps)
        assert not {step["Node Type"] for step in steps} & {"Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan"}, (
            name,
            steps,
        )


@pytest.mark.parametrize(("where", "index"), READ_FROM_HEADS)
def test_a_page_of_runs_is_read_from_the_head_of_an_index(crowded: PostgresStore, where: RunFilter, index: str):
    ids, parameters = pages(where, limit=50, offset=0)
    steps = steps_of(plan(crowded, crowded._statements["runs"].replace("{ids}", ids), **parameters))
    heads = [step["Index Name"] for step in steps if step.get("Index Name", "runs_pkey") != "runs_pkey"]
    checked = ["run_tags_listed"] * (len(heads) // 2) if where.tag and index != "run_tags" else []
    expected = [HEADS.get(index, index)] * len(where.states or RunState)
    assert sorted(heads) == sorted(expected + checked)
    assert not {step["Node Type"] for step in steps} & {"Seq Scan", "Sort", "Bitmap Heap Scan"}


def test_runs_with_a_rare_name_are_found_by_it(crowded: PostgresStore):
    where = RunFilter(name="rare", tag="nightly", pool="pool", states=frozenset({RunState.FAILED}))
    ids, parameters = pages(where, limit=50, offset=0, few=True)
    for statement in (crowded._statements["named"], crowded._statements["runs"].replace("{ids}", ids)):
        steps = steps_of(plan(crowded, statement, **{**named("rare"), **parameters}))
        assert [step for step in steps if step.get("Index Name") == "runs_by_name"], steps
        assert not {step["Node Type"] for step in steps} & {"Seq Scan", "Bitmap Heap Scan"}, steps


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (RunFilter(name="nightly"), "runs_by_state"),
        (RunFilter(queue="high"), "runs_by_state"),
        (RunFilter(name="nightly", pool="pool"), "runs_by_pool"),
        (RunFilter(tag="nightly", pool="pool", queue="high"), "run_tags"),
        (RunFilter(tag="nightly", pool="pool", after=(NOW, UUID(int=1))), "run_tags"),
    ],
)
def test_the_end_of_a_search_is_read_from_an_index(crowded: PostgresStore, where: RunFilter, index: str):
    ids, parameters = ends(where, most=50)
    steps = steps_of(plan(crowded, crowded._statements["newest_end"].replace("{ids}", ids), **parameters))
    assert {step["Index Name"] for step in steps if "Index Name" in step} == {HEADS.get(index, index)}
    assert not {step["Node Type"] for step in steps} & {"Seq Scan", "Bitmap Heap Scan"}, steps
    assert len([step for step in steps if step["Node Type"].startswith("Sort")]) <= 1, "of one row for each state"


def test_a_tick_reads_as_much_with_a_thousand_waiting_runs_as_with_fifty_thousand(
    postgres: PostgresServer, database: str, store: PostgresStore
):
    crowd(postgres, database, store, up_to=1_000)
    postgres.administer("ANALYZE", database)
    few = {name: cost(store, name) for name in TICK}
    crowd(postgres, database, store, up_to=50_000)
    postgres.administer("ANALYZE", database)
    many = {name: cost(store, name) for name in TICK}
    assert few["due"][0] == 50
    assert {name: rows for name, (rows, _) in many.items()} == {name: rows for name, (rows, _) in few.items()}
    deeper = {name: (pages, few[name][1]) for name, (_, pages) in many.items() if pages > few[name][1] + 4}
    assert not deeper, "a larger index is one or two levels deeper, and no more"


def test_a_claim_does_not_read_what_waits_in_the_lane_of_a_full_deployment(
    postgres: PostgresServer, database: str, store: PostgresStore
):
    """Ten thousand due runs of it, ahead of the run whose turn it is: counted by the server, for all statements of a claim."""
    store.save_deployment(a_deployment("nightly", concurrency_limit=1), expected_version=None, now=NOW)
    a_running_run(store, deployment="nightly", lane="nightly")
    reads = []
    for up_to in (10, 10_000):
        crowd(postgres, database, store, up_to=up_to, deployment="nightly", lane="nightly")
        postgres.administer("VACUUM ANALYZE runs", database)
        free = a_stored_run(store, due_at=NOW)
        before = runs_read(postgres, database, store)
        [claimed] = claim(store, decide=admitting).claims
        assert claimed.run.id == free.id
        reads.append(runs_read(postgres, database, store) - before)
    few, many = reads
    assert 0 < many <= few + 20
    assert store.waiting_in_lanes("pool", "nightly", NOW) > 10_000


def test_a_claim_of_a_shared_queue_reads_nothing_behind_the_shares(
    postgres: PostgresServer, database: str, store: PostgresStore
):
    """Ten thousand due runs of one deployment, ahead of those of another: two slots go to each."""
    pool = store.pool("pool")
    shared = tuple(replace(queue, share=Share.FAIR) for queue in pool.queues)
    held = sum(count.in_use for count in store.counts("pool", NOW).values())
    store.save_pool(replace(pool, queues=shared, concurrency_limit=held + 4), expected_version=pool.version)
    for name in ("flood", "other"):
        store.save_deployment(a_deployment(name), expected_version=None, now=NOW)
    store.add_runs([a_run(deployment="other", lane="other", due_at=NOW) for _ in range(20)])
    reads = []
    for up_to in (10, 10_000):
        crowd(postgres, database, store, up_to=up_to, deployment="flood", lane="flood")
        postgres.administer("VACUUM ANALYZE runs", database)
        before = runs_read(postgres, database, store)
        claims = claim(store, decide=admitting).claims
        assert Counter(item.run.deployment for item in claims) == {"flood": 2, "other": 2}
        reads.append(runs_read(postgres, database, store) - before)
        for item in claims:
            moved(store, item.run, RunState.CRASHED, ended_at=NOW)
    few, many = reads
    assert 0 < many <= few + 20


def admitting(snapshot: Snapshot) -> Decision:
    admission = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=NOW, budget=50, limits=snapshot.deployment_limits)
    return granting(*admission.admitted)(snapshot)


def runs_read(postgres: PostgresServer, database: str, store: PostgresStore) -> int:
    """How many runs this session has read so far, in the table and in its indices."""
    assert store._connection
    store._connection.execute("SELECT pg_stat_force_next_flush()")
    [(number,)] = postgres.administer(
        """SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'runs')
        + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'runs')""",
        database,
    )
    return int(number)


def test_pools_with_work_are_looked_up_pool_by_pool_whenever_statistics_were_taken(crowded: PostgresStore):
    steps = among_many(steps_of(plan(crowded, crowded._statements["pools_with_work"])))
    indices = [str(step["Index Name"]) for step in steps if step.get("Relation Name") in ("runs", "deployments")]
    assert sorted(HOLDING.get(index, index) for index in indices) == sorted(WORK)
    assert not {step["Node Type"] for step in steps} & {"Sort", "Incremental Sort", "Bitmap Heap Scan"}, steps
    assert [step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"] == []


def test_many_pools_get_their_heartbeat_without_waiting_for_one_that_is_claimed(store: PostgresStore):
    assert store._connection
    other = PostgresStore(f"postgresql://postgres@127.0.0.1:{store._connection.info.port}/{store._connection.info.dbname}")
    store.save_pool(a_pool("another"), expected_version=None)
    with store._writing() as transaction:
        transaction.change("heartbeat", pool="pool", **beat(NOW))
        other.heartbeats(["pool", "another"], NOW + MINUTE)
    assert {pool.name: pool.last_tick_at for pool in other.pools()} == {"another": NOW + MINUTE, "pool": NOW}
    other.close()


def test_the_tags_of_a_run_follow_its_state_through_the_index(postgres: PostgresServer, database: str, store: PostgresStore):
    """Also in a session that began when there were none."""
    assert store._connection
    for up_to in (10, 5_000):
        crowd(postgres, database, store, up_to=up_to)
        moved(store, a_running_run(store, tags=("crowd", "other")), RunState.FAILED, ended_at=NOW)
        assert store.prune("pool", NOW + MINUTE, limit=1) == 1
    store._connection.execute("SELECT pg_stat_force_next_flush()")
    [(scans, looked_up)] = postgres.administer(
        "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'run_tags'", database
    )
    assert (scans, looked_up > 0) == (0, True)


def crowd(postgres: PostgresServer, database: str, store: PostgresStore, *, up_to: int, **fields: Any) -> None:
    """Fill the default queue with due runs, copied inside the database."""
    first = a_stored_run(store, due_at=NOW - MINUTE, tags=("crowd",), **fields)
    others = ", ".join(name for name in RUN.names if name != "id")
    postgres.administer(
        f"""INSERT INTO runs (id, {others})
        SELECT 'c' || lpad(to_hex(n), 31, '0'), {others} FROM generate_series(1, {up_to}) AS n, runs WHERE id = '{first.id.hex}'
        ON CONFLICT DO NOTHING""",
        database,
    )


def plan(store: PostgresStore, statement: str, *, run: bool = False, **parameters: Any) -> Any:
    """How the server does it in a transaction of the store's; with `run` it does it, and says what it met."""
    explain = "EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS, TIMING FALSE) " if run else "EXPLAIN (FORMAT JSON) "
    with store._writing() as transaction:
        [answer] = transaction._execute(explain + statement, {**PARAMETERS, **parameters}).fetchall()
    plans = answer[0] if isinstance(answer[0], list) else json.loads(answer[0])
    return plans[0]["Plan"]


def among_many(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps over tables that grow. Automations are at most five hundred, which are looked through."""
    return [step for step in steps if step.get("Relation Name") != "automations"]


def steps_of(step: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step, *(below for part in step.get("Plans", ()) for below in steps_of(part))]


def cost(store: PostgresStore, name: str) -> tuple[int, int]:
    """Rows that were met in tables and indices, passed over or not, and pages that were touched."""
    top = plan(store, store._statements[name], run=True)
    scans = [step for step in steps_of(top) if "Index Name" in step]
    rows = sum((step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"] for step in scans)
    return rows, top["Shared Hit Blocks"] + top["Shared Read Blocks"]
