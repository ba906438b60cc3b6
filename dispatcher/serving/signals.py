"""What SIGINT and SIGTERM do to a process that ticks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Handle = Callable[[int, Any], Any]


def end_at_once(number: int, _frame: object) -> None:
    """End the process, as a shell reports a process that a signal has killed. The first process of a container ends only so."""
    os._exit(128 + number)


@contextmanager
def stopped_by_signals(stop: Callable[[], None], *, then: Handle | None = None) -> Iterator[None]:
    """The first signal calls `stop`; the second calls `then`, or has its usual effect if there is none."""
    before: dict[signal.Signals, Any] = {}

    def first(*_: object) -> None:
        for number, handler in before.items():
            signal.signal(number, then or handler)
        stop()

    for number in SIGNALS:
        before[number] = signal.signal(number, first)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
