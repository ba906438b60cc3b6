"""Google's function: the very zip that is deployed, built as Google builds it, in the real functions-framework over HTTP.

The store is PostgreSQL and the jobs are those of the Cloud Run emulator; tokens are signed by a Google of the test's own.
"""

from __future__ import annotations

import json
import sys
import time
from base64 import b64encode

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState
from dispatcher.stores.postgres import PostgresStore
from tests.functions.google_platform.build import built
from tests.functions.google_platform.google import (
    AUDIENCE,
    CALLER,
    Certificates,
    as_cloud_run_hands_it_on,
    token,
)
from tests.functions.google_platform.host import Host, RecordingPort
from tests.stores.postgres_server import server

pytest_plugins = ["providers.emulators.fixtures"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the package is for Linux")

SCHEDULER = {"User-Agent": "Google-Cloud-Scheduler", "X-CloudScheduler": "true", "Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def certificates():
    served = Certificates()
    yield served
    served.close()


@pytest.fixture(scope="module")
def start(shared, certificates, tmp_path_factory):
    """Starts an instance of the function; it ends with the module."""
    hosts = []

    def make(**environment):
        own = {
            "DISPATCHER_AUDIENCE": AUDIENCE,
            "DISPATCHER_CALLERS": f"ops@project.iam.gserviceaccount.com, {CALLER}",
            "DISPATCHER_CERTIFICATES_URL": certificates.url,
            "DISPATCHER_TIMEOUT_SECONDS": "60",
        }
        log = tmp_path_factory.mktemp("google") / "function.log"
        hosts.append(Host(built(shared), {**own, **environment}, log))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture(scope="module")
def store():
    """What the function takes for its store."""
    port = RecordingPort()
    yield port
    port.close()


@pytest.fixture(scope="module")
def public(start, store):
    """A function that anybody can reach, which verifies signatures itself."""
    return start(DISPATCHER_STORE=store.url)


@pytest.fixture(scope="module")
def private(start, store):
    """A function behind Cloud Run's IAM."""
    return start(DISPATCHER_STORE=store.url, DISPATCHER_TOKEN_SIGNATURE="iam")


@pytest.fixture
def database():
    return server().url(server().fresh_database())


@pytest.fixture
def people(database):
    made = Dispatcher(PostgresStore(database))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def ticking(start):
    """A function with a pool and nothing to do."""
    url = server().url(server().fresh_database())
    store = PostgresStore(url)
    Dispatcher(store).create_work_pool("batch", type="cloud-run-v2:push")
    store.close()
    return start(DISPATCHER_STORE=url)


@pytest.mark.long
def test_a_schedule_dispatches_runs_to_cloud_run_until_all_have_ended(start, people, database, cloud_run_emulator):
    people.create_work_pool("batch", type="cloud-run-v2:push", concurrency_limit=2)
    runs = [people.create_run(pool="batch", job_variables={"image": "busybox", "region": "us-central1"}) for _ in range(3)]
    function = start(DISPATCHER_STORE=database, **cloud_run_emulator.environment())

    status, report = function.post(token=token(), **SCHEDULER)
    assert (status, report["pools"][0]["problem"]) == (200, ""), function.log.read_text()
    assert report["pools"][0]["submitted"] == 2
    for job in cloud_run_emulator.jobs():
        cloud_run_emulator.finish(job.name)
    assert function.post({"pool": "batch"}, token=token())[1]["pools"][0]["submitted"] == 1
    cloud_run_emulator.finish(next(job.name for job in cloud_run_emulator.jobs() if job.live))
    function.post({}, token=token())
    assert [people.run(run.id).state for run in runs] == [RunState.COMPLETED] * 3
    assert sorted(cloud_run_emulator.starts.values()) == [1, 1, 1]


@pytest.mark.long
def test_the_push_of_an_end_frees_its_slot_and_one_without_a_token_does_nothing(start, people, database, cloud_run_emulator):
    people.create_work_pool("batch", type="cloud-run-v2:push", concurrency_limit=1)
    runs = [people.create_run(pool="batch", job_variables={"image": "busybox", "region": "us-central1"}) for _ in range(2)]
    function = start(DISPATCHER_STORE=database, **cloud_run_emulator.environment())
    function.post(token=token(), **SCHEDULER)
    [job] = cloud_run_emulator.jobs()
    cloud_run_emulator.finish(job.name, exit_code=3)
    [entry] = cloud_run_emulator.events()
    message = {"data": b64encode(json.dumps(entry).encode()).decode(), "messageId": "1", "publishTime": entry["timestamp"]}
    pushed = {"message": message, "subscription": "projects/p/subscriptions/push-dispatcher-ends"}

    assert function.post(pushed)[0] == 401
    status, answer = function.post(pushed, token=token())
    assert (status, answer["moved"], answer["submitted"]) == (200, True, 1), function.log.read_text()
    assert function.post(pushed, token=token()) == (200, {"run": job.name, "moved": False})
    assert function.post(entry, token=token(), **{"ce-type": "google.cloud.audit.log.v1.written"})[1]["moved"] is False
    status, answer = function.post({**pushed, "message": {"data": "%"}}, token=token())
    assert (status, set(answer)) == (200, {"ignored"})
    assert sorted(str(people.run(run.id).state) for run in runs) == ["FAILED", "PENDING"]

    events = [event for event in function.events() if event["event"] == "run.admitted"]
    assert {event["run"] for event in events} == {str(run.id) for run in runs}, "the log holds a line for each decision"


def test_a_function_holds_no_database_session_between_invocations(start, people, database):
    people.create_work_pool("batch", type="cloud-run-v2:push")
    function = start(DISPATCHER_STORE=database)
    assert function.post(token=token())[0] == 200
    name = database.rpartition("/")[2].partition("?")[0]
    people.store.close()
    sessions = f"SELECT application_name FROM pg_stat_activity WHERE datname = '{name}'"
    deadline = time.monotonic() + 10  # the server notes an end of a session when it gets round to it
    while held := server().administer(sessions):
        assert time.monotonic() < deadline, held


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"pool": "nowhere"}, "pool: work pool 'nowhere' does not exist"),
        ({"pools": []}, "event: not understood (keys: pools)"),
        ([1], "event: must be an object, not list"),
        (b"{", "event: the body is not JSON"),
        (b"\xff\xfe", "event: the body is not JSON"),
    ],
)
def test_a_request_that_stays_wrong_is_400_and_says_what_is_wrong(ticking, body, words):
    status, answer = ticking.post(body, token=token())
    assert status == 400
    assert answer["error"].startswith(words)


