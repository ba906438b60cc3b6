"""Metrics and traces, made from events (`dispatcher.environment.events`) and from nothing else.

It reads the events and the words of the models, and knows no store and no provider. Only `dispatcher.wiring` imports it, and
only where `DISPATCHER_TELEMETRY` asks for it.

    events ──► log
           ├─► measurements ──► open_telemetry ──► a collector, over OTLP
           │   (what is       ├► cloudwatch ─────► the function's log, one line for each pool and tick
           │    measured)     └► prometheus ─────► /metrics of `dispatcher serve`
           └─► spans ─────────► open_telemetry

A failure here fails no tick. It is logged once for each consumer. README.md beside this file lists every metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import Any, Protocol

from dispatcher.environment.events import Events
from dispatcher.ticking.seam import exceptions_reported

Report = Callable[[str], None]
"""Takes a consumer's problem; only the first is logged."""


class Consumer(Protocol):
    """Turns events into metrics or traces."""

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        """Record one event: quickly, and without the network."""
        ...

    def flush(self) -> None:
        """Send what was recorded, and return when it is sent. Runs on a thread of its own, never twice at once."""
        ...

    def close(self) -> None:
        """Release what the process holds. Nothing is sent any more."""
        ...


MakeConsumer = Callable[[Report], Consumer]


class Telemetry:
    """Events as they go to the log, and then to every consumer."""

    def __init__(self, log: Events, consumers: Mapping[str, MakeConsumer]) -> None:
        self._log = log
        self._reported: set[str] = set()
        self._consumers = {name: make(partial(self._report, name)) for name, make in consumers.items()}
        self._sending: Thread | None = None
        self._sent_to = ""

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Record one event."""
        self._log(event, **fields)
        for name, consumer in self._consumers.items():
            with self._harmless(name):
                consumer(event, fields)

    def flush(self, seconds: float) -> None:
        """Send what was recorded, and wait at most `seconds`. What is not sent by then goes on in the background.

        An earlier flush that is still under way is not waited for again: a collector that hangs holds up one invocation,
        and none after it.
        """
        if self._sending is None or not self._sending.is_alive():
            self._sending = Thread(target=self._send, name="telemetry", daemon=True)
            self._sending.start()
            self._sending.join(max(0.0, seconds))
            if self._sending.is_alive():
                self._report(
                    self._sent_to, f"not sent within {seconds:g} s; a bounded part of it is kept for the next invocations"
                )

    def close(self) -> None:
        """Close every consumer."""
        for name, consumer in self._consumers.items():
            with self._harmless(name):
                consumer.close()

    def _send(self) -> None:
        for name, consumer in self._consumers.items():
            self._sent_to = name
            with self._harmless(name):
                consumer.flush()

    @contextmanager
    def _harmless(self, name: str) -> Iterator[None]:
        """What watches a tick must not stop it, whatever a library raises."""
        with exceptions_reported(lambda problem: self._report(name, f"{type(problem).__name__}: {problem}")):
            yield

    def _report(self, name: str, problem: str) -> None:
        if name not in self._reported:
            self._reported.add(name)
            self._log("telemetry.problem", consumer=name, problem=problem)
