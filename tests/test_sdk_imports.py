"""A tick pays for the cloud it ticks, and for no other; a cloud that is not installed disables its own pools alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.client import Dispatcher
from dispatcher.stores.sqlite import SqliteStore
from providers.emulators.command import load

ROOT = Path(__file__).parents[1]
SDKS = {
    "ecs:push": {"boto3", "botocore"},
    "cloud-run-v2:push": {"google.cloud.run_v2", "google.auth"},
    "azure-container-instance:push": {"azure.mgmt.containerinstance", "azure.identity", "azure.core"},
    "modal:push": {"modal", "modal_proto", "grpclib"},
    "vertex-ai": {"google.auth"},
}
"""What each type's SDK is known by; nothing of the other types may be loaded."""
EXTRAS = {
    "ecs:push": "aws",
    "cloud-run-v2:push": "gcp",
    "azure-container-instance:push": "azure",
    "modal:push": "modal",
    "vertex-ai": "vertex",
}
EMULATORS = {
    "ecs:push": "ecs",
    "cloud-run-v2:push": "cloud-run",
    "azure-container-instance:push": "aci",
    "modal:push": "modal",
    "vertex-ai": "vertex-ai",
}
VARIABLES = {"image": "busybox"}
AZURE = {**VARIABLES, "subscription_id": "00000000-0000-0000-0000-000000000000", "resource_group_name": "jobs"}

TICK = """
import json, os, sys
from datetime import UTC, datetime, timedelta

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in json.loads(os.environ["BLOCKED"]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from dispatcher.environment.settings import Settings
from dispatcher.ticking import tick
from dispatcher.wiring import wire

wiring = wire(Settings.from_environment(os.environ))
report = tick(wiring.dispatch, datetime.now(UTC) + timedelta(seconds=30))
accepted = [pool.submitted for pool in report.pools]
print(json.dumps({"accepted": accepted, "problems": report.problems, "loaded": list(sys.modules)}))
"""


def ticked(path, environment=None, blocked=()):
    """What a tick in a fresh interpreter reports: what was accepted, what went wrong, what is loaded."""
    own = {"DISPATCHER_STORE": f"sqlite:///{path}", "BLOCKED": json.dumps(list(blocked)), "DISPATCHER_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-c", TICK]
    around = {**os.environ, **(environment or {}), **own}
    process = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def a_pool_with_a_run(path, pool_type):
    client = Dispatcher(SqliteStore(path))
    client.create_work_pool(pool_type.partition(":")[0], type=pool_type)
    own = {"azure-container-instance:push": AZURE, "vertex-ai": {**VARIABLES, "region": "us-central1"}}
    variables = own.get(pool_type, VARIABLES)
    client.create_run(pool=pool_type.partition(":")[0], job_variables=variables)
    client.store.close()


@pytest.mark.parametrize("pool_type", SDKS)
def test_ticking_a_pool_of_one_type_imports_no_other_clouds_sdk(pool_type, tmp_path):
    path = tmp_path / "store.db"
    a_pool_with_a_run(path, pool_type)
    with load(EMULATORS[pool_type])() as emulator:
        report = ticked(path, emulator.environment())
        assert (report["accepted"], report["problems"]) == ([1], [])
    foreign = set().union(*SDKS.values()) - SDKS[pool_type]
    assert foreign & set(report["loaded"]) == set()
    assert {"pydantic", "jsonschema", "click", "rich"} & set(report["loaded"]) <= allowed(pool_type)


def allowed(pool_type):
    """Modal's own client brings rich and click along."""
    return {"rich", "click"} if pool_type == "modal:push" else set()


@pytest.mark.parametrize("pool_type", SDKS)
def test_a_missing_extra_is_named_and_stops_its_own_pool_alone(pool_type, tmp_path):
    path = tmp_path / "store.db"
    other = next(kind for kind in SDKS if kind != pool_type)
    a_pool_with_a_run(path, pool_type)
    a_pool_with_a_run(path, other)
    with load(EMULATORS[other])() as emulator:
        report = ticked(path, emulator.environment(), blocked=SDKS[pool_type])
    assert sum(report["accepted"]) == 1
    (problem,) = report["problems"]
    assert f"pip install 'push-dispatcher[{EXTRAS[pool_type]}]'" in problem
