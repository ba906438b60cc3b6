"""Strays: live jobs that the store does not know. Another dispatcher has started them, or the store was restored.

A store that was restored from a backup lacks the runs that were created since. Their jobs continue without a slot, so that the
limits do not count them. Only people can decide what to do with them. A run that the backup does hold is safe: its
job's name follows from the run, so its next submission finds the job that is there.
"""

from __future__ import annotations

from contextlib import suppress

from dispatcher.models import WorkPool, parse_submission_name, submission_name
from dispatcher.protocols import TickStore
from dispatcher.ticking import Dispatch
from dispatcher.upkeep.sweep import holders, places
from providers.base import ConfigurationError


def strays(dispatch: Dispatch, pool: WorkPool) -> tuple[str, ...]:
    """The names of live jobs, in the places of the pool's jobs, for which no run of the store holds a slot.

    Raises `ProviderError` when a place could not be asked, and `StoreError`.
    """
    provider, store = dispatch.providers(pool.type), dispatch.store
    known_names = frozenset(submission_name(run.id, run.attempt) for run in holders(store))
    names: set[str] = set()
    for place in places(store, pool):
        with suppress(ConfigurationError):  # the template names a place only together with its runs' variables
            names.update(provider.strays(place, known_names))
    return tuple(sorted(name for name in names if not _is_held(store, name)))


def _is_held(store: TickStore, name: str) -> bool:
    """Whether a run has been claimed under this name since the runs were read."""
    parsed = parse_submission_name(name)
    run = store.get(parsed[0]) if parsed else None
    return run is not None and run.state.holds_slot and parsed == (run.id, run.attempt)
