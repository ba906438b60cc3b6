"""The minutes of the last hour in which a pool was ticked. Pure.

A heartbeat is one blind write: `Store.heartbeats` notes a hundred pools in one request without reading them. So each minute of
the hour has its own place, and a tick writes its hour there: a tick at 10:07 writes "10 o'clock" in place 7, over "9 o'clock".
Nothing has to be moved or deleted, in whatever order the writes arrive.

The hour in a place says whether its tick is of the last hour or older. After a clock was set back, later minutes lie in the
future and are ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dispatcher.models import WorkPool

MINUTES = 60
NEVER = 0
"""The hour of a minute that never had a tick."""
GAPS_NAMED = 3
"""The most gaps that words name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LastHour:
    """The ticks of a pool in the hour up to a moment."""

    since: datetime
    """The time since which ticks were noted; at the earliest the beginning of the hour."""
    until: datetime
    minutes: tuple[datetime, ...]
    """The minutes that had a tick, by their beginning, in order."""
    gaps: tuple[tuple[datetime, datetime], ...]
    """The gaps between ticks that were too long, each as its begin and end."""

    @property
    def length(self) -> int:
        """The minutes from `since` on, the one that has just begun included."""
        return (self.until - self.since) // _MINUTE + 1

    @property
    def words(self) -> str:
        """All of it in a sentence."""
        if not self.minutes and not self.gaps:
            return "no tick is noted yet"
        missing = f"; none {self.missing}" if self.gaps else ""
        return f"ticks in {len(self.minutes)} of the last {self.length} minutes{missing}"

    @property
    def missing(self) -> str:
        """The latest gaps in words; empty if there are none."""
        *others, last = [f"from {begin:%H:%M} to {end:%H:%M}" for begin, end in self.gaps[-GAPS_NAMED:]] or [""]
        more = len(self.gaps) - GAPS_NAMED
        earlier = f" UTC, and {more} more before" if more > 0 else " UTC" if self.gaps else ""
        return f"{', '.join(others)}{' and ' if others else ''}{last}{earlier}"


def place(now: datetime) -> tuple[int, int]:
    """The hour, counted since 1970, and the minute of the hour."""
    return divmod((now - _EPOCH) // _MINUTE, MINUTES)


def noted(hours: Sequence[int], now: datetime) -> tuple[int, ...]:
    """`WorkPool.ticked_hours` after a tick."""
    hour, minute = place(now)
    ticked = tuple(hours) or (NEVER,) * MINUTES
    return (*ticked[:minute], hour, *ticked[minute + 1 :])


def last_hour(pool: WorkPool, now: datetime, patience: timedelta) -> LastHour:
    """The hour up to `now`, the minute that has just begun included. Ticks may be `patience` apart."""
    current = (now - _EPOCH) // _MINUTE
    first = current - MINUTES + 1
    ticked = [hour * MINUTES + minute for minute, hour in enumerate(pool.ticked_hours) if hour != NEVER]
    earliest = max(first, min([*ticked, current]))
    minutes = sorted(minute for minute in ticked if first <= minute <= current)
    gaps = tuple((_begin(begin), _begin(end)) for begin, end in _gaps(minutes, earliest, current, patience))
    return LastHour(_begin(earliest), now, tuple(map(_begin, minutes)), gaps)


def _gaps(minutes: Collection[int], first: int, current: int, patience: timedelta) -> Iterator[tuple[int, int]]:
    """Stretches of whole minutes without a tick, each as its begin and end, if at least `patience` long."""
    for before, after in zip([first - 1, *minutes], [*minutes, current], strict=True):
        if (after - before - 1) * _MINUTE >= patience:
            yield before + 1, after


def _begin(minute: int) -> datetime:
    return _EPOCH + minute * _MINUTE
