from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models.records import RunFilter
from dispatcher.stores.memory import MemoryStore
from dispatcher.stores.sqlite import SqliteStore
from tests.builders import NOW, an_id
from tests.stores.sqlite_files import fresh_file


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time

    def sleep(self, seconds):
        raise AssertionError("people do not wait in here")

    def new_id(self):
        return an_id()


@pytest.fixture(params=["memory", "sqlite"])
def dispatcher(request, tmp_path) -> Iterator[Dispatcher]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(fresh_file(tmp_path / "client.db"))
    yield Dispatcher(store, clock=Clock())
    store.close()


@pytest.fixture
def pool(dispatcher):
    """A pool of processes, its template the type's own."""
    return dispatcher.create_work_pool("pool", type="process", concurrency_limit=2)


def contents(dispatcher):
    """All that is in the store."""
    store = dispatcher.store
    return store.pools(), store.deployments(), store.runs(RunFilter(), limit=100_000)


@contextmanager
def refused(dispatcher, error, match):
    """What is refused is said in one line, and changes nothing."""
    before = contents(dispatcher)
    with pytest.raises(error, match=match) as raised:
        yield
    assert "\n" not in str(raised.value)
    assert contents(dispatcher) == before
