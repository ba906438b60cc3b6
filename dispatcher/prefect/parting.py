"""The way back: pools that mirrored one of a Prefect server become pools of our own, paused, with nothing waiting in them.

It begins with a pause, so that no tick claims a run meanwhile. Where it is refused, the next tick mirrors everything as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from dispatcher.core.transitions import end
from dispatcher.errors import Conflict, DispatcherError
from dispatcher.models import SLOT_STATES, Mirror, RunState, WorkPool
from dispatcher.models.records import RunFilter
from dispatcher.prefect.mirroring import NAME
from dispatcher.prefect.reporting import Reporting
from dispatcher.prefect.server import PrefectServer
from dispatcher.prefect.standing import mirrored
from dispatcher.protocols import Store

PAGE = 1000
REASON = "disconnected from Prefect: its flow run waits there"
LIVE = "runs have not ended; pause the pool in Prefect and wait, or cancel them there"
ENDING = "a job has ended that may still report this to Prefect itself; give the command again in a minute"
MIRRORED_AGAIN = "a tick has mirrored it again; remove DISPATCHER_PREFECT_API_URL where ticks run, then give the command again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """One way back. Without a server, no claim is given back and no end is reported."""

    store: Store
    server: PrefectServer | None
    now: datetime

    def part(self) -> Sequence[str]:
        """Stop mirroring; returns the names of the pools. Their flow runs stay scheduled at the server.

        Raises `SourceError`, and `Conflict` while a run of one of them has not ended: nobody would report its end.
        """
        pools = mirrored(self.store)
        self._refuse_live(pools)
        paused = [self._paused(pool) for pool in pools]
        try:
            self._refuse_live(paused)
            for pool in paused:
                self._settle(pool)
        except DispatcherError:
            self._restore(pools, paused)
            raise
        for pool in paused:
            self._end(pool)
        return [pool.name for pool in paused]

    def _refuse_live(self, pools: Sequence[WorkPool]) -> None:
        for pool in pools:
            if live := self.store.runs(RunFilter(pool=pool.name, states=SLOT_STATES), limit=1):
                raise Conflict(f"work pool {pool.name!r}: {LIVE} (one is {live[0].name!r})")

    def _paused(self, pool: WorkPool) -> WorkPool:
        """Without a revision: should this process die now, the next tick that mirrors takes the pause back."""
        mirror = Mirror(source=NAME, revision="")
        return self.store.save_pool(replace(pool, paused=True, mirror=mirror), expected_version=pool.version)

    def _restore(self, pools: Sequence[WorkPool], paused: Sequence[WorkPool]) -> None:
        for before, pool in zip(pools, paused, strict=True):
            with suppress(Conflict):  # a tick has done so
                self.store.save_pool(before, expected_version=pool.version)

    def _settle(self, pool: WorkPool) -> None:
        """Give claims back and report ends: twice, because what the first time cancels here is to be reported then."""
        if self.server is None:
            return
        reporting = Reporting(self.store, self.server, pool, self.now, lambda: False, is_last=True)
        reporting.compare()
        if not reporting.compare():
            raise Conflict(f"work pool {pool.name!r}: {ENDING}")

    def _end(self, pool: WorkPool) -> None:
        where = RunFilter(pool=pool.name, states=frozenset({RunState.SCHEDULED}))
        while runs := self.store.runs(where, limit=PAGE):
            self.store.move([end(run, RunState.CANCELLED, REASON, self.now, notifies=False) for run in runs])
        try:
            self.store.save_pool(replace(pool, mirror=None), expected_version=pool.version)
        except Conflict:
            raise Conflict(f"work pool {pool.name!r}: {MIRRORED_AGAIN}") from None
