"""What every provider type must do, asked of Cloud Run."""

from __future__ import annotations

import pytest
import requests

from dispatcher.core.templates import render
from providers.cloud_run import CloudRunProvider
from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.faults import FaultKind
from tests.providers.cloud_run.builders import IMAGE, TEMPLATES, a_provider
from tests.providers.contract import ProviderContract, ProviderHarness


class CloudRunHarness(ProviderHarness):
    def __init__(self, emulator, template):
        self.emulator, self.template = emulator, template
        self._provider = self.another()

    @property
    def provider(self):
        return self._provider

    def another(self):
        return a_provider(self.emulator)

    def configuration(self):
        variables = {"image": IMAGE, "command": "python -m job", "timeout": 86_400, "labels": {"team": "data"}}
        return render(self.template, {**variables, "env": {"MODE": "fast"}})

    def settle(self):
        self.emulator.book.settle()

    def wait(self, seconds):
        self.emulator.advance(seconds)

    def finish(self, name, exit_code):
        self.emulator.finish(name, exit_code)
        self.emulator.advance(1)  # past what a list lags behind

    def starts(self, name):
        return self.emulator.starts.get(name, 0)

    def environment(self, name):
        return self.emulator.book.named(name)[-1].environment

    def labels(self, name):
        return requests.get(self._url(name), timeout=60).json()["labels"]

    def refuse_next(self):
        self.emulator.faults.add("CreateJob", FaultKind.REFUSE, detail="FAILED_PRECONDITION: the organisation forbids it")
        return self.configuration(), "the organisation forbids it"

    def lose_next_answer(self):
        self.emulator.faults.add("CreateJob", FaultKind.LOSE_ANSWER)

    def lose_next_request(self):
        self.emulator.faults.add("CreateJob", FaultKind.LOSE_REQUEST)

    def throttle_next(self):
        self.emulator.faults.add("CreateJob", FaultKind.THROTTLE)

    def unreachable(self):
        return CloudRunProvider(endpoint="http://127.0.0.1:9", project="p", call_timeout=0.3)

    def forget(self, name):
        requests.delete(self._url(name), timeout=60).raise_for_status()

    def leftover(self, name):
        return requests.get(self._url(name), timeout=60).ok

    def _url(self, name):
        return f"{self.emulator.url}/v2/projects/p/locations/us-central1/jobs/{name}"


class TestCloudRun(ProviderContract):
    @pytest.fixture
    def harness(self):
        with CloudRunEmulator() as emulator:
            yield CloudRunHarness(emulator, TEMPLATES["ours"])


class TestKnative(ProviderContract):
    @pytest.fixture
    def harness(self):
        with CloudRunEmulator() as emulator:
            yield CloudRunHarness(emulator, TEMPLATES["prefect cloud-run"])


class TestOnAFreshProjectsQuota(ProviderContract):
    """Thirty writes a minute, a start that takes its time and a list that lags."""

    @pytest.fixture
    def harness(self):
        with CloudRunEmulator(writes_per_minute=30, reads_per_minute=600, list_lag=0.05) as emulator:
            yield CloudRunHarness(emulator, TEMPLATES["ours"])
