"""What the check says of a configuration, in the words of a submission."""

import sys

import pytest

from providers import registry
from providers.base import Job, Rejected
from providers.container_instance.checking import check
from providers.remarks import reason_of
from tests.providers.container_instance.builders import IDENTITY, a_configuration, a_job, a_template, container_of, provider_for

MAIN = "arm_template.resources[0].properties.containers[0]"
GROUP = "arm_template.resources[0].properties"
ENTRIES = {"registry": {"username": "user", "password_env": "REGISTRY_PASSWORD"}}


def said(**fields) -> list[str]:
    return [f"{item.path}: {item.message}" for item in check(a_configuration(**fields)).faults]


def warned(**fields) -> dict[str, str]:
    return {item.path: item.message for item in check(a_configuration(**fields)).warnings}


def with_group(**fields):
    template = a_template()
    template["resources"][0] |= fields
    return template


CASES = [
    ({"comand": "x"}, "comand: is not a key that is read here; did you mean 'command'?"),
    ({"imageRegistry": {}}, "imageRegistry: is not a key that is read here; did you mean 'image_registry'?"),
    ({"arm_template": {"resource": []}}, "arm_template.resource: is not a key that is read here; did you mean 'resources'?"),
    (
        {"arm_template": with_group(zone=["1"])},
        "arm_template.resources[0].zone: is not a key that is read here; did you mean 'zones'?",
    ),
    (
        {"arm_template": a_template(subnet_ids=[])},
        f"{GROUP}.subnet_ids: is not a key that is read here; did you mean 'subnetIds'?",
    ),
    (
        {"arm_template": a_template(containers=[{"name": "main", "propertys": {}}])},
        f"{MAIN}.propertys: is not a key that is read here; did you mean 'properties'?",
    ),
    (
        {"arm_template": a_template(containers=[{"properties": {"volume_mounts": []}}])},
        f"{MAIN}.properties.volume_mounts: is not a key that is read here; did you mean 'volumeMounts'?",
    ),
    (
        {"image_registry": {"registry_url": "r", "user": "u", "username": "u", "password": "registry"}},
        "image_registry.user: is not a key that is read here; did you mean 'username'?",
    ),
    ({"image": None}, "image: is missing; give a value"),
    ({"resource_group_name": None}, "resource_group_name: is missing; give a value"),
    ({"cpu": "many"}, "cpu: give a number"),
    ({"cpu": True}, "cpu: give a number"),
    ({"memory": -1}, "memory: give a number above zero"),
    ({"cpu": 32}, "cpu: a container group can have 31 CPUs at most, not 32"),
    ({"memory": 241}, "memory: a container group can have 240 GB at most, not 241"),
    ({"env": {"A-B": "1"}}, "env: 'A-B' is not a name Azure accepts; use letters, digits and _, no digit first"),
    ({"env": {"A": {"b": 1}}}, "env.A: give text, not an object"),
    ({"labels": ["a"]}, "labels: give an object, not a list"),
    ({"keep_container_group": "no"}, "keep_container_group: give true or false"),
    ({"task_start_timeout_seconds": "soon"}, "task_start_timeout_seconds: give a number"),
    ({"priority": "High"}, "priority: give Regular or Spot, not 'High'"),
    ({"gpu_count": 1}, "gpu_sku: is missing, although gpu_count asks for a GPU; name the GPU"),
    ({"gpu_sku": "V100"}, "gpu_sku: takes no effect without gpu_count"),
    ({"gpu_sku": "T4", "gpu_count": 1}, "gpu_sku: Azure has K80, P100, V100, not 'T4'"),
    ({"gpu_sku": "V100", "gpu_count": 1.5}, "gpu_count: give a whole number"),
    (
        {"priority": "Spot", "subnet_ids": ["s"]},
        "priority: a Spot container group cannot be in a subnet; leave out one of both",
    ),
    (
        {"gpu_count": 1, "gpu_sku": "V100", "subnet_ids": ["s"]},
        "gpu_count: a container group in a subnet can have no GPU; leave out one of both",
    ),
    (
        {"image_registry": {"registry_url": "r", "identity": IDENTITY, "username": "u", "password": "registry"}},
        "image_registry.identity: takes no effect together with a user name and password; leave one of both out",
    ),
    (
        {"arm_template": {"resources": [*a_template()["resources"], {"type": "Microsoft.Network/virtualNetworks"}]}},
        "arm_template.resources[1]: is not deployed, only the first container group is",
    ),
    (
        {"secrets": {"A": "https://vault.vault.azure.net/secrets/a"}},
        "secrets.A: Key Vault is read with a user-assigned identity of the group; add one to identities",
    ),
    (
        {"aci_credentials": {"client_id": "c", "client_secret": "hush"}},
        "aci_credentials: client_secret cannot stand in a template",
    ),
]
CASES += [
    ({"arm_template": a_template(restartPolicy=policy)}, f"{GROUP}.restartPolicy: {policy!r} repeats an attempt")
    for policy in ("Always", "OnFailure")
]


