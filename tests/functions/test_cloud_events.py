"""What Google delivers frees the slot of a job that has ended, and can do nothing else, whatever it holds."""

from __future__ import annotations

import json
from base64 import b64encode
from copy import deepcopy
from datetime import timedelta
from uuid import UUID

import pytest

from dispatcher.client import Dispatcher
from dispatcher.environment.clock import SystemClock
from dispatcher.errors import InvalidInput, StoreError
from dispatcher.functions.cloud_events import handled
from dispatcher.functions.instance import Instance
from dispatcher.models import RetryPolicy, submission_name
from dispatcher.stores.sqlite import SqliteStore
from providers.emulators.cloud_run import CloudRunEmulator
from providers.emulators.faults import FaultKind
from tests.functions.test_task_events import JUNK

VARIABLES = {"image": "busybox", "region": "europe-west1"}


class Function:
    """The function over an SQLite file and the emulator, with a pool of one slot."""

    def __init__(self, path, cloud, kind, **settings):
        self.cloud = cloud
        url = f"sqlite:///{path}"
        self.people = Dispatcher(SqliteStore(path))
        self.people.create_work_pool("batch", type=kind, concurrency_limit=1)
        options = json.dumps({"cloud-run-v2:push": {"call_timeout": 100, "writes_per_minute": 60_000}})
        self._instance = Instance({"DISPATCHER_STORE": url, "DISPATCHER_PROVIDER_OPTIONS": options, **settings})

    def __call__(self, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        now = SystemClock().now()
        return handled(headers or {}, data, lambda event: self._instance.invoke(event, since=now))

    def create(self, count=1, **variables):
        requests = [{"pool": "batch", "job_variables": {**VARIABLES, **variables}} for _ in range(count)]
        return sorted(self.people.create_runs(requests), key=lambda run: (run.due_at, run.id))

    def ended(self, run, exit_code=0, attempt=1):
        """The entry about the end of the run's job."""
        name = submission_name(run.id, attempt)
        self.cloud.finish(name, exit_code=exit_code)
        return next(e for e in self.cloud.events() if e["resource"]["labels"]["job_name"] == name)

    def states(self):
        return [str(run.state) for run in sorted(self.people.runs(), key=lambda run: (run.due_at, run.id))]

    def reads(self):
        """How often the cloud was asked."""
        return sum(self.cloud.calls[name] for name in ("GetJob", "ListJobs", "GetExecution", "ListTasks"))


def pushed(entry, data=None):
    """As a push subscription sends it."""
    text = b64encode(json.dumps(entry).encode()).decode() if data is None else data
    message = {"data": text, "messageId": "1", "publishTime": "2026-01-01T00:00:00Z", "attributes": {}}
    return {"message": message, "subscription": "projects/p/subscriptions/push-dispatcher"}


def binary(entry):
    return entry, {"ce-type": "google.cloud.audit.log.v1.written", "ce-specversion": "1.0"}


def structured(entry):
    return {"specversion": "1.0", "type": "google.cloud.audit.log.v1.written", "source": "//x", "id": "1", "data": entry}, {}


def by_message(entry):
    return pushed(entry), {"ce-type": "google.cloud.pubsub.topic.v1.messagePublished"}


DELIVERIES = [lambda entry: (pushed(entry), {}), binary, structured, by_message, lambda entry: (entry, {})]


@pytest.fixture
def cloud(monkeypatch):
    with CloudRunEmulator() as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        yield cloud


@pytest.fixture
def function(cloud, tmp_path):
    made = Function(tmp_path / "function.db", cloud, "cloud-run-v2:push")
    yield made
    made.people.store.close()


@pytest.mark.parametrize("delivered", DELIVERIES, ids=["push", "binary", "structured", "message", "bare"])
def test_an_end_frees_its_slot_and_the_next_run_starts(delivered, function):
    first, second = function.create(2)
    function({})
    body, headers = delivered(function.ended(first, exit_code=3))
    answer = function(body, headers)
    assert (answer["moved"], answer["submitted"]) == (True, 1)
    assert function.states() == ["FAILED", "PENDING"]
    assert function.people.run(first.id).exit_code == 3
    assert function.cloud.starts == {submission_name(run.id, 1): 1 for run in (first, second)}


def test_one_job_is_asked_about_however_many_are_live(function):
    function.people.update_work_pool("batch", concurrency_limit=20)
    runs = function.create(20)
    function({})
    entry, before = function.ended(runs[7]), function.reads()
    assert function(pushed(entry))["moved"] is True
    assert function.reads() - before == 1
    assert function.cloud.calls["ListJobs"] == 0


def test_an_entry_that_comes_again_or_for_an_ended_run_asks_nothing(function):
    [run] = function.create()
    function({})
    entry = function.ended(run)
    assert function(pushed(entry))["moved"] is True
    before = function.reads()
    assert function(pushed(entry)) == {"run": submission_name(run.id, 1), "moved": False}
    assert function.reads() == before


def test_the_end_of_an_earlier_attempt_does_not_end_the_run_and_asks_nothing(function):
    function.people.create_deployment(
        "again", pool="batch", job_variables=VARIABLES, retry=RetryPolicy(attempts=2, delay=timedelta(0))
    )
    run = function.people.create_run(deployment="again")
    function({})
    first = function.ended(run, exit_code=1)
    function(pushed(first))
    assert function.people.run(run.id).attempt == 2
    function({})
    before = function.reads()
    assert function(pushed(first))["moved"] is False
    assert function.reads() == before
    assert function.people.run(run.id).state.holds_slot
    assert function(pushed(function.ended(run, attempt=2)))["moved"] is True
    assert function.states() == ["COMPLETED"]


def about(name):
    """An entry that says that a job has ended, whoever wrote it."""
    labels = {"job_name": name, "location": "europe-west1", "project_id": "emulated-project"}
    payload = {"serviceName": "run.googleapis.com", "methodName": "/Jobs.RunJob", "status": {}}
    return {"resource": {"type": "cloud_run_job", "labels": labels}, "protoPayload": payload}


def test_an_entry_that_is_made_up_or_ahead_of_the_providers_answer_causes_a_look_and_no_more(function):
    first, second = function.create(2)
    function({})
    entry, before = about(submission_name(first.id, 1)), function.reads()
    assert "submitted" not in function(pushed(entry))
    assert function.reads() - before == 1
    assert function.states()[1:] == ["SCHEDULED"]
    assert function.people.run(first.id).state.holds_slot
    function.ended(first)
    function(pushed(entry))
    assert function.states() == ["COMPLETED", "PENDING"]
    assert function.cloud.starts == {submission_name(run.id, 1): 1 for run in (first, second)}


def test_a_provider_that_gives_no_answer_ends_nothing_and_is_asked_by_the_next_tick(function):
    [run] = function.create()
    function({})
    entry = function.ended(run)
    function.cloud.faults.add("GetJob", FaultKind.LOSE_ANSWER)
    assert function(pushed(entry))["moved"] is False
    assert function.states() == ["PENDING"]
    function({})
    assert function.states() == ["COMPLETED"]


@pytest.mark.parametrize("label", ["project_id", "location"])
def test_an_entry_of_another_project_or_region_is_ignored_and_asks_nothing(label, function):
    [run] = function.create()
    function({})
    entry, before = function.ended(run), function.reads()
    entry["resource"]["labels"][label] = "elsewhere"
    assert "is not that of the run" in function(pushed(entry))["ignored"]
    assert (function.reads(), function.states()) == (before, ["PENDING"])


def test_before_a_submission_is_recorded_the_job_is_looked_up_where_its_configuration_leads(function):
    first, _ = function.create(2)
    function.cloud.faults.add("CreateJob", FaultKind.LOSE_ANSWER)
    function({})
    answer = function(pushed(function.ended(first)))
    assert (answer["moved"], answer["submitted"]) == (True, 1)
    assert function.states() == ["COMPLETED", "PENDING"]
    assert set(function.cloud.starts.values()) == {1}


def test_a_job_of_somebody_else_is_ignored(function):
    [run] = function.create()
    function({})
    entry = function.ended(run)
    for name in (
        submission_name(UUID(int=run.id.int ^ 1), 1),
        "nightly-report",
        f"r{'0' * 32}-1",
        f"{submission_name(run.id, 1)}-x",
    ):
        entry["resource"]["labels"]["job_name"] = name
        assert "ignored" in function(pushed(entry)), name
    entry["protoPayload"]["serviceName"] = "storage.googleapis.com"
    assert "ignored" in function(pushed(entry))
    assert function.states() == ["PENDING"]


def test_any_entry_is_settled_rightly_or_ignored_and_never_raises(function):
    [run] = function.create()
    function({})
    entry = function.ended(run)
    places = [(key,) for key in entry] + [("resource", "labels"), ("resource", "type"), ("protoPayload", "serviceName")]
    places += [("resource", "labels", name) for name in entry["resource"]["labels"]]
    for place in places:
        for junk in JUNK:
            copy = deepcopy(entry)
            inner = copy
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = junk
            assert function(pushed(copy)).keys() & {"ignored", "moved"}, (place, junk)
            assert set(function.states()) <= {"PENDING", "COMPLETED"}


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_a_message_with_any_content_is_confirmed_and_logged(junk, function, caplog):
    caplog.set_level("INFO", logger="dispatcher")
    for body in (pushed(None, data=junk), pushed(junk), {**pushed({}), "subscription": junk}):
        assert "ignored" in function(body)
    for body in (structured(junk)[0], {"specversion": "1.0", "type": "x", "data_base64": junk}):
        assert "ignored" in function(body)
    assert "ignored" in function(junk, {"ce-type": "x"})
    assert "ignored" in function(b"\xff{", {"ce-type": "x"})
    assert sum('"event": "event.ignored"' in line for line in caplog.messages) == 7


def test_a_message_that_nests_too_deep_is_confirmed(function):
    entry = about("r" + 32 * "0" + "-1")
    for levels in (150, 100_000):
        text = json.dumps(entry)[:-1] + ', "deep": ' + "[" * levels + "]" * levels + "}"
        assert "ignored" in function(pushed(None, data=b64encode(text.encode()).decode()))


@pytest.mark.parametrize("request_", [{}, {"pool": "batch"}, {"create_run": {"pool": "batch", "job_variables": VARIABLES}}])
def test_a_message_starts_no_tick_and_makes_no_run(request_, function):
    function.create()
    for body, headers in (delivered(request_) for delivered in DELIVERIES[:4]):
        assert "ignored" in function(body, headers)
    assert function.states() == ["SCHEDULED"]


def test_a_request_that_is_not_a_delivery_is_refused(function):
    for body in (b"{", {"message": "x"}, {"subscription": "x"}, {"specversion": 1}):
        with pytest.raises(InvalidInput):
            function(body)


def test_a_store_that_gives_no_answer_is_an_error_so_that_the_message_comes_again(function):
    [run] = function.create()
    function({})
    entry = function.ended(run)

    def broken(_event):
        raise StoreError("the store gave no answer")

    with pytest.raises(StoreError):
        handled({}, json.dumps(pushed(entry)).encode(), broken)


def test_jobs_of_managed_pools_report_their_ends_as_well(cloud, tmp_path):
    managed = {"type": "cloud-run-v2:push", "job_variables": {"region": "europe-west1"}}
    function = Function(tmp_path / "managed.db", cloud, "managed", DISPATCHER_MANAGED=json.dumps(managed))
    first, _ = sorted(
        function.people.create_runs([{"pool": "batch", "job_variables": {"image": "busybox"}} for _ in range(2)]),
        key=lambda run: (run.due_at, run.id),
    )
    function({})
    answer = function(pushed(function.ended(first)))
    assert (answer["moved"], answer["submitted"]) == (True, 1)
    function.people.store.close()