def test_a_body_of_spaces_or_null_is_a_scheduled_tick(ticking):
    for body in (b"", b" \n", b"null", b"{}"):
        status, report = ticking.post(body, token=token())
        assert (status, report["idle"]) == (200, 1)


def test_creating_a_run_without_validation_is_500_and_says_how_to_build_it(ticking):
    status, answer = ticking.post({"create_run": {"pool": "batch"}}, token=token())
    assert status == 500
    assert "dispatcher package --validation" in answer["error"]


def test_anything_but_a_post_does_nothing(ticking):
    assert ticking.post(token=token(), method="GET")[0] == 405
    assert ticking.headers["Allow"] == "POST"


NOW = int(time.time())
REFUSED = {
    "no token": None,
    "nothing behind Bearer": "",
    "no JSON Web Token": "let-me-in",
    "another audience": token(aud="https://other-4711-uc.a.run.app"),
    "no audience": token(aud=None),
    "expired": token(iat=NOW - 7200, exp=NOW - 3600),
    "of the future": token(iat=NOW + 3600, exp=NOW + 7200),
    "signed by somebody else": token(signed_by="somebody", key_id="somebody"),
    "signed by somebody else under Google's key id": token(signed_by="somebody"),
    "signed by another of Google's keys than it says": token(signed_by="next"),
    "another caller": token(email="other@project.iam.gserviceaccount.com"),
    "a caller in other letters": token(email=CALLER.upper()),
    "no caller": token(email=None),
    "a caller that nobody verified": token(email_verified=False),
    "a caller of whom nothing is said": token(email_verified=None),
    "another issuer": token(iss="https://accounts.example.com"),
    "claims that are no object": "eyJhbGciOiJSUzI1NiJ9.WzFd.c2ln",
    "without a signature": f"{token().rpartition('.')[0]}.",
    "of the algorithm none": "eyJhbGciOiJub25lIn0." + token().split(".")[1] + ".",
}


