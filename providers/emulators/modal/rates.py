"""A token bucket by the emulator's clock."""

from __future__ import annotations

from collections.abc import Callable


class CreationRate:
    """`creation_burst` tokens, refilled by `creation_rate` a second; a rate of None refuses nothing."""

    def __init__(self, now: Callable[[], float], creation_rate: float | None, creation_burst: float) -> None:
        self._now, self.creation_rate, self.creation_burst = now, creation_rate, creation_burst
        self.reset()

    def reset(self) -> None:
        """Fill it."""
        self._tokens, self._at = float(self.creation_burst), self._now()

    def take(self) -> float:
        """Take a token. Returns 0, or the seconds until there is a token."""
        if self.creation_rate is None:
            return 0.0
        now = self._now()
        self._tokens = min(self.creation_burst, self._tokens + (now - self._at) * self.creation_rate)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self.creation_rate
        self._tokens -= 1
        return 0.0
