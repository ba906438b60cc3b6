"""Releases of the code that overlap on one database."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from dispatcher.errors import StoreError, StoreSchemaError
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.stores import postgres_schema
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.postgres_schema import Schema
from tests.builders import MINUTE, NOW, a_pool
from tests.stores.postgres_server import PostgresServer
from tests.stores.steps import a_running_run, a_whole_life, moved
from tests.tick.stage import Stage

KNOWN = postgres_schema.current()
NEXT = KNOWN.latest + 1


def next_schema(*statements: str, oldest_code: int = KNOWN.latest, oldest: int = KNOWN.latest) -> Schema:
    """What the next release of the code would bring."""
    note = f"INSERT INTO dispatcher_schema (version, oldest_code) VALUES ({NEXT}, {oldest_code})"
    return Schema(steps=[*KNOWN.steps, (NEXT, [*statements, note])], oldest=oldest)


EXPANSION = next_schema("ALTER TABLE runs ADD COLUMN colour TEXT DEFAULT 'blue'", "CREATE TABLE paints (name TEXT)")


def versions(postgres: PostgresServer, database: str) -> list[int]:
    return [row[0] for row in postgres.administer("SELECT version FROM dispatcher_schema ORDER BY version", database)]


def test_an_empty_database_gets_the_schema_from_the_first_verb(postgres: PostgresServer):
    name = postgres.empty_database()
    store = PostgresStore(postgres.url(name))
    assert postgres.administer("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == [(0,)]
    assert store.pools() == []
    store.close()
    assert versions(postgres, name) == [version for version, _ in KNOWN.steps]


def test_any_number_of_first_invocations_may_come_at_once(postgres: PostgresServer):
    name = postgres.empty_database()

    def first(_: int) -> Any:
        store = PostgresStore(postgres.url(name))
        try:
            return store.pools()
        finally:
            store.close()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(first, range(6))) == [[]] * 6
    assert versions(postgres, name) == [version for version, _ in KNOWN.steps]


def test_migrations_are_numbered_without_gaps_and_note_their_numbers(postgres: PostgresServer, database: str):
    assert [version for version, _ in KNOWN.steps] == list(range(1, KNOWN.latest + 1)) == versions(postgres, database)


def test_old_code_ticks_on_an_expanded_schema(postgres: PostgresServer, database: str, store: PostgresStore, stores):
    new = stores(schema=EXPANSION)
    assert [pool.name for pool in new.pools()] == ["pool"]
    assert versions(postgres, database)[-1] == NEXT
    a_whole_life(store)
    store.close()
    a_whole_life(store)
    a_whole_life(new)


def test_a_role_without_rights_on_the_newest_table_ticks_tagged_runs(
    postgres: PostgresServer, database: str, store: PostgresStore, stores, role: str
):
    tables = "runs, work_pools, work_queues, deployments, automations, automation_firings, dispatcher_schema"
    postgres.administer(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}", database)
    ticking = stores(user=role)
    ended = moved(ticking, a_running_run(ticking, tags=("red",)), RunState.COMPLETED, ended_at=NOW)
    assert store.runs(RunFilter(tag="red", states=frozenset({RunState.COMPLETED})), limit=9) == [ended]
    assert ticking.prune("pool", NOW + MINUTE, limit=9) == 1
    assert store.runs(RunFilter(tag="red"), limit=9) == []


def test_new_code_that_may_not_migrate_ticks_on_the_old_schema(
    postgres: PostgresServer, database: str, store: PostgresStore, stores, role: str
):
    postgres.administer(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}", database)
    a_whole_life(stores(user=role, schema=EXPANSION))
    assert versions(postgres, database)[-1] == KNOWN.latest
    a_whole_life(store)


@pytest.mark.parametrize("migrates", [True, False])
def test_old_and_new_code_tick_the_same_runs_on_either_schema(
    postgres: PostgresServer, database: str, stores, role: str, migrates: bool
):
    """What one submits the other sees through, on the expanded schema and on the one that new code could not migrate."""
    postgres.administer(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}", database)
    old, new = stores(), stores(schema=EXPANSION) if migrates else stores(user=role, schema=EXPANSION)
    new.pools()
    assert versions(postgres, database)[-1] == (NEXT if migrates else KNOWN.latest)
    for number, (first, second) in enumerate([(old, new), (new, old)]):
        pool = f"ticked-{number}"
        stage = Stage(a_pool(pool), store=first)
        [run] = stage.add(pool=pool)
        assert stage.tick(pools=[pool]).pools[0].submitted == 1
        stage.provider.finish(*stage.provider.live)
        stage.store = second
        report = stage.tick(pools=[pool])
        assert (report.pools[0].ended, stage.states(run)) == (1, ["COMPLETED"])


def test_code_that_a_contraction_has_left_behind_is_refused(store: PostgresStore, stores):
    contracted = stores(schema=next_schema("ALTER TABLE runs ALTER COLUMN reason DROP NOT NULL", oldest_code=NEXT))
    contracted.pools()
    store.close()
    with pytest.raises(StoreSchemaError, match=f"needs code that knows version {NEXT}, and this code knows {KNOWN.latest}"):
        store.pools()


def test_an_older_schema_that_may_not_be_migrated_is_refused_where_the_code_needs_more(
    postgres: PostgresServer, database: str, stores, role: str
):
    postgres.administer(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}", database)
    behind = stores(user=role, schema=next_schema("CREATE TABLE paints (name TEXT)", oldest=NEXT))
    with pytest.raises(
        StoreSchemaError, match=f"has version {KNOWN.latest}, this code needs {NEXT}.*grant it CREATE"
    ) as refusal:
        behind.pools()
    assert "\n" not in str(refusal.value)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    postgres: PostgresServer, database: str, store: PostgresStore, stores
):
    broken = next_schema("ALTER TABLE runs ADD COLUMN colour TEXT", "SELECT nothing")
    with pytest.raises(StoreError, match='"nothing" does not exist'):
        stores(schema=broken).pools()
    assert versions(postgres, database) == [version for version, _ in KNOWN.steps]
    with pytest.raises(psycopg.errors.UndefinedColumn):
        postgres.administer("SELECT colour FROM runs", database)
    a_whole_life(store)
