"""What Google's errors mean for a job.

With REST the client raises the HTTP classes (`Conflict`) and never their gRPC children (`AlreadyExists`), so the canonical
status is read from the answer: https://cloud.google.com/apis/design/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.protobuf.json_format import ParseError

from providers.base import Outcome, Rejected, Throttled, Unknown

FAILURES = (api.GoogleAPIError, auth.GoogleAuthError, requests.RequestException, ParseError)
"""Everything that a call is known to raise."""

RATE_REASONS = frozenset({"RATE_LIMIT_EXCEEDED", "RESOURCE_QUOTA_EXCEEDED"})
"""ErrorInfo reasons of a quota, whatever code they travel under."""

QUOTA_WINDOW = 60.0
"""Seconds. Cloud Run's rates are per minute, so after this long a call has a chance again."""

NO_ANSWER_CODES = frozenset({408, 425, 499})
"""4xx codes that do not say that nothing was done."""

MAX_TEXT = 600

HINTS = {
    "INVALID_ARGUMENT": "correct the field in the base job template or the job variables",
    "FAILED_PRECONDITION": "correct what it names, then create the run again",
    "UNAUTHENTICATED": "check the dispatcher's identity, or the pool's `credentials`",
    "PERMISSION_DENIED": "grant the dispatcher roles/run.developer, and roles/iam.serviceAccountUser on the job's account",
    "SERVICE_DISABLED": "enable the Cloud Run Admin API (run.googleapis.com) in the project",
    "NOT_FOUND": "check the project and the `region`",
}


class Meaning(Enum):
    """What a failed call says about what it was asked to do."""

    DONE_BEFORE = "it exists already"
    ABSENT = "it does not exist"
    REFUSED = "nothing was done, and no repeat will change that"
    HELD_BACK = "nothing was done, but a later call may do it"
    NOTHING = "it may have been done or not"


def meaning(error: Exception) -> Meaning:
    """Read an error; what is not understood means nothing."""
    if isinstance(error, auth.GoogleAuthError):
        return _meaning_of_credentials(error)
    if not isinstance(error, api.GoogleAPICallError):
        return Meaning.NOTHING
    if isinstance(error, api.TooManyRequests) or error.reason in RATE_REASONS:
        return Meaning.HELD_BACK
    if isinstance(error, api.Conflict):
        return Meaning.DONE_BEFORE if status(error) == "ALREADY_EXISTS" else Meaning.NOTHING
    if isinstance(error, api.NotFound):
        return Meaning.ABSENT
    if isinstance(error, api.ClientError) and error.code not in NO_ANSWER_CODES:
        return Meaning.REFUSED
    return Meaning.NOTHING


def _meaning_of_credentials(error: auth.GoogleAuthError) -> Meaning:
    """A token comes before the call, so nothing was done. Its service may be back; what was misconfigured stays so."""
    passing = (auth.RefreshError, auth.TransportError, auth.TimeoutError, auth.ResponseError)
    refused = isinstance(error, auth.ReauthFailError) or not isinstance(error, passing)
    return Meaning.REFUSED if refused else Meaning.HELD_BACK


def refusal(error: Exception) -> Outcome:
    """The outcome of a submission that failed, and did not find its job there already."""
    means = meaning(error)
    if means in (Meaning.REFUSED, Meaning.ABSENT):
        return Rejected(reason=_with_hint(error))
    if means is Meaning.HELD_BACK:
        return Throttled(reason=words(error), retry_after=retry_after(error))
    return Unknown(cause=words(error))


def words(error: Exception) -> str:
    """What Google said, or what went wrong on the way, in one line."""
    message = _payload(error).get("message") or getattr(error, "message", None) or str(error)
    kind = status(error) or type(error).__name__
    return " ".join(f"{kind}: {message}".split())[:MAX_TEXT]


def status(error: Exception) -> str:
    """The canonical status, such as ALREADY_EXISTS; empty when the answer had none."""
    grpc = getattr(error, "grpc_status_code", None)
    return grpc.name if grpc is not None else str(_payload(error).get("status", ""))


def retry_after(error: Exception) -> float:
    """The seconds that Google asked to wait, or a whole window of its quotas."""
    for detail in getattr(error, "details", ()):
        if isinstance(detail, Mapping) and str(detail.get("@type", "")).endswith("RetryInfo"):
            return _seconds(detail.get("retryDelay"))
    response = getattr(error, "response", None)
    return _seconds(response.headers.get("Retry-After") if response is not None else None)


def _seconds(value: Any) -> float:
    try:
        return max(0.0, float(str(value).removesuffix("s")))
    except ValueError:
        return QUOTA_WINDOW


def _with_hint(error: Exception) -> str:
    hint = HINTS.get(getattr(error, "reason", None) or "") or HINTS.get(status(error) or _status_of_code(error))
    return f"{words(error)} ({hint})" if hint else words(error)


def _status_of_code(error: Exception) -> str:
    codes = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    if isinstance(error, auth.GoogleAuthError):
        return "UNAUTHENTICATED"
    return codes.get(getattr(error, "code", None) or 0, "")


def _payload(error: Exception) -> Mapping[str, Any]:
    """The `error` object of a REST answer; empty when there is none."""
    response = getattr(error, "response", None)
    try:
        body = response.json() if response is not None else {}
    except ValueError:
        return {}
    found = body.get("error") if isinstance(body, Mapping) else None
    return found if isinstance(found, Mapping) else {}
