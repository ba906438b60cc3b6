"""Azure's functions: the very zip that is deployed, run by Azure's own library for functions in Python.

The store is PostgreSQL and the jobs are container groups of the emulator.
"""

from __future__ import annotations

import json
import sys

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState
from dispatcher.stores.postgres import PostgresStore
from tests.functions.azure_platform.host import Failed, Host, unpacked
from tests.stores.postgres_server import server

pytest_plugins = ["providers.emulators.fixtures"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the package is for Linux")

PLACE = {"subscription_id": "11111111-2222-3333-4444-555555555555", "resource_group_name": "jobs"}
AWAY = "postgresql://dispatcher@127.0.0.1:9/runs?connect_timeout=2"


@pytest.fixture(scope="module")
def start(shared, tmp_path_factory):
    """Starts an instance of the function app; it ends with the module."""
    hosts = []

    def make(**settings):
        log = tmp_path_factory.mktemp("azure") / "function.log"
        hosts.append(Host(unpacked(shared), {"DISPATCHER_TIMEOUT_SECONDS": "60", **settings}, log))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture(scope="module")
def idle(start):
    """An app with a store and nothing to do."""
    return start(DISPATCHER_STORE="memory://")


@pytest.fixture
def database():
    return server().url(server().fresh_database())


@pytest.fixture
def people(database):
    made = Dispatcher(PostgresStore(database))
    yield made
    made.store.close()


@pytest.mark.long
def test_a_timer_dispatches_runs_to_container_instances_until_all_have_ended(
    start, people, database, container_instance_emulator
):
    people.create_work_pool("batch", type="azure-container-instance:push", concurrency_limit=2)
    runs = [people.create_run(pool="batch", job_variables={"image": "busybox", **PLACE}) for _ in range(3)]
    app = start(DISPATCHER_STORE=database, **container_instance_emulator.environment())

    app.timer()
    assert [job.live for job in container_instance_emulator.jobs()] == [True, True], app.log.read_text()
    for job in container_instance_emulator.jobs():
        container_instance_emulator.finish(job.name)
    status, report = app.post({"pool": "batch"})
    assert (status, report["pools"][0]["submitted"]) == (200, 1)
    container_instance_emulator.finish(next(job.name for job in container_instance_emulator.jobs() if job.live))
    app.timer()
    assert [people.run(run.id).state for run in runs] == [RunState.COMPLETED] * 3
    assert sorted(container_instance_emulator.starts.values()) == [1, 1, 1]

    lines = [json.loads(line) for line in app.log.read_text().splitlines() if '"run.admitted"' in line]
    assert {line["run"] for line in lines} == {str(run.id) for run in runs}, "the log holds a line for each decision"


def test_the_worker_registers_a_timer_on_the_apps_schedule_that_makes_up_for_nothing(idle):
    (timer,) = idle.bindings("tick")
    assert timer.pop("schedule") == "%DISPATCHER_SCHEDULE%"
    assert timer == {
        "direction": "IN",
        "name": "timer",
        "type": "timerTrigger",
        "runOnStartup": False,
        "useMonitor": False,
    }
    assert idle.functions["tick"]["retry_options"] is None, "no retry"


def test_the_worker_registers_a_function_that_takes_posts_with_a_function_key_and_nothing_else(idle):
    assert set(idle.functions) == {"tick", "invoke"}
    request = next(binding for binding in idle.bindings("invoke") if binding["type"] == "httpTrigger")
    assert (request["route"], request["authLevel"], request["methods"]) == ("invoke", "FUNCTION", ["POST"])


def test_a_scheduled_tick_may_be_asked_for_over_http(idle):
    for body in ("", "{}", "null"):
        status, report = idle.post(body)
        assert (status, report["pools"]) == (200, [])


def test_a_request_that_stays_wrong_is_400_and_says_what_is_wrong(idle):
    assert idle.post({"pool": "nowhere"}) == (400, {"error": "pool: work pool 'nowhere' does not exist"})
    assert idle.post("{")[0] == 400


def test_while_the_store_is_away_the_timer_fails_and_a_request_may_be_repeated(start):
    app = start(DISPATCHER_STORE=AWAY)
    with pytest.raises(Failed, match="StoreUnavailable"):
        app.timer()
    assert app.post({})[0] == 503


def test_a_wrong_setting_is_named_in_the_failure(start):
    app = start(DISPATCHER_STORE="memory://", DISPATCHER_TIMEOUT_SECONDS="10")
    with pytest.raises(Failed, match=r"SettingsError: .*raise the function's time limit"):
        app.timer()
    assert app.post({})[0] == 500
