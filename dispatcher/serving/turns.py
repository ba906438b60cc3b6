"""When to tick: at once, then every so many seconds, and when somebody wakes; until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TypeAlias

from dispatcher.environment.clock import StoppableClock
from dispatcher.ticking import Dispatch

EVERY_POOL = ""
"""A wake of no pool by name."""
MAX_WAKES = 1000
"""Wakes that wait for the end of a tick; beyond that they are dropped, because a tick of every pool comes anyway."""

Turn: TypeAlias = Sequence[str] | None
"""The pools to tick; None: every pool."""


class Turns:
    """The turns of one process. Iterate over them in one thread; `wake` may be called from any, and `stop` by a signal handler.

    The bell is a `SimpleQueue` because a signal handler may interrupt the very thread that waits: `threading.Event.set` could
    wait there for a lock that this thread holds.
    """

    def __init__(self, every: float, *, now: Callable[[], float] = time.monotonic) -> None:
        """`every`: seconds from the beginning of one tick of every pool to that of the next. A longer tick delays the next."""
        self._every, self._now = every, now
        self._bell: SimpleQueue[str] = SimpleQueue()
        self._stopped = False

    def is_stopped(self) -> bool:
        """Whether the process is about to end."""
        return self._stopped

    def stop(self) -> None:
        """Take no further turn."""
        self._stopped = True
        self._bell.put(EVERY_POOL)

    def wake(self, pool: str = EVERY_POOL) -> None:
        """Take a turn at once, or after the one under way; wakes that come together make one."""
        if self._bell.qsize() < MAX_WAKES:
            self._bell.put(pool)

    def __iter__(self) -> Iterator[Turn]:
        """The turns, as they come."""
        due = self._now()
        while not self._stopped:
            if (left := due - self._now()) <= 0:
                due = self._now() + self._every
                self._rung()
                yield None
            elif (pools := self._rung(left)) and not self._stopped:
                yield None if EVERY_POOL in pools else pools

    def _rung(self, seconds: float = 0.0) -> Sequence[str]:
        """The pools that were woken, each once. Waits up to so many seconds for the first one."""
        rung: dict[str, None] = {}
        try:
            rung[self._bell.get(timeout=seconds) if seconds else self._bell.get_nowait()] = None
            while True:
                rung[self._bell.get_nowait()] = None
        except Empty:
            return list(rung)


def stoppable(dispatch: Dispatch, turns: Turns) -> Dispatch:
    """The dispatch of a process whose ticks end midway when its turns are stopped."""
    return replace(dispatch, is_stopped=turns.is_stopped, clock=StoppableClock(turns.is_stopped))
