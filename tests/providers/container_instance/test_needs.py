"""Where a job goes and how much it takes there."""

import pytest

from providers import registry
from providers.base import ConfigurationError, Needs
from providers.container_instance.needs import needs
from tests.providers.container_instance.builders import SUBSCRIPTION, a_configuration, a_template

SIDECAR = {"name": "side", "properties": {"resources": {"requests": {"cpu": 0.5, "memoryInGB": 2}}}}


def test_a_job_takes_prefects_defaults_in_the_location_of_its_subscription():
    assert needs(a_configuration()) == Needs(place=("", SUBSCRIPTION, "westeurope"), size={"cpu": 1, "memory": 1})


def test_different_spellings_of_a_place_become_one():
    one = needs(a_configuration(location="West Europe", subscription_id=SUBSCRIPTION.upper(), aci_credentials="team"))
    assert one.place == ("team", SUBSCRIPTION, "westeurope")


def test_a_template_may_say_where_and_a_resource_group_stands_for_its_region():
    template = a_template()
    assert needs(a_configuration(location=None, arm_template=template)).place[2] == "region of rg"
    template["parameters"] = {"where": {"defaultValue": "eastus"}}
    template["resources"][0]["location"] = "[parameters('where')]"
    assert needs(a_configuration(location=None, arm_template=template)).place[2] == "eastus"
    template["resources"][0]["location"] = "[resourceGroup().location]"
    assert needs(a_configuration(location=None, arm_template=template)).place[2] == "region of rg"


def test_the_size_is_the_whole_groups():
    main = {"name": "main", "properties": {"resources": {"requests": {"cpu": 4, "memoryInGB": 8}}}}
    template = a_template(containers=[main, SIDECAR])
    assert needs(a_configuration(arm_template=template)).size == {"cpu": 4.5, "memory": 10}
    assert needs(a_configuration(arm_template=template, cpu="2", memory=1.5)).size == {"cpu": 2.5, "memory": 3.5}


def test_gpus_and_spot_machines_are_sizes_of_their_own():
    assert needs(a_configuration(gpu_count=2, gpu_sku="V100")).size["gpu"] == 2
    assert needs(a_configuration(priority="Spot", cpu=3)).size == {"cpu": 3, "memory": 1, "spot": 3}


def test_the_registry_and_the_provider_state_the_same_needs(provider):
    configuration = a_configuration(cpu=2)
    for name in ("azure-container-instance:push", "azure-container-instance"):
        assert registry.needs(name, configuration) == provider.needs(configuration) == needs(configuration)


@pytest.mark.parametrize(
    "fields", [{"cpu": "many"}, {"subscription_id": None}, {"arm_template": {"resources": [{"type": "x"}]}}]
)
def test_a_configuration_that_cannot_be_used_has_no_needs(fields):
    with pytest.raises(ConfigurationError):
        needs(a_configuration(**fields))
