"""Notifications about firings of automations: at least once for each hook, as with runs (`dispatcher.ticking.notifying`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from dispatcher.core.backoff import delay
from dispatcher.core.deeds import firing_notification, identity
from dispatcher.delivery import Deliver, NotDelivered
from dispatcher.models import Firing, WorkPool
from dispatcher.models.records import FiringNotified
from dispatcher.ticking.calls import Calls, Pace
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.notifying import AT_ONCE, CAP_SECONDS, FIRST_SECONDS, MAX_TRIES, THREADS
from dispatcher.ticking.report import PoolReport
from dispatcher.ticking.seam import attempted, words

Delivery = tuple[Firing, str]


def notify_of_firings(dispatch: Dispatch, pool: WorkPool, *, deadline: datetime, report: PoolReport) -> None:
    """Notify hooks of the pool's firings that are due. A failure of the store becomes a problem in the report."""
    if dispatch.deliver is None or not pool.automated or dispatch.is_over(deadline):
        return
    for problem in attempted(partial(_deliver_all, dispatch, dispatch.deliver, pool, deadline), lambda error: [words(error)]):
        report.problem = report.problem or problem


def _deliver_all(dispatch: Dispatch, deliver: Deliver, pool: WorkPool, deadline: datetime) -> list[str]:
    """Deliver what is due, and note the result; the problems are returned."""
    now = dispatch.clock.now()
    firings = dispatch.store.firings_to_notify(pool.name, now, limit=AT_ONCE)
    if not firings:
        return []

    def delivered(delivery: Delivery) -> str:
        firing, hook = delivery
        try:
            deliver(hook, identity(firing, hook), firing_notification(firing, hook, now))
        except NotDelivered as problem:
            dispatch.events("hook.failed", run=firing.run, pool=pool.name, hook=hook, problem=str(problem))
            return f"not delivered: hook {hook!r}: {problem}"
        dispatch.events("hook.notified", run=firing.run, pool=pool.name, hook=hook, notification="automation.fired")
        return ""

    calls: Calls[Delivery, str] = Calls(
        delivered,
        threads=THREADS,
        clock=dispatch.clock,
        deadline=deadline,
        pace=Pace((), now),
        is_stopped=dispatch.is_stopped,
    )
    answers: dict[tuple[object, str], str | None] = {}
    for group in calls.run([(firing, hook) for firing in firings for hook in _unconfirmed_hooks(firing)]):
        answers |= {(firing.id, hook): problem for (firing, hook), problem in group}
    results = [(firing, {hook: answers[firing.id, hook] for hook in _unconfirmed_hooks(firing)}) for firing in firings]
    notified = [
        _notified(firing, problems, now) for firing, problems in results if any(p is not None for p in problems.values())
    ]
    dispatch.store.firing_notified(notified)
    return [problem for _, problems in results for problem in problems.values() if problem]


def _unconfirmed_hooks(firing: Firing) -> list[str]:
    """The hooks that have not confirmed it, with another one first at each try."""
    hooks = [hook for hook in firing.hooks if hook not in firing.notified_hooks]
    first = firing.notify_tries % max(len(hooks), 1)
    return [*hooks[first:], *hooks[:first]]


def _notified(firing: Firing, problems: dict[str, str | None], now: datetime) -> FiringNotified:
    """`problems`: by hook, why it has not confirmed; empty for a hook that has, None for one that was left out."""
    confirmed = firing.notified_hooks | {hook for hook, problem in problems.items() if problem == ""}
    tries = firing.notify_tries + 1
    again_at = now + timedelta(seconds=delay(tries, str(firing.id), first=FIRST_SECONDS, cap=CAP_SECONDS))
    if confirmed >= set(firing.hooks) or tries >= MAX_TRIES:
        return FiringNotified(firing=firing, again_at=None, hooks=confirmed)
    if not any(problems.values()):
        again_at = now
    return FiringNotified(firing=firing, again_at=again_at, hooks=confirmed)
