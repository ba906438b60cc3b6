"""What one process of a function keeps between its invocations, where the platform does not say how much time is left."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from dispatcher.environment.clock import Clock, SystemClock
from dispatcher.environment.events import LOGGER, log_event
from dispatcher.environment.settings import Settings, unknown_settings
from dispatcher.functions.invocation import invoke
from dispatcher.wiring import Wiring, wire


class Instance:
    """The settings, read once, and what was made from them; clients reconnect by themselves after a freeze.

    Invocations may overlap: each takes a `Wiring` of its own, so that none closes the store under another, and gives it back.
    """

    def __init__(self, environment: Mapping[str, str], *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._environment = environment
        self._idle: list[Wiring] = []

    @cached_property
    def settings(self) -> Settings:
        """Read at the first use, when the log is set up as well. Raises `SettingsError`, and is read anew the next time."""
        settings = Settings.from_environment(self._environment)
        LOGGER.setLevel(settings.log_level or logging.INFO)
        if not LOGGER.hasHandlers():
            LOGGER.addHandler(_lines())
        log_unknown_settings(self._environment)
        return settings

    def invoke(self, event: Any, *, since: datetime) -> dict[str, Any]:
        """Do what `event` asks for (`dispatcher.functions.invocation`); the platform's time runs from `since`.

        Raises as `invocation.invoke` does.
        """
        with self._wired(since) as wiring:
            return invoke(wiring, event, seconds_left=self._seconds_left(since))

    def _seconds_left(self, since: datetime) -> float | None:
        limit = self.settings.timeout_seconds
        return None if limit is None else limit - (self.clock.now() - since).total_seconds()

    @contextmanager
    def _wired(self, since: datetime) -> Iterator[Wiring]:
        try:
            wiring = self._idle.pop()
        except IndexError:
            wiring = wire(self.settings, clock=self.clock)
        try:
            yield wiring
        finally:
            left = self._seconds_left(since)
            wiring.rest(math.inf if left is None else left)
            self._idle.append(wiring)


def log_unknown_settings(environment: Mapping[str, str]) -> None:
    """One line for each variable that looks like a setting and is none: a misspelt one would silently have no effect."""
    for line in unknown_settings(environment):
        log_event("setting.unknown", warning=line)


def _lines() -> logging.Handler:
    """Logs each event as one line of JSON, which the platforms' logs can parse."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
