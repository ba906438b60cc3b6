from __future__ import annotations

import pytest

from providers.emulators.modal import ModalEmulator
from providers.modal import ModalProvider

NOW = 1_800_000_000.0
PATIENCE = 60.0
"""Seconds for a call that is answered, however busy the machine is."""

SECRETS = {
    "database": {"PASSWORD": "hush"},
    "registry": {"REGISTRY_USERNAME": "me", "REGISTRY_PASSWORD": "hush"},
    "ecr": {"AWS_ROLE_ARN": "arn:aws:iam::1:role/pull", "AWS_REGION": "eu-west-1"},
    "artifact-registry": {"SERVICE_ACCOUNT_JSON": "{}"},
}


@pytest.fixture
def emulator():
    with ModalEmulator(clock=lambda: NOW, secrets=SECRETS, environments=("main", "staging")) as emulator:
        yield emulator


@pytest.fixture
def signed_in(emulator, monkeypatch):
    """The host's own identity: what a token in the environment is."""
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def provider(emulator, signed_in):
    return ModalProvider(server_url=emulator.url, call_timeout=PATIENCE, gpu_timeout=PATIENCE)
