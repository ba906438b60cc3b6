"""Every rule that keeps a promise, taken out one at a time. A sabotage that no seed catches is a hole in the simulation.

Each is a small patch of the product (or, where the rule is a cloud's, of how the product uses it), put on for the length of a
`with`. They run on the memory store, whose verbs are plain enough to be broken in one place.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import Any
from unittest.mock import patch

from dispatcher.core import holds, reconciliation, transitions, windows
from dispatcher.core.admission import admit
from dispatcher.core.holds import hold_for
from dispatcher.core.pinning import job_of, pin
from dispatcher.core.templates import Renderer
from dispatcher.errors import StoreError
from dispatcher.models import Attempt, RunState
from dispatcher.records import Move, Snapshot
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import line, observing, pool_tick, pools, seam, submitting
from providers.base import Hold, Job, ProviderError, Throttled, Unknown, Unreachable
from tests.simulation import world as world_module
from tests.simulation.checks import Violation
from tests.simulation.cloud import Cloud, Kind, SimulatedProvider
from tests.simulation.faults import FaultyStore
from tests.simulation.life import simulate
from tests.simulation.stores import memory

Break = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Sabotage:
    """One rule and how it is broken."""

    rule: str
    broken: Break
    seeds: int = 300
    """It must be caught within so many."""
    near: int = 0
    """A seed, not far from one that catches it, at which the test suite may begin; the command begins at 0."""


def _swap(target: Any, name: str, value: Any) -> Break:
    return lambda: patch.object(target, name, value)


@contextmanager
def _all(*breaks: Break) -> Iterator[None]:
    with ExitStack() as stack:
        for each in breaks:
            stack.enter_context(each())
        yield


# The name

_holds_name = Cloud._holds_name


def _without_token(cloud: Cloud, job: Any) -> bool:
    return cloud.kind is not Kind.TOKEN and _holds_name(cloud, job)


def _job_with_claim(run: Any) -> Job:
    job = job_of(run)
    return replace(job, labels={**job.labels, "fence": str(run.fence)})


def _token_of_claim(_: SimulatedProvider, job: Job) -> str:
    return f"{job.name}/{job.labels['fence']}"


def _attempt_raised(run: Any, now: Any, lease: Any) -> Any:
    return {"fence": run.fence + 1, "lease_until": now + lease, "attempt": run.attempt + 1}


# The slots

_snapshot, _apply, _faulty_call = MemoryStore._snapshot, MemoryStore._apply, FaultyStore._call


def _counted(store: Any) -> Counter[str]:
    store.__dict__.setdefault("slots", Counter())
    return store.slots


def _snapshot_from_counter(store: Any, pool: Any, now: Any) -> Snapshot:
    held = {queue.name: _counted(store)[pool.name, queue.name] for queue in pool.queues}
    return replace(_snapshot(store, pool, now), in_use=held)


def _call_with_counter(self: Any, verb: str, *args: Any, **named: Any) -> Any:
    result = _faulty_call(self, verb, *args, **named)
    if verb == "claim":
        _counted(self._store).update((claim.run.pool, claim.run.queue) for claim in result.claims if not claim.repeat)
    if verb == "move":
        self._invocation.pause("slots before")
        freed = [move for move in args[0] if move.run_id in result and move.expected.holds_slot and not move.to.holds_slot]
        _counted(self._store).subtract((move.pool, move.queue) for move in freed)
    return result


_claim_effect = FaultyStore._claim_effect


def _claim_on_an_old_count(self: Any, name: str, now: Any, **named: Any) -> Any:
    pool = self._store.pool(name)
    counted = _snapshot(self._store, pool, now).in_use if pool else {}
    self._invocation.pause("count")
    decide = named["decide"]
    return self._store.claim(name, now, **{**named, "decide": lambda seen: decide(replace(seen, in_use=counted))})


def _verdicts_with_timer(live: Any, seen: Any, now: Any, limits: Any) -> Any:
    moves = {move.run_id: move for move in reconciliation.verdicts(live, seen, now, limits)}
    for run in live:
        if run.id not in moves and run.submitted_at and now - run.submitted_at > timedelta(seconds=120):
            moves[run.id] = Move.of(run, RunState.CRASHED, reason="taken for dead", ended_at=now)
    return tuple(moves.values())


# The record


def _change_without(*ignored: str) -> Callable[..., Any]:
    change = MemoryStore._change

    def changed(store: Any, run_id: Any, expected: Any, changes: Any) -> Any:
        stored = store._runs.get(run_id)
        guard = dict(zip(("pool", "state", "fence", "ending"), expected, strict=True))
        guard |= {name: getattr(stored, name) for name in ignored} if stored is not None else {}
        return change(store, run_id, tuple(guard.values()), changes)

    return changed


def _recorded_by_anyone(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    return reconciliation.recorded(run, answer, now, **{**named, "fence": run.fence})


def _unknown_is_failure(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    failed = Throttled(reason=answer.cause) if isinstance(answer, Unknown) else answer
    repeat = named["repeat"] and failed is answer
    return reconciliation.recorded(run, failed, now, **{**named, "repeat": repeat})


def _refusal_is_proof(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    return reconciliation.recorded(run, answer, now, **{**named, "repeat": False})


# What is pinned, and what is known of time


def _claim_rendered_again(self: Any, name: str, now: Any, **named: Any) -> Any:
    claims, pool = _claim_effect(self, name, now, **named), self._store.pool(name)
    if pool is None:
        return claims
    seen = _snapshot(self._store, pool, now)
    renderer = Renderer(pool.base_job_template)
    fresh = [replace(each, run=replace(each.run, job=pin(seen, each.run, None, renderer).job)) for each in claims.claims]
    return replace(claims, claims=tuple(fresh))


_settle = line.settle


def _settle_by_the_clock_of_now(tick: Any, seen: Any) -> Any:
    return _settle(tick, replace(seen, at=tick.clock.now()))


def _look_up_and_go_on(self: Any, claim: Any, job: Job) -> Any:
    answer = _look_up(self, claim, job)
    return None if isinstance(answer, reconciliation.Absent) else answer


_look_up, _tidy = submitting.Submitting._look_up, line.tidy


def _tidy_at_once(tick: Any) -> None:
    with patch.object(pool_tick.PoolTick, "longest_lease", timedelta(days=-1)):
        _tidy(tick)


# Attempts and windows


def _no_policy_of_attempts(run: Any, end: RunState) -> bool:
    return run.retry is not None and end in run.retry.states


def _verdict_that_does_not_wait(run: Any, *rest: Any) -> Any:
    move = reconciliation_verdict(run, *rest)
    if move and move.to is RunState.CANCELLING and run.retry:
        late = Attempt(number=run.attempt, state=RunState.CRASHED, reason="late", ended_at=rest[1])
        return transitions.retried(run, late, rest[1] + reconciliation.retry_delay(run), "late")
    return move


reconciliation_verdict, _reach = reconciliation.verdict, windows._reach


def _reach_from_now(schedule: Any, _since: Any, now: Any, limits: Any) -> Any:
    return _reach(schedule, now, now, limits)


def _materialised_in_two(self: Any, step: Any) -> Any:
    added = self._store.add_runs(step.runs)
    self._invocation.pause("windows between")
    self._store.materialise(replace(step, runs=()))
    return added


def _prune_all(store: Any, pool: str, before: Any, *, limit: int) -> int:
    return _prune(store, pool, before + timedelta(days=1), limit=limit)


_prune = MemoryStore.prune


# The order


def _admit_from_below(pool: Any, *seen: Any, **named: Any) -> Any:
    turned = [replace(queue, priority=-queue.priority) for queue in pool.queues]
    return admit(replace(pool, queues=tuple(turned)), *seen, **named)


def _due_newest_first(store: Any, pool: Any, now: Any) -> Snapshot:
    seen = _snapshot(store, pool, now)
    return replace(seen, due=lambda queue, limit, _after=None: seen.due(queue, 1000)[::-1][:limit])


# What one does badly


def _hold_for_all(answer: Any, until: Any) -> Any:
    return hold_for(replace(answer, hold=answer.hold or Hold()), until)


def _concerns_wherever_it_goes(hold: Any, needs: Any) -> bool:
    return Hold(size=hold.size).concerns(needs)


def _windows_first(tick: Any) -> Any:
    windows = _windows(tick)
    with patch.object(tick, "deadline", tick.deadline + timedelta(days=1)):
        line.materialise(tick, windows)
    return windows


_windows = line.Windows


@contextmanager
def _only_what_is_declared(tell: Any) -> Iterator[None]:
    try:
        yield
    except (StoreError, ProviderError) as problem:
        tell(problem)


_pools_with_work = MemoryStore.pools_with_work


def _claims_are_no_work(store: Any, now: Any, **named: Any) -> Any:
    abandoned = {run.pool for run in store._runs.values() if run.state.holds_slot and run.submission is None}
    return [name for name in _pools_with_work(store, now, **named) if name not in abandoned]


def _unreachable_is_unknown(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    lost = Unknown(cause=answer.cause) if isinstance(answer, Unreachable) else answer
    return reconciliation.recorded(run, lost, now, **named)


def _taken_over_as_if_never_refused(run: Any, now: Any, lease: Any) -> Any:
    return {"fence": run.fence + 1, "lease_until": now + lease, "not_before": None}


SABOTAGES: dict[str, Sabotage] = {
    "no token": Sabotage("the name is the idempotency key", _swap(Cloud, "_holds_name", _without_token)),
    "token from the claim": Sabotage(
        "the name is a pure function of run and attempt, never of the claim",
        lambda: _all(_swap(submitting, "job_of", _job_with_claim), _swap(SimulatedProvider, "token", _token_of_claim)),
    ),
    "attempt raised without an end": Sabotage(
        "the attempt rises only when nothing lives under the old name", _swap(transitions, "taken_over", _attempt_raised)
    ),
    "no look-up before a repeat": Sabotage(
        "a claim that is taken over is looked up first", _swap(submitting.Submitting, "_look_up", lambda *_: None)
    ),
    "slot counter of its own": Sabotage(
        "slots are counted from runs",
        lambda: _all(_swap(MemoryStore, "_snapshot", _snapshot_from_counter), _swap(FaultyStore, "_call", _call_with_counter)),
    ),
    "count outside the claim": Sabotage(
        "slots are counted inside the claiming transaction", _swap(FaultyStore, "_claim_effect", _claim_on_an_old_count)
    ),
    "slot freed by a timer": Sabotage(
        "a slot is freed only by an observed end", _swap(observing, "verdicts", _verdicts_with_timer)
    ),
    "record without fence": Sabotage(
        "every write under a claim names its fence",
        lambda: _all(
            _swap(submitting, "recorded", _recorded_by_anyone), _swap(MemoryStore, "_change", _change_without("fence"))
        ),
        seeds=1500,
        near=120,
    ),
    "update without the expected state": Sabotage(
        "every write names the state it leaves", _swap(MemoryStore, "_change", _change_without("state", "fence", "ending"))
    ),
    "unknown taken for failure": Sabotage("no answer is not a refusal", _swap(submitting, "recorded", _unknown_is_failure)),
    "refusal of a repeat taken for proof": Sabotage(
        "a refused repeat says nothing of the submission before it", _swap(submitting, "recorded", _refusal_is_proof)
    ),
    "rendered again": Sabotage("a claim pins what it renders", _swap(FaultyStore, "_claim_effect", _claim_rendered_again)),
    "no deadline": Sabotage(
        "nothing is submitted after the deadline", _swap(world_module, "TICK", timedelta(days=1)), seeds=1500, near=1250
    ),
    "lease shorter than the invocation": Sabotage(
        "a lease outlives the invocation that made it", _swap(world_module, "LEASE", timedelta(seconds=-10))
    ),
    "missing taken for gone": Sabotage(
        "a missing job is an end only after the look-up lag",
        _swap(pool_tick, "cautious", lambda limits, skew: replace(limits, lookup_lag=0.0)),
    ),
    "skew forgotten": Sabotage(
        "the clocks of two invocations may differ",
        _swap(pool_tick, "cautious", lambda limits, skew: limits),
        near=40,
    ),
    "an old observation judged by a new clock": Sabotage(
        "what is missing is judged by the time at which looking began",
        _swap(line, "settle", _settle_by_the_clock_of_now),
        seeds=1500,
        near=900,
    ),
    "absence always trusted": Sabotage(
        "absence proves nothing once the provider has forgotten", _swap(submitting, "is_forgotten", lambda *_: False)
    ),
    "cancelled claim submitted": Sabotage(
        "a cancelled run whose claim is taken over is never submitted",
        _swap(submitting.Submitting, "_look_up", _look_up_and_go_on),
    ),
    "discarded at once": Sabotage(
        "what lingers guards its name until no request can be on its way",
        _swap(line, "tidy", _tidy_at_once),
        near=230,
    ),
    "cancel forgotten by a retry": Sabotage(
        "a run that people cancelled meanwhile is not tried again",
        _swap(MemoryStore, "_change", _change_without("ending")),
        seeds=1500,
        near=140,
    ),
    "more attempts than the policy": Sabotage(
        "a retry policy counts every end", _swap(reconciliation, "is_retried", _no_policy_of_attempts)
    ),
    "next attempt before the end": Sabotage(
        "another attempt follows an observed end alone", _swap(reconciliation, "verdict", _verdict_that_does_not_wait)
    ),
    "windows counted from now": Sabotage("a schedule goes on from where it was", _swap(windows, "_reach", _reach_from_now)),
    "windows noted apart from their runs": Sabotage(
        "runs of windows are added in the transaction that notes how far they reach",
        _swap(FaultyStore, "_materialise_effect", _materialised_in_two),
    ),
    "runs of a schedule that has changed": Sabotage(
        "a schedule that changes takes its runs to come along", _swap(MemoryStore, "_withdraw", lambda *_: None)
    ),
    "history forgotten too early": Sabotage(
        "ended runs are kept for as long as was said", _swap(MemoryStore, "prune", _prune_all)
    ),
    "lower queues first": Sabotage("queues are served by priority", _swap(submitting, "admit", _admit_from_below)),
    "last in, first out": Sabotage("a queue is served by due time", _swap(MemoryStore, "_snapshot", _due_newest_first)),
    "one job's refusal holds the pool": Sabotage(
        "a refusal holds the jobs that it concerns, and no others", _swap(submitting, "hold_for", _hold_for_all)
    ),
    "a hold ignores places": Sabotage("a hold belongs to a place", _swap(holds, "concerns", _concerns_wherever_it_goes)),
    "windows before claims": Sabotage("what is due is claimed before windows are made", _swap(line, "Windows", _windows_first)),
    "pools by name": Sabotage("whoever was ticked longest ago goes first", _swap(pools, "_in_turn", lambda in_order: in_order)),
    "an abandoned claim is no work": Sabotage(
        "a pool with a claim to take over has something to do", _swap(MemoryStore, "pools_with_work", _claims_are_no_work)
    ),
    "an adapter's exception escapes": Sabotage(
        "whatever a provider raises is its own pool's problem",
        lambda: _all(
            _swap(seam, "exceptions_reported", _only_what_is_declared),
            _swap(line, "exceptions_reported", _only_what_is_declared),
        ),
    ),
    "unreachable taken for no answer": Sabotage(
        "what was never sent costs no claim", _swap(submitting, "recorded", _unreachable_is_unknown)
    ),
    "a failed look-up costs a lease": Sabotage(
        "a look-up that failed is made again soon", _swap(reconciliation, "LOOKED_UP_AGAIN", timedelta(days=1))
    ),
    "a refused repeat keeps its slot": Sabotage(
        "a slot is held by a live job or by nobody", _swap(transitions, "taken_over", _taken_over_as_if_never_refused)
    ),
}


@dataclass(frozen=True)
class Caught:
    """How one sabotage ended. `seeds`: how many it took, counted from seed 0; None when it was not caught."""

    name: str
    seeds: int | None
    violation: str
    seconds: float

    def row(self) -> list[str]:
        """A line of the table."""
        seeds = "NOT CAUGHT" if self.seeds is None else str(self.seeds)
        return [self.name, seeds, str(SABOTAGES[self.name].seeds), f"{self.seconds:.1f}"]


def hunt(name: str, first: int = 0) -> Caught:
    """Take a rule out and look for the seed that notices, from seed `first` on."""
    sabotage, began = SABOTAGES[name], monotonic()
    with sabotage.broken():
        for seed in range(first, sabotage.seeds):
            with memory() as views:
                try:
                    simulate(seed, views)
                except Violation as violation:
                    return Caught(name, seed + 1, str(violation), monotonic() - began)
    return Caught(name, None, "", monotonic() - began)
