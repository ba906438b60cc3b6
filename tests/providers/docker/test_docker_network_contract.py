"""Docker behind a hostile network."""

import pytest

from tests.providers.network_contract import NetworkContract, between


class TestDocker(NetworkContract):
    @pytest.fixture
    def far(self, harness):
        yield from between(harness, harness.proxy, harness.provider, harness.another(call_timeout=0.5))
