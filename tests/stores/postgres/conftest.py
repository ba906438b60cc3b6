from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from dispatcher.stores.postgres import PostgresStore
from tests.builders import a_pool
from tests.stores.postgres_server import PostgresServer, server


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    return server()


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    return postgres.fresh_database()


@pytest.fixture
def stores(postgres: PostgresServer, database: str) -> Iterator[Callable[..., PostgresStore]]:
    """Each call gives another store on the test's database; they are closed at the end."""
    made: list[PostgresStore] = []

    def make(*, user: str = "postgres", port: int | None = None, **options: Any) -> PostgresStore:
        made.append(PostgresStore(postgres.url(database, user=user, port=port), **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(stores: Callable[..., PostgresStore]) -> PostgresStore:
    made = stores()
    made.save_pool(a_pool(limit=3), expected_version=None)
    return made


@pytest.fixture
def role(postgres: PostgresServer, database: str) -> str:
    """A role that may connect, and nothing else."""
    postgres.administer(f"CREATE ROLE {database}_user LOGIN")
    return f"{database}_user"


@pytest.fixture
def other(postgres: PostgresServer, database: str) -> Iterator["psycopg.Connection[Any]"]:
    """Another transaction, which may lock what it likes."""
    with psycopg.connect(postgres.url(database), autocommit=True) as connection:
        yield connection
