"""Kubernetes keeps the contract of every provider."""

from typing import Any

import pytest

from providers.emulators.faults import FaultKind
from providers.emulators.kubernetes import KubernetesEmulator
from providers.kubernetes import KubernetesProvider
from tests.providers.contract import ProviderContract, ProviderHarness
from tests.providers.kubernetes.builders import a_configuration, a_manifest, provider_for

CREATE = "CreateJob"


class KubernetesHarness(ProviderHarness):
    """Everything can be asked of it; the emulator's clock is the test's."""

    def __init__(self, cluster: KubernetesEmulator) -> None:
        self.cluster = cluster
        self._provider = provider_for(cluster)

    @property
    def provider(self) -> KubernetesProvider:
        return self._provider

    def another(self) -> KubernetesProvider:
        return provider_for(self.cluster)

    def configuration(self) -> dict[str, Any]:
        manifest = a_manifest(
            pod={"tolerations": [{"key": "spot", "operator": "Exists"}], "volumes": [{"name": "data", "emptyDir": {}}]},
            env=[{"name": "A", "value": "1"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            resources={"requests": {"cpu": "500m", "memory": "64Mi"}},
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
        )
        return a_configuration(job_manifest=manifest, command="sleep 60", env={"B": "2"}, labels={"team": "data"})

    def settle(self) -> None:
        self.cluster.advance(2)

    def wait(self, seconds: float) -> None:
        self.cluster.advance(seconds)

    def finish(self, name: str, exit_code: int) -> None:
        self.cluster.finish(name, exit_code)

    def starts(self, name: str) -> int:
        return self.cluster.starts.get(name, 0)

    def environment(self, name: str) -> dict[str, str]:
        return dict(self.cluster.book.named(name)[-1].environment)

    def labels(self, name: str) -> dict[str, str]:
        return self.cluster.controller.workloads["default", name].manifest["metadata"]["labels"]

    def refuse_next(self) -> tuple[dict[str, Any], str]:
        self.cluster.faults.add(CREATE, FaultKind.REFUSE)
        return self.configuration(), "denied the request: images must come from registry.example.com"

    def lose_next_answer(self) -> None:
        self.cluster.faults.add(CREATE, FaultKind.LOSE_ANSWER)

    def lose_next_request(self) -> None:
        self.cluster.faults.add(CREATE, FaultKind.LOSE_REQUEST)

    def throttle_next(self) -> None:
        self.cluster.faults.add(CREATE, FaultKind.THROTTLE)

    def unreachable(self) -> KubernetesProvider:
        nowhere = self.cluster.kubeconfig.with_name("nowhere")
        nowhere.write_text(self.cluster.kubeconfig.read_text().replace(self.cluster.url, "http://127.0.0.1:9"))
        return provider_for(self.cluster, environment={"KUBECONFIG": str(nowhere)})

    def forget(self, name: str) -> None:
        with self.cluster.book.lock:
            self.cluster.controller.delete(self.cluster.controller.workloads["default", name], "Background")

    def leftover(self, name: str) -> bool:
        return ("default", name) in self.cluster.controller.workloads


class TestKubernetes(ProviderContract):
    @pytest.fixture
    def harness(self, cluster):
        return KubernetesHarness(cluster)
