"""Work that is done once for a key, however many threads ask for it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


MAX_REMEMBERED = 1000
"""Values kept; when there are more, all are made anew."""


class Once(Generic[Key, Value]):
    """Remembers what `get` made, which is never None. A failure is not remembered: the next caller that waited tries again."""

    def __init__(self) -> None:
        self._values: dict[Key, Value] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value for `key`, made by `make` where there is none yet. Raises what `make` raises."""
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
        """The value for `key` where there is one; nothing is made, and nobody waits."""
        return self._values.get(key)

    def forget(self, key: Key) -> None:
        """Make it anew next time."""
        self._values.pop(key, None)

    def _keep(self, key: Key, value: Value) -> None:
        with self._guard:
            if len(self._values) >= MAX_REMEMBERED:
                self._values.clear()
                self._locks.clear()
            self._values[key] = value
