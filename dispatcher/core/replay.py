"""Replay past runs under other limits: `admit` is pure, so a simulation of the past is cheap."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import dropwhile, islice
from uuid import UUID

from dispatcher.core.admission import admit
from dispatcher.core.holds import position_of
from dispatcher.models import Run, Share, WorkPool
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import DeploymentLimits, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The result of a replay."""

    waits: Mapping[UUID, float | None]
    """By run: seconds from its due time to the tick that admits it; None if no tick does."""
    peak: int
    """The most slots that were in use at the same time."""
    end: datetime | None
    """When the last job ended; None when there was none."""


def replay(
    pool: WorkPool, runs: Iterable[tuple[Run, float]], *, interval: timedelta, weights: Mapping[str, int] | None = None
) -> Replay:
    """Tick every `interval` from the first due time on. Each run keeps its slot for the seconds paired with it.

    The first tick after a job's end frees its slot, as an observation does. A queue that the pool does not have admits
    nothing. `weights` are the weights of deployments that share a queue, by default 1. Pauses, past holds, refusals and
    retries are ignored: the replay shows the effect of the limits alone.
    """
    queues = tuple(replace(queue, paused=False) for queue in pool.queues)
    return _Replay(replace(pool, holds=(), paused=False, queues=queues), list(runs), interval, weights or {}).play()


class _Replay:
    """The state of one replay."""

    def __init__(
        self, pool: WorkPool, runs: Sequence[tuple[Run, float]], interval: timedelta, weights: Mapping[str, int]
    ) -> None:
        self.pool, self.interval = pool, interval
        self.coming = sorted(runs, key=lambda item: (item[0].due_at, item[0].id), reverse=True)
        self.seconds = {run.id: seconds for run, seconds in runs}
        self.due: dict[str, dict[str | None, dict[UUID, Run]]] = {queue.name: {} for queue in pool.queues}
        """By queue and lane, in the order of their due times."""
        self.live: list[tuple[datetime, UUID, Run]] = []
        self.in_use = dict.fromkeys(self.due, 0)
        self.held: dict[str, Counter[str]] = {queue.name: Counter() for queue in pool.queues}
        """By queue and deployment: the slots in use."""
        self.limits = DeploymentLimits(
            lanes=self._lanes, held=self.held.__getitem__, weight=lambda deployment: weights.get(deployment, 1)
        )
        self.waits: dict[UUID, float | None] = {run.id: None for run, _ in runs}
        self.peak, self.end = 0, None if not runs else self.coming[-1][0].due_at

    def play(self) -> Replay:
        now = self.end
        while now is not None:
            self._free(now)
            self._arrive(now)
            self._admit(now)
            now = self._next(now)
        ended = self.end if any(wait is not None for wait in self.waits.values()) else None
        return Replay(waits=self.waits, peak=self.peak, end=ended)

    def _free(self, now: datetime) -> None:
        while self.live and self.live[0][0] <= now:
            _, _, run = heapq.heappop(self.live)
            self.in_use[run.queue] -= 1
            self.held[run.queue][run.deployment or ""] -= 1

    def _arrive(self, now: datetime) -> None:
        while self.coming and self.coming[-1][0].due_at <= now:
            run, _ = self.coming.pop()
            self.due.get(run.queue, {}).setdefault(self._lane(run), {})[run.id] = run

    def _admit(self, now: datetime) -> None:
        admission = admit(self.pool, self.in_use, self._due, now=now, limits=self.limits)
        for run in admission.admitted:
            del self.due[run.queue][self._lane(run)][run.id]
            self.waits[run.id] = (now - run.due_at).total_seconds()
            ends = now + timedelta(seconds=self.seconds[run.id])
            heapq.heappush(self.live, (ends, run.id, run))
            self.in_use[run.queue] += 1
            self.held[run.queue][run.deployment or ""] += 1
            self.end = ends if self.end is None else max(self.end, ends)
        self.peak = max(self.peak, len(self.live))

    def _lane(self, run: Run) -> str | None:
        """The lane that the run would wait in: no deployment has a limit here."""
        return lane_for(run.deployment if self.pool.share_in(run.queue) is Share.FAIR else None, run.priority)

    def _lanes(self, queue: str) -> Sequence[str]:
        return [lane for lane, runs in self.due[queue].items() if lane is not None and runs]

    def _due(self, queue: str, limit: int, after: Position | None = None, lane: str | None = None) -> Sequence[Run]:
        runs = iter(self.due[queue].get(lane, {}).values())
        coming = runs if after is None else dropwhile(lambda run: position_of(run) <= after, runs)
        return list(islice(coming, limit))

    def _is_any_due(self) -> bool:
        return any(runs for by_lane in self.due.values() for runs in by_lane.values())

    def _next(self, now: datetime) -> datetime | None:
        """The first tick at which anything can change; None when nothing ever will."""
        moments = [self.live[0][0]] if self.live and self._is_any_due() else []
        moments += [self.coming[-1][0].due_at] if self.coming else []
        if not moments:
            return None
        steps = max(1, -((now - min(moments)) // self.interval))
        return now + steps * self.interval
