"""The HTTP API in a function: the platforms' own requests, their callers, and what becomes of those without one."""

from __future__ import annotations

import json
from base64 import b64encode

import azure.functions
import flask
import pytest
from werkzeug.test import EnvironBuilder

from dispatcher.environment.settings import Settings
from dispatcher.errors import InvalidInput
from dispatcher.functions import aws_lambda_api, azure_function_api, cloud_function_api
from dispatcher.functions.google_tokens import CallerTokens
from dispatcher.functions.http_api import ApiRequest, HttpApi
from dispatcher.wiring import wire
from tests.functions.google_platform.google import AUDIENCE, CALLER, Certificates, token

ROLE = "arn:aws:sts::123456789012:assumed-role/deploy"
SESSION = f"{ROLE}/nightly-build"
JSON = {"content-type": "application/json"}
RUN = json.dumps({"pool": "nightly", "job_variables": {"command": "true"}})


@pytest.fixture
def wiring(tmp_path):
    settings = {"DISPATCHER_STORE": "memory://", "DISPATCHER_UI_EDITORS": f"{ROLE}/*,{CALLER},ada@example.com"}
    made = wire(Settings.from_environment({"HOME": str(tmp_path), **settings}))
    made.client.create_work_pool("nightly", type="process")
    yield made
    made.close()


@pytest.fixture
def api(wiring, monkeypatch):
    """The application behind every entry point."""
    made = HttpApi(wiring=wiring)
    for module in (aws_lambda_api, cloud_function_api, azure_function_api):
        monkeypatch.setattr(module, "_api", lambda: made)
    return made


