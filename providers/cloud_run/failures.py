"""The meaning of Google's errors for a job.

With REST the client raises the HTTP classes (`Conflict`) and never their gRPC subclasses (`AlreadyExists`), so the canonical
status is read from the answer: https://cloud.google.com/apis/design/errors.
"""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import requests
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.protobuf.json_format import ParseError

from providers.base import Hold, Misconfigured, Needs, Outcome, Rejected, Throttled, Unknown, Unreachable
from providers.cloud_run import quotas
from providers.deadlines import NoAnswerInTime
from providers.google.identity import did_not_answer


class OddAnswer(Exception):
    """An answer that cannot be read, or that does not name the requested resource."""


FAILURES = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ParseError,
    NoAnswerInTime,
    OddAnswer,
)
"""All exceptions that a call may raise."""

ODD = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError, OSError)
"""The exceptions that Google's libraries raise for an answer with an unexpected shape."""

QUOTA_WINDOW = 60.0
"""Seconds. Cloud Run's rates are per minute, so after this long a call has a chance again."""

LONGEST_WAIT = 3600.0
"""The longest wait that an answer can ask for, in seconds."""

NO_ANSWER_CODES = frozenset({408, 425, 499})
"""4xx codes that do not prove that nothing was done."""

MAX_TEXT = 600

HINTS = {
    "INVALID_ARGUMENT": "correct the field in the base job template or the job variables",
    "FAILED_PRECONDITION": "correct what it names, then create the run again",
    "UNAUTHENTICATED": "check the identity of the dispatcher's host, or the entry that the pool's `credentials` name",
    "PERMISSION_DENIED": "grant the dispatcher roles/run.developer, and roles/iam.serviceAccountUser on the job's account",
    "SERVICE_DISABLED": "enable the Cloud Run Admin API (run.googleapis.com) in the project",
    "NOT_FOUND": "check the project and the `region`",
}


class Meaning(Enum):
    """What a failed call proves about its effect."""

    DONE_BEFORE = "it exists already"
    ABSENT = "it does not exist"
    REFUSED = "nothing was done, and no repeat will change that"
    HELD_BACK = "nothing was done, but a later call may do it"
    UNPREPARED = "nothing was done, and nothing will be until the dispatcher's host is fixed"
    UNSENT = "nothing was sent"
    NOTHING = "it may have been done or not"


def meaning(error: Exception) -> Meaning:
    """Read an error; an unrecognised error proves nothing."""
    if isinstance(error, auth.GoogleAuthError):
        return _meaning_of_credentials(error)
    if isinstance(error, api.GoogleAPICallError):
        return _meaning_of_answer(error)
    return Meaning.UNSENT if _never_connected(error) else Meaning.NOTHING


def _meaning_of_answer(error: api.GoogleAPICallError) -> Meaning:
    """Only Google's own answers refuse for good or say what exists. A gateway's answer has no canonical status and does
    neither.
    """
    if isinstance(error, api.TooManyRequests) or quotas.is_quota(_info(error), words(error)):
        return Meaning.HELD_BACK
    if not status(error) or not isinstance(error, api.ClientError) or error.code in NO_ANSWER_CODES:
        return Meaning.NOTHING
    if isinstance(error, api.Conflict):
        return Meaning.DONE_BEFORE if status(error) == "ALREADY_EXISTS" else Meaning.NOTHING
    if isinstance(error, api.NotFound):
        return Meaning.ABSENT if status(error) == "NOT_FOUND" else Meaning.NOTHING
    return Meaning.UNPREPARED if isinstance(error, api.Unauthorized) else Meaning.REFUSED


def _meaning_of_credentials(error: auth.GoogleAuthError) -> Meaning:
    """The token is requested before the call, so nothing was done. A silent token service may recover; a wrong configuration
    will not.
    """
    return Meaning.UNSENT if did_not_answer(error) else Meaning.UNPREPARED


