"""The protocol of an AWS service: it answers or raises one of three errors. It does not depend on the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self


class AwsService(Protocol):
    """One AWS service at one place. Safe to use from several threads."""

    @property
    def region(self) -> str:
        """The region of its calls."""
        ...

    def hurried(self, seconds: float) -> Self:
        """The same service with at most this many seconds per call."""
        ...

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call an operation by its Python name.

        Raises `AwsFailure`, `NoAnswerInTime` after this service's seconds, and `Garbled` for an unusable answer.
        """
        ...
