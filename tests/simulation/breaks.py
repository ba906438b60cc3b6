"""The patches of `sabotage`: the product without a rule."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any
from unittest.mock import patch
from uuid import uuid5

from dispatcher.core import reconciliation, transitions, windows
from dispatcher.core.admission import admit
from dispatcher.core.holds import hold_for
from dispatcher.core.pauses import Missed
from dispatcher.core.pinning import job_of, pin
from dispatcher.core.sharing import dealt
from dispatcher.core.templates import Renderer
from dispatcher.errors import StoreError
from dispatcher.models import Attempt, RunState
from dispatcher.models.records import Move, Snapshot
from dispatcher.models.source_answers import NotConfirmed
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import line, pool_tick, sourcing, submitting
from providers.base import Hold, Job, JobState, Observation, ProviderError, Throttled, Unknown, Unreachable
from tests.simulation.cloud import Cloud, Kind, SimulatedProvider
from tests.simulation.faults import FaultyStore

# The name

_holds_name = Cloud._holds_name


def without_token(cloud: Cloud, job: Any) -> bool:
    return cloud.kind is not Kind.TOKEN and _holds_name(cloud, job)


def job_with_claim(run: Any) -> Job:
    job = job_of(run)
    return replace(job, labels={**job.labels, "fence": str(run.fence)})


def token_of_claim(_: SimulatedProvider, job: Job) -> str:
    return f"{job.name}/{job.labels['fence']}"


def attempt_raised(run: Any, now: Any, lease: Any) -> Any:
    return {"fence": run.fence + 1, "lease_until": now + lease, "attempt": run.attempt + 1}


# The slots

_snapshot, _apply, _faulty_call = MemoryStore._snapshot, MemoryStore._apply, FaultyStore._call


def _counted(store: Any) -> Counter[str]:
    store.__dict__.setdefault("slots", Counter())
    return store.slots


def snapshot_from_counter(store: Any, pool: Any, now: Any) -> Snapshot:
    held = {queue.name: _counted(store)[pool.name, queue.name] for queue in pool.queues}
    return replace(_snapshot(store, pool, now), in_use=held)


def call_with_counter(self: Any, verb: str, *args: Any, **named: Any) -> Any:
    result = _faulty_call(self, verb, *args, **named)
    if verb == "claim":
        _counted(self._store).update((claim.run.pool, claim.run.queue) for claim in result.claims if not claim.repeat)
    if verb == "move":
        self._invocation.pause("slots before")
        freed = [move for move in args[0] if move.run_id in result and move.expected.holds_slot and not move.to.holds_slot]
        _counted(self._store).subtract((move.pool, move.queue) for move in freed)
    return result


_claim_effect = FaultyStore._claim_effect


def claim_on_an_old_count(self: Any, name: str, now: Any, **named: Any) -> Any:
    pool = self._store.pool(name)
    counted = _snapshot(self._store, pool, now).in_use if pool else {}
    self._invocation.pause("count")
    decide = named["decide"]
    return self._store.claim(name, now, **{**named, "decide": lambda seen: decide(replace(seen, in_use=counted))})


def verdicts_with_timer(live: Any, seen: Any, now: Any, limits: Any) -> Any:
    moves = {move.run_id: move for move in reconciliation.verdicts(live, seen, now, limits)}
    for run in live:
        if run.id not in moves and run.submitted_at and now - run.submitted_at > timedelta(seconds=120):
            moves[run.id] = Move.of(run, RunState.CRASHED, reason="taken for dead", ended_at=now)
    return tuple(moves.values())


def seen_as_ended(dispatch: Any, pool: Any, run: Any) -> Any:
    """The provider is not asked."""
    submission = run.submission or dispatch.providers(pool.type).find(job_of(run))
    return (submission, Observation(state=JobState.SUCCEEDED, exit_code=0)) if submission else None


def claim_on_old_lives(self: Any, name: str, now: Any, **named: Any) -> Any:
    """The live runs of deployments are counted before the claim."""
    pool, decide = self._store.pool(name), named["decide"]
    seen = _snapshot(self._store, pool, now) if pool else None
    live = {one.name: seen.live(one.name) for one in self._store.deployments()} if seen else {}
    self._invocation.pause("count of a deployment")
    counted = {**named, "decide": lambda seen: decide(replace(seen, live=lambda deployment: live.get(deployment, 0)))}
    return self._store.claim(name, now, **counted)


def live_without_what_is_stopped(store: Any, pool: Any, now: Any) -> Snapshot:
    """A run that is being cancelled no longer counts, although its job may live."""
    holding = {RunState.PENDING, RunState.RUNNING}
    runs = [run for run in store._runs.values() if run.pool == pool.name and run.state in holding]
    return replace(_snapshot(store, pool, now), live=lambda name: sum(run.deployment == name for run in runs))


def nothing_missed(*_seen: Any) -> Any:
    return lambda _run: ""


_has_newer, _pause_of = Missed._has_newer, Missed._pause_of


def has_nothing_newer(self: Any, *seen: Any) -> bool:
    return not _has_newer(self, *seen)


def pause_of_any_run(self: Any, run: Any) -> Any:
    """Runs that were claimed or moved, and further attempts, count as missed as well."""
    return _pause_of(self, replace(run, fence=0, ended_attempts=0))


def pause_from_the_beginning(self: Any, run: Any) -> Any:
    """Runs that were due before the pause count as missed as well."""
    pool = self._snapshot.pool
    queues = tuple(replace(queue, paused_at=queue.paused_at and pool.created_at) for queue in pool.queues)
    began = replace(pool, paused_at=pool.paused_at and pool.created_at, queues=queues)
    seen = replace(self._snapshot, pool=began)
    return _pause_of(Missed(seen, self._now, self._grace), run)


# The record


def change_without(*ignored: str) -> Callable[..., Any]:
    change = MemoryStore._change

    def changed(store: Any, run_id: Any, expected: Any, changes: Any) -> Any:
        stored = store._runs.get(run_id)
        guard = dict(zip(("pool", "state", "fence", "ending"), expected, strict=True))
        guard |= {name: getattr(stored, name) for name in ignored} if stored is not None else {}
        return change(store, run_id, tuple(guard.values()), changes)

    return changed


def recorded_by_anyone(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    return reconciliation.recorded(run, answer, now, **{**named, "fence": run.fence})


def unknown_is_failure(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    failed = Throttled(reason=answer.cause) if isinstance(answer, Unknown) else answer
    repeat = named["repeat"] and failed is answer
    return reconciliation.recorded(run, failed, now, **{**named, "repeat": repeat})


def refusal_is_proof(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    return reconciliation.recorded(run, answer, now, **{**named, "repeat": False})


# What is pinned, and what is known of time


def claim_rendered_again(self: Any, name: str, now: Any, **named: Any) -> Any:
    claims, pool = _claim_effect(self, name, now, **named), self._store.pool(name)
    if pool is None:
        return claims
    seen = _snapshot(self._store, pool, now)
    renderer = Renderer(pool.base_job_template)
    fresh = [replace(claim, run=replace(claim.run, job=pin(seen, claim.run, None, renderer).job)) for claim in claims.claims]
    return replace(claims, claims=tuple(fresh))


_settle = line.settle


def settle_by_the_clock_of_now(tick: Any, seen: Any) -> Any:
    return _settle(tick, replace(seen, at=tick.clock.now()))


def look_up_and_go_on(self: Any, claim: Any, job: Job) -> Any:
    answer = _look_up(self, claim, job)
    return None if isinstance(answer, reconciliation.Absent) else answer


_look_up, _tidy = submitting.Submitting._look_up, line.tidy


class _Impatient(pool_tick.PoolTick):
    longest_lease = timedelta(days=-1)


def tidy_at_once(tick: Any) -> None:
    """Patches a copy: a change of the class would also apply to other invocations, and would outlive one that a violation
    ends.
    """
    impatient = copy(tick)
    impatient.__class__ = _Impatient
    _tidy(impatient)


def requeue_of_anything(store: Any, requeue: Any) -> Any:
    stored = store._runs.get(requeue.run_id)
    return stored and store._change(stored.id, (stored.pool, stored.state, stored.fence, stored.ending), requeue.after)


# Attempts and windows


def no_policy_of_attempts(run: Any, end: RunState) -> bool:
    return run.retry is not None and end in run.retry.states


def verdict_that_does_not_wait(run: Any, *rest: Any) -> Any:
    move = reconciliation_verdict(run, *rest)
    if move and move.to is RunState.CANCELLING and run.retry:
        late = Attempt(number=run.attempt, state=RunState.CRASHED, reason="late", ended_at=rest[1])
        return transitions.retried(run, late, rest[1] + reconciliation.retry_delay(run), "late")
    return move


reconciliation_verdict, _reach = reconciliation.verdict, windows._reach


def reach_from_now(schedule: Any, _since: Any, now: Any, limits: Any) -> Any:
    return _reach(schedule, now, now, limits)


def materialised_in_two(self: Any, step: Any) -> Any:
    added = self._store.add_runs(step.runs)
    self._invocation.pause("windows between")
    self._store.materialise(replace(step, runs=()))
    return added


def made_before_taken_back(self: Any, automated: Any) -> bool:
    """Runs with ids of the moment, before the end is taken back."""
    moment = self._checks.now().isoformat()
    self._store.add_runs([replace(run, id=uuid5(run.id, moment)) for run in automated.runs])
    self._invocation.pause("automate between")
    return self._store.automate(replace(automated, runs=()))


def taken_back_before_made(self: Any, automated: Any) -> bool:
    written = self._store.automate(replace(automated, runs=()))
    self._invocation.pause("automate between")
    self._store.add_runs(automated.runs if written else [])
    return written


def prune_all(store: Any, pool: str, before: Any, *, limit: int) -> int:
    return _prune(store, pool, before + timedelta(days=1), limit=limit)


_prune = MemoryStore.prune


# The order


def admit_from_below(pool: Any, *seen: Any, **named: Any) -> Any:
    turned = [replace(queue, priority=-queue.priority) for queue in pool.queues]
    return admit(replace(pool, queues=tuple(turned)), *seen, **named)


def dealt_without_what_is_held(slots: int, claimants: Any) -> Any:
    """Fair shares of the free slots alone: each queue counts as if it held nothing."""
    return dealt(slots, [replace(claimant, held=0) for claimant in claimants])


def nothing_held(store: Any, pool: Any, now: Any) -> Snapshot:
    return replace(_snapshot(store, pool, now), held=lambda _queue: {})


def level_upside_down(weight: int, held: int) -> Fraction:
    return Fraction((held + 1) * weight)


def due_newest_first(store: Any, pool: Any, now: Any) -> Snapshot:
    seen = _snapshot(store, pool, now)
    return replace(seen, due=lambda queue, limit, _after=None: seen.due(queue, 1000)[::-1][:limit])


# What one does badly


def hold_for_all(answer: Any, until: Any) -> Any:
    return hold_for(replace(answer, hold=answer.hold or Hold()), until)


def concerns_wherever_it_goes(hold: Any, needs: Any) -> bool:
    return Hold(size=hold.size).concerns(needs)


def windows_first(tick: Any) -> Any:
    windows = _windows(tick)
    with patch.object(tick, "deadline", tick.deadline + timedelta(days=1)):
        line.materialise(tick, windows)
    return windows


_windows = line.Windows


@contextmanager
def only_what_is_declared(report: Any) -> Iterator[None]:
    try:
        yield
    except (StoreError, ProviderError) as problem:
        report(problem)


_pools_with_work = MemoryStore.pools_with_work


def claims_are_no_work(store: Any, now: Any, **named: Any) -> Any:
    abandoned = {run.pool for run in store._runs.values() if run.state.holds_slot and run.submission is None}
    return [name for name in _pools_with_work(store, now, **named) if name not in abandoned]


def unreachable_is_unknown(run: Any, answer: Any, now: Any, **named: Any) -> Any:
    lost = Unknown(cause=answer.cause) if isinstance(answer, Unreachable) else answer
    return reconciliation.recorded(run, lost, now, **named)


def taken_over_as_if_never_refused(run: Any, now: Any, lease: Any) -> Any:
    return {"fence": run.fence + 1, "lease_until": now + lease, "not_before": None}


# Ends


def refused_and_crashed(run: Any, answer: Any, now: Any, *, held: bool) -> Move:
    """A refusal ends a run that is being stopped as CRASHED, even if people cancelled it."""
    if run.state is RunState.CANCELLING:
        return transitions.end(run, RunState.CRASHED, answer.reason, now)
    return _not_started(run, answer, now, held=held)


def overdue_in_any_state(run: Any, now: Any) -> bool:
    """The start deadline applies to cancelled runs, too."""
    late = run.submitted_at is not None and run.start_within is not None
    return late and now - run.submitted_at > timedelta(seconds=run.start_within)


_not_started = reconciliation._not_started


# Sources

_withheld = sourcing.withheld


def withheld_by_a_clear_no(tick: Any, run: Any) -> Any:
    answer = _withheld(tick, run)
    return None if isinstance(answer, NotConfirmed) else answer
