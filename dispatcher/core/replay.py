"""Replay past runs under other limits: `admit` is pure, so a simulation of the past is cheap."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, islice
from uuid import UUID

from dispatcher.core.admission import admit
from dispatcher.models import Run, WorkPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The result of a replay."""

    waits: Mapping[UUID, float | None]
    """By run: seconds from its due time to the tick that admits it; None if no tick does."""
    peak: int
    """The most slots that were in use at the same time."""
    end: datetime | None
    """When the last job ended; None when there was none."""


def replay(pool: WorkPool, runs: Iterable[tuple[Run, float]], *, interval: timedelta) -> Replay:
    """Tick every `interval` from the first due time on. Each run keeps its slot for the seconds that come with it.

    The first tick after a job's end frees its slot, as an observation does. A queue that the pool does not have admits
    nothing. Pauses, past holds, refusals and retries are ignored: the replay shows the effect of the limits alone.
    """
    queues = tuple(replace(queue, paused=False) for queue in pool.queues)
    return _Replay(replace(pool, holds=(), paused=False, queues=queues), list(runs), interval).play()


class _Replay:
    """The state of one replay."""

    def __init__(self, pool: WorkPool, runs: Sequence[tuple[Run, float]], interval: timedelta) -> None:
        self.pool, self.interval = pool, interval
        self.coming = sorted(runs, key=lambda item: (item[0].due_at, item[0].id), reverse=True)
        self.seconds = {run.id: seconds for run, seconds in runs}
        self.due: dict[str, dict[int, dict[UUID, Run]]] = {queue.name: {} for queue in pool.queues}
        """By queue and priority, in the order of their due times."""
        self.live: list[tuple[datetime, UUID, str]] = []
        self.in_use = dict.fromkeys(self.due, 0)
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
            _, _, queue = heapq.heappop(self.live)
            self.in_use[queue] -= 1

    def _arrive(self, now: datetime) -> None:
        while self.coming and self.coming[-1][0].due_at <= now:
            run, _ = self.coming.pop()
            self.due.get(run.queue, {}).setdefault(run.priority, {})[run.id] = run

    def _admit(self, now: datetime) -> None:
        admission = admit(self.pool, self.in_use, self._due, now=now)
        for run in admission.admitted:
            del self.due[run.queue][run.priority][run.id]
            self.waits[run.id] = (now - run.due_at).total_seconds()
            ends = now + timedelta(seconds=self.seconds[run.id])
            heapq.heappush(self.live, (ends, run.id, run.queue))
            self.in_use[run.queue] += 1
            self.end = ends if self.end is None else max(self.end, ends)
        self.peak = max(self.peak, len(self.live))

    def _due(self, queue: str, limit: int, _after: object = None, _lane: object = None) -> Sequence[Run]:
        return list(islice(chain.from_iterable(runs.values() for _, runs in sorted(self.due[queue].items())), limit))

    def _is_any_due(self) -> bool:
        return any(runs for by_priority in self.due.values() for runs in by_priority.values())

    def _next(self, now: datetime) -> datetime | None:
        """The first tick at which anything can change; None when nothing ever will."""
        moments = [self.live[0][0]] if self.live and self._is_any_due() else []
        moments += [self.coming[-1][0].due_at] if self.coming else []
        if not moments:
            return None
        steps = max(1, -((now - min(moments)) // self.interval))
        return now + steps * self.interval
