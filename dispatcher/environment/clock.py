"""The only real time and the only randomness of the product: a port, so that tests and the simulation bring their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Time, waiting and new ids."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def new_id(self) -> UUID:
        """A new id, which sorts after all ids that were made before it."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait in real time; nothing for a negative duration."""
        if seconds > 0:
            time.sleep(seconds)

    def new_id(self) -> UUID:
        """A UUID that begins with the time: see `TimeOrderedIds`."""
        return _IDS.after(time.time_ns())


class StoppableClock(SystemClock):
    """The machine's clock in a process that may be asked to end: then nobody waits any more."""

    SLICE = 0.1
    """Seconds after which a thread that waits looks whether it has to."""

    def __init__(self, is_stopped: Callable[[], bool]) -> None:
        self._is_stopped = is_stopped

    def sleep(self, seconds: float) -> None:
        """Wait in real time, until it is stopped."""
        end = time.monotonic() + seconds
        while not self._is_stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.SLICE))


class TimeOrderedIds:
    """UUIDs of version 8 (RFC 9562, section 5.8) in the order in which they are made, so that runs due at one moment keep it.

    The first 32 bits count steps of `STEP` since 1970, the next 16 parts of a step, and 74 bits are random. Each id of one
    process begins a step of its own: its first eight characters, which people see and type, distinguish it from the others. (In
    a UUID of version 7 these stand still for a minute.) The price: the count begins anew after 199 days, and of two runs that
    are due at the same moment the one made after that then goes first.
    """

    STEP = 4_000_000
    """Nanoseconds."""

    def __init__(self) -> None:
        self._last, self._lock = -1, Lock()

    def after(self, now: int) -> UUID:
        """The next id. `now`: nanoseconds since 1970."""
        stamp = (now << 16) // self.STEP
        with self._lock:
            if stamp >> 16 <= self._last >> 16:  # the same step, or a clock that was put back
                stamp = ((self._last >> 16) + 1) << 16
            self._last = stamp
        chance = int.from_bytes(os.urandom(10)) >> 6
        head = (stamp & (1 << 48) - 1) << 80
        return UUID(int=head | 8 << 76 | chance >> 62 << 64 | 2 << 62 | chance & (1 << 62) - 1)


_IDS = TimeOrderedIds()
