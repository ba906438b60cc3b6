"""Past runs, and how long they would have waited under other limits.

plan = dispatcher.plan_pool("nightly", concurrency_limit=20)
simulation = dispatcher.simulate(plan.before, plan.after, since=yesterday)
simulation.after.queues[0].median
slots = dispatcher.slots_over_time("nightly", since=yesterday)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from dispatcher.client.pictures import Pictures
from dispatcher.core.replay import replay
from dispatcher.core.usage import Hold, usage
from dispatcher.models import SLOT_STATES, Attempt, Run, Share, WorkPool
from dispatcher.models.lanes import lane_for, priority_of
from dispatcher.models.records import EndedRun, RunFilter

MOST = 100_000
"""The most runs in one simulation; those that ended last are taken."""
MOST_LIVE = 1000
"""The most runs that hold a slot now, in a picture of slots over time."""
PARTS = 96
"""The parts of the time in a picture of slots over time."""

Past = tuple[Run, float]
"""A run, and the seconds for which it held its slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long the runs of one queue waited, in seconds; None where none was admitted."""

    queue: str
    runs: int
    median: float | None
    p95: float | None
    longest: float | None
    never: int
    """Runs that no tick would have admitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of the runs under one set of limits."""

    concurrency_limit: int | None
    most_slots: int
    """The most slots that were in use at the same time."""
    ended_at: datetime | None
    queues: tuple[Waits, ...]
    holds: tuple[Hold, ...]
    """When the runs held their slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The same runs under two sets of limits."""

    pool: str
    runs: int
    is_cut: bool
    """Whether there may be more runs than were looked at."""
    interval: timedelta
    """The time between two ticks."""
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsOverTime:
    """How many slots each queue held, on average of each of the equal parts of a time."""

    begin: datetime
    end: datetime
    queues: Mapping[str, Sequence[float]]
    runs: int
    """How many runs were looked at."""
    is_cut: bool
    """Whether there may be more runs than were looked at."""


class Simulations(Pictures):
    """Looks back."""

    def simulate(
        self,
        before: WorkPool,
        after: WorkPool,
        *,
        since: datetime,
        interval: timedelta = timedelta(minutes=1),
        limit: int = MOST,
        past: Sequence[Past] | None = None,
    ) -> Simulation:
        """The waits of a pool's past runs under two sets of limits. Changes nothing.

        The runs are those that were due at `since` or later and have ended, at most `limit` of them, unless `past` names
        others. The code that admits runs decides; each run holds its slot for as long as it did.
        """
        is_cut = False
        if past is None:
            ended = self.store.ended(before.name, since, limit=limit)
            is_cut = len(ended) >= limit
            past = [
                (_waited(before, run), held)
                for run in ended
                if run.due_at >= since and (held := _seconds_in_slot(run)) is not None
            ]
        weights = self._weights(past) if any(queue.share is Share.FAIR for queue in (*before.queues, *after.queues)) else {}
        return Simulation(
            pool=before.name,
            runs=len(past),
            is_cut=is_cut,
            interval=interval,
            before=_outcome(before, past, interval, weights),
            after=_outcome(after, past, interval, weights),
        )

    def _weights(self, past: Sequence[Past]) -> Mapping[str, int]:
        """The weights of the deployments of these runs, as they are now."""
        names = {run.deployment for run, _ in past if run.deployment is not None}
        return {deployment.name: deployment.weight for deployment in self.store.deployments() if deployment.name in names}

    def slots_over_time(self, name: str, *, since: datetime, limit: int = MOST, parts: int = PARTS) -> SlotsOverTime:
        """Who held the slots of a pool from then until now, by every attempt of its runs. Raises `NotFound`.

        It reads the runs that have ended since, at most `limit`, and those that hold a slot now, at most `MOST_LIVE`.
        """
        pool, now = self.work_pool(name), self.clock.now()
        since = min(since, now - timedelta(seconds=parts))
        ended = self.store.ended(pool.name, since, limit=limit)
        live = self.store.runs(RunFilter(pool=pool.name, states=SLOT_STATES), limit=MOST_LIVE)
        runs: list[Run | EndedRun] = [*ended, *live]
        holds = (hold for run in runs for hold in _holds(run, now))
        return SlotsOverTime(
            begin=since,
            end=now,
            queues=usage(holds, since, now, parts=parts),
            runs=len(runs),
            is_cut=len(ended) >= limit or len(live) >= MOST_LIVE,
        )


def _holds(run: Run | EndedRun, now: datetime) -> Iterator[Hold]:
    attempts: tuple[Run | EndedRun | Attempt, ...] = (*run.past, run)
    for attempt in attempts:
        if attempt.claimed_at is not None:
            yield run.queue, attempt.claimed_at, attempt.ended_at or now


def _outcome(pool: WorkPool, past: Sequence[Past], interval: timedelta, weights: Mapping[str, int]) -> Outcome:
    replayed = replay(pool, past, interval=interval, weights=weights)
    lanes: dict[str, list[float | None]] = {
        name: [] for name in sorted({run.queue for run, _ in past} | {queue.name for queue in pool.queues})
    }
    holds = list[Hold]()
    for run, held in past:
        wait = replayed.waits[run.id]
        lanes[run.queue].append(wait)
        if wait is not None:
            begin = run.due_at + timedelta(seconds=wait)
            holds.append((run.queue, begin, begin + timedelta(seconds=held)))
    return Outcome(
        concurrency_limit=pool.concurrency_limit,
        most_slots=replayed.peak,
        ended_at=replayed.end,
        queues=tuple(_waits(name, waits) for name, waits in lanes.items()),
        holds=tuple(holds),
    )


def _waits(queue: str, waits: Sequence[float | None]) -> Waits:
    seconds = sorted(wait for wait in waits if wait is not None)
    return Waits(
        queue=queue,
        runs=len(waits),
        median=_quantile(seconds, 0.5),
        p95=_quantile(seconds, 0.95),
        longest=seconds[-1] if seconds else None,
        never=len(waits) - len(seconds),
    )


def _quantile(ordered: Sequence[float], part: float) -> float | None:
    """The value below which that part of the values lies, interpolated; None without a value."""
    if not ordered:
        return None
    number, rest = divmod(part * (len(ordered) - 1), 1)
    low, high = ordered[int(number)], ordered[min(int(number) + 1, len(ordered) - 1)]
    return low + rest * (high - low)


def _waited(pool: WorkPool, run: EndedRun) -> Run:
    """The run as it waited."""
    due, lane = run.due_at, lane_for(None, priority_of(run.lane))
    named = partial(Run, id=run.id, name=run.id.hex, pool=pool.name, queue=run.queue, deployment=run.deployment)
    return named(lane=lane, created_at=due, scheduled_at=due, due_at=due)


def _seconds_in_slot(run: EndedRun) -> float | None:
    """The seconds in a slot; None for a run that never started."""
    begun = run.submitted_at or run.started_at
    return seconds_between(begun, run.ended_at) if begun and run.ended_at else None


def seconds_between(begun: datetime | None, ended: datetime | None) -> float:
    """The seconds from one moment to another; 0 where one is missing, or clocks disagree."""
    return max(0.0, (ended - begun).total_seconds()) if begun and ended else 0.0
