"""The requests that an emulator has received."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

KEPT_REQUESTS = 10_000
"""The most requests that an emulator remembers; counts have no limit."""


class CallLog:
    """The calls by operation, in the vendor's own names. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def record(self, operation: str, request: Mapping[str, Any] | None = None) -> None:
        """Count a call, whatever its outcome."""
        with self._lock:
            self._counts[operation] += 1
            self._requests.append((operation, dict(request or {})))

    @property
    def counts(self) -> dict[str, int]:
        """The number of calls of each operation."""
        with self._lock:
            return dict(self._counts)

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """The parsed requests of an operation, oldest first."""
        with self._lock:
            return [request for name, request in self._requests if name == operation]

    def __getitem__(self, operation: str) -> int:
        return self._counts[operation]

    def reset(self) -> None:
        """Forget every call."""
        with self._lock:
            self._counts: Counter[str] = Counter()
            self._requests: deque[tuple[str, dict[str, Any]]] = deque(maxlen=KEPT_REQUESTS)
