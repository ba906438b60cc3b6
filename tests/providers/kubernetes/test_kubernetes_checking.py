"""What is said of a configuration before any cluster is asked."""

import json
import subprocess
import sys

import pytest

from providers import registry
from providers.base import Job
from providers.kubernetes.manifest import manifest_of
from providers.kubernetes.shape import shape_faults
from tests.providers.kubernetes.builders import IMAGE, a_configuration, a_manifest
from tests.providers.kubernetes.published import FILE, published

NAME = "r" + "0" * 32 + "-1"


def checked(**configuration):
    return registry.check("kubernetes", a_configuration(**configuration))


def made(**configuration):
    job = Job(
        name=NAME,
        configuration=a_configuration(**configuration),
        environment={"DISPATCHER_RUN_ID": "7"},
        labels={"push-dispatcher/work_pool": "Team A/é"},
    )
    return manifest_of(job)


def test_the_shapes_are_those_that_kubernetes_publishes():
    assert json.loads(FILE.read_text()) == published()


@pytest.mark.parametrize(
    ("configuration", "path", "words"),
    [
        ({"comand": "x"}, "comand", "did you mean 'command'?"),
        ({"command": "echo 'open"}, "job_manifest.spec.template.spec.containers[0].args", "cannot be split like a shell"),
        ({"env": {"A=B": "1"}}, "job_manifest.spec.template.spec.containers[0].env", "'A=B' cannot be the name"),
        ({"namespace": "Not Valid"}, "namespace", "small letters"),
        ({"namespace": "a", "job_manifest": {"metadata": {"namespace": "b"}}}, "job_manifest.metadata.namespace", "the same"),
        ({"job_manifest": {}}, "job_manifest.spec.template.spec.containers", "its first one is the run's"),
        ({"job_manifest": a_manifest(image="")}, "job_manifest.spec.template.spec.containers[0].image", "needs one"),
        ({"job_manifest": a_manifest(spec={"backoffLimit": 3})}, "job_manifest.spec.backoffLimit", "give 0"),
        ({"job_manifest": a_manifest(spec={"parallelism": 2})}, "job_manifest.spec.parallelism", "one pod"),
        (
            {"job_manifest": a_manifest(spec={"backofLimit": 0})},
            "job_manifest.spec.backofLimit",
            "did you mean 'backoffLimit'?",
        ),
        (
            {"job_manifest": a_manifest(spec={"backoffLimit": "0"})},
            "job_manifest.spec.backoffLimit",
            "a whole number, not text",
        ),
        (
            {"job_manifest": a_manifest(pod={"restartPolicy": "OnFailure"})},
            "job_manifest.spec.template.spec.restartPolicy",
            "give Never",
        ),
        (
            {"job_manifest": a_manifest(spec={"podFailurePolicy": {"rules": [{"action": "Ignore"}]}})},
            "job_manifest.spec.podFailurePolicy.rules[0].action",
            "give FailJob",
        ),
        (
            {"job_manifest": a_manifest(spec={"podReplacementPolicy": "TerminatingOrFailed"})},
            "job_manifest.spec.podReplacementPolicy",
            "give Failed",
        ),
        (
            {"job_manifest": a_manifest(env=[{"value": "1"}])},
            "job_manifest.spec.template.spec.containers[0].env[0].name",
            "missing",
        ),
        ({"job_manifest": {**a_manifest(), "kind": "CronJob"}}, "job_manifest.kind", "give Job"),
        ({"cluster_config": {"config": {"token": "hush"}, "context_name": "x"}}, "cluster_config", "secrets never stand"),
        ({"task_start_timeout_seconds": 0}, "task_start_timeout_seconds", "above 0"),
    ],
)
def test_a_fault_names_its_place_and_what_to_do(configuration, path, words):
    [fault] = checked(**configuration).faults
    assert fault.path == path
    assert words in fault.message
    assert "hush" not in fault.message


def test_a_setting_that_is_handled_differently_is_reported():
    def paths(**configuration):
        answer = checked(**configuration)
        assert answer.faults == ()
        return [warning.path for warning in answer.warnings]

    assert paths(stream_output=True, pod_watch_timeout_seconds=60) == []
    assert paths(stream_output=False, job_watch_timeout_seconds=5) == ["stream_output", "job_watch_timeout_seconds"]
    assert paths(job_manifest=a_manifest(spec={"ttlSecondsAfterFinished": 60})) == ["job_manifest.spec.ttlSecondsAfterFinished"]
    assert paths(job_manifest=a_manifest(spec={"suspend": True})) == ["job_manifest.spec.suspend"]
    assert paths(labels={"kueue.x-k8s.io/queue-name": "team"}) == ["job_manifest.metadata.labels.kueue.x-k8s.io/queue-name"]


