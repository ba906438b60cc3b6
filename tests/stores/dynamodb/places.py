"""A table, and stores over it whose requests are recorded and can be come between."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any
from uuid import UUID, uuid4

from dispatcher.stores.dynamodb import DynamoStore
from tests.builders import NOW, a_pool
from tests.stores.dynamodb_server import PATIENT, connect, emulator, fresh_table

__all__ = ["PATIENT", "Place", "Recorder", "SteppingClock", "a_place", "emulator"]

Request = tuple[str, Mapping[str, Any], Mapping[str, Any]]


class Recorder:
    """The SDK's client, with what it was asked and answered. `before` is called with each operation and its parameters."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """Operation, parameters, and the answer: None for one that failed."""
        self.before: Callable[[str, Mapping[str, Any]], None] = lambda _operation, _parameters: None
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Any:
        asked = getattr(connect(), operation)

        def ask(**parameters: Any) -> Any:
            self.before(operation, parameters)
            with self._lock:
                number = len(self.requests)
                self.requests.append((operation, parameters, {}))
            answer = asked(**parameters)
            self.requests[number] = (operation, parameters, answer)
            return answer

        return ask

    def close(self) -> None:
        """The one client serves all tests."""

    def tokens(self) -> list[str]:
        """Of the transactions, in order."""
        return [parameters["ClientRequestToken"] for name, parameters, _ in self.requests if name == "transact_write_items"]


@dataclass
class SteppingClock:
    """Time that passes by sleeping alone."""

    time: datetime = NOW
    slept: list[float] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.meanwhile()

    def new_id(self) -> UUID:
        return uuid4()  # tokens of transactions: another run of the tests on the same server has others


@dataclass
class Place:
    """One table, a store over it, and what it asked."""

    table: str
    recorder: Recorder
    clock: SteppingClock
    store: DynamoStore

    def another(self) -> DynamoStore:
        """Another invocation."""
        return DynamoStore(self.table, connect=connect, patience=PATIENT)

    @contextmanager
    def coming_between(
        self, act: Callable[[DynamoStore], Any], *, at: int = 1, operation: str = "transact_write_items"
    ) -> Iterator[None]:
        """Let another invocation act right before the store's request number `at` of that operation, once."""
        seen = 0

        def before(asked: str, _parameters: Mapping[str, Any]) -> None:
            nonlocal seen
            seen += asked == operation
            if asked == operation and seen == at:
                act(self.another())

        self.recorder.before = before
        yield
        self.recorder.before = lambda _operation, _parameters: None
        assert seen >= at, "nobody came between"


def a_place(**options: Any) -> Place:
    """A table with the pool `pool` (queues `high` and `default`)."""
    table, recorder, clock = fresh_table(), Recorder(), SteppingClock()
    store = DynamoStore(table, connect=lambda: recorder, clock=clock, **{"patience": PATIENT, **options})
    store.save_pool(a_pool(queues=["high", "default"]), expected_version=None)
    recorder.requests.clear()
    return Place(table, recorder, clock, store)
