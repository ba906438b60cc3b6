"""What a rendered configuration becomes: the body of a PUT."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import ConfigurationError, Job
from tests.providers.container_instance.builders import (
    IDENTITY,
    a_configuration,
    a_job,
    a_template,
    container_of,
    properties_of,
    request_for,
)

ENTRIES = {
    "registry": {"username": "user", "password_env": "REGISTRY_PASSWORD", "registry_url": "docker.io"},
    "database": {"value_env": "DATABASE_PASSWORD"},
}
HOST = {"REGISTRY_PASSWORD": "hush", "DATABASE_PASSWORD": "hush"}
VAULT = "https://vault.vault.azure.net/secrets/database"


def test_a_minimal_configuration_makes_a_complete_group():
    body = request_for().body
    assert body == {
        "tags": {"push-dispatcher-job": "r0001-1"},
        "properties": {
            "containers": [
                {
                    "name": "r0001-1",
                    "properties": {
                        "image": "alpine",
                        "resources": {"requests": {"cpu": 1, "memoryInGB": 1}},
                        "environmentVariables": [],
                    },
                }
            ],
            "osType": "Linux",
            "restartPolicy": "Never",
        },
    }


def test_equal_jobs_make_equal_bytes():
    one = a_job(env={"B": "2", "A": "1"}, labels={"x": "1"}, environment={"D": "4", "C": "3"})
    other = a_job(env={"A": "1", "B": "2"}, labels={"x": "1"}, environment={"C": "3", "D": "4"})
    assert json.dumps(request_for(one).body) == json.dumps(request_for(other).body)


def test_a_command_is_split_as_a_shell_would_and_follows_the_entrypoint():
    assert container_of(command="python -c 'print(1)'")["command"] == ["python", "-c", "print(1)"]
    assert container_of(command="a b", entrypoint="/entry.sh")["command"] == ["/entry.sh", "a", "b"]
    assert container_of(entrypoint="/entry.sh")["command"] == ["/entry.sh"]
    assert "command" not in container_of()


def test_variables_are_listed_by_name_and_the_dispatchers_own_win():
    template = a_template(
        containers=[{"properties": {"environmentVariables": [{"name": "A", "value": "0"}, {"name": "T", "value": "t"}]}}]
    )
    job = a_job(env={"A": "1", "B": 2, "C": None, "D": True}, environment={"B": "own"}, arm_template=template)
    assert container_of(job)["environmentVariables"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "own"},
        {"name": "D", "value": "true"},
        {"name": "T", "value": "t"},
    ]


def test_prefects_keys_are_sent_as_secure_values():
    variables = container_of(env={"PREFECT_API_KEY": "key", "PREFECT_API_URL": "url"})["environmentVariables"]
    assert variables == [{"name": "PREFECT_API_KEY", "secureValue": "key"}, {"name": "PREFECT_API_URL", "value": "url"}]


def test_sizes_may_be_written_as_text_and_gpus_go_with_them():
    resources = container_of(cpu="0.5", memory=2.0, gpu_count=1, gpu_sku="V100")["resources"]
    assert resources == {"requests": {"cpu": 0.5, "memoryInGB": 2, "gpu": {"count": 1, "sku": "V100"}}}


def test_placement_goes_where_azure_wants_it():
    properties = properties_of(subnet_ids=["subnet"], dns_servers=["10.0.0.1"], priority="Spot")
    assert properties["subnetIds"] == [{"id": "subnet"}]
    assert properties["dnsConfig"] == {"nameServers": ["10.0.0.1"]}
    assert properties["priority"] == "Spot"


def test_identities_join_those_of_the_template():
    template = a_template()
    template["resources"][0]["identity"] = {"type": "SystemAssigned"}
    assert request_for(identities=["one", "two"]).body["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": {"one": {}, "two": {}},
    }
    assert request_for(identities=["one"], arm_template=template).body["identity"] == {
        "type": "SystemAssigned, UserAssigned",
        "userAssignedIdentities": {"one": {}},
    }


class TestLocation:
    def test_the_configuration_says_where_else_the_template_else_the_resource_group(self):
        template = a_template()
        assert request_for(location="eastus", arm_template=template).location == "eastus"
        template["resources"][0]["location"] = "northeurope"
        assert request_for(location=None, arm_template=template).location == "northeurope"
        template["resources"][0]["location"] = "[resourceGroup().location]"
        assert request_for(location=None, arm_template=template).location == ""
        assert request_for(location=None).location == ""

    def test_a_parameter_stands_for_its_default(self):
        template = {**a_template(), "parameters": {"location": {"defaultValue": "uksouth"}}}
        template["resources"][0]["location"] = "[parameters('location')]"
        assert request_for(location=None, arm_template=template).location == "uksouth"


class TestTemplate:
    def test_unknown_fields_of_a_template_are_kept(self):
        mounts = [{"name": "work", "mountPath": "/work"}]
        containers = [
            {"name": "main", "properties": {"volumeMounts": mounts}},
            {"name": "side", "properties": {"image": "side"}},
        ]
        properties = properties_of(
            arm_template=a_template(volumes=[{"name": "work", "emptyDir": {}}], containers=containers, sku="Standard")
        )
        assert properties["volumes"] == [{"name": "work", "emptyDir": {}}]
        assert [container["name"] for container in properties["containers"]] == ["main", "side"]
        assert properties["containers"][0]["properties"]["volumeMounts"] == mounts
        assert properties["sku"] == "Standard"

    def test_the_first_container_group_of_a_template_is_used(self):
        template = a_template(sku="Standard")
        template["resources"].insert(0, {"type": "Microsoft.Network/virtualNetworks"})
        assert properties_of(arm_template=template)["sku"] == "Standard"
        with pytest.raises(ConfigurationError, match="none is of type"):
            request_for(arm_template={"resources": template["resources"][:1]})

    def test_an_older_version_than_ours_is_raised_and_a_newer_one_is_used(self):
        template = a_template()
        for asked, used in (("2022-09-01", "2023-05-01"), ("2025-09-01", "2025-09-01")):
            template["resources"][0]["apiVersion"] = asked
            assert request_for(arm_template=template).api_version == used

    def test_an_expression_that_is_left_is_refused_by_its_place(self):
        with pytest.raises(ConfigurationError, match=re.escape("resources[0].properties.sku")):
            request_for(arm_template=a_template(sku="[variables('sku')]"))

    def test_values_of_job_variables_are_never_taken_for_an_expression(self):
        job = a_job(env={"LIST": "[f('x')]"}, command="[f('x')]", labels={"l": "[f(1)]"})
        assert container_of(job)["environmentVariables"] == [{"name": "LIST", "value": "[f('x')]"}]


class TestRegistries:
    def credentials(self, registry, **fields):
        request = request_for(credentials=ENTRIES, host=HOST, image_registry=registry, **fields)
        return request, request.body["properties"]["imageRegistryCredentials"]

    def test_a_managed_identity_pulls_and_is_given_to_the_group(self):
        credentials, listed = self.credentials({"registry_url": "https://example.azurecr.io/", "identity": IDENTITY})
        assert listed == [{"server": "example.azurecr.io", "identity": IDENTITY}]
        assert credentials.body["identity"]["userAssignedIdentities"] == {IDENTITY: {}}

    def test_a_password_is_the_name_of_an_entry(self):
        for registry in ("registry", {"registry_url": "docker.io", "username": "user", "password": "registry", "reauth": True}):
            _, listed = self.credentials(registry)
            assert listed == [{"server": "docker.io", "username": "user", "password": "hush"}]

    def test_an_entry_may_name_an_identity_instead(self):
        entries = {"acr": {"registry_url": "example.azurecr.io", "identity": IDENTITY}}
        body = request_for(credentials=entries, image_registry="acr").body
        assert body["properties"]["imageRegistryCredentials"] == [{"server": "example.azurecr.io", "identity": IDENTITY}]
        assert body["identity"]["userAssignedIdentities"] == {IDENTITY: {}}

    def test_a_password_may_be_kept_in_key_vault(self):
        credentials, listed = self.credentials(
            {"registry_url": "r.io", "username": "u", "password": VAULT}, identities=[IDENTITY]
        )
        assert listed == [{"server": "r.io", "username": "u", "passwordReference": "secret-1"}]
        assert credentials.api_version == "2025-09-01"

    def test_a_password_in_the_template_is_refused_and_not_repeated(self):
        with pytest.raises(ConfigurationError, match=r"image_registry\.password") as caught:
            self.credentials({"registry_url": "r.io", "username": "u", "password": "hunter2"})
        assert "hunter2" not in str(caught.value)


class TestSecrets:
    def test_a_named_entry_is_sent_as_a_secure_value(self):
        container = container_of(secrets={"PASSWORD": "database"}, credentials=ENTRIES, host=HOST)
        assert container["environmentVariables"] == [{"name": "PASSWORD", "secureValue": "hush"}]

    def test_key_vault_is_read_by_azure_with_the_groups_first_identity(self):
        request = request_for(secrets={"A": VAULT, "B": VAULT, "C": VAULT + "/1a2b"}, identities=[IDENTITY])
        properties = request.body["properties"]
        assert properties["secretReferences"] == [
            {"name": "secret-1", "identity": IDENTITY, "secretReferenceUri": VAULT},
            {"name": "secret-2", "identity": IDENTITY, "secretReferenceUri": VAULT + "/1a2b"},
        ]
        variables = properties["containers"][0]["properties"]["environmentVariables"]
        assert [variable["secureValueReference"] for variable in variables] == ["secret-1", "secret-1", "secret-2"]
        assert request.api_version == "2025-09-01"

    def test_secret_fields_of_a_template_name_entries(self):
        analytics = {"logAnalytics": {"workspaceId": "id", "workspaceKey": "database"}}
        volumes = [{"name": "v", "secret": {"file": "database"}}]
        template = a_template(diagnostics=analytics, volumes=volumes)
        properties = properties_of(arm_template=template, credentials=ENTRIES, host=HOST)
        assert properties["diagnostics"]["logAnalytics"]["workspaceKey"] == "hush"
        assert properties["volumes"][0]["secret"] == {"file": "aHVzaA=="}

    @pytest.mark.parametrize(
        ("fields", "host", "words"),
        [
            ({"secrets": {"A": "nobody"}}, HOST, "not an entry of DISPATCHER_CREDENTIALS"),
            ({"secrets": {"A": 1}}, HOST, "name of an entry"),
            ({"secrets": {"A": "database"}}, {}, "DATABASE_PASSWORD of the dispatcher's host is not set"),
            ({"secrets": {"A": VAULT}}, HOST, "add one to identities"),
            ({"arm_template": a_template(diagnostics={"logAnalytics": {"workspaceKey": "hunter2"}})}, HOST, "workspaceKey"),
        ],
    )
    def test_a_reference_that_cannot_be_resolved_says_where_it_is(self, fields, host, words):
        with pytest.raises(ConfigurationError, match=words) as caught:
            request_for(credentials=ENTRIES, host=host, **fields)
        assert "hunter2" not in str(caught.value)


class TestTags:
    def test_labels_are_cleaned_to_azures_rules_and_ours_win(self):
        job = Job(
            name="r1-1",
            configuration=a_configuration(labels={"Team": "theirs", "a%b": "x" * 300}, name="nightly"),
            labels={"push-dispatcher/run_id": "1", "team": "own"},
        )
        assert request_for(job).body["tags"] == {
            "push-dispatcher-job": "r1-1",
            "push-dispatcher-run_id": "1",
            "team": "own",
            "a-b": "x" * 256,
            "name": "nightly",
        }

    def test_too_many_tags_keep_the_dispatchers_own_and_leave_room_for_two(self):
        job = Job(name="r1-1", configuration=a_configuration(labels={f"l{n:02}": "" for n in range(60)}), labels={"z": "1"})
        tags = request_for(job).body["tags"]
        assert len(tags) == 48
        assert {"push-dispatcher-job", "z"} <= tags.keys()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"image": None}, "image"),
        ({"cpu": "much"}, "cpu"),
        ({"memory": -1}, "memory"),
        ({"command": "'"}, "command"),
        ({"env": {"A-B": "1"}}, "env"),
        ({"env": ["A"]}, "env"),
        ({"env": {"A": {"deep": 1}}}, "env.A"),
        ({"gpu_count": 1}, "gpu_sku"),
        ({"arm_template": {"resources": {}}}, "arm_template.resources"),
        ({"image_registry": {"registry_url": "r.io"}}, "image_registry.username"),
        ({"image_registry": {"identity": "id"}}, "image_registry.registry_url"),
    ],
)
def test_an_invalid_value_is_refused_by_the_name_of_its_field(fields, field):
    with pytest.raises(ConfigurationError, match=f"^{re.escape(field)}"):
        request_for(**fields)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    sorted(
        {"arm_template", "image", "command", "entrypoint", "env", "secrets", "labels", "name", "cpu", "memory", "identities"}
        | {"image_registry", "subnet_ids", "location", "dns_servers", "priority", "gpu_count", "gpu_sku"}
    )
)
PROPERTIES = st.sampled_from(("containers", "dnsConfig", "secretReferences", "diagnostics", "volumes", "sku"))


@given(st.dictionaries(FIELDS, JSON), st.dictionaries(PROPERTIES, JSON))
def test_any_configuration_becomes_a_body_or_is_refused(fields, properties):
    configuration = {**a_configuration(arm_template=a_template(**properties)), **fields}
    with suppress(ConfigurationError):
        json.dumps(request_for(Job(name="r1-1", configuration=configuration)).body)
