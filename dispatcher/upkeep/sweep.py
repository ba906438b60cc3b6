"""A sweep finds and removes leftovers: jobs of ours that have ended, that linger at their provider, and that have no run.

A tick discards what its own runs leave behind. Leftovers are of runs that are gone from the store, of attempts before a retry,
of stores that were deleted. To find them costs calls, so people (or a schedule of theirs) start a sweep, and no tick does it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from dispatcher.core.templates import render
from dispatcher.errors import RenderError, StoreUnavailable
from dispatcher.models import SLOT_STATES, TERMINAL_STATES, Run, WorkPool
from dispatcher.models.records import RunFilter
from dispatcher.protocols import TickStore
from dispatcher.ticking import Dispatch
from dispatcher.ticking.tidying import names_of
from providers import registry
from providers.base import ConfigurationError

ENDED_RUNS = 100
"""How many of the pool's newest ended runs are read for places to sweep."""
LINGERING = 10_000
"""Of each pool. More need no protection: their ends are recorded, and a tick finds them gone."""
PAGE = 1000
TRIES = 5

Configuration = Mapping[str, Any]


def sweep(dispatch: Dispatch, pool: WorkPool) -> tuple[str, ...]:
    """Remove ended jobs that no run of the store needs, wherever the pool puts its jobs; the names of those removed.

    A provider removes a bounded number at a time: repeat until nothing is left. A job that has not ended is never touched.
    Raises `ProviderError` when a place could not be asked, and `StoreError`.
    """
    provider, names = dispatch.providers(pool.type), kept(dispatch.store)
    swept: dict[str, None] = {}
    for place in places(dispatch.store, pool):
        try:
            swept |= dict.fromkeys(provider.sweep(place, names))
        except ConfigurationError:
            continue  # the template names a place only together with its runs' variables
    return tuple(swept)


def kept(store: TickStore) -> frozenset[str]:
    """The names of all jobs that a run may still need, of every pool: pools may share a place.

    First, the runs that hold a slot. Among them are claims without a submission (`Store.live` leaves them out): their
    submission may have been carried out with its answer lost, and then the next look-up has to find the job, even an ended one.
    Second, the runs that linger: a tick discards their jobs once no late request for them can be under way. Earlier attempts of
    both are included; those of a run that waits for its next attempt are not.
    """
    lingering = (run for pool in store.pools() for run in store.lingering(pool.name, limit=LINGERING))
    return frozenset(name for run in (*holders(store), *lingering) for name in names_of(run))


def holders(store: TickStore, page: int = PAGE) -> list[Run]:
    """Every run that holds a slot. Raises `StoreUnavailable` when too much changes meanwhile.

    A run that frees its slot moves all later ones forward, past the end of the page. So pages overlap by one run; where that is
    not the run that was read last, the reading begins anew. Runs that are claimed meanwhile are too young to be swept.
    """
    for _ in range(TRIES):
        if (runs := _read(store, page)) is not None:
            return runs
    raise StoreUnavailable("the runs that hold slots changed too often while they were read; repeat the sweep")


def _read(store: TickStore, page: int) -> list[Run] | None:
    where = RunFilter(states=SLOT_STATES)
    runs = list(store.runs(where, limit=page))
    full = len(runs) == page
    while full:
        more = store.runs(where, limit=page + 1, offset=len(runs) - 1)
        if not more or more[0].id != runs[-1].id:
            return None
        runs.extend(more[1:])
        full = len(more) == page + 1
    return runs


def places(store: TickStore, pool: WorkPool) -> tuple[Configuration, ...]:
    """A job configuration for each place where the pool puts its jobs, by its template and by its newest ended runs."""
    keys = registry.provider_type(pool.type).place
    distinct: dict[str, Configuration] = {}
    for configuration in _configurations(store, pool):
        named = json.dumps([_named(configuration, key) for key in keys], sort_keys=True)
        distinct.setdefault(named, configuration)
    return tuple(distinct.values())


def _configurations(store: TickStore, pool: WorkPool) -> Iterator[Configuration]:
    with suppress(RenderError):  # the template alone may name no place
        yield render(pool.base_job_template, {})
    for run in store.runs(RunFilter(pool=pool.name, states=TERMINAL_STATES), limit=ENDED_RUNS):
        if run.job is not None:
            yield run.job.configuration


def _named(configuration: Configuration, path: str) -> Any:
    value: Any = configuration
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
