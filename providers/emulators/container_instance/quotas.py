"""A subscription's quotas: how much may exist in a region, and the rates of creates and deletes.

The defaults are Azure's: https://learn.microsoft.com/azure/container-instances/container-instances-resource-and-quota-limits
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from providers.emulators.container_instance.refusals import Refusal, throttled

Window = tuple[int, float]
"""A number of requests in a number of seconds."""

AZURE_WINDOWS: tuple[Window, ...] = ((100, 300.0), (300, 3600.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The quotas of one subscription in each region."""

    groups: float = 100
    """Container groups that exist, ended ones included."""
    cores: float = 100
    """CPUs of the groups that have not ended."""
    creates: tuple[Window, ...] = AZURE_WINDOWS
    deletes: tuple[Window, ...] = AZURE_WINDOWS
    reads: tuple[float, float] | None = None
    """Resource Manager's own bucket as (burst, refill per second); (250, 25) is close to the real one. None: no bucket."""

    @classmethod
    def unlimited(cls) -> Quotas:
        """No quota at all."""
        return cls(groups=float("inf"), cores=float("inf"), creates=(), deletes=())


class Meter:
    """Counts requests in sliding windows, by action and subscription; a refused request is not counted."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def spend(self, action: str, subscription: str, windows: tuple[Window, ...], now: float) -> None:
        """Count one request. Raises `Refusal` when a window is full."""
        times = self._times[action, subscription]
        for limit, seconds in windows:
            if refusal := _full(action, times, limit, seconds, now):
                raise refusal
        times.append(now)
        while windows and times[0] <= now - max(seconds for _, seconds in windows):
            times.popleft()


def _full(action: str, times: deque[float], limit: int, seconds: float, now: float) -> Refusal | None:
    if len(times) < limit or times[-limit] <= now - seconds:
        return None
    return throttled(action, limit, seconds, times[-limit] + seconds - now)


class Bucket:
    """A token bucket by the emulator's clock."""

    def __init__(self, burst: float, per_second: float) -> None:
        self._burst, self._per_second = burst, per_second
        self._tokens, self._at = burst, float("-inf")

    def take(self, now: float) -> int | None:
        """Take a token. Returns the number of tokens left, or None if there was none."""
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
            self._at = now
        if self._tokens < 1:
            return None
        self._tokens -= 1
        return int(self._tokens)
