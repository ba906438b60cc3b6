"""Cloud Run behind a hostile network."""

from datetime import UTC, datetime

import pytest

from providers.cloud_run import CloudRunProvider
from providers.emulators.cloud_run import CloudRunEmulator
from tests.network.proxy import HttpProxy
from tests.providers.cloud_run.builders import TEMPLATES
from tests.providers.cloud_run.test_cloud_run_contract import CloudRunHarness
from tests.providers.network_contract import NetworkContract, between


class TestCloudRun(NetworkContract):
    @pytest.fixture
    def far(self):
        with CloudRunEmulator() as emulator, HttpProxy(emulator.url) as proxy:
            harness = CloudRunHarness(emulator, TEMPLATES["ours"])
            yield from between(harness, proxy, *(self.through(emulator, proxy, seconds) for seconds in (10.0, 0.5)))

    def through(self, emulator, proxy, seconds):
        now = lambda: datetime.fromtimestamp(emulator.now(), UTC)  # noqa: E731
        return CloudRunProvider(endpoint=proxy.url, project="p", writes_per_minute=6000, call_timeout=seconds, now=now)
