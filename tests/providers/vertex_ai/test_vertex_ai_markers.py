"""Every variable of a template is found in the request, or in a list that says where its effect is, or why it has none."""

import json

import pytest

from dispatcher.core.templates import render
from providers.base import Job
from providers.vertex_ai.checking import POLL_INTERVAL, check
from providers.vertex_ai.request import body_of
from tests.prefect import installed
from tests.prefect.installed import INSTALLED
from tests.providers.vertex_ai.builders import NAME, OURS

MARKERS = {
    "name": ("marker-name", "marker-name"),
    "env": ({"MARKER": "x"}, "MARKER"),
    "labels": ({"marker-label": "x"}, "marker-label"),
    "command": ("marker --now", '"marker", "--now"'),
    "args": (["--marker"], "--marker"),
    "image": ("marker:1", "marker:1"),
    "machine_type": ("marker-machine", "marker-machine"),
    "accelerator_type": ("MARKER_GPU", "MARKER_GPU"),
    "accelerator_count": (7, '"acceleratorCount": 7'),
    "boot_disk_type": ("marker-disk", "marker-disk"),
    "boot_disk_size_gb": (123, '"bootDiskSizeGb": 123'),
    "maximum_run_time_hours": (3, "10800s"),
    "network": ("projects/1/global/networks/marker", "networks/marker"),
    "network_attachment": ("projects/1/regions/r/networkAttachments/marker", "networkAttachments/marker"),
    "reserved_ip_ranges": (["marker-range"], "marker-range"),
    "service_account_name": ("marker@p.iam.gserviceaccount.com", "marker@p.iam"),
    "scheduling": ({"strategy": "SPOT"}, "SPOT"),
    "persistent_resource_id": ("marker-resource", "marker-resource"),
    "output_uri_prefix": ("gs://marker", "gs://marker"),
    "enable_web_access": (True, '"enableWebAccess": true'),
    "enable_dashboard_access": (True, '"enableDashboardAccess": true'),
}
"""A value for each variable, and the text by which it is found in the request."""
ELSEWHERE = {
    "region": "is in the address of the call",
    "project": "is in the address of the call",
    "credentials": "names whose identity the call has",
    "task_start_timeout_seconds": "is the dispatcher's: it cancels a job that has not started by then",
}
NO_EFFECT = {POLL_INTERVAL: "nobody waits for a job: each tick looks at it, and check says so"}


@pytest.fixture(params=["ours", INSTALLED])
def template(request):
    """Ours, and the one of the newest prefect-gcp."""
    return OURS if request.param == "ours" else installed.template("vertex-ai")


def test_every_variable_is_found_in_the_request_or_says_why_not(template):
    declared = template["variables"]["properties"].keys()
    assert declared <= MARKERS.keys() | ELSEWHERE.keys() | NO_EFFECT.keys()
    variables = {name: value for name, (value, _) in MARKERS.items() if name in declared}
    configuration = render(template, {"region": "us-central1", **variables})
    sent = json.dumps(body_of(Job(name=NAME, configuration=configuration), "push-dispatcher"))
    assert [name for name in variables if MARKERS[name][1] not in sent] == []


def test_a_template_of_prefect_has_no_remarks_until_it_asks_for_what_has_no_effect(template):
    plain = {"image": "busybox", "region": "us-central1"}
    assert check(render(template, plain)).warnings == ()
    for name in NO_EFFECT.keys() & template["variables"]["properties"].keys():
        warned = [warning.path for warning in check(render(template, {**plain, name: 33.0})).warnings]
        is_said = template["variables"]["properties"][name].get("description", "").startswith("Has no effect")
        assert warned == ([] if is_said else [name])
