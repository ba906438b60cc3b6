"""Every error class of Google's libraries is mapped on purpose: a new one fails here until somebody decides."""

from __future__ import annotations

import inspect
import json

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.protobuf.json_format import ParseError

from providers.base import Misconfigured, Needs, Rejected, Throttled, Unknown, Unreachable
from providers.cloud_run.failures import FAILURES, Meaning, meaning, refusal, retry_after, status

DONE, ABSENT, REFUSED, HELD, UNPREPARED, UNSENT, NOTHING = Meaning

API = {
    "Aborted": NOTHING,
    "AlreadyExists": DONE,
    "BadGateway": NOTHING,
    "BadRequest": NOTHING,
    "Cancelled": NOTHING,
    "ClientError": NOTHING,
    "Conflict": NOTHING,
    "DataLoss": NOTHING,
    "DeadlineExceeded": NOTHING,
    "DuplicateCredentialArgs": NOTHING,
    "FailedPrecondition": REFUSED,
    "Forbidden": NOTHING,
    "GatewayTimeout": NOTHING,
    "GoogleAPICallError": NOTHING,
    "GoogleAPIError": NOTHING,
    "InternalServerError": NOTHING,
    "InvalidArgument": REFUSED,
    "LengthRequired": NOTHING,
    "MethodNotAllowed": NOTHING,
    "MethodNotImplemented": NOTHING,
    "MissingStatusHeaderError": NOTHING,
    "MovedPermanently": NOTHING,
    "NotFound": ABSENT,
    "NotModified": NOTHING,
    "OutOfRange": REFUSED,
    "PermissionDenied": REFUSED,
    "PreconditionFailed": NOTHING,
    "Redirection": NOTHING,
    "RequestRangeNotSatisfiable": NOTHING,
    "ResourceExhausted": HELD,
    "ResumableTransferError": NOTHING,
    "ResumeIncomplete": NOTHING,
    "RetryError": NOTHING,
    "ServerError": NOTHING,
    "ServiceUnavailable": NOTHING,
    "TemporaryRedirect": NOTHING,
    "TooManyRequests": HELD,
    "TransferStalledError": NOTHING,
    "Unauthenticated": UNPREPARED,
    "Unauthorized": NOTHING,
    "Unknown": NOTHING,
    "UnseekableStreamError": NOTHING,
    "UploadCancelledError": NOTHING,
}

AUTH = {
    "ClientCertError": UNPREPARED,
    "DefaultCredentialsError": UNPREPARED,
    "GoogleAuthError": UNPREPARED,
    "InvalidOperation": UNPREPARED,
    "InvalidResource": UNPREPARED,
    "InvalidType": UNPREPARED,
    "InvalidValue": UNPREPARED,
    "MalformedError": UNPREPARED,
    "MutualTLSChannelError": UNPREPARED,
    "OAuthError": UNPREPARED,
    "OSError": UNPREPARED,
    "ReauthFailError": UNPREPARED,
    "ReauthSamlChallengeFailError": UNPREPARED,
    "RefreshError": UNPREPARED,
    "ResponseError": UNSENT,
    "TimeoutError": UNSENT,
    "TransportError": UNSENT,
    "UserAccessTokenError": UNPREPARED,
}


NEEDS = Needs(place=("", "p", "us-central1"), size={"cpu": 2.0, "memory": 512.0})


def classes_of(module, root):
    classes = inspect.getmembers(module, inspect.isclass)
    return {name: kind for name, kind in classes if issubclass(kind, root) and kind.__module__ == module.__name__}


API_CLASSES = classes_of(api, api.GoogleAPIError)
AUTH_CLASSES = classes_of(auth, auth.GoogleAuthError)


def an_instance(kind):
    return kind("words", cause=None) if kind is api.RetryError else kind("words")


def test_every_error_class_of_the_sdk_is_in_the_tables():
    assert set(API) == set(API_CLASSES)
    assert set(AUTH) == set(AUTH_CLASSES)


@pytest.mark.parametrize("name", API)
def test_every_error_of_the_api_has_its_meaning(name):
    assert meaning(an_instance(API_CLASSES[name])) is API[name]


