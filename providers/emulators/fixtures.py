"""pytest fixtures: `pytest_plugins = ["providers.emulators.fixtures"]`, or import the ones you want.

Each yields a started emulator and sets the variables that point the vendor's client at it. If an emulator's extra is not
installed, only the tests that use it fail.

Both ways may be mixed: this module has no assertions for pytest to rewrite (PYTEST_DONT_REWRITE).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from providers.emulators.base import Emulator
from providers.emulators.command import load

if TYPE_CHECKING:
    from providers.emulators.cloud_run import CloudRunEmulator
    from providers.emulators.container_instance import ContainerInstanceEmulator
    from providers.emulators.ecs import EcsEmulator
    from providers.emulators.kubernetes import KubernetesEmulator
    from providers.emulators.modal import ModalEmulator
    from providers.emulators.vertex_ai import VertexAiEmulator

_WINS_OVER_ENVIRONMENT = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_ECS",
    "AWS_ENDPOINT_URL_EC2",
)
"""Variables in a developer's shell that would point a client elsewhere."""


def _started(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    emulator: Emulator = load(name)()
    with emulator:
        for variable in _WINS_OVER_ENVIRONMENT:
            monkeypatch.delenv(variable, raising=False)
        for variable, value in emulator.environment().items():
            monkeypatch.setenv(variable, value)
        yield emulator


@pytest.fixture
def ecs_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[EcsEmulator]:
    """AWS with a cluster `default`, a default VPC and nothing else; tasks run until they are finished or stopped."""
    yield from _started("ecs", monkeypatch)


@pytest.fixture
def cloud_run_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudRunEmulator]:
    """Cloud Run without quotas; executions run until they are finished, cancelled or timed out."""
    yield from _started("cloud-run", monkeypatch)


@pytest.fixture
def container_instance_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[ContainerInstanceEmulator]:
    """Azure Container Instances without a container group."""
    yield from _started("aci", monkeypatch)


@pytest.fixture
def modal_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModalEmulator]:
    """Modal without an app."""
    yield from _started("modal", monkeypatch)


@pytest.fixture
def vertex_ai_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[VertexAiEmulator]:
    """Vertex AI without quotas; jobs run until they are finished, cancelled or timed out."""
    yield from _started("vertex-ai", monkeypatch)


@pytest.fixture
def kubernetes_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesEmulator]:
    """A cluster with the namespace `default`; Jobs run until they are finished or deleted."""
    yield from _started("kubernetes", monkeypatch)
