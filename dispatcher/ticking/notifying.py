"""The last step of a tick: notifications of runs that ended or are late. It comes last because no promise depends on it.

A due notification stays in the store (`Run.notify_at`) until every hook has confirmed it: it is delivered at least once. A hook
that does not answer is tried again, less and less often, for about a day. The next tick notifies the hooks that the deadline
leaves out; a run's hooks take turns in going first, so that slow ones keep no other waiting for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dispatcher.core.backoff import delay
from dispatcher.core.notifications import due_hooks, identity, next_look, notification, type_of
from dispatcher.delivery import Deliver, NotDelivered
from dispatcher.errors import StoreError
from dispatcher.models import Deployment, Hook, Run, WorkPool
from dispatcher.models.records import Notified
from dispatcher.ticking.calls import Calls, Pace
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.report import PoolReport

if TYPE_CHECKING:
    from dispatcher.protocols import TickStore

AT_ONCE = 50
"""Runs of one pool whose notifications one tick delivers."""
THREADS = 8
FIRST_SECONDS, CAP_SECONDS = 10.0, 3600.0
MAX_TRIES = 32
"""With a longest pause of an hour, these tries take about a day."""

Delivery = tuple[Run, Hook]


def notify(dispatch: Dispatch, pool: WorkPool, *, deadline: datetime, report: PoolReport) -> None:
    """Deliver the pool's due notifications. A failure of the store becomes a problem in the report."""
    now = dispatch.clock.now()
    if dispatch.deliver is None or dispatch.is_over(deadline):
        return
    try:
        if runs := dispatch.store.to_notify(pool.name, now, limit=AT_ONCE):
            _Round(dispatch, dispatch.deliver, report).deliver_all(runs, _hooks(dispatch.store, pool, runs), deadline)
    except StoreError as problem:
        report.problem = report.problem or str(problem)


def _hooks(store: TickStore, pool: WorkPool, runs: Sequence[Run]) -> Mapping[str | None, Sequence[Hook]]:
    """By deployment: the hooks of its runs. If pool and deployment have the same hook, the deployment's settings count."""
    names = dict.fromkeys(run.deployment for run in runs)
    deployments: dict[str | None, Deployment | None] = {name: store.deployment(name) if name else None for name in names}
    return {name: _merged(pool.hooks, deployment.hooks if deployment else ()) for name, deployment in deployments.items()}


def _merged(pool: Sequence[Hook], deployment: Sequence[Hook]) -> Sequence[Hook]:
    return list({hook.name: hook for hook in (*pool, *deployment)}.values())


def _in_turn(hooks: Sequence[Hook], tries: int) -> Sequence[Hook]:
    """The hooks, with another one first at each try."""
    first = tries % max(len(hooks), 1)
    return [*hooks[first:], *hooks[:first]]


class _Round:
    """One pool's notifications in one tick."""

    def __init__(self, dispatch: Dispatch, deliver: Deliver, report: PoolReport) -> None:
        self.dispatch, self.deliver, self.report = dispatch, deliver, report
        self.now = dispatch.clock.now()

    def deliver_all(self, runs: Sequence[Run], hooks: Mapping[str | None, Sequence[Hook]], deadline: datetime) -> None:
        """Notify the hooks of each run, and note the result. A run stays as it is if none of its hooks is reached."""
        hooks_of = {run.id: _in_turn(due_hooks(run, hooks[run.deployment], self.now), run.notify_tries) for run in runs}
        answers: dict[tuple[object, str], str | None] = {}
        calls: Calls[Delivery, str] = Calls(
            self._deliver,
            threads=THREADS,
            clock=self.dispatch.clock,
            deadline=deadline,
            pace=Pace((), self.now),
            is_stopped=self.dispatch.is_stopped,
        )
        for group in calls.run([(run, hook) for run in runs for hook in hooks_of[run.id]]):
            answers |= {(run.id, hook.name): problem for (run, hook), problem in group}
        notified: list[Notified] = []
        for run in runs:
            names = [hook.name for hook in hooks_of[run.id]]
            problems = {name: problem for name in names if (problem := answers[run.id, name]) is not None}
            if problems or not names:
                again_at = self._again_at(run, problems, hooks[run.deployment], are_all=len(problems) == len(names))
                notified.append(self._notified(run, problems, again_at))
        self.dispatch.store.notified(notified)

    def _deliver(self, delivery: Delivery) -> str:
        """Empty if the hook has confirmed the notification, otherwise the problem."""
        run, hook = delivery
        try:
            self.deliver(hook.name, identity(run, hook), notification(run, hook, self.now))
        except NotDelivered as problem:
            self.dispatch.events("hook.failed", run=run.id, pool=run.pool, hook=hook.name, problem=str(problem))
            return f"hook {hook.name!r}: {problem}"
        self.dispatch.events("hook.notified", run=run.id, pool=run.pool, hook=hook.name, notification=type_of(run))
        return ""

    def _notified(self, run: Run, problems: Mapping[str, str], again_at: datetime | None) -> Notified:
        """`problems`: by hook, why it has not confirmed; empty for a hook that has."""
        confirmed = run.notified_hooks | {name for name, problem in problems.items() if not problem}
        return Notified(run_id=run.id, notify_at=run.notify_at or self.now, again_at=again_at, hooks=confirmed)

    def _again_at(self, run: Run, problems: Mapping[str, str], hooks: Sequence[Hook], *, are_all: bool) -> datetime | None:
        """`are_all`: no hook was left out by the deadline."""
        problem = next(filter(None, problems.values()), "")
        if problem:
            self.report.problem = self.report.problem or f"not delivered: {problem}"
        if not are_all:
            return self.now
        if not problem:
            self.report.notified += 1
            return next_look(run, hooks, self.now)
        tries = run.notify_tries + 1
        if tries >= MAX_TRIES:
            self.dispatch.events("hook.given_up", run=run.id, pool=run.pool, problem=problem)
            return None
        return self.now + timedelta(seconds=delay(tries, str(run.id), first=FIRST_SECONDS, cap=CAP_SECONDS))