@pytest.mark.parametrize(("fields", "words"), CASES, ids=[words.partition(": ")[0] for _, words in CASES])
def test_validation_reports_a_fault_as_the_submission_does(aci, fields, words):
    configuration = a_configuration(**fields)
    assert any(fault.startswith(words) for fault in said(**fields)), said(**fields)
    outcome = provider_for(aci, credentials=ENTRIES).submit(Job(name="r0001-1", configuration=configuration))
    assert outcome == Rejected(reason=reason_of(check(configuration).faults))
    assert aci.starts == {}


def test_every_fault_is_reported_at_once():
    assert len(said(comand="x", cpu="many", image=None, arm_template=a_template(restartPolicy="Always"))) == 4


def test_unknown_fields_of_a_newer_api_version_are_left_to_azure():
    template = a_template(somethingNew=1)
    assert said(arm_template=template)
    template["resources"][0]["apiVersion"] = "2026-07-01"
    assert said(arm_template=template) == []


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"stream_output": True}, "stream_output", "there is no worker to stream to"),
        ({"task_watch_poll_interval": 1}, "task_watch_poll_interval", "nothing polls"),
        ({"env": {"A": "1"}, "secrets": {"A": "database"}}, "env.A", "secrets.A wins"),
        ({"dns_servers": ["10.0.0.1"]}, "dns_servers", "without subnet_ids"),
        ({"arm_template": {**a_template(), "outputs": {"a": 1}}}, "arm_template.outputs", "not evaluated"),
        ({"arm_template": with_group(dependsOn=["x"])}, "arm_template.resources[0].dependsOn", "made by itself"),
    ],
)
def test_a_setting_without_effect_is_reported_with_its_reason(fields, path, words):
    assert words in warned(**fields)[path]
    assert said(**fields) == []


def test_defaults_of_prefects_template_cause_no_warning():
    assert warned(stream_output=False, task_watch_poll_interval=5.0) == {}


def test_a_check_leaves_the_credentials_that_a_job_names_to_the_host():
    fields = {"secrets": {"A": "unknown"}, "image_registry": "unknown", "aci_credentials": "unknown"}
    assert said(**fields) == []


def test_the_check_needs_no_sdk(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "azure"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure", None)
    checked = registry.check("azure-container-instance:push", a_configuration(comand="x"))
    assert (len(checked.faults), checked.unchecked) == (1, ())


class TestOneNameTwice:
    def test_a_secret_wins_over_a_plain_value_wherever_each_stands(self, monkeypatch):
        listed = [{"name": "A", "secureValue": "database"}, {"name": "B", "value": "template"}]
        template = a_template(containers=[{"properties": {"environmentVariables": listed}}])
        entries = {"database": {"value_env": "DATABASE"}}
        job = a_job(env={"A": "plain", "B": "plain", "C": "plain"}, secrets={"C": "database"}, arm_template=template)
        made = container_of(job, credentials=entries, host={"DATABASE": "hush"})
        assert made["environmentVariables"] == [
            {"name": "A", "secureValue": "hush"},
            {"name": "B", "value": "plain"},
            {"name": "C", "secureValue": "hush"},
        ]


def test_true_in_a_templates_own_variables_is_written_as_json_writes_it():
    listed = [{"name": "A", "value": True}, {"name": "B", "value": 1.5}]
    template = a_template(containers=[{"properties": {"environmentVariables": listed}}])
    assert container_of(arm_template=template)["environmentVariables"] == [
        {"name": "A", "value": "true"},
        {"name": "B", "value": "1.5"},
    ]
