"""A provider over an emulated cluster whose clock stands still until a test moves it."""

from collections.abc import Callable, Iterator

import pytest

from providers.emulators.kubernetes import KubernetesEmulator
from providers.kubernetes import KubernetesProvider
from tests.providers.kubernetes.builders import provider_for

START = 1_900_000_000.0


@pytest.fixture
def start() -> Iterator[Callable[..., KubernetesEmulator]]:
    """Starts emulators, and stops them after the test."""
    started: list[KubernetesEmulator] = []

    def start(**settings) -> KubernetesEmulator:
        emulator = KubernetesEmulator(clock=lambda: START, **settings)
        emulator.start()
        started.append(emulator)
        return emulator

    yield start
    for emulator in started:
        emulator.stop()


@pytest.fixture
def cluster(start) -> KubernetesEmulator:
    return start()


@pytest.fixture
def provider(cluster) -> KubernetesProvider:
    return provider_for(cluster)
