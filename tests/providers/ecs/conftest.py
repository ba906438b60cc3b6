from __future__ import annotations

import pytest

from providers.ecs import EcsProvider
from providers.ecs.clients import Clients
from providers.ecs.preparation import Preparation
from providers.emulators.ecs import EcsEmulator

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def emulator():
    """One server for a module's tests; moto's 1,300 machine images would make each reset slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with EcsEmulator(clock=lambda: NOW) as emulator:
            yield emulator


@pytest.fixture
def aws(emulator, monkeypatch):
    """An AWS account with a cluster `default` and a default VPC; nothing else in it yet."""
    emulator.reset()
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    yield emulator
    emulator.change_settings({"job_seconds": None, "exit_code": 0, "capacity": None})
    emulator.tasks.started_by_alone = False
    emulator.tasks.visibility_lag = 0.0


@pytest.fixture(scope="module")
def clients():
    return Clients(credentials={}, endpoint_url=None, region=None, call_timeout=10.0, connections=16)


@pytest.fixture
def provider(aws, clients):
    """A provider that remembers nothing, and whose time to prepare never runs out: a busy machine decides no test.

    Its clients outlive the test, because building them is what takes time.
    """
    provider = EcsProvider()
    provider._clients = clients
    provider._preparation = Preparation(clients, provider.limits.call_timeout, monotonic=lambda: 0.0)
    return provider


@pytest.fixture
def run_task(aws, provider):
    """Submit a job and give back the RunTask request that it came to."""

    def submit(job):
        outcome = provider.submit(job)
        requests = aws.calls.requests("RunTask")
        assert requests, outcome
        return requests[-1]

    return submit
