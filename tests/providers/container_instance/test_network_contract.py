"""Container Instances behind a hostile network."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.container_instance import ContainerInstanceProvider, arm
from providers.container_instance import provider as provider_module
from tests.network.proxy import HttpProxy
from tests.providers.container_instance.test_contract import ContainerInstanceHarness
from tests.providers.network_contract import NetworkContract, between


class Hasty:
    """A provider whose calls, and the requests in them, may take half a second."""

    def __init__(self, provider: ContainerInstanceProvider) -> None:
        self._provider = provider

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                for name in ("READ_SECONDS", "WRITE_SECONDS", "CALL_TIMEOUT"):
                    patch.setattr(arm, name, 0.5)
                patch.setattr(provider_module, "CALL_TIMEOUT", 0.5)
                return getattr(self._provider, verb)(*arguments)

        return call


class TestContainerInstance(NetworkContract):
    @pytest.fixture
    def far(self, aci):
        with HttpProxy(aci.url) as proxy:
            clock = lambda: datetime.fromtimestamp(aci.now(), UTC)  # noqa: E731
            provider, hasty = (ContainerInstanceProvider(endpoint=proxy.url, clock=clock) for _ in range(2))
            yield from between(ContainerInstanceHarness(aci), proxy, provider, Hasty(hasty))
