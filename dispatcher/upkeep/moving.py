"""What people do with whole stores: copy one into another, and check whether the contents of one fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, runtime_checkable

from dispatcher.core.integrity import Integrity
from dispatcher.errors import Conflict
from dispatcher.models.records import PAGE, LogFilter
from dispatcher.protocols import MovingStore, Store

MAX_FIRINGS = 100_000
"""The most firings that are copied: the newest."""

Progress = Callable[[int], None]
"""Called with the number of runs that are copied so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How much was copied."""

    pools: int
    deployments: int
    automations: int
    runs: int
    entries: int
    """Of the log of changes."""


def copy(source: MovingStore, target: MovingStore, *, resume: bool = False, progress: Progress = lambda _runs: None) -> Moved:
    """Copy everything, as it is: versions, states, leases, what ticks have written, and the log of changes.

    `resume` continues an interrupted copy; without it, the target must be empty. Do not tick the source meanwhile, and do not
    tick both stores afterwards: both would submit. Raises `Conflict` for a target that is not empty, and when the source
    changed during the copy.
    """
    if not resume and _holds_anything(target):
        raise Conflict("the target is not empty: name an empty store, or continue an interrupted copy (--resume)")
    pools, deployments, automations = source.pools(), source.deployments(), source.automations()
    target.restore(pools=pools, deployments=deployments, automations=automations)
    firings = source.firings(None, limit=MAX_FIRINGS)
    for first in range(0, len(firings), PAGE):
        target.restore(firings=firings[first : first + PAGE])
    runs = 0
    for page in source.every_run():
        target.restore(runs=page)
        progress(runs := runs + len(page))
    entries = _copy_log(source, target)
    if (source.pools(), source.deployments(), source.automations()) != (pools, deployments, automations):
        raise Conflict("the source was changed or ticked while it was copied: stop its schedule, then copy into an empty store")
    return Moved(pools=len(pools), deployments=len(deployments), automations=len(automations), runs=runs, entries=entries)


def _copy_log(source: MovingStore, target: MovingStore) -> int:
    """Copy the log, page by page. Returns the number of its entries."""
    count, where = 0, LogFilter()
    while page := source.log(where, limit=PAGE):
        target.restore(entries=page)
        count, where = count + len(page), LogFilter(after=(page[-1].changed_at, page[-1].id))
    return count


def check(store: Store, *, progress: Progress = lambda _runs: None) -> Iterator[str]:
    """The inconsistencies of a store, one line each. Call it while no tick is running: the store is read in pages."""
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
    """A store with data beyond the protocol, such as DynamoDB's entries and counters, that it can check."""

    def check(self) -> Sequence[str]:
        """The inconsistencies, one line each."""
        ...


def _holds_anything(store: MovingStore) -> bool:
    return bool(store.pools() or store.deployments() or store.automations() or list(islice(store.every_run(), 1)))
