"""What a cold function pays for: the handler, and a tick that submits to ECS, load no library that they do not use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.stores.sqlite import SqliteStore
from providers import registry
from tests.builders import a_pool, a_run
from tests.functions.conftest import PATIENT

pytest_plugins = ["providers.emulators.fixtures"]

COSTLY = {
    *("pydantic", "pydantic_core", "jsonschema", "rich", "click", "boto3", "botocore", "psycopg", "sqlite3", "requests"),
    *("google.auth", "google.oauth2", "google.cloud.run_v2", "google.api_core", "google.protobuf", "grpc", "cryptography"),
    *("azure.functions", "azure.core", "azure.identity", "azure.mgmt", "msal", "werkzeug", "flask", "functions_framework"),
    *("modal", "modal_proto", "grpclib", "urllib3", "dispatcher.client", "dispatcher.validation", "dispatcher.packaging"),
    *("opentelemetry", "dispatcher.telemetry", "dispatcher.web", "fastapi", "starlette"),
}
"""What costs a cold start milliseconds, and some function does without."""
HOSTS = {
    "aws_lambda": set(),
    "cloud_function": {"google.auth", "google.oauth2", "cryptography"},
    "azure_function": {"azure.functions", "werkzeug"},
    "aws_lambda_api": set(),
    "cloud_function_api": {"google.auth", "google.oauth2", "cryptography"},
    "azure_function_api": {"azure.functions", "werkzeug"},
    "modal_cron": {"modal", "modal_proto", "grpclib", "google.protobuf"},
}
"""What an entry point has to load for its platform's host, or for the check of who calls."""
TICK = """
from dispatcher.functions.aws_lambda import handler
class Context:
    def get_remaining_time_in_millis(self): return 60_000
report = handler({"detail-type": "Scheduled Event", "source": "aws.events"}, Context())
assert report["pools"][0]["submitted"] == 1, report
"""
LOADED = "\nimport sys\nprint(*sorted(sys.modules))"


def loaded_by(program: str, **environment: str) -> set[str]:
    process = subprocess.run(
        [sys.executable, "-c", program + LOADED], check=False, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert process.returncode == 0, process.stderr
    return set(process.stdout.split())


@pytest.mark.parametrize("entry", HOSTS)
def test_an_entry_point_loads_what_its_platform_asks_for_and_neither_a_store_nor_a_cloud(entry):
    inside = {"MODAL_IS_REMOTE": "1"} if entry == "modal_cron" else {}
    loaded = loaded_by(f"import dispatcher.functions.{entry}", **inside)
    assert f"dispatcher.functions.{entry}" in loaded
    assert loaded & COSTLY == HOSTS[entry]


@pytest.mark.usefixtures("ecs_emulator")
def test_a_tick_that_submits_to_ecs_loads_neither_validation_nor_another_cloud(tmp_path: Path):
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.save_pool(a_pool(type="ecs:push", base_job_template=registry.default_template("ecs:push")), expected_version=None)
    store.add_runs([a_run(job_variables={"image": "busybox"}, due_at=datetime(2020, 1, 1, tzinfo=UTC))])
    store.close()
    loaded = loaded_by(
        TICK, DISPATCHER_STORE=f"sqlite:///{path}", DISPATCHER_PROVIDER_OPTIONS=json.dumps({"ecs:push": PATIENT})
    )
    assert loaded & COSTLY == {"botocore", "sqlite3", "urllib3"}


def test_telemetry_is_loaded_only_where_the_settings_ask_for_it_and_cloudwatch_without_a_library(tmp_path: Path):
    store = f"sqlite:///{tmp_path / 'store.db'}"
    wiring = "import dispatcher.functions.aws_lambda\ndispatcher.functions.aws_lambda._wiring()"
    assert loaded_by(wiring, DISPATCHER_STORE=store) & COSTLY == {"sqlite3"}
    asked = {"DISPATCHER_STORE": store, "DISPATCHER_TELEMETRY": "cloudwatch"}
    loaded = loaded_by(wiring, **asked)
    assert "dispatcher.telemetry.cloudwatch" in loaded
    assert loaded & COSTLY == {"sqlite3", "dispatcher.telemetry"}
    assert "opentelemetry" in loaded_by(wiring, **{**asked, "DISPATCHER_TELEMETRY": "opentelemetry"})
