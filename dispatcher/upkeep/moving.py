"""What people do with whole stores: copy one into another, and look whether all that is in one fits together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dispatcher.core.integrity import Integrity
from dispatcher.errors import Conflict
from dispatcher.store import Store

Progress = Callable[[int], None]
"""Told how many runs have been dealt with so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How much was copied."""

    pools: int
    deployments: int
    runs: int


def copy(source: Store, target: Store, *, resume: bool = False, progress: Progress = lambda _runs: None) -> Moved:
    """Copy everything, as it is: versions, states, leases, and what ticks have written.

    A copy that was broken off goes on with `resume`; otherwise a target that holds anything is refused. The source is not to be
    ticked meanwhile, nor the two side by side afterwards: both would submit. Raises `Conflict` for a target that is not empty,
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
    """What does not hold in a store, one line each. Ask while no tick is under way: it is read piece by piece."""
    pools = store.pools()
    integrity = Integrity(pools, store.deployments())
    for page in store.every_run():
        yield from integrity.of_runs(page)
        progress(integrity.runs)
    now = max((pool.last_tick_at or pool.created_at for pool in pools), default=None)
    if now is not None:
        yield from integrity.of_pools({pool.name: store.counts(pool.name, now) for pool in pools})
    yield from _own_check(store)


def _own_check(store: Store) -> Sequence[str]:
    """What a store knows about itself beyond the protocol: DynamoDB's entries and counters."""
    looks: Callable[[], Sequence[str]] | None = getattr(store, "check", None)
    return looks() if looks is not None else ()


def _holds_anything(store: Store) -> bool:
    return bool(store.pools() or store.deployments() or list(islice(store.every_run(), 1)))
