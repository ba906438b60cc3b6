"""What people do with whole stores: copy one into another, and check whether the contents of one fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, runtime_checkable

from dispatcher.core.integrity import Integrity
from dispatcher.errors import Conflict
from dispatcher.store import MovingStore, Store

Progress = Callable[[int], None]
"""Is given the number of runs that are done so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How much was copied."""

    pools: int
    deployments: int
    runs: int


def copy(source: MovingStore, target: MovingStore, *, resume: bool = False, progress: Progress = lambda _runs: None) -> Moved:
    """Copy everything, as it is: versions, states, leases, and what ticks have written.

    A copy that was broken off goes on with `resume`; otherwise a target that holds anything is refused. Do not tick the source
    meanwhile, and do not tick both afterwards: both would submit. Raises `Conflict` for a target that is not empty,
    and when the source was changed under the copy.
    """
    if not resume and _holds_anything(target):
        raise Conflict("the target is not empty: name an empty store, or go on with a copy that was broken off (--resume)")
    pools, deployments = source.pools(), source.deployments()
    target.restore(pools=pools, deployments=deployments)
    runs = 0
    for page in source.every_run():
        target.restore(runs=page)
        progress(runs := runs + len(page))
    if (source.pools(), source.deployments()) != (pools, deployments):
        raise Conflict("the source was changed or ticked while it was copied: stop its schedule, then copy into an empty store")
    return Moved(pools=len(pools), deployments=len(deployments), runs=runs)


def check(store: Store, *, progress: Progress = lambda _runs: None) -> Iterator[str]:
    """What is inconsistent in a store, one line each. Run it while no tick is under way: the store is read piece by piece."""
    pools = store.pools()
    integrity = Integrity(pools, store.deployments())
    for page in store.every_run():
        yield from integrity.of_runs(page)
        progress(integrity.runs)
    now = max((pool.last_tick_at or pool.created_at for pool in pools), default=None)
    if now is not None:
        yield from integrity.of_pools({pool.name: store.counts(pool.name, now) for pool in pools})
    if isinstance(store, SelfChecking):
        yield from store.check()


@runtime_checkable
class SelfChecking(Protocol):
    """A store that keeps more than the protocol asks for, as DynamoDB's entries and counters, and can check it."""

    def check(self) -> Sequence[str]:
        """What is inconsistent, one line each."""
        ...


def _holds_anything(store: MovingStore) -> bool:
    return bool(store.pools() or store.deployments() or list(islice(store.every_run(), 1)))
