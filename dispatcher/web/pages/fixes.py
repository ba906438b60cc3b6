"""What a person can do on the pages about the reason why a run is in its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.core.reasons import Explanation, Reason
from dispatcher.models import Run, RunState, WorkPool
from dispatcher.web.pages.words import url

FAILURES = frozenset({RunState.FAILED, RunState.CRASHED})
WAITS_FOR_ITS_TIME = frozenset({Reason.NOT_DUE, Reason.RETRY_DELAY, Reason.RUN_HELD})
WAITS_FOR_THE_POOL = frozenset({Reason.POOL_LIMIT_ZERO, Reason.POOL_FULL, Reason.EARLIER_RUNS, Reason.FAIR_SHARE})
WAITS_FOR_THE_QUEUE = frozenset({Reason.QUEUE_LIMIT_ZERO, Reason.QUEUE_FULL, Reason.DEPLOYMENT_SHARE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A button beside an explanation. Afterwards the reader always comes back to the run."""

    label: str
    address: str
    is_sent: bool = False
    """Whether it acts at once (by sending a form) instead of leading to another page."""
    is_plan: bool = False
    """Whether it leads to a plan, shown over the page."""
    asks: str = ""
    """The field of the plan that the reader fills in beside the button."""
    value: str = ""
    """The present value of the field."""
    fields: tuple[tuple[str, str], ...] = ()
    """The other fields of that form."""


def fixes(run: Run, explanation: Explanation, pool: WorkPool | None) -> Sequence[Fix]:
    """The fixes that an explanation names, if the pages can do them. A mirrored pool has none, because its source decides."""
    if pool is None or pool.mirror is not None:
        return ()
    return (
        *_of_run(run, explanation.reason),
        *_of_pool(run, explanation.reason, pool),
        *_of_deployment(run, explanation.reason),
    )


def _of_run(run: Run, reason: Reason) -> Sequence[Fix]:
    if reason in WAITS_FOR_ITS_TIME:
        return (Fix(label="Make it due now", address=url("runs", str(run.id), "start-now"), is_sent=True),)
    if reason is Reason.ENDED and run.state in FAILURES:
        return (Fix(label="Run it again", address=url("runs", str(run.id), "retry"), is_sent=True),)
    return ()


def _of_pool(run: Run, reason: Reason, pool: WorkPool) -> Sequence[Fix]:
    queue = pool.queue(run.queue)
    if reason is Reason.UNRENDERABLE:
        return (Fix(label="See the template", address=url("pools", pool.name, "template", back=_page_of(run))),)
    if reason is Reason.POOL_PAUSED:
        return (_planned("Resume the pool", run, pool, paused="no"),)
    if reason is Reason.QUEUE_PAUSED:
        return (_planned("Resume the queue", run, pool, queue=run.queue, paused="no"),)
    fixes = list[Fix]()
    if reason in WAITS_FOR_THE_POOL:
        fixes.append(_asked("Limit of the pool", run, pool, "limit", pool.concurrency_limit))
    if queue and reason in WAITS_FOR_THE_QUEUE:
        fixes.append(_asked("Limit of the queue", run, pool, "limit", queue.concurrency_limit, queue=run.queue))
    if queue and reason is Reason.FAIR_SHARE:
        fixes.append(_asked("Weight of the queue", run, pool, "weight", queue.weight, queue=run.queue))
    if queue and reason is Reason.HIGHER_QUEUES:
        others = [other.name for other in pool.queues if other is not queue]
        fixes.append(_planned("Serve the queue before all others", run, pool, order=[queue.name, *others]))
    return fixes


def _page_of(run: Run) -> str:
    return url("runs", str(run.id))


def _planned(label: str, run: Run, pool: WorkPool, **change: str | list[str]) -> Fix:
    """A change of the pool that needs no input."""
    address = url("pools", pool.name, "plan", version=pool.version, **change, back=_page_of(run))
    return Fix(label=label, address=address, is_plan=True)


def _asked(label: str, run: Run, pool: WorkPool, field: str, value: int | None, *, queue: str = "") -> Fix:
    """A change of one number of the pool, or of a queue of it."""
    fields = {"version": str(pool.version), "queue": queue, "back": _page_of(run)}
    return Fix(
        label=label,
        address=url("pools", pool.name, "plan"),
        asks=field,
        value="" if value is None else str(value),
        fields=tuple((name, text) for name, text in fields.items() if text),
    )


def _of_deployment(run: Run, reason: Reason) -> Sequence[Fix]:
    label = {
        Reason.DEPLOYMENT_FULL: "Raise the deployment's limit",
        Reason.DEPLOYMENT_SHARE: "Raise the deployment's weight",
    }.get(reason)
    if not label or not run.deployment:
        return ()
    return (Fix(label=label, address=url("deployments", run.deployment, "edit", back=_page_of(run))),)
