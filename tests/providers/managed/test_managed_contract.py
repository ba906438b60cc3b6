"""What every provider type must do, asked of a managed pool with Vertex AI behind it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dispatcher.core.templates import render
from providers import registry
from providers.base import JobState, ProviderUnavailable, Rejected
from providers.emulators.vertex_ai import VertexAiEmulator
from providers.managed import ManagedProvider
from tests.providers.contract import ProviderContract
from tests.providers.vertex_ai.builders import IMAGE, a_provider
from tests.providers.vertex_ai.test_vertex_ai_contract import VertexAiHarness

SETTING = {"type": "vertex-ai", "job_variables": {"region": "us-central1"}, "maximum": {"cpu": 8, "concurrency": 3}}


class ManagedHarness(VertexAiHarness):
    def another(self):
        return self.managed(SETTING)

    def managed(self, setting):
        return ManagedProvider(managed=setting, behind=lambda _: a_provider(self.emulator, **self.options))

    def configuration(self):
        wish = {"image": IMAGE, "command": "python -m job", "timeout": 86_400, "cpu": 4, "labels": {"team": "data"}}
        return render(registry.default_template("managed"), wish)

    def unreachable(self):
        unreachable = super().unreachable()
        return ManagedProvider(managed=SETTING, behind=lambda _: unreachable)


@pytest.fixture
def harness():
    with VertexAiEmulator() as emulator:
        yield ManagedHarness(emulator, delete_ended=True)


class TestManaged(ProviderContract):
    @pytest.fixture
    def harness(self, harness):
        return harness


def test_a_job_that_asks_for_too_much_is_rejected_by_its_field_and_never_sent(harness):
    outcome = harness.provider.submit(harness.job(configuration={**harness.configuration(), "cpu": 16}))
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("cpu: 16 cores are more than the 8")
    assert harness.emulator.calls.counts == {}


def test_the_platform_teams_concurrency_bounds_each_pool(harness):
    assert harness.provider.limits.pool_limit == 3


def test_jobs_are_observed_where_they_are_after_the_type_behind_has_changed(harness):
    submission = harness.submitted(harness.job())
    harness.settle()
    asked = []

    def behind(kind):
        asked.append(kind)
        return a_provider(harness.emulator)

    changed = ManagedProvider(managed={"type": "docker"}, behind=behind)
    assert changed.observe([submission])[submission.name].state is JobState.RUNNING
    assert asked == ["docker", "vertex-ai"]


def test_a_failed_installation_says_so(harness):
    job = harness.job(configuration={**harness.configuration(), "pip_packages": ["polars"]})
    submission = harness.submitted(job)
    harness.settle()
    harness.finish(job.name, 97)
    assert harness.provider.observe([submission])[job.name].reason.startswith("installing pip_packages failed; exit code 97")


def test_a_cloud_function_has_no_default_type_for_managed_pools():
    assert ManagedProvider(environment={}).limits
    with pytest.raises(ProviderUnavailable, match="DISPATCHER_MANAGED: is not set"):
        ManagedProvider(environment={"AWS_LAMBDA_FUNCTION_NAME": "push-dispatcher"})


def test_no_sdk_is_imported_but_the_one_behind():
    program = (
        "import json, sys; from providers import registry;"
        "registry.create('managed', options={'environment': {}}); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert not {"docker", "boto3", "google.auth", "azure.core", "modal", "requests"} & set(json.loads(done.stdout))
