"""What a person can do on the pages about the reason why a run is where it is."""

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
    """A button beside an explanation."""

    label: str
    address: str
    is_sent: bool = False
    """Whether it acts at once (a form that is sent), and does not lead to another page."""
    is_plan: bool = False
    """Whether it leads to a plan, which is shown over the page."""


def fixes(run: Run, explanation: Explanation, pool: WorkPool | None) -> Sequence[Fix]:
    """The fixes that an explanation names, where the pages have the same verb. None in a mirrored pool: its source decides."""
    if pool is None or pool.mirror is not None:
        return ()
    return (
        *_of_run(run, explanation.reason),
        *_of_pool(run, explanation.reason, pool),
        *_of_deployment(run, explanation.reason),
    )


def _lane(pool: WorkPool, name: str) -> str:
    """Where the forms of a queue stand: `pool_live.html` has the same ids."""
    queue = pool.queue(name)
    return url("pools", pool.name) + (f"#queue-{queue.priority}" if queue else "")


def _of_run(run: Run, reason: Reason) -> Sequence[Fix]:
    if reason in WAITS_FOR_ITS_TIME:
        return (Fix(label="Make it due now", address=url("runs", str(run.id), "start-now"), is_sent=True),)
    if reason is Reason.ENDED and run.state in FAILURES:
        return (Fix(label="Run it again", address=url("runs", str(run.id), "retry"), is_sent=True),)
    return ()


def _of_pool(run: Run, reason: Reason, pool: WorkPool) -> Sequence[Fix]:
    if reason is Reason.UNRENDERABLE:
        return (Fix(label="See the template", address=url("pools", pool.name, "template")),)
    if reason is Reason.POOL_PAUSED:
        return (_resume("Resume the pool", pool),)
    if reason is Reason.QUEUE_PAUSED:
        return (_resume("Resume the queue", pool, run.queue),)
    links = list[Fix]()
    if reason in WAITS_FOR_THE_POOL:
        links.append(Fix(label="Raise the pool's limit", address=f"{url('pools', pool.name)}#pool-limit"))
    if reason in WAITS_FOR_THE_QUEUE:
        links.append(Fix(label="Raise the queue's limit", address=_lane(pool, run.queue)))
    if reason is Reason.FAIR_SHARE:
        links.append(Fix(label="Raise the queue's weight", address=_lane(pool, run.queue)))
    if reason is Reason.HIGHER_QUEUES:
        links.append(Fix(label="Raise the queue's priority", address=_lane(pool, run.queue)))
    return links


def _resume(label: str, pool: WorkPool, queue: str = "") -> Fix:
    address = url("pools", pool.name, "plan", version=pool.version, queue=queue, paused="no")
    return Fix(label=label, address=address, is_plan=True)


def _of_deployment(run: Run, reason: Reason) -> Sequence[Fix]:
    label = {
        Reason.DEPLOYMENT_FULL: "Raise the deployment's limit",
        Reason.DEPLOYMENT_SHARE: "Raise the deployment's weight",
    }.get(reason)
    return (Fix(label=label, address=url("deployments", run.deployment, "edit")),) if label and run.deployment else ()
