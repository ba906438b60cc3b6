"""State changes handed to a callback, as EventBridge hands them to a rule's target: later, from elsewhere."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]

LOOK_SECONDS = 0.05
"""How often time is looked at when nothing else happens: an end by the clock is then delivered without anybody asking."""


class Delivery:
    """A thread that calls `target` with each event, in order. What a target raises is logged, and the event is lost."""

    def __init__(self, target: Callable[[Event], None], settle: Callable[[], None]) -> None:
        self._target, self._settle = target, settle
        self._events: queue.Queue[Event] = queue.Queue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._deliver, daemon=True, name="ecs-events")

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def put(self, event: Event) -> None:
        """Have an event delivered."""
        self._events.put(event)

    def stop(self) -> None:
        """End the thread; what is not yet delivered never is."""
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
                self._hand_over(event)

    def _hand_over(self, event: Event) -> None:
        try:
            self._target(event)
        except Exception:
            logging.getLogger(__name__).exception("the target of an event failed")