@pytest.mark.parametrize("name", AUTH)
def test_every_error_of_an_identity_has_its_meaning(name):
    assert meaning(an_instance(AUTH_CLASSES[name])) is AUTH[name]


def all_requests_errors():
    classes = inspect.getmembers(requests.exceptions, inspect.isclass)
    return [kind for _, kind in classes if issubclass(kind, requests.RequestException)]


@pytest.mark.parametrize("kind", [*all_requests_errors(), ParseError], ids=lambda kind: kind.__name__)
def test_no_answer_is_unknown_unless_there_was_no_connection(kind):
    error = kind("words") if kind is not requests.exceptions.JSONDecodeError else kind("words", "", 0)
    assert isinstance(error, FAILURES)
    expected = Unreachable if kind is requests.ConnectTimeout else Unknown
    assert isinstance(refusal(error, NEEDS), expected)


OUTCOMES = [(REFUSED, Rejected), (ABSENT, Rejected), (HELD, Throttled), (UNPREPARED, Misconfigured), (NOTHING, Unknown)]


@pytest.mark.parametrize(("means", "outcome"), OUTCOMES)
def test_errors_with_the_same_meaning_have_the_same_outcome(means, outcome):
    errors = [an_instance(API_CLASSES[name]) for name, its in API.items() if its is means]
    assert {type(refusal(error, NEEDS)) for error in errors} == {outcome}


def over_the_wire(code, body, headers=None):
    """What the REST transport makes of an answer."""
    response = requests.Response()
    response.status_code = code
    response._content = body.encode()
    response.headers.update(headers or {})
    response.request = requests.Request("POST", "http://run/v2/x").prepare()
    return api.from_http_response(response)


def an_error(code, status, message="words", *details):
    return json.dumps({"error": {"code": code, "status": status, "message": message, "details": list(details)}})


def test_the_two_conflicts_are_distinguished_by_their_status():
    assert meaning(over_the_wire(409, an_error(409, "ALREADY_EXISTS"))) is DONE
    assert meaning(over_the_wire(409, an_error(409, "ABORTED"))) is NOTHING


@pytest.mark.parametrize("code", [408, 425, 499])
def test_some_status_codes_do_not_prove_a_refusal(code):
    assert meaning(over_the_wire(code, "")) is NOTHING


def test_a_quota_is_known_by_its_reason_whatever_its_code():
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}
    assert meaning(over_the_wire(403, an_error(403, "PERMISSION_DENIED", "words", info))) is HELD


def test_a_service_that_is_not_enabled_says_how_to_enable_it():
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}
    outcome = refusal(over_the_wire(403, an_error(403, "PERMISSION_DENIED", "not used before", info)), NEEDS)
    assert outcome.reason == (
        "PERMISSION_DENIED: not used before (enable the Cloud Run Admin API (run.googleapis.com) in the project)"
    )


@pytest.mark.parametrize(
    ("details", "headers", "seconds"),
    [
        ([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}], {}, 12.5),
        ([{"@type": "type.googleapis.com/google.rpc.RetryInfo"}], {}, 60),
        ([], {"Retry-After": "9"}, 9),
        ([], {"Retry-After": "Mon, 23 Nov 2026 18:00:00 GMT"}, 60),
        ([], {}, 60),
    ],
)
def test_a_throttle_waits_as_google_says_or_for_a_window_of_the_quota(details, headers, seconds):
    body = an_error(429, "RESOURCE_EXHAUSTED", "words", *details)
    assert retry_after(over_the_wire(429, body, headers)) == seconds


@pytest.mark.parametrize("body", ["", "<html>502</html>", "[]", '{"error": "words"}'])
def test_an_answer_that_is_not_googles_has_no_status(body):
    response = requests.Response()
    response.status_code = 502
    response._content = body.encode()
    assert status(api.from_http_status(502, "words", response=response)) == ""


def test_the_reason_of_a_refusal_is_one_short_line():
    reason = refusal(over_the_wire(400, an_error(400, "INVALID_ARGUMENT", "a\nb" * 1000)), NEEDS).reason
    assert "\n" not in reason
    assert len(reason) < 800
