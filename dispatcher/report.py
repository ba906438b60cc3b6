"""What a tick did, as data: the answer of every entry point."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.core.reconciliation import (
    Absent,
    Answer,
    Forgotten,
    NotSubmitted,
)
from dispatcher.models import Run, RunState
from dispatcher.store import Claim, Move
from providers.base import Accepted, Rejected, Throttled, Unknown

MAX_OUTCOMES = 1000
"""Runs that one report names; the counts go on."""


@dataclass(slots=True)
class PoolReport:
    """What one tick did to one pool. Every number counts runs."""

    pool: str
    live: int = 0
    started: int = 0
    ended: int = 0
    claimed: int = 0
    taken_over: int = 0
    submitted: int = 0
    rejected: int = 0
    throttled: int = 0
    unknown: int = 0
    not_submitted: int = 0
    settled: int = 0
    """Claims taken over that ended without a job."""
    retried: int = 0
    """Attempts that ended and are followed by another."""
    materialised: int = 0
    """Windows of schedules that became runs."""
    discarded: int = 0
    notified: int = 0
    """Ends, and late ones, that every hook was told of."""
    pruned: int = 0
    """Ended long ago, and forgotten."""
    barriers: dict[str, str] = field(default_factory=dict)
    """By queue: why nothing more of it was admitted."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """By run id: the state that this tick left it in, with the reason where there is one."""
    problem: str = ""
    """Why the tick of this pool was cut short, or why live jobs could not be looked at."""

    def moved(self, run: Run, move: Move) -> None:
        """Note what an observation made of a run."""
        self.started += move.to is RunState.RUNNING and run.state is not RunState.RUNNING
        self.ended += move.to.is_end
        self.retried += move.to is RunState.SCHEDULED
        self._outcome(run, move.to, move.changes.get("reason", ""))

    def claims(self, claim: Claim) -> None:
        """Note a claim."""
        self.taken_over += claim.repeat
        self.claimed += not claim.repeat

    def crashed(self, run: Run) -> None:
        """Note a run that could not be rendered."""
        self.rejected += 1
        self._outcome(run, run.state, run.reason)

    def answered(self, run: Run, answer: Answer, move: Move | None) -> None:
        """Note what became of a claim."""
        match answer:
            case Accepted():
                self.submitted += 1
            case Rejected():
                self.rejected += 1
            case Throttled():
                self.throttled += 1
            case Unknown():
                self.unknown += 1
            case NotSubmitted():
                self.not_submitted += 1
            case Absent() | Forgotten():
                self.settled += 1
        self._outcome(run, move.to if move else run.state, move.changes.get("reason", "") if move else "")

    def _outcome(self, run: Run, state: RunState, reason: str) -> None:
        if len(self.outcomes) < MAX_OUTCOMES:
            self.outcomes[str(run.id)] = f"{state}: {reason}" if reason else str(state)


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one tick did, pool by pool."""

    started_at: str
    pools: list[PoolReport] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Pools that the deadline left for the next tick."""

    @property
    def problems(self) -> list[str]:
        """One line for each pool whose tick was cut short."""
        return [f"{pool.pool}: {pool.problem}" for pool in self.pools if pool.problem]
