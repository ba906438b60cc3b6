"""What goes wrong is one line, that names the store and the fix, and never a password."""

from typing import Any

import psycopg
import pytest

from dispatcher.errors import SettingsError, StoreError, StoreSchemaError, StoreUnavailable
from dispatcher.models.records import RunFilter
from dispatcher.stores.postgres import PostgresStore, open_url
from dispatcher.stores.rows import beat
from dispatcher.wiring import open_store
from tests.builders import NOW
from tests.stores.postgres_server import LOCKED, PASSWORD, PostgresServer
from tests.stores.postgres_wire import Cutter
from tests.stores.steps import claim


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://dispatcher:hush/hush@host/db",
        "postgresql://dispatcher:hush@hush@host/db",
        "host=here password=hush",
        "postgresql+psycopg://dispatcher:hush@host/db",
    ],
)
def test_a_wrong_url_is_refused_at_once(url: str):
    with pytest.raises(SettingsError, match="DISPATCHER_STORE: not a PostgreSQL URL; write postgresql://") as refusal:
        open_url(url)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("host/db?colour=hush", "PostgreSQL has no connection parameter 'colour'"),
        ("host/db?ssl_mode=hush", "PostgreSQL has no connection parameter 'ssl_mode'; did you mean 'sslmode'"),
        ("host/db?sslmode=maybe", "`sslmode` is one of disable, .*, not 'maybe'"),
        ("host/db?target_session_attrs=writable", "`target_session_attrs` is one of any, read-write, .*, not 'writable'"),
        ("host/db?connect_timeout=soon", "`connect_timeout` is a whole number, not 'soon'"),
        ("host:99999/db", "`port` is a number from 1 to 65535"),
        ("host/db?port=hush", "`port` is a number from 1 to 65535"),
    ],
)
def test_a_wrong_parameter_is_named(rest: str, words: str):
    with pytest.raises(SettingsError, match=f"^DISPATCHER_STORE: {words}") as refusal:
        open_url(f"postgresql://{rest}")
    assert "hush" not in str(refusal.value)


def test_a_password_with_a_question_mark_is_never_taken_for_a_parameter():
    assert open_url("postgresql://dispatcher:pass?hush=1@host/db").name == "postgresql://host/db"


def test_both_schemes_open_the_store():
    for scheme in ("postgresql", "postgres"):
        store = open_store(f"{scheme}://user:hush@nowhere.invalid:1/db")
        assert isinstance(store, PostgresStore)
        assert store.name == "postgresql://nowhere.invalid:1/db"


def refused(store: PostgresStore, kind: type[StoreError]) -> str:
    with pytest.raises(StoreError) as refusal:
        store.pools()
    assert type(refusal.value) is kind
    assert "\n" not in str(refusal.value)
    assert PASSWORD not in str(refusal.value)
    assert "hush" not in str(refusal.value)
    return str(refusal.value)


def test_a_server_that_is_not_there_is_reported(postgres: PostgresServer):
    with_nobody = Cutter(0)
    with_nobody.close()
    message = refused(PostgresStore(postgres.url("x", user="u:hush", port=with_nobody.port)), StoreUnavailable)
    assert "cannot be reached" in message
    assert "Connection refused" in message


def test_a_wrong_password(stores):
    message = refused(stores(user=f"{LOCKED}:hush"), StoreError)
    assert "password authentication failed" in message
    assert "give the URL the right user and password" in message


def test_a_missing_password_is_reported(stores):
    assert "no password supplied" in refused(stores(user=LOCKED), StoreError)


def test_the_right_password_is_enough(postgres: PostgresServer, database: str, stores):
    postgres.administer(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {LOCKED}", database)
    assert stores(user=f"{LOCKED}:{PASSWORD.replace('/', '%2F')}").pools() == []
    postgres.administer(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {LOCKED}", database)


def test_a_missing_database_is_reported_with_the_fix(postgres: PostgresServer):
    assert "create the database" in refused(PostgresStore(postgres.url("none")), StoreError)


def test_a_server_without_tls(postgres: PostgresServer):
    store = PostgresStore(postgres.url("x").replace("sslmode=disable", "sslmode=require"))
    message = refused(store, StoreError)
    assert "does not support SSL" in message
    assert "correct `sslmode` in the URL" in message


def test_an_option_that_the_server_does_not_know(postgres: PostgresServer):
    store = PostgresStore(postgres.url("postgres") + "&options=-c%20colour%3Dblue")
    assert "correct `options` in the URL" in refused(store, StoreError)


def test_a_missing_role_is_reported_with_the_fix(stores):
    assert "create the role" in refused(stores(user="nobody_known"), StoreError)


def test_a_missing_right_to_the_tables_is_reported_with_the_grant(store: PostgresStore, stores, role: str):
    assert "GRANT SELECT, INSERT, UPDATE, DELETE" in refused(stores(user=role), StoreError)


def test_a_missing_right_to_create_the_tables_is_reported_with_the_grant(postgres: PostgresServer, role: str):
    message = refused(PostgresStore(postgres.url(postgres.empty_database(), user=role)), StoreSchemaError)
    assert "permission denied for schema public" in message
    assert "grant it CREATE" in message


def test_a_missing_table(store: PostgresStore, other: "psycopg.Connection[Any]"):
    other.execute("DROP TABLE work_queues")
    assert 'relation "work_queues" does not exist' in refused(store, StoreSchemaError)


def test_the_tables_of_another_application_are_left_alone(postgres: PostgresServer):
    name = postgres.empty_database()
    postgres.administer("CREATE TABLE runs (id INTEGER)", name)
    assert "belongs to another application" in refused(PostgresStore(postgres.url(name)), StoreError)
    assert postgres.administer("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == [(1,)]


def test_a_pool_that_is_locked_for_too_long(stores, store: PostgresStore, other: "psycopg.Connection[Any]"):
    hasty = stores(lock_timeout=0.05)
    with other.transaction():
        other.execute("SELECT 1 FROM work_pools FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="another invocation holds the work pool for too long"):
            claim(hasty)
        assert hasty.pools() == store.pools(), "who reads does not wait"
    assert claim(hasty).claims == ()


def test_a_statement_that_takes_too_long(stores, store: PostgresStore, other: "psycopg.Connection[Any]"):
    hasty = stores(statement_timeout=3.0)
    with other.transaction():
        other.execute("LOCK TABLE runs")
        with pytest.raises(StoreUnavailable, match="too slow"):
            hasty.runs(RunFilter(), limit=1)
    assert hasty.runs(RunFilter(), limit=1) == []


def test_a_server_that_can_only_be_read(store: PostgresStore):
    with pytest.raises(StoreUnavailable, match="can only be read"), store._reading() as transaction:
        transaction.change("heartbeat", pool="pool", **beat(NOW))
