"""Why is my run not running? One primary reason, the runs in the way, and what would change it.

For a waiting run this module calls `dispatcher.core.admission.admit`, as a claim does, with copies of the run in place of the
runs ahead of it, and puts the result into words. A run that holds a slot is explained by its own fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from dispatcher.core.admission import admit
from dispatcher.core.barriers import UNLIMITED, Barrier, room
from dispatcher.core.holds import active, concerns
from dispatcher.core.surroundings import Holder, Surroundings
from dispatcher.models import HoldKind, PoolHold, Run, RunState, Share, WorkQueue
from dispatcher.models.records import Due, Position

_BEHIND_ITS_PLACE = frozenset({None, Barrier.HIGHER_QUEUES, Barrier.FAIR_SHARE, Barrier.EARLIER_RUNS})
"""Barriers that a hold explains better: if the run's own place is held, the hold is the reason."""


_WAITS_FOR_ANY = frozenset({Barrier.POOL_FULL, Barrier.HIGHER_QUEUES, Barrier.FAIR_SHARE, Barrier.EARLIER_RUNS})
"""Barriers that the end of any run of the pool may move."""


class Reason(StrEnum):
    """Why a run is in its state: one primary reason for each run. A waiting run has the first that applies, in this order."""

    POOL_MISSING = "POOL_MISSING"
    UNRENDERABLE = "UNRENDERABLE"
    """No job can be rendered from template and variables: the run crashes with the same text when it is claimed."""
    NOT_DUE = "NOT_DUE"
    RETRY_DELAY = "RETRY_DELAY"
    """An attempt has ended, and the run waits for the next one as its retry policy says."""
    RUN_HELD = "RUN_HELD"
    POOL_PAUSED = "POOL_PAUSED"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    POOL_LIMIT_ZERO = "POOL_LIMIT_ZERO"
    QUEUE_LIMIT_ZERO = "QUEUE_LIMIT_ZERO"
    POOL_HELD = "POOL_HELD"
    POOL_FULL = "POOL_FULL"
    QUEUE_FULL = "QUEUE_FULL"
    DEPLOYMENT_FULL = "DEPLOYMENT_FULL"
    """Its deployment is at its limit, or earlier runs of the deployment take the free room."""
    DEPLOYMENT_SHARE = "DEPLOYMENT_SHARE"
    """The deployments of its queue share its slots fairly, and the free slots go to those that hold less for their weight."""
    HIGHER_QUEUES = "HIGHER_QUEUES"
    FAIR_SHARE = "FAIR_SHARE"
    """The pool shares its slots fairly, and the free slots go to queues that hold less for their weight."""
    PLACE_HELD = "PLACE_HELD"
    """The provider refused another run that goes to the same place, or that needs as much."""
    EARLIER_RUNS = "EARLIER_RUNS"
    MISCONFIGURED = "MISCONFIGURED"
    """The host that ticks lacks something (a region, credentials): nothing is submitted until somebody fixes it."""
    MISSED = "MISSED"
    """It was due in a pause, and `catch_up` of its schedule says that it does not start any more: a tick ends it."""
    NEXT = "NEXT"
    """Nothing is in the way: the next tick admits it."""
    CLAIMED = "CLAIMED"
    """An invocation has claimed it and is submitting it."""
    ANSWER_OPEN = "ANSWER_OPEN"
    """The invocation that claimed it recorded no answer; the next tick looks up its job by name."""
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer of `explain`."""

    reason: Reason
    text: str
    """One sentence for a person."""
    fix: str
    """What would change it; empty when there is nothing to do."""
    until: datetime | None = None
    """When it changes by itself, if that is known."""
    position: int | None = None
    """Its position in its queue: the number of due runs that are served before it, plus one."""
    holders: tuple[Holder, ...] = ()
    """The runs that hold the slots it waits for."""


def explain(run: Run, around: Surroundings | None, now: datetime, *, budget: int = UNLIMITED) -> Explanation:
    """Explain a run. `around` may be None for a run that holds a slot or has ended."""
    if run.state.is_terminal:
        return _ended(run)
    if run.state.holds_slot:
        return _in_flight(run, now)
    if around is None:
        return Explanation(
            reason=Reason.POOL_MISSING, text=f"work pool {run.pool!r} does not exist", fix="create the pool, or cancel the run"
        )
    return _rendering(around) or _timing(run, now) or _waiting(run, around, now, budget)


def _ended(run: Run) -> Explanation:
    text = f"{run.state} at {_time(run.ended_at)}" + (f": {run.reason}" if run.reason else "")
    return Explanation(reason=Reason.ENDED, text=text, fix="")


def _in_flight(run: Run, now: datetime) -> Explanation:
    if run.state is RunState.CANCELLING:
        end = f"it ends as {run.ending or RunState.CANCELLED} once its job is seen to have ended"
        return Explanation(reason=Reason.CANCELLING, text=f"being stopped; {end}", fix="")
    if run.state is RunState.RUNNING:
        return Explanation(reason=Reason.RUNNING, text=f"running since {_time(run.started_at)}", fix="")
    if run.submission is not None:
        return _starting(run)
    if run.lease_until is not None and now < run.lease_until:
        detail = f" ({run.reason})" if run.reason else ""
        return Explanation(
            reason=Reason.CLAIMED,
            text=f"claimed at {_time(run.claimed_at)}, the answer is awaited{detail}",
            fix="",
            until=run.lease_until,
        )
    return Explanation(
        reason=Reason.ANSWER_OPEN,
        text="claimed, but the invocation that claimed it recorded no answer; the next tick looks for its job",
        fix="make sure that ticks come (a tick is started by the schedule, or by `dispatcher tick`)",
    )


def _starting(run: Run) -> Explanation:
    """Submitted. A job that does not start in time is stopped, and its run crashes (see `dispatcher.core.reconciliation`)."""
    text = f"submitted at {_time(run.submitted_at)}; its provider has not started it yet" + (
        f" ({run.reason})" if run.reason else ""
    )
    if run.start_within is None or run.submitted_at is None:
        return Explanation(reason=Reason.STARTING, text=text, fix="")
    deadline = run.submitted_at + timedelta(seconds=run.start_within)
    return Explanation(
        reason=Reason.STARTING,
        text=f"{text}; if it has not started by {_time(deadline)} it is stopped",
        fix="see the provider's console; `task_start_timeout_seconds` is the time that it may take",
        until=deadline,
    )


def _rendering(around: Surroundings) -> Explanation | None:
    if not around.fault:
        return None
    return Explanation(
        reason=Reason.UNRENDERABLE,
        text=f"no job can be made of it, and it will crash when its turn comes: {around.fault}",
        fix=f"correct the base job template of work pool {around.pool.name!r} or the deployment, or cancel the run",
    )


def _timing(run: Run, now: datetime) -> Explanation | None:
    if run.due_at > now and run.ended_attempts:
        return Explanation(
            reason=Reason.RETRY_DELAY,
            text=f"the next attempt is due at {_time(run.due_at)}; {run.reason}",
            fix="wait; `dispatcher run inspect` shows the attempts before",
            until=run.due_at,
        )
    if run.due_at > now:
        return Explanation(reason=Reason.NOT_DUE, text=f"not due before {_time(run.due_at)}", fix="wait", until=run.due_at)
    if run.not_before is not None and run.not_before > now:
        return Explanation(
            reason=Reason.RUN_HELD,
            text=f"waiting for the provider until {_time(run.not_before)}; refused {run.refusals} times: {run.reason}",
            fix="see the provider's words; a quota or capacity may have to be raised",
            until=run.not_before,
        )
    return None


def _waiting(run: Run, around: Surroundings, now: datetime, budget: int) -> Explanation:
    """Ask `admit`, with copies of `run` in place of the due runs of every queue."""
    in_use = {name: count.in_use for name, count in around.counts.items()}
    one_by_one = tuple(replace(queue, share=Share.STRICT) for queue in around.pool.queues)  # `ahead` says who comes first
    held = tuple(replace(hold, passed={}) for hold in around.pool.holds)  # positions of real runs mean nothing for copies
    pool = replace(around.pool, queues=one_by_one, holds=held)
    admission = admit(pool, in_use, _copies(run, around), now=now, budget=budget)
    position = around.ahead + 1
    is_next = sum(admitted.queue == run.queue for admitted in admission.admitted) >= position
    barrier = None if is_next else admission.barriers.get(run.queue, Barrier.EARLIER_RUNS)
    if barrier in _BEHIND_ITS_PLACE and around.is_deployment_full:
        barrier = Barrier.DEPLOYMENT_FULL
    if barrier in _BEHIND_ITS_PLACE and _hold_behind(Barrier.PLACE_HELD, around, now):
        barrier = Barrier.PLACE_HELD
    if barrier in _BEHIND_ITS_PLACE and around.missed:
        fix = "nothing has to be done: a tick ends it; `dispatcher run retry` then runs it again"
        return Explanation(reason=Reason.MISSED, text=f"it does not start any more: {around.missed}", fix=fix)
    if barrier is not None and _goes_to_other_deployments(barrier, run, around):
        return _share_held(run, around, position)
    return _next(run, around, position) if barrier is None else _worded(barrier, run, around, position, now)


def _copies(run: Run, around: Surroundings) -> Due:
    """As many copies of the run as a queue has due runs. The id of a copy is its number, so that the next page begins after the
    last copy of a page, and the copies come to an end.
    """

    def due(queue: str, limit: int, after: Position | None = None, _lane: str | None = None) -> Sequence[Run]:
        waiting = around.ahead + 1 if queue == run.queue else around.counts[queue].due
        number = after[1].int if after else 0
        page = [replace(run, queue=queue)] * min(waiting - number, limit)
        return [*page[1:], replace(run, queue=queue, id=UUID(int=number + len(page)))] if page else page

    return due


def _next(run: Run, around: Surroundings, position: int) -> Explanation:
    """Nothing is in the way. The text names the last refusal, if there was one."""
    last, refused = around.pool.last_tick_at, _last_refusal(run, around)
    fix = f"the next tick admits it; the last one came at {_time(last)}" if last else "start a tick: none has come yet"
    text = f"the next tick tries it again; {refused}" if refused else "nothing is in the way"
    return Explanation(reason=Reason.NEXT, text=text, fix=fix, position=position)


def _last_refusal(run: Run, around: Surroundings) -> str:
    """The provider's last refusal of the run, or of another run with the same needs; empty if there is none."""
    if run.refusals:
        return f"the provider has refused it {_times(run.refusals)}, the last time: {run.reason}"
    over = [hold for hold in around.pool.holds if concerns(hold, around.needs)]
    latest = max(over, key=lambda hold: hold.until, default=None)
    return f"the provider refused a run that needs the same: {latest.reason}" if latest else ""


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _worded(barrier: Barrier, run: Run, around: Surroundings, position: int, now: datetime) -> Explanation:
    held = _hold_behind(barrier, around, now)
    text, fix = _held_words(held) if held else _words(barrier, run, around, position)
    if barrier is Barrier.DEPLOYMENT_FULL:
        text, fix = _full_words(run, around)
    is_ours = held is not None and held.kind is HoldKind.MISCONFIGURED
    return Explanation(
        reason=Reason.MISCONFIGURED if is_ours else Reason(barrier.value),
        text=text,
        fix=fix,
        until=held.until if held else None,
        position=position,
        holders=tuple(Holder.of(holder) for holder in _holders(barrier, run, around)),
    )


