"""Schemathesis asks every operation what its document allows and forbids: no answer is a surprise, and none a failure.

What is allowed is asked twice: of names that it makes up, which nothing has, and of what there is.
"""

from __future__ import annotations

from collections.abc import Mapping
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

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.models import RunEnded, RunState, Schedule, Target, Then, When
from dispatcher.models.records import RunFilter
from dispatcher.web.access import Access, ProxyHeader
from dispatcher.web.app import create_app
from dispatcher.wiring import wire

pytestmark = pytest.mark.long

DAILY = Schedule(slug="daily", cron="0 2 * * *")
FAILED = When(ended=RunEnded(states=frozenset({RunState.FAILED})))
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
def wiring(tmp_path_factory):
    environment = {"HOME": str(tmp_path_factory.mktemp("home")), "DISPATCHER_STORE": "memory://"}
    return wire(Settings.from_environment(environment))


@pytest.fixture(scope="module")
def document(wiring):
    stock(wiring.client)
    access = Access(identify=ProxyHeader(header="x-email", secret=SECRET), hosts=frozenset({"localhost", "testserver"}))
    app = create_app(wiring.settings, access=access, wiring=wiring)
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=WHO)


def stock(client: Dispatcher) -> Mapping[str, str]:
    """The names of one of each kind, by the parameter of a path; what an operation has deleted is made again."""
    if not client.store.pools():
        client.create_work_pool("nightly", type="process")
    if "etl" not in {deployment.name for deployment in client.store.deployments()}:
        client.create_deployment("etl", pool="nightly", job_variables={"command": "true"}, schedules=[DAILY])
    if "breaker" not in {automation.name for automation in client.store.automations()}:
        client.create_automation("breaker", when=FAILED, then=[Then(pause=Target(pool="nightly"))])
    runs = client.store.runs(RunFilter(pool="nightly"), limit=1)
    run = runs[0] if runs else client.create_run(pool="nightly", job_variables={"command": "true"})
    return {
        "pool": "nightly",
        "queue": "default",
        "deployment": "etl",
        "slug": DAILY.slug,
        "automation": "breaker",
        "run": str(run.id),
    }


ALLOWED, FORBIDDEN = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@pytest.mark.parametrize(
    ("mode", "exists"),
    [(ALLOWED, False), (ALLOWED, True), (FORBIDDEN, False)],
    ids=["allowed", "allowed-of-what-there-is", "forbidden"],
)
def test_every_answer_is_in_the_document(document, wiring, mode, exists):
    asked = set()
    for operation in (result.ok() for result in document.get_all_operations()):

        @settings(max_examples=6, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=HealthCheck)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            if exists:
                names = stock(wiring.client)
                case.path_parameters = {parameter: names[parameter] for parameter in case.path_parameters}
            case.call_and_validate(headers=WHO, checks=CHECKS)

        with suppress(Unsatisfiable):  # no value of such an operation is forbidden
            ask()
        asked.add(operation.label)
    assert len(asked) > 25
