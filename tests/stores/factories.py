"""Every store that the conformance suite and the differential test run on."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from dispatcher.protocols import Store
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.memory import MemoryStore
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.sqlite import SqliteStore
from tests.stores import dynamodb_server
from tests.stores.postgres_server import server
from tests.stores.postgres_wire import Pooler
from tests.stores.sqlite_files import fresh_file


def memory(_directory: Path) -> Store:
    """The oracle."""
    return MemoryStore()


def sqlite(directory: Path) -> Store:
    """The default, in a file."""
    return SqliteStore(fresh_file(directory / "store.sqlite"))


def postgres(_directory: Path) -> Store:
    """A database of its own on a real server."""
    return PostgresStore(server().url(server().fresh_database()))


def dynamodb(_directory: Path) -> Store:
    """A table of its own in the emulator."""
    return DynamoStore(dynamodb_server.fresh_table(), connect=dynamodb_server.connect, patience=dynamodb_server.PATIENT)


@cache
def pooler() -> Pooler:
    """One for all databases of the server."""
    return Pooler(server().port)


def pooled_postgres(_directory: Path) -> Store:
    """The same behind a pooler that gives every transaction another connection."""
    return PostgresStore(server().url(server().fresh_database(), port=pooler().port))


FACTORIES: Mapping[str, Callable[[Path], Store]] = {
    "memory": memory,
    "sqlite": sqlite,
    "postgres": postgres,
    "dynamodb": dynamodb,
}
"""Name -> a fresh, empty store that may keep its files in the given directory."""

JUDGED: Mapping[str, Callable[[Path], Store]] = {**FACTORIES, "postgres": pooled_postgres}
"""What the conformance suite runs on: a store that passes behind a pooler needs nothing that outlives a transaction."""
