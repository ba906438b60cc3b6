"""The manifests of `infra/kubernetes`: built and applied by the real kubectl, and the life of runs under exactly their Role."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from lightkube.models.apps_v1 import Deployment
from lightkube.models.batch_v1 import CronJob

from dispatcher.core.pinning import job_of
from dispatcher.environment.clock import SystemClock
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState, submission_name
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers.emulators.kubernetes import KubernetesEmulator
from providers.kubernetes.rights import RIGHTS

BASE = Path(__file__).parents[2] / "infra" / "kubernetes"
RIGHT_OF = {
    "CreateJob": ("batch", "jobs", "create"),
    "DeleteJob": ("batch", "jobs", "delete"),
    "GetJob": ("batch", "jobs", "get"),
    "ListJobs": ("batch", "jobs", "list"),
    "PatchJob": ("batch", "jobs", "patch"),
    "ListPods": ("", "pods", "list"),
    "GetPodLog": ("", "pods/log", "get"),
    "ListEvents": ("", "events", "list"),
}
"""By the emulator's name of an operation."""

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed; .ci/run installs it")


class LaterClock(SystemClock):
    """The system's, and as much later as a test wants."""

    later = timedelta()

    def now(self):
        return super().now() + self.later


@pytest.fixture
def cluster():
    with KubernetesEmulator(rbac=True) as cluster:
        yield cluster


def kubectl(cluster, *words, **around):
    directory = cluster.kubeconfig.parent
    command = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "--cache-dir", str(directory / "cache"), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, **around).stdout


def built(directory: Path):
    text = subprocess.run(
        ["kubectl", "kustomize", str(directory)], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


def an_overlay(directory: Path, *, workload: str = "cron-job.yaml") -> Path:
    """A copy of the base with an image of its own, as its page describes it."""
    shutil.copytree(BASE, directory, dirs_exist_ok=True)
    file = directory / "kustomization.yaml"
    image = {"name": "push-dispatcher", "newName": "registry.example.test/push-dispatcher", "newTag": "7"}
    content = yaml.safe_load(file.read_text())
    content["resources"] = [workload if name == "cron-job.yaml" else name for name in content["resources"]]
    file.write_text(yaml.safe_dump({**content, "namespace": "default", "images": [image]}))
    return directory


def test_the_kustomize_base_builds_and_its_role_has_the_rights_that_the_provider_needs(tmp_path):
    items = built(an_overlay(tmp_path / "overlay"))
    assert set(items) == {"ServiceAccount", "Role", "RoleBinding", "CronJob"}
    rules = {(rule["apiGroups"][0], rule["resources"][0]): tuple(rule["verbs"]) for rule in items["Role"]["rules"]}
    assert rules == RIGHTS
    assert CronJob.from_dict(items["CronJob"]).to_dict() == items["CronJob"]
    pod = items["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example.test/push-dispatcher:7"
    assert pod["serviceAccountName"] == items["ServiceAccount"]["metadata"]["name"]


def test_the_deployment_takes_the_place_of_the_cron_job(tmp_path):
    items = built(an_overlay(tmp_path / "overlay", workload="deployment.yaml"))
    assert set(items) == {"ServiceAccount", "Role", "RoleBinding", "Deployment"}
    assert Deployment.from_dict(items["Deployment"]).to_dict() == items["Deployment"]
    assert items["Deployment"]["spec"]["template"]["spec"]["containers"][0]["args"] == ["serve"]


def test_a_run_lives_and_ends_under_exactly_the_rights_of_the_role(cluster, tmp_path):
    kubectl(cluster, "apply", "-k", str(an_overlay(tmp_path / "overlay")), "--validate=false")
    assert "push-dispatcher" in kubectl(cluster, "get", "cronjobs,roles,rolebindings,serviceaccounts", "-o", "name")
    wiring = wired(cluster, tmp_path)
    cluster.calls.reset()
    wiring.client.create_work_pool("cluster", type="kubernetes")
    done, stopped, failed = (created(wiring) for _ in range(3))
    ticked(wiring)
    cluster.log(submission_name(done.id, 1), "hello\n")
    cluster.finish(submission_name(done.id, 1))
    cluster.finish(submission_name(failed.id, 1), 3)
    wiring.client.cancel_run(stopped.id)
    ticked(wiring)
    cluster.advance(2)
    ticked(wiring)
    provider = wiring.dispatch.providers("kubernetes")
    run = wiring.store.get(done.id)
    assert provider.logs(run.submission) == "hello\n"
    assert provider.advice(run.job.configuration) == ()
    assert provider.find(job_of(run)) is not None
    states = [wiring.store.get(each.id).state for each in (done, stopped, failed)]
    assert states == [RunState.COMPLETED, RunState.CANCELLED, RunState.FAILED]
    cluster.objects["ResourceQuota", "default", "team"] = {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "0"}}}
    waiting = created(wiring)
    ticked(wiring)
    ticked(wiring)
    assert "exceeded quota: team" in wiring.client.explain(waiting.id).text
    del cluster.objects["ResourceQuota", "default", "team"]
    cluster.advance(1)
    cluster.finish(submission_name(waiting.id, 1))
    ticked(wiring)
    wiring.dispatch.clock.later += timedelta(minutes=10)
    ticked(wiring)
    assert cluster.controller.workloads == {}
    used = {operation for operation in cluster.calls.counts if operation != "CreateSelfSubjectAccessReview"}
    granted = {(group, resource, verb) for (group, resource), verbs in RIGHTS.items() for verb in verbs}
    assert {RIGHT_OF[operation] for operation in used} == granted, "the Role grants what is used, and no more"
    wiring.close()


def test_a_missing_right_lets_runs_wait_and_is_named_by_the_doctor(cluster, tmp_path):
    kubectl(cluster, "apply", "-k", str(an_overlay(tmp_path / "overlay")), "--validate=false")
    [rule, *_] = cluster.objects["Role", "default", "push-dispatcher"]["rules"]
    rule["verbs"].remove("create")
    wiring = wired(cluster, tmp_path)
    wiring.client.create_work_pool("cluster", type="kubernetes")
    run = created(wiring)
    report = tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=30))
    assert 'cannot create resource "jobs" in API group "batch" in the namespace "default"' in str(report.problems)
    assert wiring.store.get(run.id).state is RunState.SCHEDULED
    [(text, _)] = wiring.dispatch.providers("kubernetes").advice({"namespace": "default", "cluster_config": "home"})
    assert text == "in the namespace 'default' the dispatcher lacks the right to create jobs"
    wiring.close()


def wired(cluster, tmp_path):
    """A dispatcher that has nothing but the token of the service account."""
    token = tmp_path / "token"
    token.write_text(cluster.access.token_for("default", "push-dispatcher"))
    entry = {"server": cluster.url, "token_file": str(token), "namespace": "default"}
    settings = {
        "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}",
        "DISPATCHER_KUBERNETES_CLUSTERS": json.dumps({"home": entry}),
    }
    return wire(Settings.from_environment(settings), clock=LaterClock())


def created(wiring):
    variables = {"image": "busybox:1", "command": "echo hello", "cluster_config": "home"}
    return wiring.client.create_run(pool="cluster", job_variables=variables)


def ticked(wiring):
    report = tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=30))
    assert not report.problems, report.problems