@pytest.mark.parametrize("wrong", [*REFUSED, "with a removed signature"])
def test_an_unauthorised_request_gets_401_and_touches_nothing(public, store, wrong):
    before = store.connections
    text = as_cloud_run_hands_it_on(token()) if wrong == "with a removed signature" else REFUSED[wrong]
    status, answer = public.post({"pool": "batch"}, token=text)
    assert (status, public.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert CALLER not in json.dumps(answer), "who may call is nobody's business"
    assert store.connections == before, "the store is not touched"
    assert public.events()[-1]["event"] == "invocation.refused"


def test_another_scheme_than_bearer_is_401(public, store):
    before = store.connections
    assert public.post(Authorization=f"Basic {token()}")[0] == 401
    assert store.connections == before


def test_an_authorised_request_reaches_the_store_and_gets_503_if_that_is_away(public, store):
    before = store.connections
    status, answer = public.post(token=token())
    assert status == 503
    assert "127.0.0.1" in answer["error"], answer
    assert store.connections > before, "what stands for the store would have noticed"


def test_certificates_are_fetched_once_and_kept(public, certificates):
    public.post(token=token())
    before = certificates.fetched
    assert before
    assert public.post(token=token(signed_by="next", key_id="next"))[0] == 503
    assert certificates.fetched == before


def test_behind_iam_a_token_whose_signature_was_removed_will_do(private, store):
    before = store.connections
    assert private.post(token=as_cloud_run_hands_it_on(token()))[0] == 503
    assert store.connections > before


@pytest.mark.parametrize("wrong", REFUSED)
def test_behind_iam_everything_else_is_refused_as_before(private, store, wrong):
    before = store.connections
    assert private.post(token=REFUSED[wrong])[0] == 401
    assert store.connections == before


ABOUT_SIGNATURES = ("signed", "signature", "algorithm")
CLAIMS = [wrong for wrong, text in REFUSED.items() if text and not any(word in wrong for word in ABOUT_SIGNATURES)]


@pytest.mark.parametrize("wrong", CLAIMS)
def test_behind_iam_claims_are_checked_though_the_signature_was_removed(private, store, wrong):
    before = store.connections
    assert private.post(token=as_cloud_run_hands_it_on(REFUSED[wrong]))[0] == 401
    assert store.connections == before


def test_without_certificates_nobody_is_let_in_and_the_schedule_may_try_again(start, store):
    before = store.connections
    function = start(DISPATCHER_STORE=store.url, DISPATCHER_CERTIFICATES_URL="http://127.0.0.1:9/certs")
    assert function.post(token=token())[0] == 503
    assert store.connections == before


@pytest.mark.parametrize("missing", ["DISPATCHER_AUDIENCE", "DISPATCHER_CALLERS"])
def test_a_function_without_authorised_callers_refuses_everybody(start, store, missing):
    before = store.connections
    function = start(**{"DISPATCHER_STORE": store.url, missing: ""})
    status, answer = function.post(token=token())
    assert status == 500
    assert answer["error"].startswith(f"{missing}: is missing")
    assert store.connections == before


def test_a_time_limit_that_leaves_no_time_is_an_error_that_says_so(start):
    function = start(DISPATCHER_STORE="memory://", DISPATCHER_TIMEOUT_SECONDS="10")
    status, answer = function.post(token=token())
    assert status == 500
    assert "raise the function's time limit" in answer["error"]
