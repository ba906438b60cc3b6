"""Telling people of runs that ended or are late: after all else that a tick does, since no promise hangs on it.

What is to be told stands in the store (`Run.notify_at`), and goes from it only when every hook has confirmed it: at least once.
A hook that does not answer is tried again, less and less often, for about a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dispatcher.clock import Clock
from dispatcher.core.backoff import delay
from dispatcher.core.notifications import identity, message, news, next_look, wanted_by
from dispatcher.delivery import Deliver, NotDelivered
from dispatcher.errors import StoreError
from dispatcher.events import Events
from dispatcher.models import Deployment, Hook, Run, WorkPool
from dispatcher.records import Notified
from dispatcher.store import Store
from dispatcher.ticking.calls import Calls, Pace
from dispatcher.ticking.report import PoolReport

AT_ONCE = 50
"""Runs of one pool that one tick tells of."""
THREADS = 8
FIRST_SECONDS, CAP_SECONDS = 10.0, 3600.0
MAX_TRIES = 32
"""With the longest pause an hour, this is about a day."""

Telling = tuple[Run, Hook]


def notify(
    store: Store, clock: Clock, events: Events, deliver: Deliver, pool: WorkPool, *, deadline: datetime, report: PoolReport
) -> None:
    """Tell what is to be told of one pool's runs. A store that fails meanwhile is told in the report."""
    try:
        if clock.now() < deadline and (runs := store.to_notify(pool.name, clock.now(), limit=AT_ONCE)):
            _Round(store, clock, events, deliver, report).tell(runs, _hooks(store, pool, runs), deadline)
    except StoreError as problem:
        report.problem = report.problem or str(problem)


def _hooks(store: Store, pool: WorkPool, runs: Sequence[Run]) -> Mapping[str | None, Sequence[Hook]]:
    """By deployment: the hooks of its runs. A name that stands in both is told once, as the deployment wants it."""
    names = dict.fromkeys(run.deployment for run in runs)
    found: dict[str | None, Deployment | None] = {name: store.deployment(name) if name else None for name in names}
    return {name: _merged(pool.hooks, each.hooks if each else ()) for name, each in found.items()}


def _merged(pool: Sequence[Hook], deployment: Sequence[Hook]) -> Sequence[Hook]:
    return list({hook.name: hook for hook in (*pool, *deployment)}.values())


class _Round:
    """One pool's news of one tick."""

    def __init__(self, store: Store, clock: Clock, events: Events, deliver: Deliver, report: PoolReport) -> None:
        self.store, self.clock, self.events, self.deliver, self.report = store, clock, events, deliver, report
        self.now = clock.now()

    def tell(self, runs: Sequence[Run], hooks: Mapping[str | None, Sequence[Hook]], deadline: datetime) -> None:
        """Tell every hook that wants it, and note what became of it; runs that the deadline leaves stay as they are."""
        wanted = {run.id: wanted_by(run, hooks[run.deployment], self.now) for run in runs}
        answers: dict[tuple[object, str], str | None] = {}
        calls: Calls[Telling, str] = Calls(
            self._deliver, threads=THREADS, clock=self.clock, deadline=deadline, pace=Pace((), self.now)
        )
        for group in calls.run([(run, hook) for run in runs for hook in wanted[run.id]]):
            answers |= {(run.id, hook.name): problem for (run, hook), problem in group}
        told: list[Notified] = []
        for run in runs:
            problems = {hook.name: answers[run.id, hook.name] for hook in wanted[run.id]}
            if None not in problems.values():
                told.append(self._noted(run, {name: words or "" for name, words in problems.items()}, hooks[run.deployment]))
        self.store.notified(told)

    def _deliver(self, telling: Telling) -> str:
        """Empty when it was taken, otherwise why not."""
        run, hook = telling
        try:
            self.deliver(hook.name, identity(run, hook), message(run, hook, self.now))
        except NotDelivered as problem:
            self.events("hook.failed", run=run.id, pool=run.pool, hook=hook.name, problem=str(problem))
            return f"hook {hook.name!r}: {problem}"
        self.events("hook.told", run=run.id, pool=run.pool, hook=hook.name, news=news(run))
        return ""

    def _noted(self, run: Run, problems: Mapping[str, str], hooks: Sequence[Hook]) -> Notified:
        """`problems`: by hook, why it has not confirmed; empty for one that has."""
        confirmed = run.notified_hooks | {name for name, words in problems.items() if not words}
        return Notified(
            run_id=run.id,
            notify_at=run.notify_at or self.now,
            again_at=self._again_at(run, next(filter(None, problems.values()), ""), hooks),
            hooks=confirmed,
        )

    def _again_at(self, run: Run, problem: str, hooks: Sequence[Hook]) -> datetime | None:
        if not problem:
            self.report.notified += 1
            return next_look(run, hooks, self.now)
        self.report.problem = self.report.problem or f"not told: {problem}"
        tries = run.notify_tries + 1
        if tries >= MAX_TRIES:
            self.events("hook.given_up", run=run.id, pool=run.pool, problem=problem)
            return None
        return self.now + timedelta(seconds=delay(tries, str(run.id), first=FIRST_SECONDS, cap=CAP_SECONDS))
