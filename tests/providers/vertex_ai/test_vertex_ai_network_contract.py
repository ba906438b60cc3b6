"""Vertex AI behind a hostile network."""

from datetime import UTC, datetime

import pytest

from providers.emulators.vertex_ai import VertexAiEmulator
from providers.vertex_ai import VertexAiProvider
from tests.network.proxy import HttpProxy
from tests.providers.network_contract import NetworkContract, between
from tests.providers.vertex_ai.test_vertex_ai_contract import VertexAiHarness


class TestVertexAi(NetworkContract):
    @pytest.fixture
    def far(self):
        with VertexAiEmulator() as emulator, HttpProxy(emulator.url) as proxy:
            harness = VertexAiHarness(emulator, delete_ended=True)
            yield from between(harness, proxy, *(self.through(emulator, proxy, seconds) for seconds in (10.0, 0.5)))

    def through(self, emulator, proxy, seconds):
        now = lambda: datetime.fromtimestamp(emulator.now(), UTC)  # noqa: E731
        options = {"project": "p", "submissions_per_minute": 6000, "delete_ended": True}
        return VertexAiProvider(endpoint=proxy.url, call_timeout=seconds, now=now, **options)
