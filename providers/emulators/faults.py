"""Faults of calls, decided per operation before the emulator acts."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """The ways in which a call can fail, in words that fit every cloud."""

    LOSE_ANSWER = "lose-answer"
    """The cloud acts, but the connection breaks before its answer."""
    LOSE_REQUEST = "lose-request"
    """The connection breaks, and the request never arrives."""
    THROTTLE = "throttle"
    """The call is refused because of the caller's rate; nothing happens."""
    NO_CAPACITY = "no-capacity"
    """The call is refused for lack of capacity, in the cloud's own form; nothing happens."""
    REFUSE = "refuse"
    """The call is refused for good; nothing happens."""
    SERVER_ERROR = "server-error"
    """A 5xx; nothing happens."""
    SERVER_ERROR_AFTER = "server-error-after"
    """A 5xx, although the cloud acted."""

    @property
    def acts(self) -> bool:
        """True if the operation is carried out even though the call fails."""
        return self in (FaultKind.LOSE_ANSWER, FaultKind.SERVER_ERROR_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """One fault. The emulator interprets `detail`: a variant, or `Code: message` instead of its usual words."""

    operation: str
    kind: FaultKind
    detail: str = ""


@dataclass(slots=True)
class _ScriptedFault:
    fault: InjectedFault
    remaining: int | None
    probability: float | None

    def matches(self, operation: str) -> bool:
        return self.fault.operation in (operation, "*") and self.remaining != 0


class Faults:
    """The faults of future calls. Safe to use from several threads; probabilities are seeded."""

    def __init__(self, *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self.reset()

    def add(
        self,
        operation: str,
        kind: FaultKind | str,
        *,
        times: int | None = None,
        probability: float | None = None,
        detail: str = "",
    ) -> None:
        """Let the next `times` calls of `operation` (`*`: any) fail, or each call with a `probability`.

        `times` defaults to 1; with a probability it is unlimited.
        """
        fault = InjectedFault(operation=operation, kind=FaultKind(kind), detail=detail)
        remaining = 1 if times is None and probability is None else times
        with self._lock:
            self._script.append(_ScriptedFault(fault, remaining, probability))

    def take(self, operation: str) -> InjectedFault | None:
        """Take the fault for this call, the oldest first."""
        if not self._script:
            return None
        with self._lock:
            return next(
                (scripted.fault for scripted in self._script if scripted.matches(operation) and self._strikes(scripted)), None
            )

    def _strikes(self, scripted: _ScriptedFault) -> bool:
        if scripted.probability is not None and self._random.random() >= scripted.probability:
            return False
        if scripted.remaining is not None:
            scripted.remaining -= 1
        return True

    def reset(self) -> None:
        """Forget every fault, and seed the probabilities again."""
        with self._lock:
            self._script: list[_ScriptedFault] = []
            self._random = random.Random(self._seed)  # noqa: S311 - repeatable chance, not a secret
