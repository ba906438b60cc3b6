"""Refusals in Kubernetes' own form. The words are the API server's where they are published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.kubernetes.kinds import JOB, ObjectKind
from providers.emulators.web import Response

STATUSES = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Expired": 410,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "Timeout": 504,
}
_DETAIL = re.compile(r"(\w+): (.+)", re.DOTALL)


class Refusal(Exception):
    """An error answer of the API server."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        kind: ObjectKind | None = None,
        name: str = "",
        causes: Sequence[Mapping[str, Any]] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry_after = reason, message, retry_after
        details: dict[str, Any] = {"name": name, "group": kind.group, "kind": kind.plural} if kind else {}
        details |= {"causes": list(causes)} if causes else {}
        details |= {"retryAfterSeconds": retry_after} if retry_after is not None else {}
        self.details = {key: value for key, value in details.items() if value != ""}

    def response(self) -> Response:
        """The HTTP response."""
        code = STATUSES[self.reason]
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body |= {"message": self.message, "reason": self.reason, "code": code}
        if self.details:
            body["details"] = self.details
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Response.json(body, status=code, headers=headers)


def not_found(kind: ObjectKind, name: str) -> Refusal:
    """There is no such object."""
    return Refusal("NotFound", f'{kind.qualified} "{name}" not found', kind=kind, name=name)


def already_exists(kind: ObjectKind, name: str) -> Refusal:
    """The name is taken."""
    return Refusal("AlreadyExists", f'{kind.qualified} "{name}" already exists', kind=kind, name=name)


def conflict(kind: ObjectKind, name: str, words: str) -> Refusal:
    """The object is not the one that the caller expects."""
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {words}'
    return Refusal("Conflict", message, kind=kind, name=name)


def forbidden(kind: ObjectKind, name: str, words: str) -> Refusal:
    """A right, or room in a quota, is missing."""
    subject = f'{kind.qualified} "{name}"' if name else kind.qualified
    return Refusal("Forbidden", f"{subject} is forbidden: {words}", kind=kind, name=name)


def over_quota(name: str, quota: str, used: int, hard: int) -> Refusal:
    """A namespace has as many Jobs as it may have."""
    counted = "count/jobs.batch"
    words = f"exceeded quota: {quota}, requested: {counted}=1, used: {counted}={used}, limited: {counted}={hard}"
    return forbidden(JOB, name, words)


def invalid(kind: ObjectKind, name: str, problems: Sequence[tuple[str, str]]) -> Refusal:
    """The object is against the rules: (field, words)."""
    causes = [{"reason": "FieldValueInvalid", "message": words, "field": field} for field, words in problems]
    faults = ", ".join(f"{field}: {words}" for field, words in problems)
    message = f'{kind.name}.{kind.group} "{name}" is invalid: {f"[{faults}]" if len(problems) > 1 else faults}'
    return Refusal("Invalid", message, kind=kind, name=name, causes=causes)


def of_fault(fault: InjectedFault, name: str) -> Refusal:
    """The refusal of a fault; its detail may be `Reason: message`."""
    if (detail := _DETAIL.fullmatch(fault.detail)) and detail[1] in STATUSES:
        return Refusal(detail[1], detail[2], kind=JOB, name=name)
    if fault.kind is FaultKind.THROTTLE:
        return Refusal("TooManyRequests", "Too many requests, please try again later.", retry_after=1)
    if fault.kind is FaultKind.NO_CAPACITY:
        return over_quota(name, "team", 5, 5)
    if fault.kind is FaultKind.REFUSE:
        words = 'admission webhook "policy.example.com" denied the request: images must come from registry.example.com'
        return Refusal("BadRequest", words)
    return Refusal("InternalError", 'Internal error occurred: failed calling webhook "policy": context deadline exceeded')
