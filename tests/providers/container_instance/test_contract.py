"""Azure Container Instances keep the contract of every provider."""

from typing import Any

import pytest

from providers.base import Submission
from providers.container_instance import ContainerInstanceProvider
from providers.emulators.container_instance import ContainerInstanceEmulator
from providers.emulators.faults import FaultKind
from tests.providers.container_instance.builders import SUBSCRIPTION, a_configuration, a_template, provider_for
from tests.providers.contract import ProviderContract, ProviderHarness

PUT = "ContainerGroups_CreateOrUpdate"


class ContainerInstanceHarness(ProviderHarness):
    """Everything can be asked of it; the emulator's clock is the test's."""

    def __init__(self, aci: ContainerInstanceEmulator) -> None:
        self.aci = aci
        self._provider = provider_for(aci)

    @property
    def provider(self) -> ContainerInstanceProvider:
        return self._provider

    def another(self) -> ContainerInstanceProvider:
        return provider_for(self.aci)

    def configuration(self) -> dict[str, Any]:
        template = a_template(containers=[{"name": "main", "properties": {"image": "alpine"}}])
        fields = {"command": "sleep 60", "env": {"A": "1"}, "labels": {"team": "data"}, "arm_template": template}
        return a_configuration(cpu=1, memory=1.5, identities=["id"], **fields)

    def settle(self) -> None:
        self.aci.book.settle()

    def wait(self, seconds: float) -> None:
        self.aci.advance(seconds)

    def finish(self, name: str, exit_code: int) -> None:
        self.aci.finish(name, exit_code)

    def starts(self, name: str) -> int:
        return self.aci.starts.get(name, 0)

    def environment(self, name: str) -> dict[str, str]:
        return dict(self.aci.book.named(name)[-1].environment)

    def labels(self, name: str) -> dict[str, str]:
        return self._group(name).body["tags"]

    def refuse_next(self) -> tuple[dict[str, Any], str]:
        self.aci.faults.add(PUT, FaultKind.REFUSE)
        return self.configuration(), "InaccessibleImage"

    def lose_next_answer(self) -> None:
        self.aci.faults.add(PUT, FaultKind.LOSE_ANSWER)

    def lose_next_request(self) -> None:
        self.aci.faults.add(PUT, FaultKind.LOSE_REQUEST)

    def throttle_next(self) -> None:
        self.aci.faults.add(PUT, FaultKind.THROTTLE)

    def unreachable(self) -> ContainerInstanceProvider:
        return ContainerInstanceProvider(endpoint="http://127.0.0.1:9")

    def forget(self, name: str) -> None:
        handle = {"subscription_id": SUBSCRIPTION, "resource_group": "rg"}
        assert self.provider.discard([Submission(name=name, handle=handle)]) == {name}

    def leftover(self, name: str) -> bool:
        return self._group(name) is not None

    def _group(self, name: str) -> Any:
        return next((group for group in self.aci.service.groups.values() if group.name == name), None)


class TestContainerInstance(ProviderContract):
    @pytest.fixture
    def harness(self, aci):
        return ContainerInstanceHarness(aci)
