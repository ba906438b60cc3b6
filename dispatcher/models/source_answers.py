"""The answers of a source to the question whether a claimed run may start (`dispatcher.protocols.source.Source`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The source of the run says that it must not start: nothing was sent to the provider."""

    reason: str
    not_before: datetime | None = None
    """When it may start; None: never."""


@dataclass(frozen=True, slots=True)
class NotConfirmed:
    """The source did not say whether the run may start: nothing was sent to the provider, and the source is asked again."""

    cause: str
