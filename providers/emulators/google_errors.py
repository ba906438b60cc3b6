"""Errors in the form of Google's REST services: `{"error": {"code", "status", "message", "details"}}`."""

from __future__ import annotations

from typing import Any

HTTP_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Canonical statuses and their HTTP codes: https://cloud.google.com/apis/design/errors."""

TYPES = "type.googleapis.com/google.rpc."


class Refusal(Exception):
    """A call that ends in an error."""

    def __init__(self, status: str, message: str, *details: dict[str, Any]) -> None:
        super().__init__(message)
        self.status, self.message, self.details = status, message, details

    @property
    def code(self) -> int:
        """The HTTP code."""
        return HTTP_CODES[self.status]

    def body(self) -> dict[str, Any]:
        """The JSON answer."""
        error = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": {**error, "details": list(self.details)} if self.details else error}
