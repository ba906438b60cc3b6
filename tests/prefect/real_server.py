"""A real Prefect server on PostgreSQL, in a virtual environment of its own, and what people and jobs do at it."""

import os
import subprocess
from contextlib import contextmanager
from functools import partial

import httpx

from tests.prefect.installed import VERSION, prefect_bin
from tests.stores.postgres_server import free_port, server

STARTS = 600
"""Seconds that the server may take to start, on a busy machine."""
POLLED_SECONDS = 180
"""How long the server takes a queue for polled: what our pages ask for, with a tick a minute."""
AGED = ("work_queue", "last_polled"), ("deployment", "last_polled"), ("worker", "last_heartbeat_time")
SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS": str(POLLED_SECONDS),
    "PREFECT_SERVER_SERVICES_FOREMAN_DEPLOYMENT_LAST_POLLED_TIMEOUT_SECONDS": str(POLLED_SECONDS),
    "PREFECT_LOGGING_LEVEL": "ERROR",
}


class RealPrefect:
    """The server's API, in the words of tests."""

    def __init__(self, api, administer):
        self.api, self.administer = api, administer
        self.url = str(api.base_url).rstrip("/")

    # What people do

    def add_pool(self, name="p", kind="ecs:push", **fields):
        return self.post("work_pools/", name=name, type=kind, **fields)

    def add_deployment(self, name="d", pool="p", entrypoint="good", **fields):
        flow = self.post("flows/", name=entrypoint)
        return self.post("deployments/", name=name, flow_id=flow["id"], work_pool_name=pool, **fields)["id"]

    def add_flow_run(self, deployment, **fields):
        return self.post(f"deployments/{deployment}/create_flow_run", state={"type": "SCHEDULED"}, **fields)["id"]

    def propose(self, flow_run, kind, **fields):
        """A state that somebody else sets: a container, the page."""
        return self.post(f"flow_runs/{flow_run}/set_state", state={"type": kind, **fields})

    def age(self, seconds):
        """Let that much time pass for everything that the server makes READY or NOT_READY."""
        for table, column in AGED:
            self.administer(f"UPDATE {table} SET {column} = {column} - interval '{seconds} seconds'")

    def delete(self, where):
        self.api.delete(where).raise_for_status()

    def post(self, where, /, **body):
        answer = self.api.post(where, json=body)
        assert answer.status_code < 300, f"{where}: {answer.text}"
        return answer.json() if answer.content else None

    # What it shows

    def read(self, where, **parameters):
        answer = self.api.get(where, params=parameters)
        assert answer.status_code < 300, f"{where}: {answer.text}"
        return answer.json()

    def state(self, flow_run):
        return self.read(f"flow_runs/{flow_run}")["state_type"]

    def states(self, flow_runs):
        return [self.state(flow_run) for flow_run in flow_runs]

    def names(self, flow_run):
        """The names of its states so far."""
        return [state["name"] for state in self.read("flow_run_states/", flow_run_id=flow_run)]

    # Between two tests

    def clear(self):
        """Remove everything that the next test would see."""
        for kind in ("automations", "deployments", "flow_runs", "work_pools"):
            for item in self.post(f"{kind}/filter"):
                self.delete(f"{kind}/{item['name' if kind == 'work_pools' else 'id']}")


@contextmanager
def real_prefect(directory, **settings):
    """A server of its own on an empty database."""
    port, store = free_port(), server()
    database = store.empty_database()
    url = store.url(database).partition("?")[0].replace("postgresql:", "postgresql+asyncpg:")
    own = {"PREFECT_HOME": str(directory / "server"), "PREFECT_API_DATABASE_CONNECTION_URL": url}
    words = [prefect_bin() / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (directory / "server.log").open("w") as log:
        process = subprocess.Popen(words, env={**os.environ, **SETTINGS, **own, **settings}, stdout=log, stderr=log)
    retries = httpx.HTTPTransport(retries=5)  # it waits longer before each try
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", transport=retries, timeout=STARTS)
    try:
        assert _version_of(client) == VERSION, (directory / "server.log").read_text()
        yield RealPrefect(client, partial(store.administer, database=database))
    finally:
        client.close()
        process.terminate()
        process.wait()


@contextmanager
def a_worker(url, pool, directory, **settings):
    """Prefect's own worker for ECS, as soon as it serves the pool."""
    own = {"PREFECT_API_URL": url, "PREFECT_HOME": str(directory / "worker"), **settings}
    words = [prefect_bin() / "prefect", "worker", "start", "--pool", pool, "--type", "ecs", "--name", "their-worker"]
    with (directory / "worker.log").open("w") as log:
        process = subprocess.Popen(words, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            said = next((line for line in process.stdout if "started!" in line), None)
            assert said, (directory / "worker.log").read_text()
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _version_of(client):
    """Its version, as soon as it answers."""
    for _ in range(STARTS // 15):  # the seconds that one call waits for a server that does not listen yet
        try:
            return client.get("admin/version").json()
        except httpx.ConnectError:
            continue
    return None
