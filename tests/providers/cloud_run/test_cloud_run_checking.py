"""What the check says of a configuration, and that a submission rejects it in the same words."""

from __future__ import annotations

import builtins
import json

import pytest

from dispatcher.core.templates import render
from providers import registry
from providers.base import Accepted, Finding, Job, Rejected
from providers.cloud_run import checking
from providers.cloud_run.place import Place
from providers.cloud_run.rendering import body_of
from tests.prefect import installed
from tests.providers.cloud_run.builders import IMAGE, NAME, OURS, TEMPLATES, a_job, submitted
from tests.providers.garbage import garbage

TASK = "job_body.template.template"
LIMITS = f"{TASK}.containers[0].resources.limits"


def check(configuration):
    return registry.check("cloud-run-v2:push", configuration)


def a_configuration(task=None, **configuration):
    body = {"template": {"template": task or {}}}
    return {"image": IMAGE, "region": "us-central1", "job_body": body, **configuration}


FAULTS = [
    (a_configuration(labls={}), "labls", "is not a key that is read here; did you mean 'labels'?"),
    (a_configuration(imgae="x"), "imgae", "is not a key that is read here; did you mean 'image'?"),
    (a_configuration(image=None), "image", "name the container image to run"),
    (a_configuration(keep_job="yes"), "keep_job", "give true or false, not 'yes'"),
    (
        a_configuration(task_start_timeout_seconds="900"),
        "task_start_timeout_seconds",
        "give seconds, a number above 0, not '900'",
    ),
    (a_configuration(timeout="soon"), "timeout", "give seconds, as 600 or '600s', not 'soon'"),
    (a_configuration({"timeout": "604801s"}), f"{TASK}.timeout", "give more than 0 and at most 604800 s, not 604801s"),
    (a_configuration({"maxRetries": 11}), f"{TASK}.maxRetries", "give 0 to 10, not 11"),
    (
        a_configuration({"servceAccount": "a"}),
        f"{TASK}.servceAccount",
        "is not a key that is read here; did you mean 'serviceAccount'?",
    ),
    (
        a_configuration({"executionEnvironment": "gen2"}),
        f"{TASK}.executionEnvironment",
        "'gen2' is not one of its values; did you mean EXECUTION_ENVIRONMENT_GEN2?",
    ),
    (
        a_configuration({"containers": [{"ports": [{"containerPort": "http"}]}]}),
        f"{TASK}.containers[0].ports[0].containerPort",
        "give a whole number, not 'http'",
    ),
    (a_configuration({"containers": [{"dependsOn": "x"}]}), f"{TASK}.containers[0].dependsOn", "give a list, not 'x'"),
    (a_configuration({"containers": [{}, {"name": "b"}]}), f"{TASK}.containers[1].image", "name the container image to run"),
    (
        a_configuration({"containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}),
        f"{TASK}.containers[0].volumeMounts[0].name",
        "there is no volume 'v'",
    ),
    (
        a_configuration({"vpcAccess": {"connector": "c", "networkInterfaces": [{"network": "n"}]}}),
        f"{TASK}.vpcAccess",
        "give a connector or network interfaces, not both",
    ),
    (a_configuration(cloudsql_instances=["db"]), "cloudsql_instances", "give `project:region:instance`, not 'db'"),
    (
        a_configuration({"containers": [{"resources": {"limits": {"cpu": "3"}}}]}),
        f"{LIMITS}.cpu",
        "give 1, 2, 4, 6 or 8, as '1' or '1000m', not '3'",
    ),
    (
        a_configuration({"containers": [{"resources": {"limits": {"cpu": "4", "memory": "1Gi"}}}]}),
        f"{LIMITS}.memory",
        "4 CPU go with 2048 to 16384 MiB, not with 1Gi",
    ),
]


@pytest.mark.parametrize(("configuration", "path", "message"), FAULTS, ids=[path for _, path, _ in FAULTS])
def test_validation_reports_a_fault_in_the_words_of_the_submission(emulator, provider, configuration, path, message):
    assert Finding(path=path, message=message) in check(configuration).faults
    outcome = provider.submit(Job(name=NAME, configuration=configuration))
    assert isinstance(outcome, Rejected)
    assert f"{path}: {message}" in outcome.reason
    assert emulator.calls.counts == {}


def test_all_faults_of_a_body_are_reported_at_once():
    configuration = a_configuration({"containers": [{"imge": "x", "workDir": "y"}], "volume": []}, labls={})
    configuration["job_body"]["template"]["template"]["volume"] = [{"name": "v"}]
    paths = [fault.path for fault in check(configuration).faults]
    assert paths == ["labls", f"{TASK}.volume", f"{TASK}.containers[0].imge", f"{TASK}.containers[0].workDir"]


def test_a_missing_region_is_a_fault_of_the_configuration():
    [fault] = check(a_configuration(region=None)).faults
    assert fault.path == "region"


def test_faults_in_a_knative_body_are_named_where_they_are_written():
    task = {"containers": [{"imagee": "x"}], "timeoutSecond": 5}
    body = {"metadata": {"nmae": "x"}, "spec": {"template": {"spec": {"template": {"spec": task}, "taskCont": 2}}}}
    faults = {fault.path: fault.message for fault in check({"image": IMAGE, "region": "r", "job_body": body}).faults}
    spec = "job_body.spec.template.spec"
    assert faults == {
        "job_body.metadata.nmae": "is not a key that is read here; did you mean 'name'?",
        f"{spec}.taskCont": "is not a key that is read here; did you mean 'taskCount'?",
        f"{spec}.template.spec.timeoutSecond": "is not a key that is read here; did you mean 'timeout'?",
        f"{spec}.template.spec.containers[0].imagee": "is not a key that is read here; did you mean 'image'?",
    }


WARNINGS = [
    (a_configuration(name="nightly"), "name", "the job is called after its run"),
    (a_configuration({"maxRetries": 2}), f"{TASK}.maxRetries", "repeats a failed task 2 times by itself"),
    (a_configuration({"vpcAccess": {"egress": "ALL_TRAFFIC"}}), f"{TASK}.vpcAccess", "without a connector"),
    (a_configuration({"nodeSelector": {"accelerator": "nvidia-l4"}}), f"{TASK}.nodeSelector", "nvidia.com/gpu"),
    (a_configuration(env={"A": "1"}, secrets={"A": "s"}), "env.A", "the secret of the same name is used"),
    (a_configuration(labels={"123": "x"}), "labels.123", "a letter in its key"),
    (a_configuration({"containers": [{"image": "own"}]}), "image", "the job body has 'own'"),
    (a_configuration({"timeout": 90}, timeout=60), "timeout", "the job body has 90"),
    ({**a_configuration(), "job_body": {"template": {"parallelism": 2}}}, "job_body.template.parallelism", "one task"),
    ({**a_configuration(), "job_body": {"uid": "u"}}, "job_body.uid", "Cloud Run fills it"),
    ({**a_configuration(), "job_body": {"startExecutionToken": "u"}}, "job_body.startExecutionToken", "a token of its own"),
    ({**a_configuration(), "job_body": {"launchStage": "LAUNCH_TAG_UNSPECIFIED"}}, "job_body.launchStage", "no stage"),
]


@pytest.mark.parametrize(("configuration", "path", "words"), WARNINGS, ids=[path for _, path, _ in WARNINGS])
def test_a_field_without_effect_is_accepted_with_a_warning(provider, configuration, path, words):
    checked = check(configuration)
    assert checked.faults == ()
    assert [words in warning.message for warning in checked.warnings if warning.path == path] == [True]
    assert isinstance(provider.submit(Job(name=NAME, configuration=configuration)), Accepted)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_a_usual_job_has_no_remarks(template):
    checked = check(a_job(template=template, command="python -m job", env={"A": "1"}, labels={"team": "data"}).configuration)
    assert (checked.faults, checked.warnings, checked.unchecked) == ((), (), ())


def test_the_check_agrees_with_the_submission_for_any_configuration(provider):
    for configuration in garbage(a_job(env={"A": "1"}, volumes=[{"name": "v", "gcs": {"bucket": "b"}}]).configuration, depth=6):
        checked = check(configuration)
        if not checked.faults:
            assert not isinstance(provider.submit(Job(name=NAME, configuration=configuration)), Rejected), configuration


def test_the_check_without_googles_sdk_says_what_it_could_not_check(monkeypatch):
    monkeypatch.setattr(checking, "_has_sdk", lambda: False)
    real = builtins.__import__

    def no_google(name, *arguments, **options):
        assert not name.startswith("google"), name
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", no_google)
    checked = checking.check(a_configuration({"containers": [{"workDir": "y"}]}, labls={}))
    assert [fault.path for fault in checked.faults] == ["labls"]
    [said] = checked.unchecked
    assert "push-dispatcher[gcp]" in said


# Every declared variable has its effect


def marker(name, schema):
    """A value for a variable that is found again in a request, and the text it is found by."""
    special = {
        "region": ("marker-region", "marker-region"),
        "project": ("marker-project", "marker-project"),
        "credentials": ("marker-entry", "marker-entry"),
        "cpu": ("8000m", "8000m"),
        "memory": ("31Gi", "31Gi"),
        "env": ({"MARKER_ENV": "marker"}, "MARKER_ENV"),
        "labels": ({"marker-label": "x"}, "marker-label"),
        "secrets": ({"MARKER_S": "s:1"}, "MARKER_S"),
        "env_from_secrets": ({"MARKER_E": {"secret": "s", "version": "1"}}, "MARKER_E"),
        "prefect_api_key_secret": ({"secret": "marker-key", "version": "1"}, "marker-key"),
        "prefect_api_auth_string_secret": ({"secret": "marker-auth", "version": "1"}, "marker-auth"),
        "cloudsql_instances": (["marker:sql:instance"], "marker:sql:instance"),
        "network_interfaces": ([{"network": "marker-network"}], "marker-network"),
        "volumes": ([{"name": "marker-volume", "gcs": {"bucket": "b"}}], "marker-volume"),
        "volume_mounts": ([{"name": "marker-volume", "mountPath": "/marker-mount"}], "/marker-mount"),
        "keep_job": (True, "push-dispatcher-keep"),
        "max_retries": (7, '"maxRetries": 7'),
        "timeout": (1237, "1237s"),
        "task_count": (13, '"taskCount": 13'),
        "parallelism": (11, '"parallelism": 11'),
        "gpu_count": (3, '"nvidia.com/gpu": "3"'),
        "task_start_timeout_seconds": (1321, "1321"),
    }
    if name in special:
        return special[name]
    value = schema["enum"][0] if "enum" in schema else f"marker-{name}"
    return value, value


EXCLUSIVE = {"network_interfaces": ("vpc_connector_name",)}
"""Variables that exclude each other: the first is tried without the others."""


PREFECTS = [pytest.param(kind, marks=pytest.mark.long) for kind in ("cloud-run", "cloud-run-v2")]
"""The types of the newest prefect-gcp."""


@pytest.mark.parametrize("name", ["ours", *PREFECTS])
def test_every_declared_variable_is_found_in_the_request_or_says_why_not(name):
    template = OURS if name == "ours" else installed.template(name)
    declared = template["variables"]["properties"]
    for without in (set(), {"network_interfaces"}, {"vpc_connector_name"}):
        markers = {variable: marker(variable, schema) for variable, schema in declared.items() if variable not in without}
        if set(EXCLUSIVE) & markers.keys() and "vpc_connector_name" in markers:
            continue
        configuration = render(template, {variable: value for variable, (value, _) in markers.items()})
        sent = request_of(configuration)
        lost = {variable for variable, (_, text) in markers.items() if str(text) not in sent}
        assert lost <= set(checking.NO_EFFECT), lost
        assert check(configuration).faults == ()


def request_of(configuration):
    """All that goes to Cloud Run: where, and what."""
    place = Place(project=configuration.get("project") or "p", region=configuration["region"])
    body = body_of(Job(name=NAME, configuration=configuration), place, "us")
    needs = registry.needs("cloud-run-v2:push", configuration)
    return json.dumps([place.parent, needs.place, body])


@pytest.mark.parametrize("kind", PREFECTS)
def test_a_template_of_prefect_is_accepted_unmodified_and_has_no_remarks(provider, kind):
    configuration = render(installed.template(kind), {"image": IMAGE})
    checked = check(configuration)
    assert (checked.faults, checked.warnings) == ((), ())
    submitted(provider, Job(name=NAME, configuration=configuration))


def test_every_variable_listed_as_without_effect_exists():
    assert set(checking.NO_EFFECT) <= set(OURS["variables"]["properties"])


# Prefect's current templates


def container(configuration):
    body = body_of(
        Job(name=NAME, configuration=configuration, environment={"PREFECT_API_KEY": "plain"}),
        Place(project="p", region="r"),
        "us",
    )
    return body["template"]["template"], body["template"]["template"]["containers"][0]


def test_the_key_of_prefects_client_is_a_reference_and_no_plain_value():
    configuration = a_configuration(
        env={"PREFECT_API_KEY": "plain", "PREFECT_API_AUTH_STRING": "plain"},
        prefect_api_key_secret={"secret": "key", "version": "3"},
        prefect_api_auth_string_secret={"secret": "auth", "version": "latest"},
    )
    _, main = container(configuration)
    assert main["env"] == [
        {"name": "PREFECT_API_KEY", "valueSource": {"secretKeyRef": {"secret": "key", "version": "3"}}},
        {"name": "PREFECT_API_AUTH_STRING", "valueSource": {"secretKeyRef": {"secret": "auth", "version": "latest"}}},
    ]


def test_cloud_sql_instances_are_a_volume_and_its_mount():
    task, main = container(a_configuration(cloudsql_instances=["p:r:one", "p:r:two"]))
    assert task["volumes"] == [{"name": "cloudsql", "cloudSqlInstance": {"instances": ["p:r:one", "p:r:two"]}}]
    assert main["volumeMounts"] == [{"name": "cloudsql", "mountPath": "/cloudsql"}]


def test_cloud_sql_instances_join_those_that_the_body_has():
    volumes = [{"name": "cloudsql", "cloudSqlInstance": {"instances": ["p:r:one"]}}]
    mounts = [{"name": "cloudsql", "mountPath": "/cloudsql"}]
    configuration = a_configuration(
        {"volumes": volumes, "containers": [{"volumeMounts": mounts}]}, cloudsql_instances=["p:r:one", "p:r:two"]
    )
    task, main = container(configuration)
    assert task["volumes"] == [{"name": "cloudsql", "cloudSqlInstance": {"instances": ["p:r:one", "p:r:two"]}}]
    assert main["volumeMounts"] == mounts


def test_the_annotation_of_v1_is_the_same_volume():
    annotations = {"run.googleapis.com/cloudsql-instances": "p:r:one,p:r:two"}
    body = {"metadata": {}, "spec": {"template": {"metadata": {"annotations": annotations}}}}
    task, main = container({"image": IMAGE, "region": "r", "job_body": body})
    assert task["volumes"] == [{"name": "cloudsql", "cloudSqlInstance": {"instances": ["p:r:one", "p:r:two"]}}]
    assert main["volumeMounts"] == [{"name": "cloudsql", "mountPath": "/cloudsql"}]


def test_the_emulator_takes_what_prefect_asks_for(emulator, provider):
    job = a_job(
        cloudsql_instances=["p:r:one"],
        prefect_api_key_secret={"secret": "key", "version": "1"},
        env_from_secrets={"DB": {"secret": "db", "version": "2"}},
    )
    submitted(provider, job)
    [request] = emulator.calls.requests("CreateJob")
    assert all(word in request["body"] for word in ("p:r:one", "/cloudsql", '"key"', '"db"'))


# One name, one entry


@pytest.mark.parametrize("turned", [False, True])
def test_a_secret_wins_over_a_plain_value_of_its_name_wherever_they_stand(turned):
    reference = {"name": "A", "valueSource": {"secretKeyRef": {"secret": "s", "version": "1"}}}
    both = [reference, {"name": "A", "value": "plain"}]
    own = list(reversed(both)) if turned else both
    for values in (
        a_configuration({"containers": [{"env": own}]}),
        a_configuration({"containers": [{"env": [reference]}]}, env={"A": "plain"}),
        a_configuration({"containers": [{"env": [{**reference, "value": "plain"}]}]}),
        a_configuration(env={"A": "plain"}, secrets={"A": "s:1"}),
        a_configuration(env={"A": "plain"}, env_from_secrets={"A": {"secret": "s", "version": 1}}),
    ):
        _, main = container(values)
        assert [item for item in main["env"] if item["name"] == "A"] == [reference]


def test_true_is_true_in_every_form_of_environment():
    sidecar = {"name": "b", "image": "i", "env": {"D": True}}
    configuration = a_configuration(
        {"containers": [{"env": [{"name": "A", "value": True}]}, sidecar]}, env={"B": False, "C": 1.5}
    )
    task, main = container(configuration)
    assert {item["name"]: item["value"] for item in main["env"]} | {"PREFECT_API_KEY": ""} == {
        "A": "true",
        "B": "false",
        "C": "1.5",
        "PREFECT_API_KEY": "",
    }
    assert task["containers"][1]["env"] == [{"name": "D", "value": "true"}]


# The types a placeholder keeps


def test_a_value_of_an_equivalent_type_is_converted(emulator, provider):
    task = {
        "serviceAccount": 7,
        "gpuZonalRedundancyDisabled": "true",
        "volumes": [{"name": "v", "secret": {"secret": "s", "items": [{"path": "f", "version": 3, "mode": "256"}]}}],
        "containers": [{"ports": [{"containerPort": "8080"}]}],
    }
    configuration = a_configuration(task)
    configuration["job_body"]["template"]["taskCount"] = "2"
    configuration["job_body"]["annotations"] = {"n": 7}
    submitted(provider, Job(name=NAME, configuration=configuration))
    [request] = emulator.calls.requests("CreateJob")
    sent = json.loads(request["body"])
    assert sent["annotations"] == {"n": "7"}
    assert sent["template"]["taskCount"] == 2
    item = sent["template"]["template"]["volumes"][0]["secret"]["items"][0]
    assert item == {"path": "f", "version": "3", "mode": 256}


def test_a_field_in_the_other_spelling_is_the_same_field():
    task, _ = container(a_configuration({"max_retries": 3, "service_account": "a@b", "vpc_access": {"connector": "c"}}))
    assert (task["maxRetries"], task["serviceAccount"]) == (3, "a@b")
    assert task["vpcAccess"] == {"connector": "projects/p/locations/r/connectors/c"}
    [fault] = check(a_configuration({"max_retries": 3, "maxRetries": 2})).faults
    assert "maxRetries: is given in two spellings; give one" in fault.message