def _goes_to_other_deployments(barrier: Barrier, run: Run, around: Surroundings) -> bool:
    """Whether its queue has free slots, but deployments that hold less for their weight get them first."""
    queue, used = around.pool.queue(run.queue), around.counts[run.queue].in_use
    has_room = queue is not None and room(queue.concurrency_limit, used) > 0
    is_first = around.standing is None or not around.standing.others
    return not is_first and (barrier is Barrier.EARLIER_RUNS or (barrier is Barrier.QUEUE_FULL and has_room))


def _share_held(run: Run, around: Surroundings, position: int) -> Explanation:
    """The run waits for the share of its deployment; the holders are its deployment's live runs, or else those of the queue."""
    in_queue = [holder for holder in around.holders if holder.queue == run.queue]
    own = [holder for holder in in_queue if holder.deployment == run.deployment]
    heavier = f" or the weight: dispatcher deployment update {run.deployment} --weight N" if run.deployment else ""
    return Explanation(
        reason=Reason.DEPLOYMENT_SHARE,
        text=f"the free slots of its queue go to deployments that hold less for their weight; {_turn(run, around, position)}",
        fix=f"wait, or raise the limits{heavier}",
        position=position,
        holders=tuple(Holder.of(holder) for holder in own or in_queue),
    )


