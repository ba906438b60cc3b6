import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from dispatcher.errors import StoreError, StoreSchemaError, StoreUnavailable
from dispatcher.models import Deployment, Run, WorkPool, WorkQueue
from dispatcher.stores.rows import DEPLOYMENT, POOL, QUEUE, RUN
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.stores.sqlite_schema import _migrate, _refuse_an_old_library
from dispatcher.stores.statements import migrations
from tests.builders import a_pool, a_run

LATEST = migrations("sqlite")[-1][0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path, busy_timeout=0.01)
    made.pools()
    yield made
    made.close()


def number(store: SqliteStore, question: str):
    assert store._connection is not None
    return store._connection.execute(question).fetchone()[0]


@pytest.fixture
def other(path: Path, store: SqliteStore) -> Iterator[sqlite3.Connection]:
    """Another process, as far as SQLite knows."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def modes_in(directory: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}


class TestFile:
    def test_nothing_is_opened_before_the_first_verb(self, path: Path):
        SqliteStore(path).close()
        assert not path.exists()

    def test_a_new_file_and_what_stands_beside_it_are_their_owners_alone(self, path: Path, store: SqliteStore):
        store.save_pool(a_pool(), expected_version=None)
        assert modes_in(path.parent) == {"store.sqlite": 0o600, "store.sqlite-wal": 0o600, "store.sqlite-shm": 0o600}

    def test_a_file_that_others_could_read_is_made_private(self, path: Path, store: SqliteStore):
        store.save_pool(a_pool(), expected_version=None)
        for file in path.parent.iterdir():
            file.chmod(0o644)
        second = SqliteStore(path)
        assert len(second.pools()) == 1
        second.close()
        assert set(modes_in(path.parent).values()) == {0o600}

    @pytest.mark.parametrize(("name", "mode"), [(".dispatcher", 0o700), ("shared", 0o755)])
    def test_the_default_directory_is_its_owners_alone_and_any_other_stays_as_it_is(self, tmp_path: Path, name, mode):
        directory = tmp_path / name
        directory.mkdir()
        directory.chmod(0o755)
        store = SqliteStore(directory / "store.db")
        assert store.pools() == []
        store.close()
        assert stat.S_IMODE(directory.stat().st_mode) == mode
        assert modes_in(directory) == {"store.db": 0o600}

    def test_a_committed_claim_outlives_a_loss_of_power(self, store: SqliteStore):
        assert number(store, "PRAGMA journal_mode") == "wal"
        assert number(store, "PRAGMA synchronous") == 2

    def test_every_table_is_strict_and_keeps_its_references(self, store: SqliteStore):
        assert number(store, "PRAGMA foreign_keys") == 1
        strict = "SELECT MIN(strict) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"
        assert number(store, strict) == 1

    def test_every_field_of_every_noun_has_its_column(self):
        for table, noun in ((POOL, WorkPool), (QUEUE, WorkQueue), (DEPLOYMENT, Deployment), (RUN, Run)):
            assert set(table.codecs) == {field.name for field in fields(noun)} - {"queues", "automated"}

    def test_equal_variables_are_equal_text(self, store: SqliteStore):
        store.save_pool(a_pool(), expected_version=None)
        store.add_runs(
            [a_run(job_variables={"b": {"d": 1, "c": 2}, "a": 3}), a_run(job_variables={"a": 3, "b": {"c": 2, "d": 1}})]
        )
        assert number(store, "SELECT COUNT(DISTINCT job_variables) FROM runs") == 1
        assert number(store, "SELECT MIN(job_variables) FROM runs") == '{"a":3,"b":{"c":2,"d":1}}'

    def test_a_store_in_memory_works_until_it_is_closed(self):
        store = SqliteStore(":memory:")
        saved = store.save_pool(a_pool(), expected_version=None)
        assert store.pools() == [saved]
        store.close()
        assert store.pools() == []
        store.close()


class TestMigrations:
    def test_a_new_file_gets_the_latest_schema(self, store: SqliteStore):
        assert number(store, "PRAGMA user_version") == LATEST

    def test_migrations_are_numbered_without_gaps(self):
        assert [version for version, _ in migrations("sqlite")] == list(range(1, LATEST + 1))

    def test_an_older_file_gets_what_it_lacks_and_keeps_what_it_has(self, path: Path, store: SqliteStore):
        saved = store.save_pool(a_pool(), expected_version=None)
        assert store._connection
        steps = [*migrations("sqlite"), (LATEST + 1, ["ALTER TABLE work_pools ADD COLUMN colour TEXT"])]
        _migrate(store._connection, str(path), steps)
        assert number(store, "PRAGMA user_version") == LATEST + 1
        assert number(store, "SELECT colour FROM work_pools") is None
        assert store.pools() == [saved]

    def test_a_migration_that_fails_leaves_the_file_as_it_was(self, path: Path, store: SqliteStore):
        assert store._connection
        steps = [*migrations("sqlite"), (LATEST + 1, ["ALTER TABLE work_pools ADD COLUMN colour TEXT", "SELECT nothing"])]
        with pytest.raises(sqlite3.OperationalError, match="nothing"):
            _migrate(store._connection, str(path), steps)
        assert number(store, "PRAGMA user_version") == LATEST
        assert number(store, "SELECT COUNT(*) FROM pragma_table_info('work_pools') WHERE name = 'colour'") == 0
        store.save_pool(a_pool(), expected_version=None)

    def test_a_newer_file_is_refused_by_both_versions(self, store: SqliteStore, other: sqlite3.Connection):
        other.execute(f"PRAGMA user_version = {LATEST + 6}")
        store.close()
        with pytest.raises(StoreSchemaError, match=f"version {LATEST + 6}, this code knows {LATEST}"):
            store.pools()


class TestErrors:
    """One line each, and never one of sqlite3's own."""

    def test_a_missing_directory_is_named(self, tmp_path: Path):
        with pytest.raises(StoreUnavailable, match=f"the directory {tmp_path}/none does not exist: create it"):
            SqliteStore(tmp_path / "none" / "store.sqlite").pools()

    def test_a_directory_is_not_a_file(self, tmp_path: Path):
        with pytest.raises(StoreUnavailable, match="it is a directory"):
            SqliteStore(tmp_path).pools()

    def test_an_empty_path_is_refused_at_once(self):
        with pytest.raises(StoreError, match="needs the path"):
            SqliteStore("")

    def test_an_old_sqlite_is_named(self):
        with pytest.raises(StoreError, match=r"SQLite 3\.7\.17, and the SQLite store needs 3\.37\.0 or newer"):
            _refuse_an_old_library((3, 7, 17))

    def test_a_file_of_another_kind_is_left_alone(self, path: Path):
        path.write_text("something else, and long enough that SQLite looks at it. " * 20)
        before = path.read_bytes()
        with pytest.raises(StoreError, match="not an SQLite database"):
            SqliteStore(path).pools()
        assert path.read_bytes() == before

    def test_a_database_of_another_application_is_left_alone(self, path: Path):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE runs (id)")
        connection.close()
        before = path.read_bytes()
        with pytest.raises(StoreError, match="belongs to another application"):
            SqliteStore(path).pools()
        assert path.read_bytes() == before

    def test_a_writer_that_does_not_let_go_makes_the_store_unavailable(self, store: SqliteStore, other: sqlite3.Connection):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"another process was writing for more than 0\.01 s"):
            store.save_pool(a_pool(), expected_version=None)
        assert store.pools() == []
        other.execute("ROLLBACK")
        assert store.save_pool(a_pool(), expected_version=None).version == 1

    def test_a_file_that_cannot_be_written_says_so(self, store: SqliteStore):
        assert store._connection
        store._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            store.save_pool(a_pool(), expected_version=None)

    def test_a_full_disk_is_reported_and_nothing_is_written_in_part(self, store: SqliteStore):
        store.save_pool(a_pool(), expected_version=None)
        assert store._connection
        store._connection.execute(f"PRAGMA max_page_count = {number(store, 'PRAGMA page_count') + 1}")
        run = a_run(job_variables={"text": "x" * 100_000})
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            store.add_runs([run])
        assert store.get(run.id) is None
        assert store.add_runs([run]) == {run.id}, "opened anew, without the limit"

    def test_a_damaged_file_says_so(self, path: Path, store: SqliteStore):
        store.close()
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        with pytest.raises(StoreError, match="damaged"):
            store.pools()
