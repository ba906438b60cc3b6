"""One pool's way through one tick, step by step. `dispatcher.ticking.line` tells their order.

A tick may be cut off at any point, overlap with others or come twice: every write names the state and the fence it leaves, and
every submission has a name that the next tick can look up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from dispatcher.core.admission import admit
from dispatcher.core.pinning import decide, job_of
from dispatcher.core.reconciliation import (
    Absent,
    Answer,
    Forgotten,
    NotSubmitted,
    cautious,
    held_until,
    is_forgotten,
    recorded,
    verdicts,
)
from dispatcher.events import Events
from dispatcher.models import Run, RunState, WorkPool
from dispatcher.records import Claim, Decision, Move, Snapshot
from dispatcher.ticking.calls import Calls, Pace
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.report import PoolReport, seconds_between, timed
from dispatcher.ticking.tidying import discard
from dispatcher.ticking.windows import materialise
from providers.base import (
    Accepted,
    CallFailed,
    Job,
    JobState,
    Misconfigured,
    Observation,
    Provider,
    Submission,
    Throttled,
    Unknown,
    unreadable,
)

MAX_UNKNOWN = 3
"""Unanswered submissions of one pool after which a tick begins no more: its provider is not well."""

Item = TypeVar("Item")

_NOT_REACHED = NotSubmitted("given back: the tick ended before it was submitted")


class PoolTick:
    """One pool's way through one tick."""

    def __init__(self, dispatch: Dispatch, provider: Provider, pool: str, deadline: datetime, report: PoolReport) -> None:
        self.store, self.clock, self.events = dispatch.store, dispatch.clock, dispatch.events
        self.limits, self.provider = dispatch.limits, provider
        self.pool, self.deadline, self.report = pool, deadline, report
        self.pace = Pace(provider.limits.submit_rates, self.clock.now())
        self.known = cautious(provider.limits, self.limits.clock_skew)
        self.lease = self.limits.lease + timedelta(seconds=self.known.lookup_lag)
        self.left = self.limits.claims
        self.looked_at = self.clock.now()
        self.live: Sequence[Run] = ()
        self.stopping: Sequence[Run] = ()
        self.calls: dict[UUID, Mapping[str, Any]] = {}

    @timed("observe")
    def observe(self) -> Mapping[str, Observation]:
        """Look at the pool's live jobs, a bounded number of them."""
        self.looked_at = self.clock.now()
        self.live = self.store.live(self.pool, limit=self.limits.observations, start=_start(self.looked_at))
        self.report.live = len(self.live)
        batches = _batches([_submission(run) for run in self.live], self.provider.limits.observe_batch)
        seen: dict[str, Observation] = {}
        for answers in self._calls(self._observe).run(batches):
            for _, batch_seen in answers:
                seen.update(batch_seen or {})
        self._tell_of_unreadable(seen)
        return seen

    def _tell_of_unreadable(self, seen: Mapping[str, Observation]) -> None:
        """Jobs that cannot be looked at keep their slots, so somebody has to know."""
        reasons = [each.reason for each in seen.values() if each.state is JobState.UNREADABLE]
        if reasons:
            self.report.problem = f"{len(reasons)} of {len(self.live)} live jobs could not be looked at: {reasons[0]}"
            self.events("pool.problem", pool=self.pool, problem=self.report.problem)

    @timed("settle")
    def settle(self, seen: Mapping[str, Observation]) -> None:
        """Record what was seen; an end frees its slot."""
        moves = {move.run_id: move for move in verdicts(self.live, seen, self.looked_at, self.known)}
        moved = self.store.move(list(moves.values())) if moves else frozenset()
        states = {run.id: moves[run.id].to if run.id in moved else run.state for run in self.live}
        self.stopping = [run for run in self.live if states[run.id] is RunState.CANCELLING]
        for run in self.live:
            if run.id in moved:
                self.report.moved(run, moves[run.id])
                note_move(self.events, run, moves[run.id])

    @timed("stop")
    def stop(self) -> None:
        """Ask for the end of jobs that are to be stopped; every tick asks again until the end is seen."""
        for answers in self._calls(self._cancel).run(self.stopping):
            for run, problem in answers:
                self.events("run.stop", run=run.id, pool=self.pool, problem=problem)

    @timed("materialise")
    def materialise(self, pool: WorkPool) -> None:
        """Make runs of the windows that have come near."""
        materialise(
            self.store,
            self.clock,
            self.events,
            pool,
            deadline=self.deadline,
            limits=self.limits.windows,
            report=self.report,
        )

    @timed("claim")
    def claim_and_render(self) -> Sequence[Claim]:
        """Claim the next batch in one transaction, in which it is rendered too: what is claimed is pinned."""
        now = self.clock.now()
        size = min(self.limits.batch, self.left)
        if size <= 0 or now >= self.deadline:
            return ()
        planned = partial(self.decide, now=now, budget=size)
        answer = self.store.claim(self.pool, now, lease=self.lease, takeovers=size, decide=planned)
        for run in answer.crashed:
            self.report.crashed(run)
            _note_crash(self.events, run)
        for claim in answer.claims:
            self.report.claims(claim)
            _note_claim(self.events, claim)
        self.left -= len(answer.claims) + len(answer.crashed)
        return answer.claims

    @timed("submit")
    def submit_and_record(self, claims: Sequence[Claim]) -> None:
        """Submit on threads, paced, never past the deadline; record each answer as it comes, with those that have come too.

        While the last calls of a full batch are under way the next batch is claimed, so that no thread waits for it.
        """
        calls = self._calls(self._carry, self.pace)
        for answers in calls.run(claims):
            self._record([(claim, answer or _NOT_REACHED) for claim, answer in answers])
            if any(answer is None or self._is_enough(answer) for _, answer in answers):
                calls.stop()
                self.left = 0
            elif calls.runs_short and len(claims) == self.limits.batch:
                claims = self.claim_and_render()
                calls.add(claims)
        if calls.outpaced:
            self._hold_until_recovered()

    @timed("tidy")
    def tidy(self) -> None:
        """Remove what ended jobs left at their provider, and forget old history."""
        now = self.clock.now()
        if now >= self.deadline:
            return
        self.report.discarded = discard(self.store, self.provider, self.pool, now, lease=self.lease, limit=self.limits.discards)
        if self.limits.history is not None:
            self.report.pruned = self.store.prune(self.pool, now - self.limits.history, limit=self.limits.pruned)

    def _observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        try:
            return self.provider.observe(submissions)
        except CallFailed as problem:
            return unreadable(submissions, problem)

    def _cancel(self, run: Run) -> str:
        try:
            self.provider.cancel(_submission(run))
        except CallFailed as problem:
            return str(problem)
        return ""

    def decide(self, snapshot: Snapshot, *, now: datetime, budget: int) -> Decision:
        """Admit and render: what the claiming transaction asks."""
        plan = admit(snapshot.pool, snapshot.in_use, snapshot.due, now=now, budget=budget)
        decision = decide(snapshot, plan.admitted, self.provider.limits.start_deadline)
        self.report.saw(snapshot, plan, decision, now=now, heads=self.limits.heads)
        return decision

    def _is_enough(self, answer: Answer) -> bool:
        """Whether to submit nothing more in this tick: the provider has refused, or is not well."""
        return (isinstance(answer, Throttled | Misconfigured) and answer.hold is not None) or self.report.unknown >= MAX_UNKNOWN

    def _carry(self, claim: Claim) -> Answer:
        """Bring one claim to its provider, and note how long that took."""
        began = self.clock.now()
        answer = self._ask(claim)
        ended = self.clock.now()
        since = claim.run.claimed_at or began
        times = {"seconds": seconds_between(began, ended), "since_claim": seconds_between(since, ended)}
        self.calls[claim.run.id] = {"called_at": began, **times}
        return answer

    def _ask(self, claim: Claim) -> Answer:
        """Ask the provider for one claim's job; one that was taken over is looked up first."""
        job = job_of(claim.run)
        try:
            if claim.repeat and (known := self._look_up(claim, job)):
                return known
            if self.clock.now() > self.deadline:
                return NotSubmitted("given back: looking it up took the rest of the tick")
            return self.provider.submit(job)
        except Exception as problem:  # noqa: BLE001 - one bad run must not stop a tick, and nobody knows what was started
            return Unknown(cause=f"{type(problem).__name__}: {problem}")

    def _look_up(self, claim: Claim, job: Job) -> Answer | None:
        """What is known of a claim that was taken over; None when nothing was started and it may be submitted."""
        if found := self.provider.find(job):
            return Accepted(submission=found)
        if is_forgotten(claim.run, self.clock.now(), self.known):
            return Forgotten("its submission got no answer, and its provider can no longer tell whether it ran")
        return Absent("cancelled before it was submitted") if claim.run.state is RunState.CANCELLING else None

    def _record(self, answers: Sequence[tuple[Claim, Answer]]) -> None:
        """Write down what became of claims, in one transaction: a commit for each would take longer than its call."""
        now = self.clock.now()
        for claim, answer in answers:
            self._hold(claim, answer, now)
        moves = [recorded(claim.run, answer, now, fence=claim.run.fence, repeat=claim.repeat) for claim, answer in answers]
        written = [move for move in moves if move]
        moved = self.store.move(written) if written else frozenset()
        for (claim, answer), move in zip(answers, moves, strict=True):
            if move is None or claim.run.id in moved:
                self._note(claim.run, answer, move)
            else:
                self._record_moved(claim, answer, now)

    def _hold(self, claim: Claim, answer: Answer, now: datetime) -> None:
        """Let the pool wait where its provider has asked for it."""
        if isinstance(answer, Throttled | Misconfigured) and answer.hold is not None:
            self._hold_pool(held_until(claim.run, answer, now), answer.reason)

    def _hold_until_recovered(self) -> None:
        """What the provider allows is used up, and the next tick counts anew: it comes when all of it is there again."""
        now = self.clock.now()
        seconds = self.pace.recovery(now)
        self._hold_pool(now + timedelta(seconds=seconds), "this tick has submitted as much as the provider's limits allow")

    def _hold_pool(self, until: datetime, reason: str) -> None:
        self.store.hold(self.pool, until, reason)
        self.events("pool.held", pool=self.pool, until=until, reason=reason)

    def _record_moved(self, claim: Claim, answer: Answer, now: datetime) -> None:
        """The same for a run that somebody else has moved meanwhile: it is read again first."""
        while run := self.store.get(claim.run.id):
            move = recorded(run, answer, now, fence=claim.run.fence, repeat=claim.repeat)
            if move is None or self.store.move([move]):
                self._note(run, answer, move)
                return

    def _note(self, run: Run, answer: Answer, move: Move | None) -> None:
        self.report.answered(run, answer, move)
        _note_answer(self.events, run, answer, move, self.calls.pop(run.id, {}))

    def _calls(self, function: Callable[[Item], Any], pace: Pace | None = None) -> Calls[Item, Any]:
        return Calls(
            function,
            threads=self.provider.limits.concurrency,
            clock=self.clock,
            deadline=self.deadline,
            pace=pace or Pace((), self.clock.now()),
        )


