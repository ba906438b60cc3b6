from __future__ import annotations

import pytest

from providers.emulators.vertex_ai import VertexAiEmulator
from tests.providers.vertex_ai.builders import a_provider


@pytest.fixture
def emulator():
    with VertexAiEmulator(clock=lambda: 1_800_000_000.0) as emulator:
        yield emulator


@pytest.fixture
def provider(emulator):
    return a_provider(emulator)
