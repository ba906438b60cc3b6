"""Ticks of a pool while people work on what waits in it, and the forms of the pages for that work."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest

from dispatcher.environment.clock import SystemClock
from dispatcher.models import SLOT_STATES
from dispatcher.models.records import RunFilter
from dispatcher.protocols import Store
from dispatcher.ticking import Dispatch, TickLimits, tick
from providers.testing import FakeProvider

LIMIT = 5


class Form(HTMLParser):
    """The hidden fields of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "input" and values.get("type") == "hidden":
            self.fields.setdefault(values["name"], []).append(values["value"])


class Ticks:
    """Ticks of the same store, one after each step of the work. Jobs run until they are stopped."""

    def __init__(self, store: Store, limit: int) -> None:
        self.store, self.limit, self.provider = store, limit, FakeProvider()
        self._dispatch = Dispatch(
            store=store,
            providers=lambda _type: self.provider,
            clock=SystemClock(),
            events=lambda _event, **_fields: None,
            limits=TickLimits(),
        )

    def tick(self) -> None:
        report = tick(self._dispatch, self._dispatch.clock.now() + timedelta(minutes=1))
        assert [pool.problem for pool in report.pools if pool.problem] == []
        held = self.store.count(RunFilter(states=SLOT_STATES), limit=self.limit + 2)
        assert held <= self.limit
        assert len(self.provider.live) <= self.limit

    def until_nothing_runs(self) -> None:
        for _ in range(20):
            if not self.store.count(RunFilter(states=SLOT_STATES), limit=1):
                return
            self.tick()
        pytest.fail("jobs of cancelled runs go on")
