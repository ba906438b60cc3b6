"""Work that is done once for a key, however many threads ask for it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


MAX_REMEMBERED = 1000
"""The most values that are kept; beyond that, all are made anew."""


class Once(Generic[Key, Value]):
    """Remembers the values that `get` made, which are never None. After a failure the next waiting caller tries again."""

    def __init__(self) -> None:
        self._values: dict[Key, Value] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value for `key`; `make` makes it if there is none yet. Raises what `make` raises."""
        if (value := self._values.get(key)) is not None:
            return value
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if (value := self._values.get(key)) is None:
                value = make()
                self._keep(key, value)
            return value

    def peek(self, key: Key) -> Value | None:
        """The value for `key` if there is one. It makes nothing and does not wait."""
        return self._values.get(key)

    def forget(self, key: Key) -> None:
        """Make the value anew next time."""
        self._values.pop(key, None)

    def _keep(self, key: Key, value: Value) -> None:
        with self._guard:
            if len(self._values) >= MAX_REMEMBERED:
                self._values.clear()
                self._locks.clear()
            self._values[key] = value
