from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.functions import aws_lambda
from dispatcher.functions.invocation import invoke
from dispatcher.models.records import RunFilter
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.wiring import wire
from providers.emulators.ecs import EcsEmulator
from tests.builders import an_id

SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2030-01-01T12:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/push-dispatcher"],
    "detail": {},
}
"""As EventBridge's rules send it."""

PATIENT = {"call_timeout": 100}
"""A busy machine must not change what a test sees: the seconds of a call are real ones."""


class Context:
    """As much of Lambda's as is used."""

    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:push-dispatcher"

    def __init__(self, seconds):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return int(1000 * self.seconds)


class Clock:
    """The time of the cloud, of people, and of every cold start; it stands still unless it is moved."""

    def __init__(self):
        self.time = datetime.now(UTC)  # what the handler itself goes by

    def now(self):
        return self.time

    def seconds(self):
        return self.time.timestamp()

    def sleep(self, seconds):
        self.time += timedelta(seconds=max(0.0, seconds))

    def new_id(self):
        return an_id()


class Function:
    """A function as its platform sees it: an event and a context go in, JSON comes out. `people` use the same store."""

    def __init__(self, path, clock):
        self.clock = clock
        self.people = Dispatcher(SqliteStore(path), clock=clock)

    def __call__(self, event=SCHEDULED, seconds=60.0):
        """The handler itself, with whatever its environment says."""
        return as_json(aws_lambda.handler(event, Context(seconds)))

    def then(self, event=SCHEDULED, seconds=60.0, *, credentials=None, **options):
        """A cold start at the time of the test's clock, with credentials and options for the provider."""
        own = {"DISPATCHER_STORE": self.url, "DISPATCHER_PROVIDER_OPTIONS": json.dumps({"ecs:push": {**PATIENT, **options}})}
        settings = Settings.from_environment({**own, "DISPATCHER_CREDENTIALS": json.dumps(credentials or {})})
        wired = wire(settings, clock=self.clock)
        try:
            return as_json(invoke(wired, event, seconds_left=seconds, function=Context.invoked_function_arn))
        finally:
            wired.store.close()

    @property
    def url(self):
        return f"sqlite:///{self.people.store.path}"

    def create(self, count=1, pool="batch", **fields):
        """Runs that are due one after the other."""
        variables = {"image": "busybox", "command": "echo hello", **fields.pop("job_variables", {})}
        requests = [{"pool": pool, "job_variables": variables, **fields} for _ in range(count)]
        runs = self.people.create_runs(requests)
        return sorted(runs, key=lambda run: (run.due_at, run.id))

    def states(self):
        runs = sorted(self.people.runs(limit=1000), key=lambda run: (run.created_at, run.id))
        return [str(run.state) for run in runs]

    def everything(self):
        """All that is in the store."""
        store = self.people.store
        return store.pools(), store.deployments(), store.runs(RunFilter(), limit=1000)


def as_json(answer):
    """What a platform makes of an answer, which has to be the same."""
    said = json.loads(json.dumps(answer))
    assert said == answer
    return said


def only(events, status):
    """The state changes to one status."""
    return [event for event in events if event["detail"]["lastStatus"] == status]


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A directory of this test run, whatever the number of its processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def emulator(clock):
    """One server for a module's tests; moto's 1,300 machine images would make each reset slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with EcsEmulator(clock=clock.seconds) as emulator:
            yield emulator


@pytest.fixture
def aws(emulator, monkeypatch):
    """ECS with a cluster `default` and a default VPC, which the environment points at."""
    emulator.reset()
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    yield emulator
    emulator.change_settings({"job_seconds": None, "capacity": None, "visibility_lag": 0.0})


@pytest.fixture
def function(aws, clock, tmp_path, monkeypatch):
    """The Lambda function over an SQLite file and the emulator, with a pool `batch` of two slots."""
    made = Function(tmp_path / "function.db", clock)
    monkeypatch.setenv("DISPATCHER_STORE", made.url)
    monkeypatch.setenv("DISPATCHER_PROVIDER_OPTIONS", json.dumps({"ecs:push": PATIENT, "ecs": PATIENT}))
    made.people.create_work_pool("batch", type="ecs:push", concurrency_limit=2)
    aws_lambda._wiring.cache_clear()
    aws_lambda._start.cache_clear()
    yield made
    made.people.store.close()
    aws_lambda._wiring.cache_clear()
    aws_lambda._start.cache_clear()
