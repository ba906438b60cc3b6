"""What ticks, people and moves all ask of a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from dispatcher.models import Automation, Deployment, Firing, LogEntry, Run, WorkPool
from dispatcher.models.records import Move, RunFilter, Seen, Snapshot


class SharedStore(Protocol):
    """What ticks and people both do: read the nouns, and move runs."""

    def pools(self) -> Sequence[WorkPool]:
        """Every pool, by name."""
        ...

    def pool(self, name: str) -> WorkPool | None:
        """One pool with its queues."""
        ...

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """Every deployment (of one pool), by name."""
        ...

    def deployment(self, name: str) -> Deployment | None:
        """One deployment."""
        ...

    def automations(self) -> Sequence[Automation]:
        """Every automation, by name."""
        ...

    def firings(self, automation: str | None, *, limit: int) -> Sequence[Firing]:
        """The last firings (of one automation), newest first, then by id."""
        ...

    def get(self, run_id: UUID) -> Run | None:
        """One run, whole."""
        ...

    def runs(self, where: RunFilter, *, limit: int, offset: int = 0) -> Sequence[Run]:
        """A page of runs, newest first."""
        ...

    def look(self, pool: str, now: datetime, read: Callable[[Snapshot], Seen]) -> Seen | None:
        """The result of `read` for the snapshot that a claim would get; None for an unknown pool.

        A read transaction: it notes no heartbeat, changes nothing, and waits for no claim. `read` is pure, and may be called
        again.
        """
        ...

    def due_count(self, pool: str, queue: str, now: datetime, *, limit: int) -> int:
        """How many runs of the queue are SCHEDULED and due, counted up to `limit`."""
        ...

    def waiting_in_lanes(self, pool: str, deployment: str, now: datetime) -> int:
        """How many SCHEDULED runs of the pool wait in the lanes of the deployment, whatever their priority, and are due, held
        back or not.
        """
        ...

    def move(self, moves: Sequence[Move], *, entry: LogEntry | None = None) -> frozenset[UUID]:
        """Apply each move whose run still has the state and the fence that the move names; returns the ids of the moved runs.

        If any run moves, the entry is written with it, and the number of moved runs is added to its `runs`.
        Moves are independent of each other. A move that `ALLOWED_MOVES` forbids raises `ValueError` before anything is written.
        """
        ...

    def close(self) -> None:
        """Release connections. The store can be used again afterwards."""
        ...
