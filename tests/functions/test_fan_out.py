"""One invocation for each busy pool: the unmodified SDK asks a local Lambda API, and the handler gets what it was sent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dispatcher.errors import SettingsError
from dispatcher.functions import aws_lambda
from dispatcher.waking import NotWoken, from_setting
from tests.functions.conftest import Context


class LambdaApi:
    """As much of Lambda as takes asynchronous invocations; `refuse` is the error it answers with instead."""

    def __init__(self):
        self.events, self.paths, self.refuse = [], [], ""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.taken(self, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def taken(self, request, body):
        self.paths.append(request.path)
        assert request.headers["X-Amz-Invocation-Type"] == "Event"
        if self.refuse:
            request.send_response(403 if "Denied" in self.refuse else 429)
            request.send_header("x-amzn-ErrorType", self.refuse)
            answer = json.dumps({"Message": self.refuse}).encode()
        else:
            self.events.append(json.loads(body))
            request.send_response(202)
            answer = b""
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)


@pytest.fixture
def lambda_api(monkeypatch, aws):
    api = LambdaApi()
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", api.url)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "dispatcher")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    monkeypatch.setenv("DISPATCHER_FAN_OUT", "lambda")
    yield api
    api.server.shutdown()
    api.server.server_close()


@pytest.fixture
def busy(function):
    """Three pools with runs beside the idle `batch`."""
    for name in ("east", "north", "west"):
        function.people.create_work_pool(name, type="ecs:push")
        function.people.create_run(pool=name, job_variables={"image": "busybox"})
    return function


def test_each_busy_pool_gets_an_invocation_of_its_own_and_the_idle_are_noted_at_once(busy, aws, lambda_api):
    report = busy()
    assert report["invoked"] == ["east", "north", "west"]
    assert (report["pools"], report["idle"]) == ([], 1)
    assert lambda_api.events == [{"pool": "east"}, {"pool": "north"}, {"pool": "west"}]
    assert aws.starts == {}
    for event in lambda_api.events:
        [pool] = busy(event)["pools"]
        assert (pool["pool"], pool["submitted"]) == (event["pool"], 1)
    assert len(aws.starts) == 3


@pytest.mark.parametrize(("version", "query"), [("$LATEST", ""), ("7", "?Qualifier=7")])
def test_the_call_names_a_published_version_and_no_other(busy, lambda_api, monkeypatch, version, query):
    """AWS holds a call with a qualifier, `$LATEST` included, against the qualified ARN alone, which the role is not granted."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", version)
    busy()
    assert set(lambda_api.paths) == {f"/2015-03-31/functions/dispatcher/invocations{query}"}


def test_an_event_that_comes_twice_or_late_doubles_nothing(busy, aws, lambda_api):
    busy()
    busy()
    for event in [*lambda_api.events, *reversed(lambda_api.events)]:
        busy(event)
    assert set(aws.starts.values()) == {1}


@pytest.mark.parametrize("refusal", ["AccessDeniedException", "TooManyRequestsException"])
def test_a_pool_whose_invocation_cannot_start_is_ticked_at_once(busy, aws, lambda_api, refusal):
    lambda_api.refuse = refusal
    report = busy()
    assert report["invoked"] == []
    assert sorted(pool["pool"] for pool in report["pools"]) == ["east", "north", "west"]
    assert len(aws.starts) == 3


def test_one_busy_pool_has_nobody_to_wait_for(function, aws, lambda_api):
    function.create()
    report = function()
    assert (report["invoked"], lambda_api.events) == ([], [])
    assert report["pools"][0]["submitted"] == 1


def test_nothing_is_started_past_the_deadline(busy, lambda_api, aws):
    report = aws_lambda.handler({}, Context(12.001))
    assert (report["invoked"], lambda_api.events) == ([], [])
    assert sorted(report["skipped"] + [pool["pool"] for pool in report["pools"]]) == ["east", "north", "west"]
    assert aws.starts == {}


def test_without_the_setting_all_are_ticked_here(busy, aws, lambda_api, monkeypatch):
    monkeypatch.delenv("DISPATCHER_FAN_OUT")
    assert "invoked" not in busy()
    assert len(aws.starts) == 3


@pytest.mark.parametrize(("name", "value"), [("DISPATCHER_FAN_OUT", "sqs"), ("AWS_LAMBDA_FUNCTION_NAME", "")])
def test_a_setting_that_cannot_work_is_named(function, lambda_api, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="DISPATCHER_FAN_OUT"):
        function()


@pytest.mark.parametrize("text", ["lambda:dispatcher", "arn:aws:lambda:us-east-1:123456789012:function:dispatcher"])
def test_a_wake_invokes_the_function_that_the_setting_names(lambda_api, text):
    from_setting(text, seconds=60.0)(["east", "west"])
    assert lambda_api.events == [{"pool": "east"}, {"pool": "west"}]
    assert all(path.endswith("/invocations") for path in lambda_api.paths)


def test_a_wake_that_lambda_refuses_is_reported(lambda_api):
    lambda_api.refuse = "AccessDeniedException"
    with pytest.raises(NotWoken, match="AccessDenied"):
        from_setting("lambda:dispatcher", seconds=60.0)(["east"])
