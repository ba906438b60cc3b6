"""ECS behind a hostile network."""

import pytest

from providers.ecs import EcsProvider
from providers.ecs.clients import Clients
from tests.network.proxy import HttpProxy
from tests.providers.ecs.test_contract import EcsHarness, remembering_nothing
from tests.providers.network_contract import NetworkContract, between


class TestEcs(NetworkContract):
    @pytest.fixture
    def far(self, aws, clients):
        with HttpProxy(aws.url) as proxy:
            through = Clients(credentials={}, endpoint_url=proxy.url, region=None, call_timeout=10.0, connections=16)
            hasty = EcsProvider(endpoint_url=proxy.url, call_timeout=0.5)
            yield from between(EcsHarness(aws, clients), proxy, remembering_nothing(through), hasty)
