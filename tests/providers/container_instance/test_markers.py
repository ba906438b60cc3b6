"""Every variable of a template is found in the request, or in a list that says why it is in none."""

import json

import pytest

from dispatcher.core.templates import render
from providers.base import Accepted, Job
from providers.container_instance.checking import ELSEWHERE, NO_EFFECT, READ, check
from providers.registry import default_template
from tests.prefect import installed
from tests.providers.container_instance.builders import IDENTITY, SUBSCRIPTION, provider_for

ENTRIES = {"marker": {"client_id": "marker"}, "marker-password": {"value_env": "MARKER"}}
MARKERS = {
    "name": "marker-name",
    "labels": {"marker-label": "marker-value"},
    "image": "marker-image:1",
    "image_registry": {"registry_url": "marker.azurecr.io", "username": "marker", "password": "marker-password"},
    "entrypoint": "/marker.sh",
    "command": "marker --command",
    "env": {"MARKER_PLAIN": "marker"},
    "secrets": {"MARKER_SECRET": "marker-password"},
    "cpu": 1.125,
    "memory": 2.375,
    "gpu_count": 3,
    "gpu_sku": "P100",
    "priority": "Spot",
    "subscription_id": "11111111-0000-0000-0000-000000000001",
    "resource_group_name": "marker-group",
    "location": "markerland",
    "aci_credentials": {"client_id": "marker-client"},
    "identities": [IDENTITY + "-marker"],
    "subnet_ids": ["marker-subnet"],
    "dns_servers": ["10.1.2.3"],
    "task_start_timeout_seconds": 77,
    "keep_container_group": True,
    "stream_output": True,
    "task_watch_poll_interval": 33.0,
}
"""A value for each variable that is found nowhere by chance."""
IN_REQUEST = {
    "labels": ["marker-label", "marker-value"],
    "image_registry": ["marker.azurecr.io", '"password": "hush"'],
    "command": ['"marker", "--command"'],
    "env": ["MARKER_PLAIN"],
    "secrets": ["MARKER_SECRET", "hush"],
    "cpu": ['"cpu": 1.125'],
    "memory": ['"memoryInGB": 2.375'],
    "gpu_count": ['"count": 3'],
    "identities": [IDENTITY + "-marker"],
    "subnet_ids": ["marker-subnet"],
    "dns_servers": ["10.1.2.3"],
    "keep_container_group": ['"push-dispatcher-keep": "true"'],
}
"""How a marker shows in the request, where that is not its own text."""
COMPANIONS = {"gpu_count": ("gpu_sku",), "gpu_sku": ("gpu_count",)}
"""What a variable needs beside it."""
LEAST = {"subscription_id": SUBSCRIPTION, "resource_group_name": "rg", "image": "alpine"}


OURS = default_template("azure-container-instance:push")


@pytest.mark.parametrize("variable", OURS["variables"]["properties"])
def test_a_marker_is_found_in_the_request_or_its_absence_has_a_reason(start, monkeypatch, variable):
    monkeypatch.setenv("MARKER", "hush")
    check_marker(start(), OURS, variable)


@pytest.mark.long
def test_every_variable_of_the_newest_template_of_prefect_is_found_in_the_request(start, monkeypatch):
    monkeypatch.setenv("MARKER", "hush")
    aci, template = start(), installed.template("azure-container-instance")
    assert template["variables"]["properties"].keys() <= MARKERS.keys()
    for variable in template["variables"]["properties"]:
        check_marker(aci, template, variable)


def check_marker(aci, template, variable):
    aci.calls.reset()
    variables = {**LEAST, **{name: MARKERS[name] for name in (variable, *COMPANIONS.get(variable, ()))}}
    configuration = render(template, variables)
    assert check(configuration).faults == ()
    outcome = provider_for(aci, credentials=ENTRIES).submit(
        Job(name=f"r{list(MARKERS).index(variable):04}-1", configuration=configuration)
    )
    assert isinstance(outcome, Accepted), outcome
    (request,) = aci.calls.requests("ContainerGroups_CreateOrUpdate")
    text = json.dumps(request)
    if variable in ELSEWHERE or variable in NO_EFFECT:
        assert json.dumps(MARKERS[variable]) not in text
    else:
        assert all(words in text for words in IN_REQUEST.get(variable, [str(MARKERS[variable])])), text


def test_a_variable_without_effect_causes_a_warning_when_it_is_set():
    for name in NO_EFFECT:
        assert [item.path for item in check({**LEAST, name: MARKERS[name]}).warnings] == [name]


def test_every_key_that_is_read_has_a_marker():
    assert READ | NO_EFFECT.keys() == MARKERS.keys() | {"arm_template"}
    assert ELSEWHERE.keys() <= READ
