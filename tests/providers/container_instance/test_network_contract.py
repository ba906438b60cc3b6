"""Container Instances behind a hostile network."""

from datetime import UTC, datetime

import pytest

from providers.container_instance import ContainerInstanceProvider, arm
from providers.container_instance import provider as provider_module
from tests.network.proxy import HttpProxy
from tests.providers.container_instance.test_contract import ContainerInstanceHarness
from tests.providers.network_contract import NetworkContract, between


class TestContainerInstance(NetworkContract):
    @pytest.fixture
    def far(self, aci, monkeypatch, request):
        if "drips" in request.node.name:
            for module in (arm, provider_module):
                monkeypatch.setattr(module, "CALL_TIMEOUT", 0.5)
        with HttpProxy(aci.url) as proxy:
            clock = lambda: datetime.fromtimestamp(aci.now(), UTC)  # noqa: E731
            provider, hasty = (ContainerInstanceProvider(endpoint=proxy.url, clock=clock) for _ in range(2))
            yield from between(ContainerInstanceHarness(aci), proxy, provider, hasty)
