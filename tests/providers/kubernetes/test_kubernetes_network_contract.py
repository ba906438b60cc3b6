"""Kubernetes behind a hostile network."""

import pytest

from tests.network.proxy import HttpProxy
from tests.providers.kubernetes.builders import provider_for
from tests.providers.kubernetes.test_kubernetes_contract import KubernetesHarness
from tests.providers.network_contract import NetworkContract, between

pytestmark = pytest.mark.long  # each place of each answer is spoiled in turn


class TestKubernetes(NetworkContract):
    @pytest.fixture
    def far(self, cluster):
        with HttpProxy(cluster.url) as proxy:
            kubeconfig = cluster.kubeconfig.with_name("proxied")
            kubeconfig.write_text(cluster.kubeconfig.read_text().replace(cluster.url, proxy.url))
            environment = {"KUBECONFIG": str(kubeconfig)}
            provider = provider_for(cluster, environment=environment)
            hasty = provider_for(cluster, environment=environment, call_timeout=0.5)
            yield from between(ProxiedHarness(cluster, environment), proxy, provider, hasty)


class ProxiedHarness(KubernetesHarness):
    """Its submissions name the proxy as their server."""

    def __init__(self, cluster, environment):
        super().__init__(cluster)
        self._provider = provider_for(cluster, environment=environment)
