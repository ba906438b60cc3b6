"""RunTask's client tokens and their first answers, for as long as ECS remembers them.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.emulators.ecs.errors import EcsError
from providers.emulators.jobs import StartedJob

TOKEN_SECONDS = 24 * 3600.0
AFTER_END_SECONDS = 3600.0

Key = tuple[str, str]
"""The cluster's ARN and the token: each cluster has its own tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAnswer:
    """The first answer to a request."""

    fingerprint: str
    tasks: Sequence[StartedJob]
    failures: Sequence[Mapping[str, str]]
    at: float

    def remembered(self, now: float) -> bool:
        """Whether the answer is still remembered: until 24 hours, or an hour after the last task stopped, whichever is
        earlier.
        """
        ends = [task.ended_at for task in self.tasks]
        if now >= self.at + TOKEN_SECONDS:
            return False
        return not ends or any(end is None or now < end + AFTER_END_SECONDS for end in ends)


def fingerprint(request: Mapping[str, Any]) -> str:
    """A request without its token, in a canonical form."""
    return json.dumps({name: value for name, value in request.items() if name != "clientToken"}, sort_keys=True)


class ClientTokens:
    """The tokens of all clusters. Guarded by the book's lock."""

    def __init__(self) -> None:
        self._answers: dict[Key, FirstAnswer] = {}

    def recall(self, key: Key, request: Mapping[str, Any], now: float) -> FirstAnswer | None:
        """The first answer for a token; None if there is none (any more). Raises ConflictException for other parameters."""
        first = self._answers.get(key)
        if first is None or not first.remembered(now):
            return None
        if first.fingerprint != fingerprint(request):
            raise EcsError(
                "ConflictException",
                "The request could not be processed because of conflict in the current state of the resource.",
                resourceIds=[task.identifier for task in first.tasks],
            )
        return first

    def keep(self, key: Key, first: FirstAnswer) -> None:
        """Remember an answer."""
        self._answers[key] = first

    def reset(self) -> None:
        """Forget every token."""
        self._answers.clear()
