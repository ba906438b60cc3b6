"""Passes state changes to a callback as EventBridge does to a rule's target: later, on another thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]

LOOK_SECONDS = 0.05
"""Seconds between two reads of the clock when nothing else happens, so that a job's end is delivered without a request."""


class Delivery:
    """A thread that calls `target` with each event, in order.

    A target must not raise: an exception ends the delivery thread, and Python reports it.
    """

    def __init__(self, target: Callable[[Event], None], settle: Callable[[], None]) -> None:
        self._target, self._settle = target, settle
        self._events: queue.Queue[Event] = queue.Queue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._deliver, daemon=True, name="ecs-events")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, event: Event) -> None:
        """Queue an event for delivery."""
        self._events.put(event)

    def stop(self) -> None:
        """End the thread. Events that still wait are dropped."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _deliver(self) -> None:
        while not self._stopped.is_set():
            try:
                event = self._events.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self._settle()
            else:
                self._target(event)