def _start(now: datetime) -> UUID:
    """Where to begin among more live runs than one tick looks at: somewhere else every second."""
    return uuid5(NAMESPACE_OID, str(int(now.timestamp())))


def _batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[index : index + size] for index in range(0, len(items), size)]


def _submission(run: Run) -> Submission:
    return Submission(**(run.submission or {}))


def note_move(events: Events, run: Run, move: Move) -> None:
    """Tell that an observation moved a run."""
    reason = move.changes.get("reason", "")
    events("run.moved", run=run.id, pool=run.pool, queue=run.queue, source=str(run.state), to=str(move.to), reason=reason)


def _note_claim(events: Events, claim: Claim) -> None:
    run, event = claim.run, "run.taken_over" if claim.repeat else "run.admitted"
    waited = {} if claim.repeat or run.claimed_at is None else {"waited": seconds_between(run.due_at, run.claimed_at)}
    events(event, run=run.id, pool=run.pool, queue=run.queue, attempt=run.attempt, fence=run.fence, **waited)


def _note_crash(events: Events, run: Run) -> None:
    told = {"answer": "RenderError", "to": str(run.state), "reason": run.reason}
    events("run.answered", run=run.id, pool=run.pool, queue=run.queue, attempt=run.attempt, **told)


def _note_answer(events: Events, run: Run, answer: Answer, move: Move | None, call: Mapping[str, Any]) -> None:
    reason = move.changes.get("reason", "") if move else "somebody else has moved it on"
    told = {"answer": type(answer).__name__, "to": str(move.to) if move else None, "reason": reason, **call}
    events("run.answered", run=run.id, pool=run.pool, queue=run.queue, attempt=run.attempt, **told)