def _turn(run: Run, around: Surroundings, position: int) -> str:
    """Where the run stands in its queue, and who shares it."""
    priority = f" (priority {run.priority})" if run.priority else ""
    if around.standing is None:
        return f"it is number {position} of its queue{priority}{_behind(run, around)}"
    shares = [_share(name, held, weight) for name, (held, weight) in around.standing.shares.items()]
    shared = f", which is shared fairly by deployments: {', '.join(shares)}"
    return f"it is number {position} of its queue{priority}{shared}{_behind(run, around)}"


def _share(deployment: str, held: int, weight: int) -> str:
    return f"{repr(deployment) if deployment else 'no deployment'} {held} (weight {weight})"


def _hold_behind(barrier: Barrier, around: Surroundings, now: datetime) -> PoolHold | None:
    """The hold that keeps the run back; of several, the one that ends last."""
    if barrier not in (Barrier.POOL_HELD, Barrier.PLACE_HELD):
        return None
    keeping = [hold for hold in active(around.pool.holds, now) if concerns(hold, around.needs)]
    return max(keeping, key=lambda hold: hold.until, default=None)


def _held_words(hold: PoolHold) -> tuple[str, str]:
    """A hold as a sentence, and what would change it, which depends on what is held."""
    until = _time(hold.until)
    match hold.kind:
        case HoldKind.MISCONFIGURED:
            text = f"the dispatcher is misconfigured: {hold.reason}; it is tried again at {until}"
            return text, "correct it where ticks run; waiting does not help"
        case HoldKind.CAPACITY:
            return f"waiting for the provider's capacity until {until}: {hold.reason}", "wait, or have capacity or quota raised"
        case HoldKind.PACE:
            return f"waiting for the provider's rate until {until}: {hold.reason}", "wait"
        case HoldKind.RATE:
            return f"waiting for the provider until {until}: {hold.reason}", "wait, or have the provider's quota raised"


