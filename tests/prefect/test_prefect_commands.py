"""`dispatcher prefect`, and what the doctor says of the server."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from click.testing import CliRunner

from dispatcher.cli.root import root
from dispatcher.models import Mirror, RunState
from dispatcher.prefect import opening
from dispatcher.prefect.server import PrefectServer
from dispatcher.stores.sqlite import SqliteStore
from providers import registry
from tests.builders import a_live_run, a_pool, a_run
from tests.prefect.emulated import EmulatedPrefect
from tests.providers.ecs.builders import CREDENTIALS_BLOCK

URL = "http://prefect/api"
MIRROR = Mirror(source="prefect", revision="")


@pytest.fixture
def prefect(monkeypatch):
    server = EmulatedPrefect(lambda: datetime.now(UTC))
    monkeypatch.setattr(opening, "PrefectServer", partial(PrefectServer, transport=server.transport))
    return server


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    yield store
    store.close()


@pytest.fixture
def call(tmp_path, store):
    environment = {"HOME": str(tmp_path), "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}"}

    def call(*words, **more):
        result = CliRunner().invoke(root, list(words), env=environment | more, prog_name="dispatcher")
        return result.exit_code, result.stdout, result.stderr

    return call


def connected(call, *words):
    return call(*words, DISPATCHER_PREFECT_API_URL=URL)


def test_connect_says_what_would_be_served_and_which_setting_makes_it_so(call, prefect):
    prefect.add_pool("nightly")
    code, out, errors = call("prefect", "connect", URL)
    assert (code, errors) == (0, "")
    assert "Prefect 3.8.8 at http://prefect/api" in out
    assert "nightly (ecs:push): is served from the next tick on" in out
    assert "export DISPATCHER_PREFECT_API_URL=http://prefect/api" in out


def test_connect_refuses_an_invalid_address(call):
    code, _, errors = call("prefect", "connect", "prefect:4200")
    assert code == 1
    assert "DISPATCHER_PREFECT_API_URL: give an address" in errors


def test_a_server_that_does_not_answer_is_named(call, prefect):
    prefect.fail("request", "", 100)
    code, _, errors = connected(call, "prefect", "status")
    assert code == 1
    assert "Prefect at http://prefect/api: admin/version: no answer (ConnectError)" in errors


def test_status_needs_a_server(call):
    code, _, errors = call("prefect", "status")
    assert code == 1
    assert "DISPATCHER_PREFECT_API_URL: is not set" in errors


def test_status_shows_what_is_served_and_who_else_serves_it(call, prefect, store):
    workers = [{"name": "ecs-worker", "status": "ONLINE"}, {"name": "push-dispatcher", "status": "ONLINE"}]
    prefect.add_pool("nightly", workers=workers)
    store.save_pool(a_pool("nightly", type="ecs:push", mirror=MIRROR), expected_version=None)
    store.save_pool(a_pool("gone", mirror=Mirror(source="prefect", revision="", problem="it is gone")), expected_version=None)
    code, out, errors = connected(call, "prefect", "status")
    assert code == 1
    assert "nightly (ecs:push): is served" in out
    assert "work pool 'gone': it is gone" in errors
    assert "work pool 'nightly': ecs-worker serves it as well; stop it" in errors


def test_disconnect_pauses_the_pools_and_leaves_flow_runs_at_the_server(call, store):
    store.save_pool(a_pool("nightly", mirror=MIRROR), expected_version=None)
    store.save_pool(a_pool("own"), expected_version=None)
    waiting = a_run("nightly", source_id="flow-run")
    store.add_runs([waiting])
    code, out, _ = call("prefect", "disconnect", "--yes")
    assert (code, out.splitlines()[0]) == (0, "Paused, and no longer mirrored: nightly.")
    assert "DISPATCHER_PREFECT_API_URL is not set here" in out
    assert (store.pool("nightly").mirror, store.pool("nightly").paused) == (None, True)
    assert store.get(waiting.id).state is RunState.CANCELLED
    assert not store.pool("own").paused


def test_connect_makes_automations_that_wake_the_dispatcher_and_disconnect_removes_them(call, prefect, monkeypatch):
    monkeypatch.setenv("WAKE_KEY", "hush")
    prefect.add_pool("nightly")
    prefect.automations["own"] = {"id": "own", "name": "somebody else's"}
    words = ("prefect", "connect", URL, "--wake-url", "https://dispatcher/wake", "--wake-header", "x-key=WAKE_KEY")
    code, out, errors = call(*words)
    assert (code, errors) == (0, "")
    assert "Wakes the dispatcher at once: nightly" in out
    assert "hush" not in out
    [block] = prefect.blocks.values()
    assert block["data"]["url"] == "https://dispatcher/wake"
    assert block["data"]["headers"] == {"Content-Type": "application/json", "x-key": "hush"}
    [automation] = [automation for automation in prefect.automations.values() if automation["id"] != "own"]
    assert automation["trigger"]["match_related"]["prefect.resource.name"] == "nightly"
    assert automation["actions"] == [
        {"type": "call-webhook", "block_document_id": block["id"], "payload": '{"pool": "nightly"}'}
    ]
    del prefect.pools["nightly"]
    prefect.add_pool("daily")
    call(*words[:-3], "https://dispatcher:9090/wake")
    call(*words[:-3], "https://dispatcher:9090/wake")
    [block] = prefect.blocks.values()
    assert block["data"]["url"] == "https://dispatcher:9090/wake"
    names = sorted(automation["name"] for automation in prefect.automations.values())
    assert names == ["push-dispatcher: wake for daily", "somebody else's"]
    code, out, _ = connected(call, "prefect", "disconnect", "--yes")
    assert (code, "Automations removed: 1." in out) == (0, True)
    assert (list(prefect.automations), prefect.blocks) == (["own"], {})


def test_a_wake_needs_an_address_and_headers_that_are_set(call, prefect):
    prefect.add_pool("nightly")
    code, _, errors = call("prefect", "connect", URL, "--wake-url", "dispatcher:8080")
    assert (code, "--wake-url" in errors) == (1, True)
    code, _, errors = call("prefect", "connect", URL, "--wake-url", "https://d/wake", "--wake-header", "x-key=NOT_SET_HERE")
    assert (code, "--wake-header" in errors) == (1, True)
    assert prefect.automations == {}


@pytest.mark.parametrize(
    "host",
    [
        "abc.lambda-url.eu-central-1.on.aws",
        "lambda.eu-central-1.amazonaws.com",
        "tick-abc-ew.a.run.app",
        "europe-west1-p.cloudfunctions.net",
    ],
)
def test_a_wake_that_would_have_to_be_signed_is_refused(call, prefect, monkeypatch, host):
    prefect.add_pool("nightly")
    words = ("prefect", "connect", URL, "--wake-url", f"https://{host}/")
    code, _, errors = call(*words)
    assert (code, "--wake-url: is that of a function on AWS or Google, which takes signed calls only" in errors) == (1, True)
    assert prefect.automations == {}
    monkeypatch.setenv("WAKE_KEY", "hush")
    assert call(*words, "--wake-header", "x-key=WAKE_KEY")[0] == 0, "something before it looks at the header"


def test_status_and_the_doctor_warn_of_a_credentials_block_in_the_template_of_a_mirrored_pool(call, prefect):
    template = registry.default_template("ecs:push")
    block = {"$ref": {"block_document_id": "0b1c"}}
    template["variables"]["properties"]["aws_credentials"] = {**CREDENTIALS_BLOCK, "default": block}
    prefect.add_pool("nightly", template=template)
    connected(call, "tick")
    warning = "base_job_template.variables.properties.aws_credentials.default: refers to a Prefect block"
    code, out, _ = connected(call, "prefect", "status")
    assert (code, f"    warning: {warning}" in out, "the identity of the dispatcher's host is used" in out) == (0, True, True)
    code, out, _ = connected(call, "doctor")
    assert f"work pool 'nightly': {warning}" in out


def test_disconnect_waits_for_what_runs(call, store):
    store.save_pool(a_pool("nightly", mirror=MIRROR), expected_version=None)
    store.restore(runs=[a_live_run("nightly", source_id="flow-run")])
    code, _, errors = call("prefect", "disconnect", "--yes")
    assert code == 1
    assert "work pool 'nightly': runs have not ended" in errors
    assert store.pool("nightly").mirror == MIRROR


def test_the_doctor_checks_the_server(call, prefect):
    prefect.add_pool("nightly", workers=[{"name": "ecs-worker", "status": "ONLINE"}])
    code, _, errors = connected(call, "doctor")
    assert code == 1
    assert "prefect (http://prefect/api): work pool 'nightly': ecs-worker serves it as well" in errors
    prefect.pools["nightly"]["workers"] = []
    code, out, errors = connected(call, "doctor", "--json")
    assert (code, errors) == (0, "")
    assert "Prefect 3.8.8 answers; work pools served: 1" in out
    prefect.fail("busy", "", 100)
    code, _, errors = connected(call, "doctor")
    assert code == 1
    assert "it answered 503 (a server on SQLite does under little load; use PostgreSQL)" in errors


def test_the_doctor_says_that_the_servers_clock_is_wrong(call, prefect):
    prefect.clock_ahead = timedelta(minutes=-2)
    code, _, errors = connected(call, "doctor")
    assert code == 1
    assert re.search(r"the server's clock is 1\d\d s behind this machine's", errors)
    prefect.clock_ahead = timedelta(seconds=2)
    assert connected(call, "doctor")[0] == 0


def test_the_doctor_says_which_variables_a_server_that_knows_nobody_needs(call, prefect):
    prefect.auth = "Basic YWRtaW46cGFzcw=="
    code, _, errors = connected(call, "doctor")
    assert code == 1
    assert "Prefect answered 401" in errors
    assert "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING to what the server accepts" in errors
    assert connected(partial(call, PREFECT_API_AUTH_STRING="admin:pass"), "doctor")[0] == 0


def test_the_doctor_warns_of_a_busy_server_and_of_queues_that_are_ready_by_turns(call, prefect):
    prefect.add_pool("nightly")
    prefect.fail("busy", "", 2)
    code, out, _ = connected(call, "doctor")
    assert code == 0
    assert "the server answered 503 2 times while it was asked" in out
    assert "PREFECT_SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS" in out
    assert "to 180 on the server" in out
    out = connected(partial(call, DISPATCHER_TICK_INTERVAL_SECONDS="20"), "doctor")[1]
    assert "FOREMAN" not in out
