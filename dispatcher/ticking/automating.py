"""Automations in a tick: after everything that the promises depend on, and bounded.

An end is looked at once: in one transaction the store takes back what the run owed and writes all that automations make of it.
A tick that is cut off before has changed nothing, and the next one looks again. Every tick of a pool looks at what lasts there
(a held pool, a long queue). An automation that fails is reported, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from dispatcher.core.automations import LOOKED_AT, Look, PoolFacts, at_end, at_look, watch_of
from dispatcher.core.deeds import Deeds
from dispatcher.errors import StoreUnavailable
from dispatcher.models import Automation, Firing, Run, WorkPool
from dispatcher.models.records import Automated, Snapshot
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.report import PoolReport
from dispatcher.ticking.seam import attempted, words

AT_ONCE = 100
"""Ends of one pool that one tick looks at."""
LOOKING_AT_ONE = 20
"""Automations that look at one end: what they do fits into one transaction of every store."""
REPEATS = 3
"""How often a tick looks at one end anew because somebody else has changed what it read."""
LANES = 20
"""Lanes of a queue in which one tick looks for late runs."""
PRUNED = 100
"""Old firings that one tick deletes."""


def automate(dispatch: Dispatch, pool: WorkPool, *, deadline: datetime, report: PoolReport) -> None:
    """Let automations look at the pool and at the ends of its runs. A failure becomes a problem in the report."""
    if pool.automated and not dispatch.is_over(deadline):
        attempted(lambda: _Automating(dispatch, pool, deadline, report).go(), lambda problem: _note(report, words(problem)))


def _note(report: PoolReport, problem: str) -> None:
    report.problem = report.problem or f"automations: {problem}"


class _Automating:
    """The automations of one pool in one tick."""

    def __init__(self, dispatch: Dispatch, pool: WorkPool, deadline: datetime, report: PoolReport) -> None:
        self.dispatch, self.store, self.pool, self.deadline, self.report = dispatch, dispatch.store, pool, deadline, report
        self.now = dispatch.clock.now()
        self.automations = {automation.name: automation for automation in self.store.automations()}

    def go(self) -> None:
        """Look at the ends, longest ago first, and then at what lasts."""
        for run in self.store.to_automate(self.pool.name, self.now, limit=AT_ONCE):
            if self.dispatch.is_over(self.deadline):
                return
            attempted(partial(self._look_at_end, run), self._failed)
        for name in [name for name, automation in self.automations.items() if self._is_looking(automation)]:
            if self.dispatch.is_over(self.deadline):
                return
            attempted(partial(self._look_at_pool, name), self._failed)
        if self.dispatch.limits.history is not None:
            self.store.prune_firings(self.now - self.dispatch.limits.history, limit=PRUNED)

    def _is_looking(self, automation: Automation) -> bool:
        watch = watch_of(automation)
        return watch.looks and watch.concerns(self.pool.name)

    def _look_at_end(self, run: Run) -> None:
        for _ in range(REPEATS):
            looks = [look for automation in self.automations.values() if (look := self._looked(automation, run)) is not None]
            if self._write(looks[:LOOKING_AT_ONE], run):
                self._left_out(looks[LOOKING_AT_ONE:])
                return
            stored = self.store.get(run.id)
            if stored is None or stored.automate_at is None:
                return
            run = stored
            self._read_again()

    def _looked(self, automation: Automation, run: Run) -> Look | None:
        """What one automation does about an end; None: nothing."""
        look = attempted(partial(at_end, automation, run), partial(self._failed, automation))
        return look if look is not None and (look.progressed or look.because) else None

    def _left_out(self, looks: Sequence[Look]) -> None:
        if looks:
            names = ", ".join(repr(look.automation.name) for look in looks)
            self._report(f"more than {LOOKING_AT_ONE} automations look at one end; these did not: {names}")

    def _look_at_pool(self, name: str) -> None:
        for _ in range(REPEATS):
            automation = self.automations.get(name)
            if automation is None or not self._is_looking(automation):
                return
            look = at_look(automation, self._pool_facts(automation))
            if not look.progressed or self._write([look], None):
                return
            self._read_again()

    def _pool_facts(self, automation: Automation) -> PoolFacts:
        """What the automation has to know, read now: this tick may have changed it."""
        when, name = automation.when, self.pool.name
        counts: Mapping[str, int] = {}
        others: Mapping[str, WorkPool | None] = {}
        if when.longer is not None:
            queue, limit = when.longer.queue, when.longer.than + 1
            counts = {queue: self.store.due_count(name, queue, self.now, limit=limit)}
        if when.not_ticked is not None:
            others = {when.not_ticked.pool: self.store.pool(when.not_ticked.pool)}
        due = (self.store.look(name, self.now, _first_due) or ()) if when.late is not None else ()
        pool = self.store.pool(name) if when.held is not None else None
        return PoolFacts(pool=pool or self.pool, now=self.now, due=due, due_counts=counts, others=others)

    def _write(self, looks: Sequence[Look], run: Run | None) -> bool:
        """Write what the automations do; false if something that was read has changed."""
        deeds = Deeds(
            pool=self.pool.name,
            now=self.now,
            read_pool=self.store.pool,
            read_deployment=self.store.deployment,
            history=self.dispatch.limits.history,
        )
        written: list[Look] = []
        for look in looks:
            if look.because is not None:
                trial = deeds.copy()
                if attempted(_acted(trial, look), partial(self._failed, look.automation)) is None:
                    continue
                deeds = trial
            written.append(look)
        automated = deeds.whole(written, run)
        if not self.store.automate(automated):
            return False
        self._note(automated)
        return True

    def _note(self, automated: Automated) -> None:
        for automation in automated.progressed:
            self.automations[automation.name] = replace(automation, revision=automation.revision + 1)
        for firing in automated.firings:
            self.report.fired += 1
            self.dispatch.events("automation.fired", **_fields(firing))

    def _read_again(self) -> None:
        self.automations = {automation.name: automation for automation in self.store.automations()}

    def _failed(self, *about: object) -> None:
        """Report an exception, after the automation that caused it, if it was one. An unavailable store ends the step."""
        *automations, problem = about
        if isinstance(problem, StoreUnavailable):
            raise problem
        whose = "".join(f"{automation.name!r}: " for automation in automations if isinstance(automation, Automation))
        if isinstance(problem, Exception):
            self._report(whose + words(problem))

    def _report(self, problem: str) -> None:
        _note(self.report, problem)
        self.dispatch.events("pool.problem", pool=self.pool.name, problem=problem)


def _acted(deeds: Deeds, look: Look) -> Callable[[], Firing | None]:
    return lambda: deeds.act(look)


def _first_due(snapshot: Snapshot) -> Sequence[Run]:
    """The first due runs of every queue, and of the first lanes beside it."""
    lanes = [(queue.name, lane) for queue in snapshot.pool.queues for lane in (None, *snapshot.lanes(queue.name)[:LANES])]
    return [run for queue, lane in lanes for run in snapshot.due(queue, LOOKED_AT, None, lane)]


def _fields(firing: Firing) -> Mapping[str, object]:
    return {
        "automation": firing.automation,
        "pool": firing.pool,
        "run": firing.run,
        "because": firing.because,
        "did": "; ".join(firing.did),
        "problem": "; ".join(firing.problems),
    }
