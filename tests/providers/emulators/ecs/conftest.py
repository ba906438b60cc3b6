from __future__ import annotations

import pytest

from providers.emulators.ecs import EcsEmulator
from tests.providers.emulators.ecs.builders import NOW, Ecs, client


@pytest.fixture(scope="module")
def started():
    """One server for a module's tests; its time stands still but for `advance`."""
    with EcsEmulator(clock=lambda: NOW, account="111111111111") as emulator:
        yield emulator


@pytest.fixture
def emulator(started):
    """An account with a cluster `default`, a network, a definition `job` and nothing else."""
    started.reset()
    started.change_settings(
        {
            "job_seconds": None,
            "exit_code": 0,
            "capacity": None,
            "visibility_lag": 0,
            "started_by_alone": False,
            "instances": True,
            "enforce_rates": False,
            "enforce_permissions": False,
        }
    )
    return started


@pytest.fixture
def ecs(emulator):
    """A client that retries nothing, with the definition `job` registered."""
    ecs = Ecs(emulator, client("ecs", emulator))
    ecs.register()
    return ecs
