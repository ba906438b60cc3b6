"""The step of a tick that makes runs of windows: what schedules ask for becomes runs ahead of its time."""

from __future__ import annotations

from datetime import datetime

from dispatcher.clock import Clock
from dispatcher.core.scheduling import WindowLimits, materialisation
from dispatcher.events import Events
from dispatcher.models import WorkPool
from dispatcher.store import Store
from dispatcher.ticking.report import PoolReport

AT_ONCE = 100
"""Deployments that are read together."""
ROUNDS = 20
"""How often one tick asks for more of them."""


def materialise(
    store: Store, clock: Clock, events: Events, pool: WorkPool, *, deadline: datetime, limits: WindowLimits, report: PoolReport
) -> None:
    """Make runs of the windows of the pool's deployments that have come near; each step is one transaction.

    A deployment that somebody else has changed, or made runs of, meanwhile is left to whoever did. What the deadline leaves is
    for the next tick: windows become runs ahead of their time.
    """
    for _ in range(ROUNDS):
        near = store.scheduled(pool.name, clock.now(), limit=AT_ONCE)
        steps = 0
        for deployment in near:
            now = clock.now()
            if now >= deadline:
                return
            try:
                step = materialisation(deployment, now, limits, pool.hooks)
            except (ModuleNotFoundError, ValueError, KeyError) as problem:  # of a zone that nobody has, a KeyError
                report.problem = f"deployment {deployment.name!r}: {_words(problem)}"
                continue
            added = store.materialise(step)
            if added is not None:
                steps += 1
                report.materialised += len(added)
                events("deployment.materialised", pool=pool.name, deployment=deployment.name, runs=len(added))
        if not steps:
            return


def _words(problem: Exception) -> str:
    """Nothing of this stops a tick: what waits goes on, and the windows come as soon as it is mended."""
    if isinstance(problem, ModuleNotFoundError):
        return (
            f"its schedules need {problem.name}, which is not installed: pip install 'push-dispatcher[schedules]', or build "
            "the function's package with the extra `schedules`"
        )
    if isinstance(problem, KeyError):
        return f"{problem.args[0]}: bring the time zones (the extra `schedules` does)"
    return f"a schedule cannot be read: {problem}"
