"""The meaning of Google's answers for a job. Pure.

Only Google's own refusals are permanent: they carry a canonical status (https://cloud.google.com/apis/design/errors), and a
gateway's errors do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from providers.base import CallFailed, Hold, Misconfigured, Needs, Outcome, Rejected, Throttled, Unknown, Unreachable
from providers.vertex_ai.needs import CPU

MINUTE = 60.0
"""Seconds. Vertex AI's rates are per minute, so after this long a call has a chance again."""

LONGEST_WAIT = 3600.0
"""The longest wait that an answer can ask for, in seconds."""

NO_ANSWER_CODES = frozenset({408, 409, 425, 499})
"""4xx codes that do not prove that nothing was done."""

MAX_TEXT = 600

HINTS = {
    "INVALID_ARGUMENT": "correct the field in the base job template or the job variables",
    "FAILED_PRECONDITION": "correct what it names, then create the run again",
    "UNAUTHENTICATED": "check the identity of the dispatcher's host, or the entry that the pool's `credentials` name",
    "PERMISSION_DENIED": "grant the dispatcher roles/aiplatform.user, and roles/iam.serviceAccountUser on the job's account",
    "SERVICE_DISABLED": "enable the Vertex AI API (aiplatform.googleapis.com) in the project",
    "NOT_FOUND": "check the project and the `region`",
}
_RATE = re.compile(r"per.?(minute|second|day)|requests", re.IGNORECASE)
_CPUS = re.compile(r"cpus?\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    body: bytes = b""
    retry_after: str = ""

    @cached_property
    def value(self) -> Any:
        """The body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def error(self) -> Mapping[str, Any]:
        """The `error` object; empty if Google did not refuse."""
        error = self.value.get("error") if isinstance(self.value, Mapping) else None
        return error if isinstance(error, Mapping) and isinstance(error.get("status"), str) else {}

    @property
    def code(self) -> str:
        """The canonical status, such as NOT_FOUND; empty if Google did not refuse."""
        return str(self.error.get("status", ""))

    @property
    def is_absence(self) -> bool:
        """True if Google says that the requested resource does not exist."""
        return self.status == 404 and self.code == "NOT_FOUND"

    @property
    def words(self) -> str:
        """Google's message in one line, or a description of an answer from somebody else."""
        message = self.error.get("message")
        text = f"{self.code}: {message}" if self.code else f"an answer that is not Google's, with HTTP status {self.status}"
        return " ".join(text.split())[:MAX_TEXT]

    def details(self, kind: str) -> Mapping[str, Any]:
        """The detail of one kind (`ErrorInfo`, `RetryInfo`); empty if there is none."""
        details = self.error.get("details")
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, Mapping) and str(detail.get("@type", "")).endswith(kind):
                return detail
        return {}

    def unexpected(self, subject: str) -> CallFailed:
        """The failure of a call with an unusable answer."""
        return CallFailed(f"{subject}: {self.words}")


def refusal(answer: Answer, needs: Needs) -> Outcome:
    """The outcome of a submission that was not accepted."""
    if answer.code == "RESOURCE_EXHAUSTED" or (answer.status == 429 and answer.code):
        return _throttled(answer, needs)
    if not answer.code or not 400 <= answer.status < 500 or answer.status in NO_ANSWER_CODES:
        return Unknown(cause=answer.words)
    hint = HINTS.get(str(answer.details("ErrorInfo").get("reason"))) or HINTS.get(answer.code)
    reason = f"{answer.words} ({hint})" if hint else answer.words
    if answer.status == 401:
        return Misconfigured(reason=reason, hold=Hold(place=needs.place[:1]))
    return Rejected(reason=reason)


def refusal_before(answer: Answer, needs: Needs) -> Outcome:
    """The outcome if a call before the creation of the job failed: nothing was started."""
    outcome = refusal(answer, needs)
    return Unreachable(cause=outcome.cause) if isinstance(outcome, Unknown) else outcome


def _throttled(answer: Answer, needs: Needs) -> Throttled:
    """The outcome of a quota's refusal. A rate holds its place for a minute; an amount holds the jobs that need as much until a
    job ends.
    """
    metadata = answer.details("ErrorInfo").get("metadata")
    named = json.dumps(metadata) if isinstance(metadata, Mapping) and metadata else answer.words
    if _RATE.search(named):
        return Throttled(reason=answer.words, retry_after=_wait(answer, MINUTE), hold=Hold(place=needs.place))
    missing = {name: amount for name, amount in needs.size.items() if (name == CPU) == bool(_CPUS.search(named))}
    return Throttled(
        reason=answer.words,
        retry_after=_wait(answer, None),
        hold=Hold(place=needs.place, size=missing, freed_by_end=True),
    )


def _wait(answer: Answer, otherwise: float | None) -> float | None:
    """The seconds that Google asked to wait, an hour at most."""
    text = str(answer.details("RetryInfo").get("retryDelay") or answer.retry_after).removesuffix("s")
    return min(float(text), LONGEST_WAIT) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else otherwise
