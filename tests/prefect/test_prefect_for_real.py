"""A real Prefect server on PostgreSQL, in a virtual environment of its own. Its flow runs start as tasks of the ECS emulator,
whose containers really run `prefect flow-run execute`, and come to their right ends in Prefect's own states.
"""

import json
import os
import subprocess
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import httpx
import pytest

from dispatcher.clock import SystemClock
from dispatcher.prefect.server import Server
from dispatcher.prefect.waking import wake_no_more, wake_on_events
from dispatcher.settings import Settings
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers import registry
from tests.prefect.installed import VERSION, prefect_bin
from tests.stores.postgres_server import free_port, server

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

WAKES = 30
TICKS = 2000
"""More than it takes: each asks a server that is busy with the job's own calls."""
STARTS = 600
"""Seconds that the server may take to start, on a busy machine."""
FLOWS = """
from prefect import flow

@flow
def good():
    return 1

@flow
def bad():
    raise ValueError("no")
"""


@pytest.fixture(scope="module")
def prefect_command() -> Path:
    """Prefect's command line, with this checkout's plug-in."""
    return prefect_bin() / "prefect"


@pytest.fixture(scope="module")
def api(prefect_command, tmp_path_factory):
    """A server of its own, and a client of its API."""
    tmp_path = tmp_path_factory.mktemp("prefect")
    port, store = free_port(), server()
    database = store.url(store.empty_database()).partition("?")[0].replace("postgresql:", "postgresql+asyncpg:")
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "server"),
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
    }
    words = [prefect_command, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    retries = httpx.HTTPTransport(retries=5)  # it waits longer before each try
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", transport=retries, timeout=STARTS)
    try:
        assert version_of(client) == VERSION, (tmp_path / "server.log").read_text()
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait()


def version_of(client):
    """Its version, as soon as it answers."""
    for _ in range(STARTS // 15):  # the seconds that one call waits for a server that does not listen yet
        try:
            return client.get("admin/version").json()
        except httpx.ConnectError:
            continue
    return None


def post(api, where, /, **body):
    answer = api.post(where, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


def deployment(api, name, entrypoint, directory, pool="p", **variables):
    flow = post(api, "flows/", name=entrypoint)
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(directory)}}
    return post(
        api,
        "deployments/",
        name=name,
        flow_id=flow["id"],
        work_pool_name=pool,
        job_variables=variables,
        entrypoint=f"flows.py:{entrypoint}",
        path=str(directory),
        pull_steps=[step],
    )["id"]


def names_of(api, flow_run):
    return [state["name"] for state in api.get("flow_run_states/", params={"flow_run_id": flow_run}).json()]


def test_prefects_own_command_line_makes_push_pools(api, prefect_command, tmp_path):
    environment = {**os.environ, "PREFECT_API_URL": str(api.base_url).rstrip("/"), "PREFECT_HOME": str(tmp_path / "people")}

    def prefect(*words):
        return subprocess.run(
            [prefect_command, *words], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    made = prefect("work-pool", "create", "nightly", "--type", "ecs:push")
    assert made.returncode == 0, made.stdout + made.stderr
    there = api.get("work_pools/nightly").json()
    assert (there["type"], there["base_job_template"]) == ("ecs:push", registry.default_template("ecs:push"))
    shown = prefect("work-pool", "get-default-base-job-template", "--type", "modal:push")
    assert json.loads(shown.stdout) == registry.default_template("modal:push")
    started = prefect("worker", "start", "--pool", "nightly")
    assert started.returncode == 1
    assert "Workers are not required for push work pools" in " ".join((started.stdout + started.stderr).split())


def test_a_scheduled_flow_run_wakes_the_dispatcher(api, tmp_path):
    post(api, "work_pools/", name="woken", type="ecs:push")
    deployed = deployment(api, "woken", "good", tmp_path, pool="woken")
    server = Server(str(api.base_url), SystemClock())
    calls = Queue()
    with listening(calls) as url:
        wake_on_events(server, ["woken"], url, {"x-key": "k"})
        wake_on_events(server, ["woken"], url, {"x-key": "key"})
        for _ in range(WAKES):  # the server begins to look for events some time after an automation was made
            post(api, f"deployments/{deployed}/create_flow_run", state={"type": "SCHEDULED"})
            try:
                assert calls.get(timeout=10) == ("key", {"pool": "woken"})
                break
            except Empty:
                continue
        else:
            pytest.fail("nothing was called")
    assert wake_no_more(server) == ["woken"]
    assert api.post("automations/filter", json={}).json() == []
    api.delete(f"deployments/{deployed}").raise_for_status()
    api.delete("work_pools/woken").raise_for_status()
    server.close()


@contextmanager
def listening(calls):
    """An address that puts the header and the body of each call into a queue."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            calls.put((self.headers["x-key"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/wake"
        server.shutdown()


def test_flow_runs_of_a_real_server_come_to_their_right_ends(api, prefect_command, tmp_path, ecs_emulator):
    (tmp_path / "flows.py").write_text(FLOWS)
    post(api, "work_pools/", name="p", type="ecs:push", concurrency_limit=4)
    job = {
        "command": f"{prefect_command} flow-run execute",
        "env": {"PREFECT_HOME": str(tmp_path / "job"), "PREFECT_LOGGING_LEVEL": "ERROR"},
    }
    deployments = {
        "COMPLETED": deployment(api, "good", "good", tmp_path, **job),
        "FAILED": deployment(api, "bad", "bad", tmp_path, **job),
        "CRASHED": deployment(api, "lost", "good", tmp_path, command="false"),
        "CANCELLED": deployment(api, "slow", "good", tmp_path, command="sleep 3600"),
    }
    flow_runs = {
        end: post(api, f"deployments/{identity}/create_flow_run", state={"type": "SCHEDULED"})["id"]
        for end, identity in deployments.items()
    }
    ecs_emulator.change_settings({"run_commands": True})
    url = str(api.base_url).rstrip("/")
    settings = {"DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}", "DISPATCHER_PREFECT_API_URL": url}
    wiring = wire(Settings.from_environment({**settings, "HOME": str(tmp_path)}))
    asked = False
    for _ in range(TICKS):
        tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=50))
        shown = {end: api.get(f"flow_runs/{flow_run}").json() for end, flow_run in flow_runs.items()}
        if not asked and shown["CANCELLED"]["state_name"] == "InfrastructurePending":
            asked = bool(post(api, f"flow_runs/{flow_runs['CANCELLED']}/set_state", state={"type": "CANCELLING"}))
        if all(shown[end]["state_type"] == end for end in shown):
            break
    wiring.close()
    assert {end: flow_run["state_type"] for end, flow_run in shown.items()} == {end: end for end in shown}
    assert names_of(api, flow_runs["COMPLETED"])[-3:] == ["InfrastructurePending", "Running", "Completed"]
    assert names_of(api, flow_runs["CANCELLED"])[-2:] == ["Cancelling", "Cancelled"]
    assert shown["CRASHED"]["state"]["message"].startswith("Flow run infrastructure exited with non-zero status code 1.")
    assert api.get("work_pools/p").json()["status"] == "READY"
    assert set(ecs_emulator.starts.values()) == {1}
