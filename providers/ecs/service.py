"""What the provider needs of AWS: a service that answers, or raises one of three errors. It knows nothing of the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self


class AwsService(Protocol):
    """One AWS service at one place. Safe to use from several threads."""

    @property
    def region(self) -> str:
        """Where its calls go to."""
        ...

    def hurried(self, seconds: float) -> Self:
        """The same with no more time than this for a call."""
        ...

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Call an operation by its name in Python.

        Raises `AwsFailure`, `NoAnswerInTime` after this service's seconds, and `Garbled` for what is no answer.
        """
        ...
