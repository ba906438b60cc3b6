"""A provider over an emulator whose clock stands still until a test moves it."""

from collections.abc import Callable, Iterator

import pytest

from providers.container_instance import ContainerInstanceProvider
from providers.emulators.container_instance import ContainerInstanceEmulator
from tests.providers.container_instance.builders import provider_for

START = 1_900_000_000.0


@pytest.fixture
def start() -> Iterator[Callable[..., ContainerInstanceEmulator]]:
    """Starts emulators, and stops them after the test."""
    started: list[ContainerInstanceEmulator] = []

    def start(**settings) -> ContainerInstanceEmulator:
        emulator = ContainerInstanceEmulator(clock=lambda: START, **settings)
        emulator.start()
        started.append(emulator)
        return emulator

    yield start
    for emulator in started:
        emulator.stop()


@pytest.fixture
def aci(start) -> ContainerInstanceEmulator:
    return start()


@pytest.fixture
def provider(aci) -> ContainerInstanceProvider:
    return provider_for(aci)