def test_a_manifest_runs_once_under_our_name_whatever_it_was_called():
    manifest = made(job_manifest={**a_manifest(), "metadata": {"generateName": "x-", "name": "y", "annotations": {"a": "b"}}})
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
    assert (manifest["metadata"]["name"], "generateName" in manifest["metadata"]) == (NAME, False)
    assert manifest["metadata"]["annotations"] == {"a": "b"}
    once = {"backoffLimit": 0, "completions": 1, "parallelism": 1, "podReplacementPolicy": "Failed"}
    assert once.items() <= manifest["spec"].items()
    assert manifest["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_labels_are_cut_to_kubernetes_rules_and_stand_on_the_pod_as_well():
    manifest = made(labels={"team": "data & co"}, job_manifest=a_manifest())
    labels = {"team": "data---co", "push-dispatcher/work_pool": "Team-A", "push-dispatcher/name": NAME}
    assert manifest["metadata"]["labels"] == labels
    assert manifest["spec"]["template"]["metadata"]["labels"] == labels


def test_the_environment_is_a_list_in_which_ours_wins_and_references_stay():
    reference = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    manifest = made(
        env={"A": 1, "B": "outer"},
        job_manifest=a_manifest(env=[{"name": "B", "value": "inner"}, reference, {"name": "DISPATCHER_RUN_ID", "value": "x"}]),
    )
    assert manifest["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "inner"},
        reference,
        {"name": "DISPATCHER_RUN_ID", "value": "7"},
    ]


def test_a_command_becomes_arguments_and_the_images_entrypoint_stays():
    [container] = made(command="sh -c 'echo $X'")["spec"]["template"]["spec"]["containers"]
    assert container == {
        "name": "main",
        "image": IMAGE,
        "args": ["sh", "-c", "echo $X"],
        "env": [{"name": "DISPATCHER_RUN_ID", "value": "7"}],
    }


def test_sidecars_volumes_tolerations_and_service_accounts_stay_as_they_are():
    pod = {
        "containers": [{"name": "main", "image": IMAGE}, {"name": "proxy", "image": "proxy:1"}],
        "initContainers": [{"name": "native", "image": "x:1", "restartPolicy": "Always"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "tolerations": [{"operator": "Exists"}],
        "serviceAccountName": "jobs",
        "terminationGracePeriodSeconds": 120,
    }
    built = made(job_manifest={"spec": {"template": {"spec": pod}}})["spec"]["template"]["spec"]
    assert {key: built[key] for key in pod if key != "containers"} == {key: pod[key] for key in pod if key != "containers"}
    assert built["containers"][1] == pod["containers"][1]


def test_a_time_to_live_below_an_hour_is_raised():
    assert made(job_manifest=a_manifest(spec={"ttlSecondsAfterFinished": 0}))["spec"]["ttlSecondsAfterFinished"] == 3600
    assert made(job_manifest=a_manifest(spec={"ttlSecondsAfterFinished": 7200}))["spec"]["ttlSecondsAfterFinished"] == 7200
    assert "ttlSecondsAfterFinished" not in made()["spec"]


def test_quantities_may_be_numbers_and_ports_may_be_names():
    manifest = made(
        job_manifest=a_manifest(
            resources={"limits": {"cpu": 1, "memory": "1Gi"}},
            livenessProbe={"httpGet": {"port": "http", "path": "/"}},
        )
    )
    assert list(shape_faults(manifest)) == []


def test_a_configuration_is_checked_without_an_http_library():
    program = (
        "import sys; sys.modules['urllib3'] = sys.modules['yaml'] = None\n"
        "from providers import registry\n"
        f"configuration = {a_configuration()!r}\n"
        "print(registry.check('kubernetes', configuration).faults, registry.needs('kubernetes', configuration).place)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout
    assert said == "() ('', 'default')\n"


def test_the_provider_loads_no_sdk():
    program = (
        "import sys\nfrom providers import registry\n"
        "clusters = {'c': {'server': 'http://127.0.0.1:9', 'token_variable': 'T'}}\n"
        "provider = registry.create('kubernetes', options={'clusters': clusters, 'environment': {'T': 'x'}})\n"
        "from providers.base import Job\n"
        f"job = Job(name='{NAME}', configuration={a_configuration(cluster_config='c')!r})\n"
        "print(type(provider.submit(job)).__name__)\n"
        "others = {'boto3', 'google.cloud.run_v2', 'azure', 'modal', 'grpc', 'docker', 'requests', 'pydantic', 'yaml'}\n"
        "print('urllib3' in sys.modules, sorted(others & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout
    assert said == "Unreachable\nTrue []\n"
