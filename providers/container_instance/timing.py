"""The time limit of the provider's calls, and a stopwatch for it."""

from __future__ import annotations

from collections.abc import Callable

CALL_TIMEOUT = 10.0
LAST_START = 5.0
"""Seconds after which no further call to Azure is begun, so that every call ends in time."""


class Stopwatch:
    """A stopwatch that starts at its creation."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self._monotonic() - self._began

    @property
    def is_over(self) -> bool:
        """True when no further call may be begun."""
        return self.spent > LAST_START
