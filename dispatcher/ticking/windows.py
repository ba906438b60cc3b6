"""The step of a tick that materialises: windows of schedules that have come near become runs, ahead of their time."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import partial

from dispatcher.core.windows import materialisation
from dispatcher.errors import StoreUnavailable
from dispatcher.models import Deployment
from dispatcher.models.records import Materialisation
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.report import seconds_between, timed
from dispatcher.ticking.seam import attempted, words

AT_ONCE = 100
"""Deployments that are read together."""
ROUNDS = 20
"""How many times one tick asks for more deployments."""
SHARE = 0.25
"""The part of a tick's remaining time that windows may take; the rest is for other pools."""
KEPT_FREE = 0.1
"""The part of a tick's remaining time that submissions leave for windows."""
LONGEST_KEPT_FREE = timedelta(seconds=10)
SLOW = 2.0
"""Seconds after which one deployment's windows are reported as slow."""
TRIED_AGAIN = timedelta(minutes=1)
"""The delay before a deployment whose windows could not be made runs is tried again; it does not block the others."""


class Windows:
    """The windows of one pool that have come near, in one tick.

    A deployment whose windows cannot be computed is reported, and the others go on. A deployment that somebody else has changed
    or materialised meanwhile is skipped.
    """

    def __init__(self, tick: PoolTick) -> None:
        self.tick = tick
        self.queues: set[str] = set()
        self.near = self._read()

    def submit_until(self) -> datetime:
        """When submissions stop, if there are windows, so that these have the rest of the tick."""
        deadline = self.tick.deadline
        left = deadline - self.tick.clock.now()
        return deadline - min(left * KEPT_FREE, LONGEST_KEPT_FREE) if self.near else deadline

    def _read(self) -> Sequence[Deployment]:
        return self.tick.store.scheduled(self.tick.pool.name, self.tick.clock.now(), limit=AT_ONCE)

    def step(self, deployment: Deployment) -> bool:
        """Make runs of one deployment's windows, in one transaction; false when nothing was written."""
        began = self.tick.clock.now()
        written = attempted(partial(self._make_runs, deployment), partial(self._put_off, deployment))
        if (seconds := seconds_between(began, self.tick.clock.now())) >= SLOW:
            self._report(deployment, f"its windows took {seconds:.1f} s of the tick: make its schedules simpler")
        return written

    def read_more(self) -> bool:
        """Read the next deployments; false when there are none."""
        self.near = self._read()
        return bool(self.near)

    def _make_runs(self, deployment: Deployment) -> bool:
        now, limits, hooks = self.tick.clock.now(), self.tick.limits.windows, self.tick.pool.hooks
        share = self.tick.pool.share_in(deployment.queue)
        step = materialisation(deployment, now, limits, hooks, waiting=self._waiting(deployment, now), share=share)
        added = self.tick.store.materialise(step)
        if added is None:
            return False
        now = self.tick.clock.now()
        self.tick.report.materialised += len(added)
        self.queues |= {run.queue for run in step.runs if run.id in added and run.due_at <= now}
        self.tick.report.windows_left_out += step.left_out
        fields = {"pool": self.tick.pool.name, "deployment": deployment.name}
        self.tick.events("deployment.materialised", **fields, runs=len(added), left_out=step.left_out)
        return True

    def _waiting(self, deployment: Deployment, now: datetime) -> int:
        """How many runs wait, where that counts. The step is void if another tick makes runs of windows meanwhile."""
        if deployment.max_waiting is None:
            return 0
        return self.tick.store.waiting_in_lanes(deployment.pool, deployment.name, now)

    def _put_off(self, deployment: Deployment, problem: Exception) -> bool:
        """Postpone a deployment, so that the next ones have their turn. An unavailable store ends the tick."""
        if isinstance(problem, StoreUnavailable):
            raise problem
        self._report(deployment, _words(problem))
        later = self.tick.clock.now() + TRIED_AGAIN
        same = Materialisation(deployment=deployment, runs=(), windows_until=deployment.windows_until, windows_at=later)
        return self.tick.store.materialise(same) is not None

    def _report(self, deployment: Deployment, problem: str) -> None:
        self.tick.report_problem(f"deployment {deployment.name!r}: {problem}")

    def cut_short(self, left: int) -> None:
        """Report that there was no time left. Windows are due an hour ahead, so runs are late only if this happens often."""
        problem = f"schedules: this tick had no time left for {left} deployments or more whose windows have come near"
        self.tick.report.problem = self.tick.report.problem or problem
        self.tick.events("windows.cut_short", pool=self.tick.pool.name, left=left)


@timed("materialise")
def materialise(tick: PoolTick, windows: Windows) -> AbstractSet[str]:
    """Make runs of the windows that have come near, as far as their share of the time allows.

    The next tick continues with the rest, and the report says so. Returns the queues in which a run was made that is due now.
    """
    now = tick.clock.now()
    ends = now + max((tick.deadline - now) * SHARE, timedelta())
    for _ in range(ROUNDS):
        steps = 0
        for index, deployment in enumerate(windows.near):
            if tick.dispatch.is_stopped():
                return windows.queues
            if tick.clock.now() >= ends:
                windows.cut_short(len(windows.near) - index)
                return windows.queues
            steps += windows.step(deployment)
        if not steps or not windows.read_more():
            break
    return windows.queues


def _words(problem: Exception) -> str:
    """The problem of a deployment's schedules. It stops no tick: the windows become runs once the schedules are fixed."""
    if isinstance(problem, ModuleNotFoundError):
        return (
            f"its schedules need {problem.name}, which is not installed: pip install 'push-dispatcher[schedules]', or build "
            "the function's package with the extra `schedules`"
        )
    if isinstance(problem, KeyError):  # a zone that is not installed
        return f"{problem.args[0]}: bring the time zones (the extra `schedules` does)"
    return f"a schedule cannot be read: {words(problem)}"
