"""The very zip with the HTTP API that is deployed, run as each platform runs it: alone, with what the platform brings."""

from __future__ import annotations

import json
import sys
from zipfile import ZipFile

import pytest

from dispatcher.client import Dispatcher
from dispatcher.packaging.sources import API_LIST
from dispatcher.stores.sqlite import SqliteStore
from tests.functions.azure_platform.host import Host as AzureHost
from tests.functions.azure_platform.host import unpacked
from tests.functions.conftest import SCHEDULED
from tests.functions.google_platform.build import built
from tests.functions.google_platform.google import AUDIENCE, CALLER, Certificates, token
from tests.functions.google_platform.host import Host as GoogleHost
from tests.functions.lambda_platform.packages import built_once
from tests.functions.lambda_platform.sandbox import Sandbox, lay_out_runtime, unpack
from tests.functions.test_http_api import JSON, SESSION, function_url

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime client exists for Linux alone")

HANDLER = "dispatcher.functions.aws_lambda_api.handler"
RUN = json.dumps({"pool": "nightly", "job_variables": {"image": "busybox"}})
OTHER = "arn:aws:sts::123456789012:assumed-role/reader/session"


@pytest.fixture
def people(tmp_path):
    """The store that the function uses, with a pool."""
    client = Dispatcher(SqliteStore(tmp_path / "runs.db"))
    client.create_work_pool("nightly", type="ecs:push")
    yield client
    client.store.close()


@pytest.fixture
def api_zip(shared):
    return built_once(shared, "api.zip", api=True)


@pytest.fixture
def start(api_zip, people, tmp_path):
    """Starts the package with a handler."""
    task, runtime = unpack(api_zip, tmp_path / "task"), lay_out_runtime(tmp_path / "runtime")
    settings = {"DISPATCHER_STORE": f"sqlite:///{people.store.path}", "DISPATCHER_UI_EDITORS": SESSION}
    sandboxes = []

    def make(handler):
        sandboxes.append(Sandbox(task, runtime, settings, tmp_path / "function.log", handler=handler))
        return sandboxes[-1]

    yield make
    for sandbox in sandboxes:
        sandbox.close()


def asked(sandbox, *words, **more):
    answer = sandbox.invoke(function_url(*words, **more))
    return answer["statusCode"], json.loads(answer["body"])


def test_the_api_on_lambda_answers_authenticated_callers_and_refuses_forbidden_changes(start, people):
    api = start(HANDLER)
    status, pools = asked(api, "GET", "/api/v1/pools")
    assert (status, [pool["name"] for pool in pools]) == (200, ["nightly"])
    assert asked(api, "GET", "/api/v1/pools", caller=None)[0] == 401
    assert asked(api, "POST", "/api/v1/runs", headers=JSON, body=RUN, caller=OTHER)[0] == 403
    assert asked(api, "GET", "/pools/nightly")[0] == 404
    wrong = json.dumps({"pool": "nightly", "job_variables": {"image": "busybox", "cpu": "a lot"}})
    assert asked(api, "POST", "/api/v1/runs", headers=JSON, body=wrong)[0] == 422
    assert people.runs() == []
    status, run = asked(api, "POST", "/api/v1/runs", headers=JSON, body=RUN)
    assert (status, [str(stored.id) for stored in people.runs()]) == (201, [run["id"]])
    assert asked(api, "POST", f"/api/v1/runs/{run['id']}/cancel", headers=JSON)[0] == 200
    assert people.log().items[0].actor == SESSION


@pytest.mark.long
def test_the_same_zip_ticks(start):
    assert start("dispatcher.functions.aws_lambda.handler").invoke(SCHEDULED)["idle"] == 1


def test_the_api_zip_holds_the_api_without_pages_and_the_tick_zip_holds_neither(api_zip, shared):
    api, tick = names(api_zip), names(built_once(shared))
    assert set(API_LIST.read_text().split()) <= api
    assert not [
        name for name in api if name.startswith(("dispatcher/web/pages", "dispatcher/web/templates", "jinja2", "uvicorn"))
    ]
    assert not [name for name in tick if name.startswith(("dispatcher/web", "fastapi", "starlette", "pydantic"))]


def names(package):
    with ZipFile(package) as archive:
        return set(archive.namelist())


@pytest.mark.long  # pip installs what the package asks for
def test_the_api_on_google_cloud_answers_the_holder_of_a_token(shared, people, tmp_path):
    certificates = Certificates()
    environment = {
        "DISPATCHER_AUDIENCE": AUDIENCE,
        "DISPATCHER_CALLERS": CALLER,
        "DISPATCHER_CERTIFICATES_URL": certificates.url,
        "DISPATCHER_STORE": f"sqlite:///{people.store.path}",
        "FUNCTION_TARGET": "api",
    }
    host = GoogleHost(built(shared, "google-api", api=True), environment, tmp_path / "function.log")
    try:
        status, pools = host.post(method="GET", path="/api/v1/pools", token=token())
        assert (status, [pool["name"] for pool in pools]) == (200, ["nightly"])
        assert host.post(method="GET", path="/api/v1/pools")[0] == 401
        assert host.post(RUN.encode(), path="/api/v1/runs", token=token(), **JSON)[0] == 403, "nobody is an editor"
    finally:
        host.close()
        certificates.close()
    assert people.runs() == []


@pytest.mark.long  # the worker is installed for it
def test_the_api_on_azure_answers_the_callers_that_app_service_names(shared, people, tmp_path):
    settings = {"DISPATCHER_STORE": f"sqlite:///{people.store.path}", "WEBSITE_AUTH_ENABLED": "True"}
    app = AzureHost(unpacked(shared, "azure-api", api=True), settings, tmp_path / "function.log")
    named = {"x-ms-client-principal-name": "ada@example.com"}
    try:
        status, pools = app.ask("GET", "/api/v1/pools", **named)
        assert (status, [pool["name"] for pool in pools]) == (200, ["nightly"])
        assert app.ask("GET", "/api/v1/pools")[0] == 401
        assert app.ask("POST", "/api/v1/runs", RUN, **named, **JSON)[0] == 403, "nobody is an editor"
        assert list(app.functions) == ["api"], "no timer: the app that ticks has that"
    finally:
        app.close()
    assert people.runs() == []
