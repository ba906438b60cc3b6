"""Docker behind a hostile network."""

import pytest

from tests.providers.network_contract import NetworkContract, between

pytestmark = pytest.mark.long  # each of a hundred spoiled answers is a round with a real engine


class TestDocker(NetworkContract):
    @pytest.fixture
    def far(self, harness):
        yield from between(harness, harness.proxy, harness.provider, harness.another(call_timeout=0.5))
