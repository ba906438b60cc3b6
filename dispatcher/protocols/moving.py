"""What a move to another store asks of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from dispatcher.models import Automation, Deployment, Firing, LogEntry, Run, WorkPool
from dispatcher.models.records import LogFilter
from dispatcher.protocols.shared import SharedStore


class MovingStore(SharedStore, Protocol):
    """What moving to another store needs."""

    def every_run(self) -> Iterator[Sequence[Run]]:
        """Every run, whole, in pages of at most `PAGE`, each run once, in an order of the store's own.

        Runs that are added or moved meanwhile appear in their old or new form. Reads everything: for people, not for a tick.
        """
        ...

    def log(self, where: LogFilter, *, limit: int) -> Sequence[LogEntry]:
        """See `PeopleStore.log`."""
        ...

    def restore(
        self,
        *,
        pools: Sequence[WorkPool] = (),
        deployments: Sequence[Deployment] = (),
        runs: Sequence[Run] = (),
        entries: Sequence[LogEntry] = (),
        automations: Sequence[Automation] = (),
        firings: Sequence[Firing] = (),
    ) -> None:
        """Write the contents of another store unchanged: versions, states, what ticks have written, and the log.

        Existing names and ids are skipped, so that an interrupted copy can be repeated. Pools must be written before their
        deployments and runs: raises `NotFound` for a deployment or a run of a pool that does not exist. Not for a store that
        is being ticked: nothing is guarded.
        """
        ...
