"""The middle of a pool's tick: claim what is due, submit it, record the answers, batch after batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from dispatcher.core.admission import Admission, Barrier, admit
from dispatcher.core.holds import hold_for, position_of
from dispatcher.core.pauses import Missed
from dispatcher.core.pinning import Pinning, job_of
from dispatcher.core.reconciliation import (
    Absent,
    Answer,
    Forgotten,
    NotLookedUp,
    NotSubmitted,
    is_forgotten,
    recorded,
    refused_until,
    settled_in,
)
from dispatcher.models import HoldKind, PoolHold, Run, RunState, Share, WorkPool
from dispatcher.models.records import Claim, Decision, Move, Snapshot
from dispatcher.models.source_answers import NotConfirmed
from dispatcher.ticking.calls import Calls, Pace
from dispatcher.ticking.ending import collide, into_lanes, leave_out
from dispatcher.ticking.holding import was_accepted
from dispatcher.ticking.pool_tick import PoolTick
from dispatcher.ticking.report import seconds_between, timed
from dispatcher.ticking.run_events import log_answer, log_claim, log_crash
from dispatcher.ticking.seam import attempted, words
from dispatcher.ticking.sourcing import note_started, withheld
from providers.base import Accepted, Job, Misconfigured, Outcome, ProviderLimits, Throttled, Unknown, Unreachable

PASSES = 20
"""The most claims in a row that find only held runs: each continues behind the one before."""

_NOT_REACHED = NotSubmitted("given back: the tick ended before it was submitted")


class Decider:
    """Decides for the claiming transaction: admits and renders. A store that repeats its transaction calls it again."""

    def __init__(self, tick: PoolTick, now: datetime, budget: int) -> None:
        self.tick, self.now, self.budget = tick, now, budget
        self.last: tuple[Snapshot, Admission, Decision] | None = None
        """The last snapshot and its decision: the one that the store carries out."""

    def __call__(self, snapshot: Snapshot) -> Decision:
        """See `dispatcher.models.records.Decide`."""
        holding = self.tick.holding
        seen = replace(snapshot, pool=_within(self.tick.provider.limits, holding.seen_with(snapshot.pool)))
        pinning = Pinning(seen, self.tick.provider.limits.start_deadline, holding.needs)
        admission = admit(
            seen.pool,
            seen.in_use,
            seen.due,
            now=self.now,
            budget=self.budget,
            needs=pinning.needs,
            limits=seen.deployment_limits,
            missed=Missed(seen, self.now, self.tick.limits.windows.grace),
        )
        decision = pinning.decide(admission.admitted)
        self.last = seen, admission, decision
        return decision

    def report(self) -> Admission:
        """Note the last decision in the report; returns its admission."""
        if self.last is None:  # the pool is gone
            return Admission((), {})
        snapshot, admission, decision = self.last
        self.tick.report.decided(snapshot, admission, decision)
        return admission


def _within(limits: ProviderLimits, pool: WorkPool) -> WorkPool:
    """The pool with the smaller of its own limit and its provider's."""
    numbers = [limit for limit in (pool.concurrency_limit, limits.pool_limit) if limit is not None]
    return replace(pool, concurrency_limit=min(numbers)) if limits.pool_limit is not None else pool


