"""The emulated cluster, as an independent client sees it: the real kubectl."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from providers.emulators.kubernetes import KubernetesEmulator

pytestmark = [
    pytest.mark.long,  # kubectl takes a third of a second for each command
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed; .ci/run installs it"),
]

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "hello", "labels": {"team": "data"}},
    "spec": {
        "backoffLimit": 0,
        "template": {
            "metadata": {"labels": {"team": "data"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox:1", "args": ["echo", "hi"]}]},
        },
    },
}


@pytest.fixture
def cluster():
    with KubernetesEmulator() as cluster:
        yield cluster


def kubectl(cluster, *words, stdin=None, code=0):
    directory = cluster.kubeconfig.parent
    command = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "--cache-dir", str(directory / "cache"), *words]
    ran = subprocess.run(command, input=stdin, check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == code, ran.stderr
    return ran.stdout if code == 0 else ran.stderr


def create(cluster, code=0, **spec):
    job = {**JOB, "spec": {**JOB["spec"], **spec}}
    return kubectl(cluster, "create", "--validate=false", "-f", "-", stdin=json.dumps(job), code=code)


def test_kubectl_creates_lists_describes_reads_logs_and_deletes(cluster):
    assert create(cluster) == "job.batch/hello created\n"
    assert 'jobs.batch "hello" already exists' in create(cluster, code=1)
    assert kubectl(cluster, "get", "jobs", "-l", "team=data", "-o", "name") == "job.batch/hello\n"
    assert kubectl(cluster, "get", "jobs", "-l", "team in (web),team", "-o", "name") == ""
    pod = kubectl(cluster, "get", "pods", "-l", "job-name=hello", "-o", "name").strip()
    cluster.log("hello", "one\ntwo\n")
    assert kubectl(cluster, "logs", "job/hello") == "one\ntwo\n"
    assert kubectl(cluster, "logs", pod, "--tail=1") == "two\n"
    cluster.finish("hello", 0)
    described = kubectl(cluster, "describe", "job", "hello")
    assert "1 Succeeded / 0 Failed" in described
    assert "Created pod: " in described
    assert 'job.batch "hello" deleted' in kubectl(cluster, "delete", "job", "hello")
    assert 'jobs.batch "hello" not found' in kubectl(cluster, "get", "job", "hello", code=1)
    assert kubectl(cluster, "get", "pods", "-o", "name") == ""


def test_kubectl_shows_why_a_pod_does_not_start(cluster):
    container = {"name": "main", "image": "no-such-image:1"}
    create(cluster, template={"spec": {"restartPolicy": "Never", "containers": [container]}})
    pod = kubectl(cluster, "get", "pods", "-o", "name").strip()
    described = kubectl(cluster, "describe", pod)
    assert "ImagePullBackOff" in described
    assert 'Back-off pulling image "no-such-image:1"' in described
    assert "is waiting to start" in kubectl(cluster, "logs", pod, code=1)


def test_a_deletion_in_the_foreground_waits_for_the_pod_and_one_that_orphans_leaves_it(cluster):
    create(cluster)
    assert "deleted" in kubectl(cluster, "delete", "job", "hello", "--cascade=foreground")
    assert cluster.book.live == 0
    create(cluster)
    kubectl(cluster, "delete", "job", "hello", "--cascade=orphan")
    assert cluster.book.live == 1
    assert kubectl(cluster, "get", "pods", "-o", "name") != ""


def test_jobs_that_kubernetes_refuses_are_refused_with_its_reason(cluster):
    assert "spec.template.spec.restartPolicy: Unsupported value" in create(
        cluster, code=1, template={"spec": {"containers": [{"name": "main", "image": "x"}]}}
    )
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}}
    quota["spec"] = {"hard": {"count/jobs.batch": "0"}}
    kubectl(cluster, "create", "--validate=false", "-f", "-", stdin=json.dumps(quota))
    assert "exceeded quota: team, requested: count/jobs.batch=1" in create(cluster, code=1)


def test_a_change_of_a_field_that_stays_as_it_was_made_is_refused(cluster):
    create(cluster)
    change = json.dumps({"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}})
    assert "field is immutable" in kubectl(cluster, "patch", "job", "hello", "--type=merge", "-p", change, code=1)
    change = json.dumps({"metadata": {"resourceVersion": "1"}, "spec": {"suspend": True}})
    assert "the object has been modified" in kubectl(cluster, "patch", "job", "hello", "--type=merge", "-p", change, code=1)


def test_a_time_to_live_begins_with_the_end(cluster, monkeypatch):
    now = cluster.now()
    monkeypatch.setattr(cluster, "_clock", lambda: now)
    create(cluster, ttlSecondsAfterFinished=100)
    cluster.advance(1000)
    cluster.finish("hello", 0)
    cluster.advance(99)
    assert kubectl(cluster, "get", "jobs", "-o", "name") == "job.batch/hello\n"
    cluster.advance(1)
    assert kubectl(cluster, "get", "jobs", "-o", "name") == ""


def test_commands_run_as_processes_where_that_is_asked_for():
    with KubernetesEmulator(run_commands=True) as cluster:
        container = {
            "name": "main",
            "image": "x",
            "command": ["sh", "-c", "exit $CODE"],
            "env": [{"name": "CODE", "value": "5"}],
        }
        create(cluster, template={"spec": {"restartPolicy": "Never", "containers": [container]}})
        [job] = cluster.book.all()
        job.process._process.wait(30)
        while job.live:
            cluster.book.settle()
        assert cluster.jobs()[0].exit_code == 5
