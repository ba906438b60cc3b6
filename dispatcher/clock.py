"""The only real time and the only randomness of the product: a port, so that tests and the simulation bring their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4


class Clock(Protocol):
    """Time, waiting and new identities."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def new_id(self) -> UUID:
        """An identity that nobody has had before."""
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
        """A random (version 4) UUID."""
        return uuid4()
