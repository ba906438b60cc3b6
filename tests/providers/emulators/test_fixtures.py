from __future__ import annotations

import os
from urllib.request import urlopen

import pytest

from providers.emulators.command import EMULATORS, load
from providers.emulators.control import Remote

FIXTURES = {
    "ecs": "ecs_emulator",
    "cloud-run": "cloud_run_emulator",
    "aci": "container_instance_emulator",
    "modal": "modal_emulator",
    "vertex-ai": "vertex_ai_emulator",
    "kubernetes": "kubernetes_emulator",
}
NEEDS = {
    "ecs": "moto",
    "cloud-run": "google.cloud.run_v2",
    "aci": "azure.mgmt.containerinstance",
    "modal": "modal",
    "vertex-ai": "google.auth",
    "kubernetes": "urllib3",
}


@pytest.mark.parametrize("name", EMULATORS)
def test_every_emulator_has_a_fixture_that_sets_its_environment(request, name):
    pytest.importorskip(NEEDS[name])
    emulator = request.getfixturevalue(FIXTURES[name])
    assert isinstance(emulator, load(name))
    assert emulator.environment().items() <= os.environ.items()


@pytest.mark.parametrize("name", EMULATORS)
def test_every_emulator_offers_the_control_surface(request, name):
    pytest.importorskip(NEEDS[name])
    emulator = request.getfixturevalue(FIXTURES[name])
    remote = Remote(emulator.control_url)
    remote.post("advance", seconds=60)
    assert remote.get()["name"] == name
    assert remote.get("jobs") == {"jobs": [], "live": 0, "peak_live": 0, "starts": {}}
    assert remote.get("calls")["counts"] == {}
    with urlopen(emulator.control_url + "/_emulator") as reply:
        assert reply.headers["Content-Type"] == "application/json"