def _holders(barrier: Barrier, run: Run, around: Surroundings) -> Sequence[Run]:
    """The runs whose end would free a slot that the run could get."""
    if barrier is Barrier.DEPLOYMENT_FULL:
        return around.live
    if barrier is Barrier.QUEUE_FULL:
        return [holder for holder in around.holders if holder.queue == run.queue]
    return around.holders if barrier in _WAITS_FOR_ANY else ()


def _words(barrier: Barrier, run: Run, around: Surroundings, position: int) -> tuple[str, str]:
    """A barrier as a sentence, and its fix."""
    pool, queue = around.pool, around.pool.queue(run.queue)
    pool_text, queue_text = f"work pool {pool.name!r}", f"work queue {run.queue!r}"
    queue_limit = queue.concurrency_limit if queue else None
    used = sum(count.in_use for count in around.counts.values())
    turn = _turn(run, around, position)
    at = f"{pool.name} {run.queue}"
    match barrier:
        case Barrier.POOL_PAUSED:
            return f"{pool_text} is paused{around.paused_by}", f"dispatcher work-pool resume {pool.name}"
        case Barrier.QUEUE_PAUSED:
            return f"{queue_text} is paused{around.paused_by}", f"dispatcher work-queue resume --pool {at}"
        case Barrier.POOL_LIMIT_ZERO:
            return f"{pool_text} has the limit 0", f"dispatcher work-pool set-concurrency-limit {pool.name} N"
        case Barrier.QUEUE_LIMIT_ZERO:
            return f"{queue_text} has the limit 0", f"dispatcher work-queue set-concurrency-limit --pool {at} N"
        case Barrier.POOL_FULL:
            words = f"{pool_text} is full: {used} of {pool.concurrency_limit} slots are held; {turn}"
            return words, "wait for a run to end, or raise the pool's limit"
        case Barrier.QUEUE_FULL:
            held = around.counts[run.queue].in_use
            words = f"{queue_text} is full: {held} of {queue_limit} slots are held; {turn}"
            return words, "wait for a run of the queue to end, or raise the queue's limit"
        case Barrier.HIGHER_QUEUES | Barrier.FAIR_SHARE:
            return _others_first(run, around, turn)
        case Barrier.POOL_HELD | Barrier.PLACE_HELD:
            return "the provider has refused a run that needs the same", "wait"
        case Barrier.EARLIER_RUNS | Barrier.DEPLOYMENT_FULL:  # `_full_words` has the words for a deployment
            return f"the free slots go to earlier runs of its queue; {turn}", "wait, or raise the pool's limit"


