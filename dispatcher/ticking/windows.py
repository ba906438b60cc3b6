"""The step of a tick that makes runs of windows: what schedules ask for becomes runs ahead of its time."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import partial

from dispatcher.clock import Clock
from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.errors import StoreUnavailable
from dispatcher.events import Events
from dispatcher.models import Deployment, WorkPool
from dispatcher.records import Materialisation
from dispatcher.store import Store
from dispatcher.ticking.report import PoolReport, seconds_between
from dispatcher.ticking.seam import attempted, words

AT_ONCE = 100
"""Deployments that are read together."""
ROUNDS = 20
"""How often one tick asks for more of them."""
SHARE = 0.25
"""Of the time that a tick has left: so much may its windows take, since other pools wait for the rest."""
SLOW = 2.0
"""Seconds that one deployment may take before people are told."""
TRIED_AGAIN = timedelta(minutes=1)
"""After which a deployment whose windows could not be made runs is looked at again; meanwhile it is in nobody's way."""


class Windows:
    """One pool's windows of one tick.

    A deployment whose windows cannot be computed is reported, and the others go on. One that somebody else has changed, or made
    runs of, meanwhile is left to whoever did.
    """

    def __init__(
        self, store: Store, clock: Clock, events: Events, pool: WorkPool, *, limits: WindowLimits, report: PoolReport
    ) -> None:
        self.store, self.clock, self.events, self.pool = store, clock, events, pool
        self.limits, self.report = limits, report
        self.queues: set[str] = set()
        self.near = self._read()

    def make_runs(self, deadline: datetime) -> AbstractSet[str]:
        """Make runs of them, as far as their share of the time allows; each step is one transaction.

        What is left is for the next tick, and the report says so. The answer names the queues in which a run was made that is
        due now.
        """
        now = self.clock.now()
        ends = now + max((deadline - now) * SHARE, timedelta())
        for _ in range(ROUNDS):
            steps = 0
            for place, deployment in enumerate(self.near):
                if self.clock.now() >= ends:
                    self._cut_short(len(self.near) - place)
                    return self.queues
                steps += self._step(deployment)
            self.near = self._read() if steps else ()
            if not self.near:
                break
        return self.queues

    def _read(self) -> Sequence[Deployment]:
        return self.store.scheduled(self.pool.name, self.clock.now(), limit=AT_ONCE)

    def _step(self, deployment: Deployment) -> bool:
        """One deployment; false when nothing was written."""
        began = self.clock.now()
        written = attempted(partial(self._make_runs, deployment), partial(self._put_off, deployment))
        if (seconds := seconds_between(began, self.clock.now())) >= SLOW:
            self._tell(deployment, f"its windows took {seconds:.1f} s of the tick: make its schedules simpler")
        return written

    def _make_runs(self, deployment: Deployment) -> bool:
        step = materialisation(deployment, self.clock.now(), self.limits, self.pool.hooks)
        added = self.store.materialise(step)
        if added is None:
            return False
        now = self.clock.now()
        self.report.materialised += len(added)
        self.queues |= {run.queue for run in step.runs if run.id in added and run.due_at <= now}
        self.events("deployment.materialised", pool=self.pool.name, deployment=deployment.name, runs=len(added))
        return True

    def _put_off(self, deployment: Deployment, problem: Exception) -> bool:
        """Look at a deployment again later, so that those behind it have their turn. A store that is away has no later."""
        if isinstance(problem, StoreUnavailable):
            raise problem
        self._tell(deployment, _words(problem))
        later = self.clock.now() + TRIED_AGAIN
        same = Materialisation(deployment=deployment, runs=(), windows_until=deployment.windows_until, windows_at=later)
        return self.store.materialise(same) is not None

    def _tell(self, deployment: Deployment, problem: str) -> None:
        told = f"deployment {deployment.name!r}: {problem}"
        self.report.problem = self.report.problem or told
        self.events("pool.problem", pool=self.pool.name, problem=told)

    def _cut_short(self, left: int) -> None:
        """Windows come near an hour ahead, so this is late only where it happens tick after tick."""
        told = f"schedules: this tick had no time left for {left} deployments or more whose windows have come near"
        self.report.problem = self.report.problem or told
        self.events("windows.cut_short", pool=self.pool.name, left=left)


def _words(problem: Exception) -> str:
    """Nothing of this stops a tick: what waits goes on, and the windows come as soon as it is mended."""
    if isinstance(problem, ModuleNotFoundError):
        return (
            f"its schedules need {problem.name}, which is not installed: pip install 'push-dispatcher[schedules]', or build "
            "the function's package with the extra `schedules`"
        )
    if isinstance(problem, KeyError):  # a zone that nobody has
        return f"{problem.args[0]}: bring the time zones (the extra `schedules` does)"
    return f"a schedule cannot be read: {words(problem)}"
