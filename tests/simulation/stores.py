"""The stores a world can live in.

`STORES` is all that the rest knows of them: a new store is one more context manager that gives `Views` of an empty state.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.protocols import Store
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.stores.memory import MemoryStore
from dispatcher.stores.postgres import PostgresStore
from dispatcher.stores.sqlite import IN_MEMORY, SqliteStore
from tests.stores import dynamodb_server
from tests.stores.postgres_server import server


@dataclass
class Views:
    """Ways into one state. An invocation opens one; one that ends well leaves it to the next, as a warm function does."""

    make: Callable[[], Store]
    idle: list[Store] = field(default_factory=list)

    def open(self) -> Store:
        """A view that nobody else uses."""
        return self.idle.pop() if self.idle else self.make()

    def give_back(self, store: Store, *, crashed: bool = False) -> None:
        """The view of an invocation that is over; what a crash leaves behind is used by nobody."""
        if crashed:
            store.close()
        else:
            self.idle.append(store)

    def close(self) -> None:
        """Close what lies idle."""
        while self.idle:
            self.idle.pop().close()


@contextmanager
def memory() -> Iterator[Views]:
    """One dictionary."""
    store = MemoryStore()
    yield Views(lambda: store)


@contextmanager
def sqlite() -> Iterator[Views]:
    """One file, in memory where the system has a place for that; each view has a connection of its own."""
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        views = Views(lambda: SqliteStore(Path(folder) / "simulation.db"))
        try:
            yield views
        finally:
            views.close()


@contextmanager
def sqlite_alone() -> Iterator[Views]:
    """The same statements on a database in memory: for worlds in which nothing overlaps, so that one view is enough."""
    store = SqliteStore(IN_MEMORY)
    try:
        yield Views(lambda: store)
    finally:
        store.close()


@contextmanager
def postgresql() -> Iterator[Views]:
    """A database of its own on a real server; each view has a connection of its own."""
    url = server().url(server().fresh_database())
    views = Views(lambda: PostgresStore(url))
    try:
        yield views
    finally:
        views.close()


@contextmanager
def dynamodb() -> Iterator[Views]:
    """A table of its own in the emulator (`tests.stores.dynamodb_server`)."""
    table = dynamodb_server.fresh_table()
    try:
        yield Views(lambda: DynamoStore(table, connect=dynamodb_server.connect))
    finally:
        dynamodb_server.connect().delete_table(TableName=table)


STORES: dict[str, Callable[[], AbstractContextManager[Views]]] = {
    "memory": memory,
    "sqlite": sqlite,
    "postgresql": postgresql,
    "dynamodb": dynamodb,
}
EMBEDDED = ("memory", "sqlite")
"""Those that need no server: what `--store both` means."""
ALONE = STORES | {"sqlite": sqlite_alone}
"""The same for worlds in which nothing overlaps."""
