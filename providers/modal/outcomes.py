"""What the SDK raised becomes an outcome. Pure: errors are told apart by the names of their classes.

    refused for good    nothing was started and no repeat will change that       -> Rejected, with a hint
    exhausted           a rate, a quota, missing capacity                        -> Throttled
    everything else     the server failed, the connection broke, the SDK gave up -> Unknown

`AlreadyExistsError` is none of these: the name is in use, so what runs under it is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import Hold, Outcome, Rejected, Throttled, Unknown

REFUSED: Mapping[str, str] = {
    "AuthError": "check MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or the entry that modal_credentials names",
    "PermissionDeniedError": "the token's user may not do this in that workspace or environment",
    "NotFoundError": "check the app, the Modal environment, the secrets and the image that the job names",
    "InvalidError": "change the job's variables",
    "RequestSizeError": "make the command and the environment shorter",
    "SerializationError": "change the job's variables",
    "VersionError": "install the version of the SDK that Modal supports",
    "UnimplementedError": "install the version of the SDK that this release names",
    "ImageBuildError": "see the build's log in Modal's dashboard",
}

EXHAUSTED = "ResourceExhaustedError"
CONFLICT = "ConflictError"
FAILED_PRECONDITION = 9
"""The gRPC status of a conflict that a repeat does not mend."""


def names_of(error: BaseException) -> frozenset[str]:
    """The names of an error's class and of those above it."""
    return frozenset(kind.__name__ for kind in type(error).__mro__)


def is_missing(error: BaseException) -> bool:
    """True when Modal knows of no such thing."""
    return "NotFoundError" in names_of(error)


def is_taken(error: BaseException) -> bool:
    """True when something has that name already."""
    return "AlreadyExistsError" in names_of(error)


def outcome_of(error: BaseException) -> Outcome:
    """The outcome of a submission that failed with `error`."""
    words = describe(error)
    names = names_of(error)
    if EXHAUSTED in names:
        return _throttled(error, words)
    if CONFLICT in names and _status(error) != FAILED_PRECONDITION:
        return Unknown(cause=words)
    if "ImageBuildError" in names and "try again" in words:
        return Throttled(reason=words, hold=None)
    hint = next((REFUSED[name] for kind in type(error).__mro__ if (name := kind.__name__) in REFUSED), None)
    return Unknown(cause=words) if hint is None else Rejected(reason=f"{words} ({hint})")


def describe(error: BaseException) -> str:
    """The error in Modal's words, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _throttled(error: BaseException, words: str) -> Throttled:
    wait = next((detail.retry_after_secs for detail in _details(error) if hasattr(detail, "retry_after_secs")), None)
    # The SDK's own "no capacity" is about one job's GPU; others may find room.
    return Throttled(reason=words, retry_after=wait, hold=None if "capacity" in words.lower() else Hold())


def _details(error: BaseException) -> Any:
    return getattr(error, "_grpc_details", None) or ()


def _status(error: BaseException) -> int | None:
    status = getattr(error, "_grpc_status", None)
    return None if status is None else int(status.value)
