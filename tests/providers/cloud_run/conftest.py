from __future__ import annotations

import pytest

from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.fixtures import cloud_run_emulator
from tests.providers.cloud_run.builders import a_provider

__all__ = ["cloud_run_emulator", "emulator", "provider"]


@pytest.fixture
def emulator():
    with CloudRunEmulator(clock=lambda: 1_800_000_000.0) as emulator:
        yield emulator


@pytest.fixture
def provider(emulator):
    return a_provider(emulator)
