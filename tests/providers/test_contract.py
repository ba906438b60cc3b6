"""The providers without a cloud, held to the contract. The others stand beside their own tests."""

import pytest

from providers.testing import Remembers
from tests.providers.contract import ProviderContract
from tests.providers.fakes import FakeHarness


class TestFakeProvider(ProviderContract):
    @pytest.fixture(params=list(Remembers))
    def harness(self, request):
        return FakeHarness(request.param)
