"""One moment of the demo as pure data; `audience` and `views` draw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from dispatcher.core.reasons import Explanation
from dispatcher.models import Run, RunState, WorkPool

KEPT_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePicture:
    """One queue, with the number of its runs in each state."""

    name: str
    priority: int
    limit: int | None
    waiting: int
    running: int
    succeeded: int
    failed: int
    why: str
    """Why its next run waits; empty if none waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The whole pool."""

    seconds: float
    """Seconds since the start."""
    limit: int | None
    in_use: int
    queues: tuple[QueuePicture, ...]
    lines: tuple[str, ...]
    """The latest changes, the newest last."""
    new_lines: int = 0
    """How many changes are new since the previous picture."""


@dataclass
class Watcher:
    """Makes pictures, and remembers the states of runs and the highest use of each limit."""

    highest: dict[str, int] = field(default_factory=dict)
    """The most slots in use in any picture, by queue; the key `` is the pool."""
    _states: dict[UUID, RunState] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)

    def look(self, pool: WorkPool, runs: Sequence[Run], reasons: Mapping[str, Explanation], seconds: float) -> Picture:
        """The picture of a pool and its runs; `reasons` holds why the next run of each queue waits."""
        fresh = self._changes(pool, runs, seconds)
        self._lines = [*self._lines, *fresh][-KEPT_LINES:]
        queues = tuple(_queue(pool, queue.name, runs, reasons) for queue in pool.queues)
        in_use = sum(queue.running for queue in queues)
        for name, used in [("", in_use), *((queue.name, queue.running) for queue in queues)]:
            self.highest[name] = max(self.highest.get(name, 0), used)
        return Picture(
            seconds=seconds,
            limit=pool.concurrency_limit,
            in_use=in_use,
            queues=queues,
            lines=tuple(self._lines),
            new_lines=min(len(fresh), KEPT_LINES),
        )

    def _changes(self, pool: WorkPool, runs: Sequence[Run], seconds: float) -> list[str]:
        """A line for each run whose state changed since the last picture: ends first, then starts in the order of admission."""
        moved = [run for run in runs if self._states.get(run.id) not in (run.state, None)]
        ends = [f"{run.name} {run.state}{f': {run.reason}' if run.reason else ''}" for run in moved if run.state.is_terminal]
        starts = [run for run in moved if run.state.holds_slot and self._states[run.id] is RunState.SCHEDULED]
        priorities = {queue.name: queue.priority for queue in pool.queues}
        starts.sort(key=lambda run: (priorities[run.queue], run.due_at, run.id))
        lines = ends + [f"{run.name} submitted (priority {priorities[run.queue]})" for run in starts]
        arrived = sum(run.id not in self._states for run in runs)
        lines += [f"{arrived} new runs"] if arrived else []
        self._states = {run.id: run.state for run in runs}
        return [f"{seconds:5.1f} s  {line}" for line in lines]


def _queue(pool: WorkPool, name: str, runs: Sequence[Run], reasons: Mapping[str, Explanation]) -> QueuePicture:
    queue = pool.queue(name)
    assert queue is not None  # noqa: S101 - the name is one of the pool's
    own = [run.state for run in runs if run.queue == name]
    why = reasons.get(name)
    return QueuePicture(
        name=name,
        priority=queue.priority,
        limit=queue.concurrency_limit,
        waiting=own.count(RunState.SCHEDULED),
        running=sum(state.holds_slot for state in own),
        succeeded=own.count(RunState.COMPLETED),
        failed=sum(state.is_terminal and state is not RunState.COMPLETED for state in own),
        why=why.reason.lower().replace("_", " ") if why else "",
    )
