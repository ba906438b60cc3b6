"""An exception of the SDK becomes an outcome. Pure: errors are distinguished by the names of their classes.

    refused for good    nothing was started and no repeat will change that       -> Rejected, with a hint
    not let in          no token, or one that is not valid; an SDK of old        -> Misconfigured, with what to do
    exhausted           a rate, a quota, missing capacity                        -> Throttled, and the jobs it holds
    everything else     the server failed, the connection broke, the SDK gave up -> Unknown

`AlreadyExistsError` is none of these: the name is in use, so its sandbox is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.base import Hold, Misconfigured, Needs, Outcome, Rejected, Throttled, Unknown

REFUSED: Mapping[str, str] = {
    "PermissionDeniedError": "the token's user may not do this in that workspace or environment",
    "NotFoundError": "check the app, the Modal environment, the secrets and the image that the job names",
    "InvalidError": "change the job's variables",
    "RequestSizeError": "make the command and the environment shorter",
    "SerializationError": "change the job's variables",
    "ImageBuildError": "see the build's log in Modal's dashboard",
}

MISCONFIGURED: Mapping[str, str] = {
    "AuthError": "check MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or the entry that modal_credentials names",
    "VersionError": "install the version of the SDK that Modal supports",
    "UnimplementedError": "install the version of the SDK that this release names",
}
"""Faults of the dispatcher's host; no job can start until somebody fixes them."""

LONGEST_WAIT = 86400.0
_RUNNING = re.compile(r"(container|sandbox|concurren|gpu)\w* limit|limit of \d+ (container|sandbox|gpu)", re.IGNORECASE)
"""Limits of what may run at once: the end of a sandbox makes room."""
EXHAUSTED = "ResourceExhaustedError"
CONFLICT = "ConflictError"
FAILED_PRECONDITION = 9
"""The gRPC status of a conflict that a repeat does not fix."""


def names_of(error: BaseException) -> frozenset[str]:
    """The names of an error's class and of those above it."""
    return frozenset(kind.__name__ for kind in type(error).__mro__)


def is_missing(error: BaseException) -> bool:
    """True if the object does not exist at Modal."""
    return "NotFoundError" in names_of(error)


def names_nothing(error: BaseException) -> bool:
    """True for the SDK's error about an answer without the requested id: its message is about the SDK's own next step."""
    words = str(error)
    if "InvalidError" in names_of(error):
        return "does not start with any of" in words
    return is_missing(error) and words.lower().startswith("sandbox")


def is_taken(error: BaseException) -> bool:
    """True when the name is in use."""
    return "AlreadyExistsError" in names_of(error)


def outcome_of(error: BaseException, needs: Needs) -> Outcome:
    """The outcome of a submission that failed with `error` when it requested a sandbox."""
    words = describe(error)
    names = names_of(error)
    if names_nothing(error):
        return Unknown(cause=words)
    if EXHAUSTED in names:
        return _throttled(error, words, needs)
    if CONFLICT in names and _status(error) != FAILED_PRECONDITION:
        return Unknown(cause=words)
    if "ImageBuildError" in names and "try again" in words:
        return Throttled(reason=words, hold=None)
    if (hint := _hint(error, MISCONFIGURED)) is not None:
        return Misconfigured(reason=f"{words} ({hint})", hold=Hold(place=needs.place[:1]))
    hint = _hint(error, REFUSED)
    return Unknown(cause=words) if hint is None else Rejected(reason=f"{words} ({hint})")


def describe(error: BaseException) -> str:
    """The error in Modal's words, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _hint(error: BaseException, table: Mapping[str, str]) -> str | None:
    """The fix for an error, looked up by the most specific of its classes in a table."""
    return next((table[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in table), None)


def _throttled(error: BaseException, words: str, needs: Needs) -> Throttled:
    wait = next((detail.retry_after_secs for detail in _details(error) if hasattr(detail, "retry_after_secs")), None)
    return Throttled(reason=words, retry_after=_bounded(wait), hold=hold_of(words, needs))


def hold_of(words: str, needs: Needs) -> Hold:
    """The jobs that a refusal concerns: those of the same size if capacity is missing, otherwise the whole workspace."""
    if "capacity" in words.lower():
        return Hold(place=needs.place, size=_scarce(needs), freed_by_end=True)
    return Hold(place=needs.place[:1], freed_by_end=_RUNNING.search(words) is not None)


def _scarce(needs: Needs) -> Mapping[str, float]:
    """The scarce resource: each kind of GPU has its own capacity."""
    return {name: count for name, count in needs.size.items() if name.startswith("gpu ")} or dict(needs.size)


def _bounded(seconds: Any) -> float | None:
    """A positive wait of a day at most."""
    is_wait = isinstance(seconds, int | float) and seconds >= 0
    return min(float(seconds), LONGEST_WAIT) if is_wait else None


def _details(error: BaseException) -> Any:
    return getattr(error, "_grpc_details", None) or ()


def _status(error: BaseException) -> int | None:
    status = getattr(error, "_grpc_status", None)
    return None if status is None else int(status.value)
