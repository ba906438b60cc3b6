"""Prefect as people use it: its server on PostgreSQL, its command line, `flow.deploy`. The Lambda handler ticks, and the
containers of the ECS emulator really run `prefect flow-run execute`.
"""

import json
import os
import subprocess
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Thread

import pytest

from dispatcher.environment.clock import SystemClock
from dispatcher.functions import aws_lambda
from dispatcher.prefect.server import PrefectServer
from dispatcher.prefect.waking import wake_no_more, wake_on_events
from providers import registry
from tests.functions.conftest import SCHEDULED, Context
from tests.prefect.installed import prefect_bin

pytestmark = pytest.mark.long
pytest_plugins = ["providers.emulators.fixtures"]

WAKES = 30
TICKS = 2000
"""More than it takes: each asks a server that is busy with the job's own calls."""
FLOWS = """
import time
from prefect import flow

@flow
def good():
    return 1

@flow
def bad():
    raise ValueError("no")

@flow
def slow():
    time.sleep(3600)
"""
DEPLOY = """
import json
import sys
from prefect import flow

directory, deployments = sys.argv[1], json.loads(sys.argv[2])
for name, (entrypoint, variables) in deployments.items():
    deployed = flow.from_source(directory, entrypoint=f"flows.py:{entrypoint}")
    deployed.deploy(name, work_pool_name="nightly", job_variables=variables, print_next_steps=False)
"""


@pytest.fixture
def run(prefect, tmp_path):
    """Runs a command of Prefect's environment, as people do."""
    environment = {**os.environ, "PREFECT_API_URL": prefect.url, "PREFECT_HOME": str(tmp_path / "people")}

    def run(command, *words):
        words = [prefect_bin() / command, *words]
        return subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def function(prefect, tmp_path, monkeypatch):
    """The Lambda function, as its schedule invokes it."""
    monkeypatch.setenv("DISPATCHER_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("DISPATCHER_PREFECT_API_URL", prefect.url)
    for made in (aws_lambda._wiring, aws_lambda._start):
        made.cache_clear()
    yield lambda: aws_lambda.handler(SCHEDULED, Context(60))
    aws_lambda._wiring().close()
    for made in (aws_lambda._wiring, aws_lambda._start):
        made.cache_clear()


def test_prefects_own_command_line_knows_push_types(prefect, run):
    prefect.add_pool("nightly", "ecs:push")
    shown = run("prefect", "work-pool", "get-default-base-job-template", "--type", "modal:push")
    assert json.loads(shown.stdout) == registry.default_template("modal:push")
    started = run("prefect", "worker", "start", "--pool", "nightly")
    assert started.returncode == 1
    assert "Workers are not required for push work pools" in " ".join((started.stdout + started.stderr).split())


def test_a_scheduled_flow_run_wakes_the_dispatcher(prefect):
    prefect.add_pool("woken")
    deployed = prefect.add_deployment("woken", "woken")
    server = PrefectServer(prefect.url, SystemClock())
    calls = Queue()
    with listening(calls) as url:
        wake_on_events(server, ["woken"], url, {"x-key": "k"})
        wake_on_events(server, ["woken"], url, {"x-key": "key"})
        for _ in range(WAKES):  # the server begins to look for events some time after an automation was made
            prefect.add_flow_run(deployed)
            try:
                assert calls.get(timeout=10) == ("key", {"pool": "woken"})
                break
            except Empty:
                continue
        else:
            pytest.fail("nothing was called")
    assert wake_no_more(server) == ["woken"]
    assert prefect.post("automations/filter") == []
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


def test_flow_runs_come_to_their_right_ends_from_the_command_line_to_the_container(
    prefect, run, function, ecs_emulator, tmp_path
):
    (tmp_path / "flows.py").write_text(FLOWS)
    made = run("prefect", "work-pool", "create", "nightly", "--type", "ecs:push")
    assert made.returncode == 0, made.stdout + made.stderr
    pool = prefect.read("work_pools/nightly")
    assert (pool["type"], pool["base_job_template"]) == ("ecs:push", registry.default_template("ecs:push"))
    job = {
        "command": f"{prefect_bin() / 'prefect'} flow-run execute",
        "env": {"PREFECT_HOME": str(tmp_path / "job"), "PREFECT_LOGGING_LEVEL": "ERROR"},
    }
    deployments = {
        "COMPLETED": ("good", job),
        "FAILED": ("bad", job),
        "CRASHED": ("good", {"command": "false"}),
        "CANCELLED": ("slow", job),
    }
    deployed = run("python", "-c", DEPLOY, str(tmp_path), json.dumps(deployments))
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    ids = {deployment["name"]: deployment["id"] for deployment in prefect.post("deployments/filter")}
    flow_runs = {end: prefect.add_flow_run(ids[end]) for end in deployments}
    ecs_emulator.change_settings({"run_commands": True})
    asked = False
    for _ in range(TICKS):
        function()
        states = {end: prefect.state(flow_run) for end, flow_run in flow_runs.items()}
        if not asked and states["CANCELLED"] == "RUNNING":
            asked = bool(prefect.propose(flow_runs["CANCELLED"], "CANCELLING"))
        if all(states[end] == end for end in states):
            break
    assert states == {end: end for end in states}
    histories = {end: [name for name in prefect.names(flow_run) if name != "Late"] for end, flow_run in flow_runs.items()}
    claimed = ["Scheduled", "Pending", "InfrastructurePending"]
    assert histories == {
        "COMPLETED": [*claimed, "Running", "Completed"],
        "FAILED": [*claimed, "Running", "Failed"],
        "CRASHED": [*claimed, "Crashed"],
        "CANCELLED": [*claimed, "Running", "Cancelling", "Cancelled"],
    }
    crashed = prefect.read(f"flow_runs/{flow_runs['CRASHED']}")
    assert crashed["state"]["message"].startswith("Flow run infrastructure exited with non-zero status code 1.")
    assert ":cluster/default::arn:aws:ecs:" in crashed["infrastructure_pid"], (
        "the cluster's ARN where none is configured, as a worker"
    )
    assert prefect.read("work_pools/nightly")["status"] == "READY"
    assert sorted(ecs_emulator.starts.values()) == [1, 1, 1, 1]
