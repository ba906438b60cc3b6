"""An emulator with a clock that stands still until a test moves it, and Azure's own client pointed at it."""

from collections.abc import Callable, Iterator

import pytest
from azure.core.pipeline.policies import RetryPolicy, SansIOHTTPPolicy
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from providers.emulators.container_instance import ContainerInstanceEmulator

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
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


def client_of(emulator: ContainerInstanceEmulator, *, api_version: str = "2023-05-01", **settings):
    """Azure's client, unmodified; no token, no retries."""
    return ContainerInstanceManagementClient(
        object(),
        SUBSCRIPTION,
        base_url=emulator.url,
        authentication_policy=SansIOHTTPPolicy(),
        retry_policy=RetryPolicy.no_retries(),
        polling_interval=0,
        api_version=api_version,
        **settings,
    )


@pytest.fixture
def client(aci):
    with client_of(aci) as client:
        yield client