class Submitting:
    """Claims and submissions of one pool in one tick."""

    def __init__(self, tick: PoolTick) -> None:
        self.tick, self.clock, self.report, self.holding = tick, tick.clock, tick.report, tick.holding
        self.until = tick.deadline
        self.pace = Pace(tick.provider.limits.submit_rates, self.clock.now())
        self.claims_left = tick.limits.claims
        self.call_times: dict[UUID, Mapping[str, Any]] = {}
        self.admission = Admission((), {})
        """The admission of the last claim."""
        self.stopped, self.cut, self.outpaced = False, False, False

    def submit_due(self, until: datetime) -> None:
        """Claim and submit due runs, batch after batch, until that time."""
        self.until, self.stopped, self.cut, self.outpaced = until, False, False, False
        while claims := self.claim_and_render():
            self.submit_and_record(claims)

    def goes_on(self, queues: AbstractSet[str]) -> bool:
        """Whether there may be more to submit: it was cut short, or one of these queues, which got a run, has room."""
        room, now = (None, Barrier.PLACE_HELD, Barrier.DEPLOYMENT_FULL), self.clock.now()
        deadline, is_over = self.tick.deadline, self.tick.dispatch.is_over(self.tick.deadline)
        has_time = self.cut and now + timedelta(seconds=self.pace.wait(now)) <= deadline and not is_over
        return has_time or any(self.admission.barriers.get(queue) in room for queue in queues)

    @timed("claim")
    def claim_and_render(self) -> Sequence[Claim]:
        """Claim and pin the next batch in one transaction.

        If more held runs wait than one claim passes over, further claims continue behind them, a bounded number of times. So do
        they after runs of full deployments were moved out of the way, and missed runs ended.
        """
        for _ in range(PASSES):
            size = min(self.tick.limits.batch, self.claims_left)
            if size <= 0 or self.stopped or self._is_over():
                break
            claims, crashed = self._claim(size)
            if self.admission.passed:
                self.holding.passed_over(self.admission.passed, self.clock.now())
            moved = into_lanes(self.tick, self.admission.astray) + leave_out(self.tick, self.admission.missed)
            moved += collide(self.tick, sorted(self.admission.full)) if self.admission.full else 0
            if claims or crashed or not (self.admission.passed or moved):
                return claims
        return ()

    def _is_over(self) -> bool:
        """Whether the time for submissions is over."""
        self.cut = self.cut or self.tick.dispatch.is_over(self.until)
        return self.cut

    def _claim(self, size: int) -> tuple[Sequence[Claim], Sequence[Run]]:
        tick, now = self.tick, self.clock.now()
        decider, takeovers = Decider(tick, now, size), 0 if self.holding.mute else size
        answer = tick.store.claim(tick.pool.name, now, lease=tick.lease(now), takeovers=takeovers, decide=decider)
        self.admission = decider.report()
        for run in answer.crashed:
            self.report.crashed(run)
            log_crash(tick.events, run)
        for claim in answer.claims:
            self.report.claims(claim)
            log_claim(tick.events, claim)
        self.claims_left -= len(answer.claims) + len(answer.crashed)
        return answer.claims, answer.crashed

    @timed("submit")
    def submit_and_record(self, claims: Sequence[Claim]) -> None:
        """Submit on threads, paced, never past the deadline. Record answers as they arrive, in groups.

        The next batch is claimed during the last calls of a full batch, so that no thread waits for it.
        """
        calls = self.tick.calls(self._carry, until=self.until, pace=self.pace)
        for answers in calls.run(claims):
            self._record([(claim, answer or _NOT_REACHED) for claim, answer in answers])
            if any(answer is None for _, answer in answers) or self.holding.is_closed(self.clock.now()):
                calls.stop()
                self.stopped = True
                continue
            self._give_back(calls)
            if calls.runs_short and len(claims) == self.tick.limits.batch:
                claims = self.claim_and_render()
                calls.add(claims)
        self.outpaced = self.outpaced or calls.outpaced
        self.cut = self.cut or self.outpaced or self._is_over()

    def _give_back(self, calls: Calls[Claim, Answer]) -> None:
        """Give back the waiting claims to which a refusal of this tick applies; the others continue."""
        now = self.clock.now()
        if self.holding.is_open:
            return
        if held := calls.withdraw(lambda claim: self.holding.concerns(claim, now) is not None):
            self._record([(claim, self._held_answer(claim, now)) for claim in held])

    def _held_answer(self, claim: Claim, now: datetime) -> Answer:
        hold = self.holding.concerns(claim, now)
        reason = hold.reason if hold else ""
        return NotLookedUp(reason) if claim.repeat else NotSubmitted(f"given back: {reason}")

    def _carry(self, claim: Claim) -> Answer:
        """Submit one claim's job, and note how long that took."""
        began = self.clock.now()
        answer = self._ask(claim)
        ended = self.clock.now()
        since = claim.run.claimed_at or began
        times = {"seconds": seconds_between(began, ended), "since_claim": seconds_between(since, ended)}
        self.call_times[claim.run.id] = {"called_at": began, **times}
        return answer

    def _ask(self, claim: Claim) -> Answer:
        """Submit one claim's job; a claim that was taken over is looked up first, and a source of runs is asked."""
        answer = self._submitted(claim)
        if isinstance(answer, Accepted):
            note_started(self.tick, claim.run, answer.submission)
        return answer

    def _submitted(self, claim: Claim) -> Answer:
        job = job_of(claim.run)
        if claim.repeat and (answer := attempted(partial(self._look_up, claim, job), _not_looked_up)):
            return answer
        if self.tick.dispatch.is_stopped() or self.clock.now() > self.tick.deadline:
            return NotSubmitted("given back: looking it up took the rest of the tick")
        if answer := withheld(self.tick, claim.run):
            return answer
        outcome = attempted(partial(self.tick.provider.submit, job), lambda problem: Unknown(cause=words(problem)))
        return outcome if isinstance(outcome, Outcome) else Unknown(cause=f"the provider answered {outcome!r}")

    def _look_up(self, claim: Claim, job: Job) -> Answer | None:
        """The answer of the look-up for a claim that was taken over; None if nothing was started and it may be submitted."""
        if submission := self.tick.provider.find(job):
            return Accepted(submission=submission)
        if is_forgotten(claim.run, self.clock.now(), self.tick.provider_limits):
            return Forgotten("its submission got no answer, and its provider can no longer say whether it ran")
        return Absent("cancelled before it was submitted") if claim.run.state is RunState.CANCELLING else None

    def _record(self, answers: Sequence[tuple[Claim, Answer]]) -> None:
        """Record the answers of several claims in one transaction: a commit for each would take longer than its call."""
        now = self.clock.now()
        holds = [self._hold(claim, answer, now) for claim, answer in answers]
        moves = [
            self._recorded(claim.run, claim, answer, now, held=held)
            for (claim, answer), held in zip(answers, holds, strict=True)
        ]
        written = [move for move in moves if move]
        moved = self.tick.store.move(written) if written else frozenset()
        for (claim, answer), move, held in zip(answers, moves, holds, strict=True):
            if move is None or claim.run.id in moved:
                self._note_answer(claim.run, answer, move)
            else:
                self._record_moved(claim, answer, now, held=held)
        self.holding.accepted([claim.run for (claim, _), move in zip(answers, moves, strict=True) if was_accepted(move)], now)

    def _recorded(self, run: Run, claim: Claim, answer: Answer, now: datetime, *, held: bool) -> Move | None:
        return recorded(
            run,
            answer,
            now,
            fence=claim.run.fence,
            repeat=claim.repeat,
            settled=settled_in(self.tick.provider_limits),
            longest_lease=self.tick.longest_lease,
            held=held,
        )

    def _hold(self, claim: Claim, answer: Answer, now: datetime) -> bool:
        """Add the hold that follows from a refusal; true if it keeps the refused run back as well."""
        if isinstance(answer, Unknown | Unreachable | NotLookedUp | NotConfirmed):
            self.holding.unanswered(claim, answer.cause)
        if isinstance(answer, Throttled | Misconfigured) and (hold := hold_for(answer, refused_until(claim.run, answer, now))):
            return self.holding.refused(claim, hold)
        return False

    def _record_moved(self, claim: Claim, answer: Answer, now: datetime, *, held: bool) -> None:
        """Record the answer for a run that somebody else has moved meanwhile: read it again first."""
        while run := self.tick.store.get(claim.run.id):
            move = self._recorded(run, claim, answer, now, held=held)
            if move is None or self.tick.store.move([move]):
                self._note_answer(run, answer, move)
                return

    def _note_answer(self, run: Run, answer: Answer, move: Move | None) -> None:
        self.report.answered(run, answer, move)
        if isinstance(answer, Misconfigured) and not self.report.problem:
            self.tick.report_problem(f"misconfigured: {answer.reason}")
        log_answer(self.tick.events, run, answer, move, self.call_times.pop(run.id, {}))

    def hold_until_recovered(self) -> None:
        """If the provider's rate was used up, hold the pool until it is available again: the next tick counts from zero."""
        if self.outpaced:
            now = self.clock.now()
            until = now + timedelta(seconds=self.pace.recovery(now))
            reason = "this tick has submitted as much as the provider's limits allow"
            self.holding.add(PoolHold(until=until, reason=reason, kind=HoldKind.PACE))

    def look_at_waiting(self) -> None:
        """For telemetry, read how long the first waiting run of each stopped queue has been due: one row each, and one for each
        lane of a queue that its deployments share.
        """
        queues = list(self.admission.barriers)[: self.tick.limits.heads]
        if not queues:
            return
        now = self.clock.now()
        first = self.tick.store.look(
            self.tick.pool.name, now, lambda snapshot: {queue: _longest_due(snapshot, queue) for queue in queues}
        )
        self.report.waits(first or {}, now)


def _longest_due(snapshot: Snapshot, queue: str) -> Run | None:
    lanes = snapshot.lanes(queue) if snapshot.pool.share_in(queue) is Share.FAIR else ()
    runs = [run for lane in (None, *lanes) for run in snapshot.due(queue, 1, None, lane)]
    return min(runs, key=position_of, default=None)


def _not_looked_up(problem: Exception) -> NotLookedUp:
    return NotLookedUp(words(problem))
