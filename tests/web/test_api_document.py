"""Schemathesis asks every operation what its document allows and forbids: no answer is a surprise, and none a failure."""

from __future__ import annotations

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dispatcher.models import Schedule
from dispatcher.settings import Settings
from dispatcher.web.access import Access, ProxyHeader
from dispatcher.web.app import create_app
from dispatcher.wiring import wire
from tests.builders import an_id

pytestmark = pytest.mark.long

DAILY = Schedule(slug="daily", cron="0 2 * * *")
SECRET = "a-secret-of-the-proxy"
WHO = {"X-Email": "ada@example.com", "X-Dispatcher-Proxy-Secret": SECRET}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    environment = {"HOME": str(tmp_path_factory.mktemp("home")), "DISPATCHER_STORE": "memory://"}
    wiring = wire(Settings.from_environment(environment))
    wiring.client.create_work_pool("nightly", type="process")
    wiring.client.create_deployment("etl", pool="nightly", job_variables={"command": "true"}, schedules=[DAILY])
    wiring.client.create_run(pool="nightly", job_variables={"command": "true"}, idempotency_key=str(an_id()))
    access = Access(identify=ProxyHeader(header="x-email", secret=SECRET), hosts=frozenset({"localhost", "testserver"}))
    app = create_app(wiring.settings, access=access, wiring=wiring)
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=WHO)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_answer_is_in_the_document(document, mode):
    asked = set()
    for found in document.get_all_operations():
        operation = found.ok()

        @settings(max_examples=6, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=HealthCheck)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            case.call_and_validate(headers=WHO, checks=CHECKS)

        with suppress(Unsatisfiable):  # no value of such an operation is forbidden
            ask()
        asked.add(operation.label)
    assert len(asked) > 25
