"""What a tick did, as data: every entry point returns it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from dispatcher.core.admission import Admission
from dispatcher.core.reconciliation import Absent, Answer, Forgotten, NotLookedUp, NotSubmitted
from dispatcher.environment.clock import Clock
from dispatcher.models import Run, RunState
from dispatcher.models.records import Claim, Decision, Move, Snapshot
from dispatcher.models.source_answers import NotConfirmed, Withdrawn
from providers.base import Accepted, Misconfigured, Rejected, Throttled, Unknown, Unreachable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

MAX_OUTCOMES = 1000
"""Runs that one report names; beyond that, they are only counted."""
MAX_STEPS = 100
"""Steps that one report names. A tick of the largest default size has about fifty."""


@dataclass(slots=True)
class TickStep:
    """One step of a tick of a pool. Times are seconds; a step may lie within another."""

    step: str
    after: float
    """From the beginning of the pool's tick."""
    seconds: float


@dataclass(slots=True)
class QueueReport:
    """A queue after the last claim of a tick."""

    in_use: int
    """Slots."""
    limit: int | None
    waiting: bool | None
    """Whether a due run was left waiting; None if that was not read (`TickLimits.heads`)."""
    oldest_wait: float = 0.0
    """Seconds for which the oldest waiting run has been due."""


@dataclass(slots=True)
class PoolReport:
    """What one tick did to one pool. Every number counts runs, unless its name or its docstring says otherwise."""

    pool: str
    began_at: str = ""
    seconds: float = 0.0
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
    withdrawn: int = 0
    """Claimed runs that their source does not let start."""
    settled: int = 0
    """Claims taken over that ended without a job."""
    retried: int = 0
    """Attempts that ended and are followed by another."""
    expired: int = 0
    """Runs that were not claimed in time, and ended."""
    missed: int = 0
    """Runs that were due in a pause and are not started any more, as their schedules say."""
    skipped: int = 0
    """Due runs that ended because their deployment was at its limit."""
    replaced: int = 0
    """Live runs that are cancelled because a newer run of their deployment is due."""
    windows_left_out: int = 0
    """Windows of schedules that did not become runs, because too many runs of their deployment wait."""
    materialised: int = 0
    """Windows of schedules that became runs."""
    discarded: int = 0
    notified: int = 0
    """Runs whose notification every hook has confirmed."""
    fired: int = 0
    """Automations that acted."""
    pruned: int = 0
    """Runs of old history that were deleted."""
    barriers: dict[str, str] = field(default_factory=dict)
    """By queue: why nothing more of it was admitted."""
    limit: int | None = None
    """Slots of the pool."""
    queues: dict[str, QueueReport] = field(default_factory=dict)
    steps: list[TickStep] = field(default_factory=list)
    """In the order in which they ended."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """By run id: the state in which this tick left it, with the reason where there is one."""
    problem: str = ""
    """The first problem of this tick: why it was cut short, or what it could not do."""

    def begin(self, now: datetime) -> None:
        """Note the beginning, from which all times count."""
        self.began_at = now.isoformat()

    def end(self, now: datetime) -> None:
        """Note the end."""
        self.seconds = seconds_between(datetime.fromisoformat(self.began_at), now)

    def took(self, step: str, began: datetime, ended: datetime) -> None:
        """Note a step; steps after the first `MAX_STEPS` are left out."""
        if self.began_at and len(self.steps) < MAX_STEPS:
            after = seconds_between(datetime.fromisoformat(self.began_at), began)
            self.steps.append(TickStep(step, after, seconds_between(began, ended)))

    def decided(self, snapshot: Snapshot, admission: Admission, decision: Decision) -> None:
        """Note a claim's snapshot and its result; a later claim of the same tick replaces it."""
        self.limit = snapshot.pool.concurrency_limit
        self.barriers = {queue: barrier.value for queue, barrier in admission.barriers.items()}
        self.queues = _queues(snapshot, decision)
        for name, queue in self.queues.items():
            queue.waiting = None if name in admission.barriers else False

    def waits(self, first: Mapping[str, Run | None], now: datetime) -> None:
        """Note the first due run that was left waiting in each queue; None if there was none."""
        for name, run in first.items():
            if queue := self.queues.get(name):
                queue.waiting = run is not None
                queue.oldest_wait = seconds_between(run.due_at, now) if run else 0.0

    def moved(self, run: Run, move: Move) -> None:
        """Note a move that follows from an observation."""
        self.started += move.to is RunState.RUNNING and run.state is not RunState.RUNNING
        self.ended += move.to.is_terminal
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
        """Note the result of a claim."""
        match answer:
            case Accepted():
                self.submitted += 1
            case Rejected():
                self.rejected += 1
            case Throttled() | Misconfigured():
                self.throttled += 1
            case Unknown() | Unreachable() | NotLookedUp() | NotConfirmed():
                self.unknown += 1
            case NotSubmitted():
                self.not_submitted += 1
            case Withdrawn():
                self.withdrawn += 1
            case Absent() | Forgotten():
                self.settled += 1
        self._outcome(run, move.to if move else run.state, move.changes.get("reason", "") if move else "")

    def _outcome(self, run: Run, state: RunState, reason: str) -> None:
        if len(self.outcomes) < MAX_OUTCOMES:
            self.outcomes[str(run.id)] = f"{state}: {reason}" if reason else str(state)


class Ticking(Protocol):
    """A tick of one pool, or a part of it."""

    clock: Clock
    report: PoolReport


OfTick = TypeVar("OfTick", bound=Ticking)


def timed(
    name: str,
) -> Callable[[Callable[Concatenate[OfTick, Arguments], Result]], Callable[Concatenate[OfTick, Arguments], Result]]:
    """Note in the report how long a step takes, also when it raises. The step's first argument is the tick."""

    def decorated(
        step: Callable[Concatenate[OfTick, Arguments], Result],
    ) -> Callable[Concatenate[OfTick, Arguments], Result]:
        @wraps(step)
        def timed_step(tick: OfTick, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            began = tick.clock.now()
            try:
                return step(tick, *arguments, **named)
            finally:
                tick.report.took(name, began, tick.clock.now())

        return timed_step

    return decorated


def seconds_between(began: datetime, ended: datetime) -> float:
    """Seconds from one time to the other, to the microsecond; 0 if the clocks say that it ended before it began."""
    return max(0.0, round((ended - began).total_seconds(), 6))


def _queues(snapshot: Snapshot, decision: Decision) -> dict[str, QueueReport]:
    granted = Counter(grant.run.queue for grant in decision.grants)
    return {
        queue.name: QueueReport(snapshot.in_use.get(queue.name, 0) + granted[queue.name], queue.concurrency_limit, None)
        for queue in snapshot.pool.queues
    }


@dataclass(slots=True)
class TickReport:
    """What one tick did, pool by pool."""

    started_at: str
    pools: list[PoolReport] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Pools that the deadline left for the next tick."""
    idle: int = 0
    """Pools that had nothing to do."""
    source_problems: list[str] = field(default_factory=list)
    """What the source of runs, where there is one, could not do."""

    @property
    def problems(self) -> list[str]:
        """One line for each pool whose tick was cut short, and for each problem of the source of runs."""
        return [*self.source_problems, *self._of_pools]

    @property
    def _of_pools(self) -> list[str]:
        return [f"{pool.pool}: {pool.problem}" for pool in self.pools if pool.problem]