def function_url(method, path, *, query="", headers=None, body=None, caller=SESSION, encoded=False):
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload"""
    iam = {
        "accessKey": "AKIAIOSFODNN7EXAMPLE",
        "accountId": "123456789012",
        "callerId": "AROACKCEVSQ6C2EXAMPLE:nightly-build",
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller,
        "userId": "AROACKCEVSQ6C2EXAMPLE:nightly-build",
    }
    domain = "abcdef123456.lambda-url.eu-central-1.on.aws"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "x-amzn-trace-id": "Root=1-5e1b4151-5ac6c58f1b4151",
            "x-forwarded-proto": "https",
            "host": domain,
            "accept": "*/*",
            "user-agent": "curl/8.5.0",
            **(headers or {}),
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef123456",
            **({"authorizer": {"iam": iam}} if caller else {}),
            "domainName": domain,
            "domainPrefix": "abcdef123456",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "routeKey": "$default",
            "stage": "$default",
            "time": "29/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795953600000,
        },
        **({} if body is None else {"body": b64encode(body.encode()).decode() if encoded else body}),
        "isBase64Encoded": encoded,
    }


def http_api(method, path, *, stage, claims):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""
    event = function_url(method, f"/{stage}{path}", caller=None)
    event["requestContext"] |= {"stage": stage, "authorizer": {"jwt": {"claims": claims, "scopes": None}}}
    return event


def rest_api(method, path, *, query=None, headers=None, body=None, caller=SESSION):
    """https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-example-event"""
    every = {"Host": ["abcdef.execute-api.eu-central-1.amazonaws.com"], **{name: [v] for name, v in (headers or {}).items()}}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in every.items()},
        "multiValueHeaders": every,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "123456",
            "apiId": "abcdef",
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/prod{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "identity": {"userArn": caller, "sourceIp": "203.0.113.7", "accessKey": None, "userAgent": "curl/8.5.0"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def lambda_answer(event):
    answer = aws_lambda_api.handler(event, None)
    assert json.loads(json.dumps(answer)) == answer, "Lambda takes JSON"
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, answer


@pytest.mark.parametrize("encoded", [False, True])
def test_a_function_url_creates_a_run_in_the_name_of_the_caller_that_iam_has_checked(api, wiring, encoded):
    status, run, answer = lambda_answer(function_url("POST", "/api/v1/runs", headers=JSON, body=RUN, encoded=encoded))
    assert (status, run["pool"], answer["headers"]["content-type"]) == (201, "nightly", "application/json")
    status, found, _ = lambda_answer(function_url("GET", "/api/v1/runs", query="state=SCHEDULED&state=RUNNING&pool=nightly"))
    assert (status, [item["id"] for item in found["items"]]) == (200, [run["id"]])
    assert lambda_answer(function_url("POST", f"/api/v1/runs/{run['id']}/cancel"))[0] == 200
    _, log, _ = lambda_answer(function_url("GET", "/api/v1/log", query=f"run={run['id']}"))
    assert (log["items"][0]["actor"], log["items"][0]["via"], log["items"][0]["verb"]) == (SESSION, "api", "cancel")


def test_both_kinds_of_api_gateway_are_understood(api, wiring):
    status, run, answer = lambda_answer(
        rest_api("POST", "/api/v1/runs", headers={"Content-Type": "application/json"}, body=RUN)
    )
    assert (status, answer["multiValueHeaders"]["content-type"]) == (201, ["application/json"])
    query = {"state": ["SCHEDULED", "RUNNING"], "pool": ["nightly"]}
    assert lambda_answer(rest_api("GET", "/api/v1/runs", query=query))[1]["items"][0]["id"] == run["id"]
    by_token = http_api("GET", "/api/v1/pools/nightly", stage="prod", claims={"sub": "4711"})
    assert lambda_answer(by_token)[1]["name"] == "nightly"
    by_token["requestContext"]["http"]["method"] = "DELETE"
    assert lambda_answer(by_token)[0] == 403, "4711 is no editor"


@pytest.mark.parametrize(
    "event",
    [
        function_url("POST", "/api/v1/runs", headers=JSON, body=RUN, caller=None),
        function_url("GET", "/api/v1/pools", caller=None),
        function_url("GET", "/api/v1/pools", headers={"x-dispatcher-caller": SESSION}, caller=None),
        function_url("GET", "/api/v1/pools", headers={"x-dispatcher-proxy-secret": "guess"}, caller=None),
        rest_api("GET", "/api/v1/pools", caller=None),
        http_api("GET", "/api/v1/pools", stage="prod", claims={}),
    ],
)
def test_without_a_caller_nobody_gets_in_whatever_headers_say(api, wiring, event):
    status, problem, _ = lambda_answer(event)
    assert (status, problem["type"]) == (401, "urn:push-dispatcher:problem:not-signed-in")
    assert wiring.client.runs() == []


def test_a_caller_that_is_not_an_editor_reads_and_changes_nothing(api, wiring):
    other = "arn:aws:sts::123456789012:assumed-role/deploy-not/session"
    assert lambda_answer(function_url("GET", "/api/v1/pools", caller=other))[0] == 200
    assert lambda_answer(function_url("POST", "/api/v1/runs", headers=JSON, body=RUN, caller=other))[0] == 403
    assert lambda_answer(function_url("POST", "/api/v1/runs", headers=JSON, body=RUN, caller=f"{ROLE}/"))[0] == 403
    assert wiring.client.runs() == []


def test_pages_are_not_served_and_errors_are_problems(api):
    for path in ("/", "/pools/nightly", "/live", "/apiary", "/sign-in"):
        status, problem, _ = lambda_answer(function_url("GET", path))
        assert (status, problem["status"]) == (404, 404)
    assert lambda_answer(function_url("GET", "/api/v1/pools/none"))[0] == 404
    assert lambda_answer(function_url("GET", "/api/v1/health", caller=None))[0] == 200, "it says nothing"
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert lambda_answer(function_url("POST", "/api/v1/runs", headers={**JSON, **foreign}, body=RUN))[0] == 403
    for event in ({}, None, {"detail-type": "Scheduled Event"}, {"requestContext": {}}):
        with pytest.raises(InvalidInput, match="not a request"):
            aws_lambda_api.handler(event, None)


def test_names_with_odd_characters_come_through(api, wiring):
    name = "a b#c?é"
    wiring.client.create_work_pool(name, type="process")
    assert lambda_answer(function_url("GET", "/api/v1/pools/a%20b%23c%3F%C3%A9"))[1]["name"] == name
    assert lambda_answer(rest_api("GET", f"/api/v1/pools/{name}"))[1]["name"] == name


def google(method, path, **more):
    return flask.Request(EnvironBuilder(method=method, path=path, base_url=AUDIENCE, **more).get_environ())


def test_google_lets_in_the_holder_of_a_token(api, wiring, monkeypatch):
    served = Certificates()
    settings = Settings(
        store="memory://", audience=frozenset({AUDIENCE}), callers=frozenset({CALLER}), certificates_url=served.url
    )
    checks = CallerTokens(settings, wiring.dispatch.clock)
    monkeypatch.setattr(cloud_function_api, "_tokens", lambda: checks)
    signed = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    try:
        body, status, headers = cloud_function_api.api(google("POST", "/api/v1/runs", headers=signed, data=RUN))
        assert (status, json.loads(body)["pool"], dict(headers)["content-type"]) == (201, "nightly", "application/json")
        for headers in ({}, {"Authorization": f"Bearer {token(signed_by='somebody')}"}, {"X-Dispatcher-Caller": CALLER}):
            assert cloud_function_api.api(google("GET", "/api/v1/pools", headers=headers))[1] == 401
        served.close()
        renewed = CallerTokens(settings, wiring.dispatch.clock)
        monkeypatch.setattr(cloud_function_api, "_tokens", lambda: renewed)
        assert cloud_function_api.api(google("GET", "/api/v1/pools", headers=signed))[1] == 503
    finally:
        served.close()
    assert len(wiring.client.runs()) == 1


def test_azure_believes_the_names_of_app_service_alone(api, wiring, monkeypatch):
    named = {"X-MS-CLIENT-PRINCIPAL-NAME": "ada@example.com", "Content-Type": "application/json"}
    url = "https://pools.azurewebsites.net/api/v1"

    def asked(method, path, body=b"", headers=named):
        request = azure.functions.HttpRequest(method=method, url=f"{url}{path}", headers=headers, body=body)
        return azure_function_api.api(request)

    assert asked("GET", "/pools").status_code == 401, "its authentication is off, and anybody can send the header"
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    answer = asked("POST", "/runs", RUN.encode())
    assert (answer.status_code, json.loads(answer.get_body())["pool"]) == (201, "nightly")
    assert json.loads(asked("GET", "/runs?pool=nightly&state=SCHEDULED").get_body())["items"]
    assert asked("GET", "/pools", headers={}).status_code == 401
    assert asked("GET", "/pools", headers={"X-MS-CLIENT-PRINCIPAL-ID": "1111-2222"}).status_code == 200
    [function] = azure_function_api.app.get_functions()
    assert (function.get_trigger().route, function.get_trigger().auth_level.name) == ("v1/{*path}", "ANONYMOUS")


def test_sessions_of_a_database_server_do_not_stay_open(wiring, monkeypatch):
    api = HttpApi(wiring=wiring)
    closed = []

    def close(clients):
        closed.append(clients)

    monkeypatch.setattr("dispatcher.wiring.SESSIONS", {"memory"})
    monkeypatch.setattr("dispatcher.web.clients.ClientLender.close", close)
    assert api.answer(ApiRequest(method="GET", path="/api/v1/pools", caller="ada")).status == 200
    assert len(closed) == 1


def test_the_store_of_the_environment_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("DISPATCHER_STORE", f"sqlite:///{tmp_path / 'runs.db'}")
    made = HttpApi(None)
    assert json.loads(made.answer(ApiRequest(method="GET", path="/api/v1/pools", caller="ada")).body) == []