def _never_connected(error: BaseException) -> bool:
    """True when no connection was made: it was refused, its name has no address, or the TLS handshake failed."""
    kinds = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError, requests.ConnectTimeout)
    links = list(_chain(error))
    return any(isinstance(link, kinds) or _broke_in_handshake(link) for link in links)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _broke_in_handshake(error: BaseException) -> bool:
    """True for an error during a TLS handshake: no part of a request is sent before its end."""
    handshake = ssl.SSLSocket.do_handshake.__code__
    return any(frame.f_code is handshake for frame, _ in traceback.walk_tb(error.__traceback__))


def before(error: Exception, needs: Needs) -> Outcome:
    """The outcome of a submission whose failed call came before the one that starts the job: nothing was started."""
    outcome = refusal(error, needs)
    return Unreachable(cause=outcome.cause) if isinstance(outcome, Unknown) else outcome


def refusal(error: Exception, needs: Needs) -> Outcome:
    """The outcome of a failed submission whose job did not exist already."""
    match meaning(error):
        case Meaning.REFUSED | Meaning.ABSENT:
            return Rejected(reason=_with_hint(error))
        case Meaning.HELD_BACK:
            hold = quotas.hold(_info(error), words(error), needs)
            ends_a_job = hold is None or hold.freed_by_end
            return Throttled(
                reason=words(error), retry_after=retry_after(error, None if ends_a_job else QUOTA_WINDOW), hold=hold
            )
        case Meaning.UNPREPARED:
            return Misconfigured(reason=_with_hint(error), hold=Hold(place=needs.place[:1]))
        case Meaning.UNSENT:
            return Unreachable(cause=words(error))
        case _:
            return Unknown(cause=words(error))


def words(error: Exception) -> str:
    """Google's message, or the local error, in one line."""
    message = _payload(error).get("message") or getattr(error, "message", None) or str(error)
    kind = status(error) or type(error).__name__
    return " ".join(f"{kind}: {message}".split())[:MAX_TEXT]


def status(error: Exception) -> str:
    """The canonical status, such as ALREADY_EXISTS; empty if there is none, because the answer is not Google's."""
    if getattr(error, "response", None) is not None:
        content = _payload(error).get("status")
        return content if isinstance(content, str) else ""
    grpc = getattr(error, "grpc_status_code", None)
    return str(grpc.name) if grpc is not None else ""


def retry_after(error: Exception, otherwise: float | None = QUOTA_WINDOW) -> float | None:
    """The seconds that Google asked to wait, an hour at most; `otherwise` if it named none."""
    details = getattr(error, "details", ())
    for detail in details if isinstance(details, list | tuple) else ():
        if isinstance(detail, Mapping) and str(detail.get("@type", "")).endswith("RetryInfo"):
            return _seconds(detail.get("retryDelay"), otherwise)
    response = getattr(error, "response", None)
    return _seconds(response.headers.get("Retry-After") if response is not None else None, otherwise)


def _seconds(value: Any, otherwise: float | None) -> float | None:
    try:
        seconds = float(str(value).removesuffix("s"))
    except ValueError:
        return otherwise
    return min(max(0.0, seconds), LONGEST_WAIT) if seconds == seconds else otherwise  # noqa: PLR0124 - not for NaN


def _info(error: Exception) -> quotas.Info:
    """The reason and the quota in an ErrorInfo."""
    reason, metadata = getattr(error, "reason", None), getattr(error, "metadata", None)
    read = metadata if isinstance(metadata, Mapping) else {}
    limit, metric = (str(read.get(key, "")) for key in ("quota_limit", "quota_metric"))
    return quotas.Info(reason=reason if isinstance(reason, str) else "", quota=f"{limit} {metric}".strip())


def _with_hint(error: Exception) -> str:
    hint = HINTS.get(_info(error).reason) or HINTS.get(status(error) or _status_of_code(error))
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
    except (ValueError, RecursionError):
        return {}
    payload = body.get("error") if isinstance(body, Mapping) else None
    return payload if isinstance(payload, Mapping) else {}
