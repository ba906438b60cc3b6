"""What the cluster answers to a creation, and what becomes of it."""

import pytest

from providers.base import Accepted, CallFailed, Hold, Misconfigured, Rejected, Throttled, Unknown, Unreachable
from providers.emulators.faults import FaultKind
from tests.providers.kubernetes.builders import a_job, a_manifest, provider_for, submitted

PLACE = ("", "default")


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [
        ("Forbidden: jobs is forbidden: exceeded quota: team, used: 5", Throttled),
        ('Forbidden: jobs.batch is forbidden: User "u" cannot create resource "jobs" in API group "batch"', Misconfigured),
        ("Forbidden: maximum cpu usage per Container is 2, but limit is 4", Rejected),
        ("Unauthorized: Unauthorized", Misconfigured),
        ("Invalid: Job.batch is invalid: spec.template: Required value", Rejected),
        ('NotFound: namespaces "nowhere" not found', Rejected),
        ("InternalError: failed calling webhook", Unknown),
        ("Timeout: request did not complete within requested timeout", Unknown),
        ("Conflict: Operation cannot be fulfilled on resourcequotas: the object has been modified", Throttled),
    ],
)
def test_a_refusal_is_what_its_words_say(cluster, provider, detail, outcome):
    cluster.faults.add("CreateJob", FaultKind.REFUSE, detail=detail)
    answer = provider.submit(a_job())
    assert isinstance(answer, outcome)
    words = answer.cause if outcome is Unknown else answer.reason
    assert detail.partition(": ")[2] in words
    assert cluster.starts == {}


def test_a_full_quota_holds_the_namespace_until_a_job_ends(cluster, provider):
    cluster.faults.add("CreateJob", FaultKind.NO_CAPACITY)
    answer = provider.submit(a_job())
    assert answer.hold == Hold(place=PLACE, freed_by_end=True)
    assert "exceeded quota: team, requested: count/jobs.batch=1" in answer.reason


def test_a_busy_cluster_holds_its_jobs_for_as_long_as_it_says(cluster, provider):
    cluster.faults.add("CreateJob", FaultKind.THROTTLE)
    answer = provider.submit(a_job())
    assert (answer.retry_after, answer.hold) == (1.0, Hold(place=("",)))


def test_a_quota_of_the_cluster_is_counted(cluster, provider):
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
    cluster.objects["ResourceQuota", "default", "team"] = quota
    first = submitted(provider)
    assert isinstance(provider.submit(a_job()), Throttled)
    assert provider.discard([first]) == {first.name}
    submitted(provider)


def test_a_strangers_job_of_the_same_name_is_never_adopted(cluster, provider):
    job = a_job()
    submitted(provider, job)
    del cluster.controller.workloads["default", job.name].manifest["metadata"]["labels"]["push-dispatcher/name"]
    answer = provider.submit(job)
    assert isinstance(answer, Rejected)
    assert "a Job of this name that no dispatcher has made" in answer.reason
    with pytest.raises(CallFailed, match="put it back"):
        provider.find(job)


def test_a_job_that_is_gone_by_the_time_it_is_looked_at_is_unknown(cluster, provider):
    job = a_job()
    cluster.faults.add("CreateJob", FaultKind.REFUSE, detail=f'AlreadyExists: jobs.batch "{job.name}" already exists')
    assert isinstance(provider.submit(job), Unknown)


def test_a_field_that_kubernetes_does_not_know_is_refused_before_anything_is_sent(cluster, provider):
    answer = provider.submit(a_job(job_manifest=a_manifest(imagePulPolicy="Always")))
    assert isinstance(answer, Rejected)
    assert "containers[0].imagePulPolicy: is not a key that is read here; did you mean 'imagePullPolicy'?" in answer.reason
    assert cluster.calls["CreateJob"] == 0


def test_a_refused_connection_is_unreachable_and_a_missing_cluster_lets_the_run_wait(cluster, provider, tmp_path):
    gone = cluster.kubeconfig.with_name("gone")
    gone.write_text(cluster.kubeconfig.read_text().replace(cluster.url, "http://127.0.0.1:9"))
    assert isinstance(provider_for(cluster, environment={"KUBECONFIG": str(gone)}).submit(a_job()), Unreachable)
    answer = provider.submit(a_job(cluster_config="nowhere"))
    assert isinstance(answer, Misconfigured)
    assert "'nowhere' is not an entry of DISPATCHER_KUBERNETES_CLUSTERS (its entries: none)" in answer.reason
    assert answer.hold == Hold(place=("nowhere",))


def test_the_same_job_is_the_same_request_every_time(cluster, provider):
    job = a_job()
    assert isinstance(provider.submit(job), Accepted)
    assert isinstance(provider.submit(job), Accepted)
    first, second = cluster.calls.requests("CreateJob")
    assert first == second


def test_the_job_goes_into_the_namespace_of_its_context_where_it_names_none(cluster):
    kubeconfig = cluster.kubeconfig.with_name("team")
    kubeconfig.write_text(cluster.kubeconfig.read_text().replace('"user": "admin"', '"user": "admin", "namespace": "default"'))
    provider = provider_for(cluster, environment={}, clusters={"prod": {"kubeconfig": str(kubeconfig), "context": "emulated"}})
    submission = submitted(provider, a_job(namespace=None, cluster_config="prod"))
    assert (submission.handle["cluster"], submission.handle["namespace"]) == ("prod", "default")
