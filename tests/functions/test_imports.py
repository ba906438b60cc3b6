"""What a cold function pays for: the handler, and a tick that submits to ECS, load no library that they do not use."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.stores.sqlite import SqliteStore
from providers import registry
from tests.builders import a_pool, a_run

pytest_plugins = ["providers.emulators.fixtures"]

FORBIDDEN = frozenset(
    {"pydantic", "pydantic_core", "jsonschema", "google", "azure", "modal", "grpc", "rich", "click", "opentelemetry"}
)
IMPORT = "import dispatcher.functions.aws_lambda"
TICK = """
from dispatcher.functions.aws_lambda import handler
class Context:
    def get_remaining_time_in_millis(self): return 60_000
report = handler({"detail-type": "Scheduled Event", "source": "aws.events"}, Context())
assert report["pools"][0]["submitted"] == 1, report
"""
LOADED = "\nimport sys\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
OURS = "\nimport sys\nprint(*sorted(name for name in sys.modules if name.startswith('dispatcher.')))"


def loaded_by(program: str, print_them: str = LOADED, **environment: str) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-c", program + print_them],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return set(process.stdout.split())


def test_the_handler_imports_nothing_that_a_tick_does_not_need():
    loaded = loaded_by(IMPORT)
    assert "dispatcher" in loaded
    assert not loaded & (FORBIDDEN | {"boto3", "botocore", "urllib3"})


@pytest.mark.usefixtures("ecs_emulator")
def test_a_tick_that_submits_to_ecs_loads_neither_the_door_nor_another_cloud(tmp_path: Path):
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.save_pool(a_pool(type="ecs:push", base_job_template=registry.default_template("ecs:push")), expected_version=None)
    store.add_runs([a_run(job_variables={"image": "busybox"}, due_at=datetime(2020, 1, 1, tzinfo=UTC))])
    store.close()
    loaded = loaded_by(TICK, DISPATCHER_STORE=f"sqlite:///{path}")
    assert "botocore" in loaded
    assert not loaded & (FORBIDDEN | {"boto3"})


def test_telemetry_is_loaded_only_where_the_settings_ask_for_it_and_cloudwatch_without_a_library(tmp_path: Path):
    store = f"sqlite:///{tmp_path / 'store.db'}"
    wiring = IMPORT + "\ndispatcher.functions.aws_lambda._wiring()"
    assert not [name for name in loaded_by(wiring, OURS, DISPATCHER_STORE=store) if "telemetry" in name]
    asked = {"DISPATCHER_STORE": store, "DISPATCHER_TELEMETRY": "cloudwatch"}
    assert "dispatcher.telemetry.cloudwatch" in loaded_by(wiring, OURS, **asked)
    assert not loaded_by(wiring, **asked) & FORBIDDEN
    assert "opentelemetry" in loaded_by(wiring, **{**asked, "DISPATCHER_TELEMETRY": "opentelemetry"})
