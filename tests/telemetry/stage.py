"""The stage of `tests.tick` with consumers of its events, and submissions that take time."""

from __future__ import annotations

from dataclasses import replace

from dispatcher.telemetry import Telemetry
from providers.testing import FakeProvider
from tests.builders import SECOND
from tests.tick.stage import LIMITS, Stage


class Watched(Stage):
    """A stage whose ticks go through telemetry; its own events are what telemetry gives on to the log."""

    def __init__(self, *pools, **consumers):
        super().__init__(*pools)
        self.telemetry = Telemetry(lambda event, **fields: self.events.append((event, fields)), consumers)

    def dispatch(self, **limits):
        return replace(super().dispatch(**{"heads": 10, **limits}), events=self.telemetry)

    def tick(self, *, pools=None, **arguments):
        """A tick of every pool, whether it has something to do or not."""
        return super().tick(pools=self.store.pool_names() if pools is None else pools, **arguments)

    def submissions_take(self, seconds):
        self.provider = SlowProvider(self, seconds * SECOND)


class SlowProvider(FakeProvider):
    """Submissions take some of the stage's time."""

    def __init__(self, stage, duration):
        super().__init__(clock=stage.clock.now, limits=LIMITS)
        self._stage, self._duration = stage, duration

    def submit(self, job):
        self._stage.wait(self._duration)
        return super().submit(job)
