"""The very zip that is deployed, run as Lambda runs it: alone in a directory, with what the runtime brings, over its API.

The store is DynamoDB and the jobs are ECS tasks, both of the emulator; the SDK is the runtime's.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import TERMINAL_STATES, RunState, parse_submission_name
from dispatcher.stores.dynamodb import DynamoStore
from providers.emulators.ecs import EcsEmulator
from tests.functions.conftest import SCHEDULED
from tests.functions.lambda_platform.packages import built_once
from tests.functions.lambda_platform.runtime_api import FunctionError
from tests.functions.lambda_platform.sandbox import PATIENCE, Sandbox, TimedOut, lay_out_runtime, unpack
from tests.telemetry.collector import collecting
from tests.telemetry.emf import check

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime client exists for Linux alone")

SHORT = {
    "DISPATCHER_TICK_SECONDS": "5",
    "DISPATCHER_CLOCK_SKEW_SECONDS": "0.1",
    "DISPATCHER_LEASE_SECONDS": "10.5",
    "DISPATCHER_PROVIDER_OPTIONS": json.dumps({"ecs:push": {"lookup_lag": 0, "call_timeout": 5}}),
}
"""So that what a dead invocation held is taken over within seconds."""


@pytest.fixture(scope="module")
def laid_out(shared, tmp_path_factory):
    """The zip unpacked, and the runtime beside it."""
    own = tmp_path_factory.mktemp("lambda")
    return unpack(built_once(shared), own / "task"), lay_out_runtime(own / "runtime")


@pytest.fixture(scope="module")
def cloud():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with EcsEmulator(job_seconds=0.3) as emulator:
            for name, value in emulator.environment().items():
                patch.setenv(name, value)
            yield emulator


class World:
    """A table, a cloud, and as many sandboxes of the function as are asked for. `people` use the same table."""

    def __init__(self, cloud, laid_out, directory):
        self.cloud, self.laid_out = cloud, laid_out
        self.log = directory / "function.log"
        cloud.reset()
        store = DynamoStore("runs", region="us-east-1", endpoint=cloud.url)
        store.create_table()
        self.people = Dispatcher(store)
        self.sandboxes = []

    def sandbox(self, **environment):
        aws = {**self.cloud.environment(), "DISPATCHER_STORE": "dynamodb://runs"}
        self.sandboxes.append(Sandbox(*self.laid_out, {**aws, **environment}, self.log))
        return self.sandboxes[-1]

    def create(self, count, **fields):
        return self.people.create_runs({"pool": "batch", "job_variables": {"image": "busybox"}, **fields} for _ in range(count))

    def until_all_have_ended(self):
        deadline = time.monotonic() + PATIENCE
        while self.people.runs(states=set(RunState) - TERMINAL_STATES, limit=1):
            assert time.monotonic() < deadline, self.log.read_text()
            yield

    def invoke_on_and_on(self, sandbox, over=None):
        for _ in self.until_all_have_ended():
            sandbox.invoke(SCHEDULED, over=over)

    def close(self):
        for sandbox in self.sandboxes:
            sandbox.close()
        self.people.store.close()


@pytest.fixture
def world(cloud, laid_out, tmp_path):
    made = World(cloud, laid_out, tmp_path)
    yield made
    made.close()


def test_scheduled_events_dispatch_runs_of_three_queues_until_all_have_ended(world):
    people = world.people
    people.create_work_pool("batch", type="ecs:push", concurrency_limit=5)
    people.create_work_queue("batch", "critical", priority=1, concurrency_limit=2)
    people.create_work_queue("batch", "high", priority=2)
    runs = [*world.create(4), *world.create(4, queue="high"), *world.create(4, queue="critical")]
    function = world.sandbox()

    first = function.invoke(SCHEDULED)["pools"][0]
    assert (first["submitted"], first["problem"]) == (5, ""), world.log.read_text()
    queues = Counter(people.run(parse_submission_name(name)[0]).queue for name in world.cloud.starts)
    assert queues == {"critical": 2, "high": 3}

    world.invoke_on_and_on(function)
    assert Counter(people.run(run.id).state for run in runs) == {RunState.COMPLETED: 12}
    assert set(world.cloud.starts.values()) == {1}
    assert world.cloud.peak_live == 5


def test_a_tick_imports_only_from_the_package_and_writes_nothing_into_it(world):
    task = world.laid_out[0]
    before = sorted(task.rglob("*"))
    world.people.create_work_pool("batch", type="ecs:push")
    world.create(1)
    assert world.sandbox().invoke(SCHEDULED)["pools"][0]["submitted"] == 1
    assert sorted(task.rglob("*")) == before


@pytest.mark.long
def test_a_run_cannot_be_created_in_a_package_without_validation_and_the_error_says_what_to_do(world):
    world.people.create_work_pool("batch", type="ecs:push")
    function = world.sandbox()
    with pytest.raises(FunctionError, match="build a function's package with `dispatcher package --validation`") as failed:
        function.invoke({"create_run": {"pool": "batch", "job_variables": {"image": "busybox"}}})
    assert failed.value.type == "SettingsError"
    assert function.invoke(SCHEDULED)["idle"] == 1, "it goes on ticking"


@pytest.mark.long
def test_a_run_can_be_created_in_a_package_with_validation_and_is_checked_there(world, shared, tmp_path):
    world.people.create_work_pool("batch", type="ecs:push")
    package = built_once(shared, "validation.zip", validation=True)
    world.laid_out = unpack(package, tmp_path / "task"), world.laid_out[1]
    function = world.sandbox()
    right = {"pool": "batch", "job_variables": {"image": "busybox"}}
    wrong = {"pool": "batch", "job_variables": {"image": "busybox", "cpu": "a lot"}}
    assert function.invoke({"create_run": right})["pools"][0]["submitted"] == 1
    with pytest.raises(FunctionError, match="cpu") as failed:
        function.invoke({"create_run": wrong})
    assert failed.value.type == "InvalidVariables"


@pytest.mark.long
def test_a_package_with_telemetry_sends_it_and_writes_its_lines_into_the_log(world, shared, tmp_path):
    world.people.create_work_pool("batch", type="ecs:push")
    world.create(2)
    package = built_once(shared, "telemetry.zip", extras=("aws", "telemetry"))
    world.laid_out = unpack(package, tmp_path / "task"), world.laid_out[1]
    with collecting() as collector:
        asked = {"DISPATCHER_TELEMETRY": "cloudwatch,opentelemetry", "DISPATCHER_TELEMETRY_SECONDS": "30"}
        function = world.sandbox(**asked, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert function.invoke(SCHEDULED)["pools"][0]["submitted"] == 2
        assert collector.metrics["dispatcher.run.answers"].sum.data_points[0].as_int == 2, world.log.read_text()
        assert "dispatcher.tick" in collector.spans
    [line] = [line for line in world.log.read_text().splitlines() if "CloudWatchMetrics" in line]
    assert check(line)["Accepted"] == 2
    assert "telemetry.problem" not in world.log.read_text()


class SlowEcs:
    """ECS behind a wire on which the answers to RunTask stay away once `hold` is called; all else goes through."""

    def __init__(self, url):
        self.url = url
        self.held = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def hold(self):
        self._free.clear()

    def release(self):
        self._free.set()

    def ask(self, body, headers):
        ecs = HTTPConnection(urlsplit(self.url).netloc)
        with closing(ecs):
            ecs.request("POST", "/", body, {name: headers[name] for name in ("Content-Type", "X-Amz-Target", "Authorization")})
            reply = ecs.getresponse()
            return reply.status, reply.read()

    def close(self):
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self):
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = wire.ask(body, self.headers)
                if self.headers["X-Amz-Target"].endswith(".RunTask") and not wire._free.is_set():
                    wire.held.set()
                    wire._free.wait()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                """Not here."""

        return Handler


@pytest.fixture
def slow_ecs(cloud):
    wire = SlowEcs(cloud.url)
    yield wire
    wire.close()


@pytest.mark.long
def test_two_at_once_one_delivered_twice_and_one_killed_at_its_time_limit_double_and_lose_nothing(world, slow_ecs):
    world.people.create_work_pool("batch", type="ecs:push", concurrency_limit=4)
    mortal = world.sandbox(**SHORT, AWS_ENDPOINT_URL_ECS=slow_ecs.address)
    others = [world.sandbox(**SHORT) for _ in range(2)]
    runs = world.create(16)

    slow_ecs.hold()
    with pytest.raises(TimedOut):
        world.invoke_on_and_on(mortal, over=slow_ecs.held)
    assert world.cloud.starts, "it died while ECS had its tasks and it had no answer"

    with ThreadPoolExecutor(2) as at_once:
        for _ in world.until_all_have_ended():
            reports = at_once.map(lambda sandbox: sandbox.invoke(SCHEDULED), others)  # the same event, delivered twice
            assert [pool["problem"] for report in reports for pool in report["pools"]] == ["", ""]
    stored = [world.people.run(run.id) for run in runs]
    assert Counter((run.state, run.ended_attempts) for run in stored) == {(RunState.COMPLETED, 1): 16}
    assert set(world.cloud.starts.values()) == {1}, "each was started once"
    assert len(world.cloud.starts) == 16
    assert world.cloud.peak_live == 4, "the limit was used, and never passed"
    assert max(run.fence for run in stored) > 1, "what the dead one had claimed was taken over"
