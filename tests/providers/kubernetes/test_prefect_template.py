"""Prefect's own template makes a pool as it is; what its runs send is what Kubernetes publishes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from lightkube.models.batch_v1 import Job

from dispatcher.environment.clock import SystemClock
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState, submission_name
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers import registry
from providers.emulators.kubernetes import KubernetesEmulator
from providers.kubernetes.shape import shape_faults
from tests.prefect import installed
from tests.prefect.installed import INSTALLED
from tests.providers.kubernetes.builders import IMAGE


class LaterClock(SystemClock):
    """The system's, and as much later as a test wants."""

    later = timedelta()

    def now(self):
        return super().now() + self.later


@pytest.fixture
def cluster():
    with KubernetesEmulator() as cluster:
        yield cluster


@pytest.fixture
def wiring(cluster, tmp_path, monkeypatch):
    settings = {
        "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}",
        "DISPATCHER_KUBERNETES_CLUSTERS": json.dumps({"prod": {"kubeconfig": str(cluster.kubeconfig)}}),
    }
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    wiring = wire(Settings.from_environment(settings), clock=LaterClock())
    yield wiring
    wiring.store.close()


def ticked(wiring, run, problems=0):
    report = tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=30))
    assert len(report.problems) == problems, report.problems
    return wiring.store.get(run.id)


@pytest.mark.parametrize("where", [{}, {"cluster_config": "prod"}], ids=["on the host's cluster", "on a named cluster"])
@pytest.mark.parametrize("template", [INSTALLED, "default"])
def test_a_template_makes_a_pool_whose_run_is_accepted_ends_and_leaves_nothing(template, where, wiring, cluster):
    given = installed.template("kubernetes") if template == "installed" else registry.default_template("kubernetes")
    assert wiring.client.create_work_pool("moved", type="kubernetes", base_job_template=given).base_job_template == given
    variables = {
        "image": IMAGE,
        "command": "echo 'two words'",
        "env": {"GREETING": "hello"},
        "labels": {"team": "data"},
        "cpu_request": "500m",
        "memory_limit": "1Gi",
        "service_account_name": "jobs",
        "finished_job_ttl": 300,
        **where,
    }
    run = ticked(wiring, wiring.client.create_run(pool="moved", job_variables=variables))
    assert run.state in (RunState.PENDING, RunState.RUNNING), run.reason
    [request] = cluster.calls.requests("CreateJob")
    assert list(shape_faults(request["body"])) == []
    assert Job.from_dict(request["body"]).to_dict() == request["body"]
    [container] = request["body"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["echo", "two words"]
    assert {"name": "GREETING", "value": "hello"} in container["env"]
    assert container["resources"] == {"limits": {"memory": "1Gi"}, "requests": {"cpu": "500m"}}
    assert request["body"]["metadata"]["labels"]["team"] == "data"

    cluster.finish(submission_name(run.id, 1))
    assert ticked(wiring, run).state is RunState.COMPLETED
    wiring.dispatch.clock.later += timedelta(minutes=10)  # a lease after the submission
    ticked(wiring, run)
    assert cluster.controller.workloads == {}
    assert dict(cluster.starts) == {submission_name(run.id, 1): 1}


def test_a_cluster_that_the_settings_do_not_name_lets_its_runs_wait_and_says_so(wiring):
    wiring.client.create_work_pool("elsewhere", type="kubernetes")
    run = wiring.client.create_run(pool="elsewhere", job_variables={"image": IMAGE, "cluster_config": "nowhere"})
    assert ticked(wiring, run, problems=1).state is RunState.SCHEDULED
    assert "'nowhere' is not an entry of DISPATCHER_KUBERNETES_CLUSTERS" in wiring.client.explain(run.id).text


def test_a_run_that_cannot_start_crashes_with_the_clusters_words_after_its_time_to_start(wiring, cluster):
    wiring.client.create_work_pool("slow", type="kubernetes")
    variables = {"image": "no-such-image:1", "task_start_timeout_seconds": 60}
    run = ticked(wiring, wiring.client.create_run(pool="slow", job_variables=variables))
    assert ticked(wiring, run).state is RunState.PENDING
    explanation = wiring.client.explain(run.id).text
    assert 'its provider has not started it yet (ImagePullBackOff: Back-off pulling image "no-such-image:1")' in explanation
    wiring.dispatch.clock.later += timedelta(seconds=61)
    assert ticked(wiring, run).state is RunState.CANCELLING
    cluster.advance(61)
    end = ticked(wiring, run)
    assert end.state is RunState.CRASHED
    assert (
        'did not start within 60 s of its submission. ImagePullBackOff: Back-off pulling image "no-such-image:1"' in end.reason
    )
    assert cluster.starts == {}


def test_a_run_may_wait_in_a_queue_of_kueue_without_a_time_limit(wiring, cluster):
    template = registry.default_template("kubernetes")
    template["job_configuration"]["job_manifest"]["spec"]["suspend"] = True  # what Kueue's webhook does
    wiring.client.create_work_pool("queued", type="kubernetes", base_job_template=template)
    variables = {"image": IMAGE, "labels": {"kueue.x-k8s.io/queue-name": "team"}}
    run = ticked(wiring, wiring.client.create_run(pool="queued", job_variables=variables))
    wiring.dispatch.clock.later += timedelta(hours=5)
    assert ticked(wiring, run).state is RunState.PENDING
    [workload] = cluster.controller.workloads.values()
    workload.spec["suspend"] = False
    cluster.advance(1)
    assert ticked(wiring, run).state is RunState.RUNNING