def _others_first(run: Run, around: Surroundings, turn: str) -> tuple[str, str]:
    """The pool's free slots go to other queues: by priority, or because they hold less than their share."""
    if around.pool.share is Share.STRICT:
        return f"the free slots go to queues of higher priority; {turn}", "wait, or raise the queue's priority"
    words = f"the pool shares its slots fairly, and the free ones go to queues that hold less: {_held_slots(run, around)}"
    return f"{words}; {turn}", "wait, or raise the pool's limit or the queue's weight"


def _held_slots(run: Run, around: Surroundings) -> str:
    """What the run's own queue holds, and what the other queues with due runs hold."""
    shared = [queue for queue in around.pool.queues if queue.name == run.queue or around.counts[queue.name].due]
    return ", ".join(f"{queue.name!r} {around.counts[queue.name].in_use} (weight {queue.weight})" for queue in shared)


def _full_words(run: Run, around: Surroundings) -> tuple[str, str]:
    """Why a deployment's limit keeps the run back."""
    live, limit = len(around.live), around.deployment_limit
    held = f"deployment {run.deployment!r} is full: {live} of {limit} runs are live"
    if limit is not None and live < limit:
        held = f"deployment {run.deployment!r} has {live} of {limit} runs live, and earlier runs of it go first"
    raised = f"dispatcher deployment update {run.deployment} --concurrency-limit N"
    if around.windows_left_out:
        held += f"; {around.windows_left_out} windows of it were left out so far, because too many of its runs wait"
    return held, f"wait for a run of the deployment to end, or raise its limit: {raised}"


def _behind(run: Run, around: Surroundings) -> str:
    """The text about the runs that are served before the run's whole queue."""
    higher = [f"{name!r} {around.counts[name].due}" for name in _higher(run, around)]
    return f", behind the due runs of higher queues ({', '.join(higher)})" if higher else ""


def _higher(run: Run, around: Surroundings) -> list[str]:
    """The queues above the run's own that have due runs and may start them."""
    own = around.pool.queue(run.queue)
    if around.pool.share is Share.FAIR:
        return []
    return [
        queue.name
        for queue in around.pool.queues
        if own is not None and queue.priority < own.priority and around.counts[queue.name].due and _delivers(queue)
    ]


def _delivers(queue: WorkQueue) -> bool:
    return not queue.paused and queue.concurrency_limit != 0


def _time(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else "an unknown time"
