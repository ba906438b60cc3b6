"""How things stand between this store and a Prefect server: for people, not for a tick. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dispatcher.errors import InvalidInput
from dispatcher.models import WorkPool
from dispatcher.prefect.mirroring import NAME, warnings_in
from dispatcher.prefect.source import OUR_NAME, PrefectSource
from dispatcher.protocols import Store

VERSIONS = "3."
"""What the calls and their answers are known for."""
MOST_SKEW = timedelta(seconds=5)
POLLED_SECONDS = 60
"""How long the server counts a queue as polled, by default."""
READY_TIMEOUTS = (
    "PREFECT_SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS and "
    "PREFECT_SERVER_SERVICES_FOREMAN_DEPLOYMENT_LAST_POLLED_TIMEOUT_SECONDS"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStanding:
    """One work pool of the server, or one that we still mirror."""

    name: str
    type: str
    mirrored: bool
    """Whether a tick has made it a pool here."""
    problem: str = ""
    workers: tuple[str, ...] = ()
    """Others that serve it now."""
    warnings: tuple[str, ...] = ()
    """What its template holds that has no effect here, or another one than with a worker: credentials blocks above all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorStatus:
    """What `dispatcher prefect status` shows."""

    url: str
    version: str
    pools: tuple[PoolStanding, ...]
    clock_ahead: timedelta | None = None
    """How far the server's clock is ahead of ours."""
    busy: int = 0
    """How often the server answered 503 while it was asked."""
    interval: float = 0.0
    """Seconds between two ticks."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for everything that may keep flow runs waiting, or shows wrongly in Prefect."""
        busy = (f"the server answered 503 {self.busy} times while it was asked: one on SQLite does; use PostgreSQL",)
        templates = tuple(f"work pool {pool.name!r}: {warning}" for pool in self.pools for warning in pool.warnings)
        return (*(busy if self.busy else ()), *self._ready_warning(), *templates)

    def _ready_warning(self) -> tuple[str, ...]:
        if not self.pools or self.interval < POLLED_SECONDS:
            return ()
        words = f"with a tick every {self.interval:g} s, queues and deployments are NOT_READY in between"
        return (f"{words}: set {READY_TIMEOUTS} to {max(180, round(3 * self.interval))} on the server",)

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for everything that keeps flow runs from starting, or lets somebody else start them."""
        version = () if self.version.startswith(VERSIONS) else (f"Prefect {self.version} is not known here; {VERSIONS}x is",)
        pools = tuple(f"work pool {pool.name!r}: {pool.problem}" for pool in self.pools if pool.problem)
        others = tuple(
            f"work pool {pool.name!r}: {', '.join(pool.workers)} serves it as well; stop it: its runs count in no limit here"
            for pool in self.pools
            if pool.workers
        )
        return (*version, *self._clock_problem(), *pools, *others)

    def _clock_problem(self) -> tuple[str, ...]:
        if self.clock_ahead is None or abs(self.clock_ahead) <= MOST_SKEW:
            return ()
        seconds = self.clock_ahead.total_seconds()
        words = f"the server's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
        return (f"{words}: flow runs start that much off; let both follow a time server",)


def standing(source: PrefectSource) -> MirrorStatus:
    """Ask the server. Raises `SourceError` or `StoreError`."""
    version = source.server.version()
    records = source.server.pools(source.served.types, source.served.names)
    pools = [_pool(source, pool) for pool in records]
    names = {pool.name for pool in pools}
    gone = [pool for pool in mirrored(source.store) if pool.name not in names]
    left = [PoolStanding(name=pool.name, type=pool.type, mirrored=True, problem=_problem(pool)) for pool in gone]
    return MirrorStatus(
        url=source.server.url,
        version=version,
        pools=(*pools, *left),
        clock_ahead=source.server.clock_ahead(),
        busy=source.server.busy,
        interval=source.served.interval,
    )


def mirrored(store: Store) -> list[WorkPool]:
    """The pools here that mirror one of a Prefect server."""
    return [pool for pool in store.pools() if pool.mirror is not None and pool.mirror.source == NAME]


def _pool(source: PrefectSource, record: Mapping[str, Any]) -> PoolStanding:
    name = str(record.get("name"))
    stored = source.store.pool(name)
    own = stored is not None and stored.mirror is None
    problem = "a pool of our own has this name; rename one of the two" if own else _problem(stored)
    online = [str(worker.get("name")) for worker in source.server.workers(name) if worker.get("status") == "ONLINE"]
    return PoolStanding(
        name=name,
        type=str(record.get("type")),
        mirrored=stored is not None and not own,
        problem=problem,
        workers=tuple(sorted(set(online) - {OUR_NAME})),
        warnings=_warnings(stored) if stored is not None and not own else (),
    )


def _warnings(pool: WorkPool) -> tuple[str, ...]:
    """A template that is not used has none: its problem says why."""
    try:
        return tuple(warnings_in(pool))
    except InvalidInput:
        return ()


def _problem(pool: WorkPool | None) -> str:
    return pool.mirror.problem if pool is not None and pool.mirror is not None else ""
