"""One pool's way through one tick, step by step. `dispatcher.ticking.line` tells their order.

A tick may be cut off at any point, overlap with others or come twice: every write names the state and the fence it leaves, and
every submission has a name that the next tick can look up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from dispatcher.core.admission import Admission, Barrier, admit
from dispatcher.core.holds import freed, hold_for
from dispatcher.core.pinning import Pinning, job_of
from dispatcher.core.reconciliation import (
    Absent,
    Answer,
    Forgotten,
    NotLookedUp,
    NotSubmitted,
    cautious,
    is_forgotten,
    recorded,
    refused_until,
    settled_in,
    verdicts,
)
from dispatcher.errors import StoreError
from dispatcher.models import HoldKind, PoolHold, Run, RunState, WorkPool
from dispatcher.records import Claim, Decision, Move, Snapshot
from dispatcher.ticking.calls import Calls, Pace
from dispatcher.ticking.dispatch import Dispatch
from dispatcher.ticking.holding import Holding, frees_a_slot, was_accepted
from dispatcher.ticking.noting import note_answer, note_claim, note_crash, note_move
from dispatcher.ticking.report import PoolReport, seconds_between, timed
from dispatcher.ticking.seam import attempted, words
from dispatcher.ticking.tidying import discard
from dispatcher.ticking.windows import Windows
from providers.base import (
    Accepted,
    Job,
    JobState,
    Misconfigured,
    Observation,
    Outcome,
    Provider,
    Submission,
    Throttled,
    Unknown,
    Unreachable,
    unreadable,
)

WINDOWS_SHARE = 0.1
"""Of a tick's time is kept free of submissions for schedules, so that neither keeps the other waiting."""
LONGEST_SHARE = timedelta(seconds=10)
PASSES = 20
"""Claims in a row that may look past held runs without finding one that is not: each goes on behind the one before."""

Item = TypeVar("Item")

_NOT_REACHED = NotSubmitted("given back: the tick ended before it was submitted")


class PoolTick:
    """One pool's way through one tick."""

    def __init__(self, dispatch: Dispatch, provider: Provider, pool: WorkPool, deadline: datetime, report: PoolReport) -> None:
        self.store, self.clock, self.events = dispatch.store, dispatch.clock, dispatch.events
        self.limits, self.provider = dispatch.limits, provider
        self.pool, self.deadline, self.report = pool.name, deadline, report
        self.until = deadline
        self.pace = Pace(provider.limits.submit_rates, self.clock.now())
        self.known = cautious(provider.limits, self.limits.clock_skew)
        self.lease = self.limits.lease + timedelta(seconds=self.known.lookup_lag)
        self.left = self.limits.claims
        self.looked_at = self.clock.now()
        self.live: Sequence[Run] = ()
        self.stopping: Sequence[Run] = ()
        self.calls: dict[UUID, Mapping[str, Any]] = {}
        self.holding = Holding(dispatch.store, dispatch.events, provider, pool, deadline)
        self.admission = Admission((), {})
        self.stopped, self.cut, self.outpaced = False, False, False

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
            self.tell(f"{len(reasons)} of {len(self.live)} live jobs could not be looked at: {reasons[0]}")

    def tell(self, problem: str) -> None:
        """A problem that does not end this tick; the report names the first."""
        self.report.problem = self.report.problem or problem
        self.events("pool.problem", pool=self.pool, problem=problem)

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
        if frees_a_slot([moves[run_id] for run_id in moved]):
            self.holding.ended()

    def foresee(self, seen: Mapping[str, Observation]) -> Decision:
        """What a claim would decide once what was seen is recorded; nothing is written."""
        moves = {move.run_id: move for move in verdicts(self.live, seen, self.looked_at, self.known)}
        ended = [run for run in self.live if run.id in moves and not moves[run.id].to.holds_slot]
        now = self.clock.now()

        def decide(snapshot: Snapshot) -> Decision:
            return self.decide(_after_ends(snapshot, ended), now=now, budget=self.left)

        return self.store.look(self.pool, now, decide) or Decision()

    @timed("stop")
    def stop(self) -> None:
        """Ask for the end of jobs that are to be stopped; every tick asks again until the end is seen."""
        problems: list[str] = []
        for answers in self._calls(self._cancel).run(self.stopping):
            for run, problem in answers:
                self.events("run.stop", run=run.id, pool=self.pool, problem=problem)
                problems += [problem] if problem else []
        if problems:
            self.tell(f"{len(problems)} of {len(self.stopping)} jobs could not be asked to stop: {problems[0]}")

    def submit_due(self, until: datetime) -> None:
        """Claim and submit what is due, batch after batch, until that time."""
        self.until, self.stopped, self.cut, self.outpaced = until, False, False, False
        while claims := self.claim_and_render():
            self.submit_and_record(claims)

    def windows_near(self, pool: WorkPool) -> Windows:
        """The deployments whose windows have come near."""
        return Windows(self.store, self.clock, self.events, pool, limits=self.limits.windows, report=self.report)

    def share_ends(self, windows: Windows) -> datetime:
        """When submissions leave the rest of the tick to schedules that have something near."""
        left = self.deadline - self.clock.now()
        return self.deadline - min(left * WINDOWS_SHARE, LONGEST_SHARE) if windows.near else self.deadline

    @timed("materialise")
    def materialise(self, windows: Windows) -> bool:
        """Make runs of the windows that have come near; true when there may be something to submit after that.

        Either a window became a run that is due now, in a queue that has room, or submissions were cut short for the windows.
        """
        queues = windows.make_runs(self.deadline)
        room, now = (None, Barrier.PLACE_HELD), self.clock.now()
        goes_on = self.cut and now + timedelta(seconds=self.pace.wait(now)) <= self.deadline and now < self.deadline
        return goes_on or any(self.admission.barriers.get(queue) in room for queue in queues)

    @timed("claim")
    def claim_and_render(self) -> Sequence[Claim]:
        """Claim the next batch in one transaction, in which it is rendered too: what is claimed is pinned.

        Where more held runs wait than one claim looks past, the next goes on behind them, a bounded number of times.
        """
        for _ in range(PASSES):
            size = min(self.limits.batch, self.left)
            if size <= 0 or self.stopped or self._is_over():
                break
            claims, crashed = self._claim(size)
            if self.admission.passed:
                self.holding.passed_over(self.admission.passed, self.clock.now())
            if claims or crashed or not self.admission.passed:
                return claims
        return ()

    def _is_over(self) -> bool:
        """Whether the time for submissions is over."""
        self.cut = self.cut or self.clock.now() >= self.until
        return self.cut

    def _claim(self, size: int) -> tuple[Sequence[Claim], Sequence[Run]]:
        now = self.clock.now()
        planned = partial(self.decide, now=now, budget=size)
        takeovers = 0 if self.holding.mute else size
        answer = self.store.claim(self.pool, now, lease=self.lease, takeovers=takeovers, decide=planned)
        for run in answer.crashed:
            self.report.crashed(run)
            note_crash(self.events, run)
        for claim in answer.claims:
            self.report.claims(claim)
            note_claim(self.events, claim)
        self.left -= len(answer.claims) + len(answer.crashed)
        return answer.claims, answer.crashed

    @timed("submit")
    def submit_and_record(self, claims: Sequence[Claim]) -> None:
        """Submit on threads, paced, never past the deadline; record each answer as it comes, with those that have come too.

        While the last calls of a full batch are under way the next batch is claimed, so that no thread waits for it.
        """
        calls = self._calls(self._carry, self.pace)
        for answers in calls.run(claims):
            self._record([(claim, answer or _NOT_REACHED) for claim, answer in answers])
            if any(answer is None for _, answer in answers) or self.holding.is_closed(self.clock.now()):
                calls.stop()
                self.stopped = True
                continue
            self._give_back(calls)
            if calls.runs_short and len(claims) == self.limits.batch:
                claims = self.claim_and_render()
                calls.add(claims)
        self.outpaced = self.outpaced or calls.outpaced
        self.cut = self.cut or self.outpaced or self._is_over()

    def _give_back(self, calls: Calls[Claim, Answer]) -> None:
        """Give back the claims in line that a refusal of this tick concerns; the others go on."""
        now = self.clock.now()
        if held := calls.withdraw(lambda claim: self.holding.concerns(claim, now) is not None):
            self._record([(claim, self._held_answer(claim, now)) for claim in held])

    def _held_answer(self, claim: Claim, now: datetime) -> Answer:
        hold = self.holding.concerns(claim, now)
        reason = hold.reason if hold else ""
        return NotLookedUp(reason) if claim.repeat else NotSubmitted(f"given back: {reason}")

    @timed("tidy")
    def tidy(self) -> None:
        """Remove what ended jobs left at their provider, and forget old history."""
        now = self.clock.now()
        if now >= self.deadline:
            return
        self.report.discarded = attempted(partial(self._discard, now), self._not_discarded)
        if self.limits.history is not None:
            self.report.pruned = self.store.prune(self.pool, now - self.limits.history, limit=self.limits.pruned)

    def _discard(self, now: datetime) -> int:
        return discard(self.store, self.provider, self.pool, now, lease=self.lease, limit=self.limits.discards)

    def _not_discarded(self, problem: Exception) -> int:
        if isinstance(problem, StoreError):
            raise problem
        self.tell(f"what ended jobs left could not be removed: {words(problem)}")
        return 0

    def _observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        return attempted(partial(self.provider.observe, submissions), lambda problem: unreadable(submissions, words(problem)))

    def _cancel(self, run: Run) -> str:
        return attempted(partial(self._asked_to_stop, run), words)

    def _asked_to_stop(self, run: Run) -> str:
        self.provider.cancel(_submission(run))
        return ""

    def decide(self, snapshot: Snapshot, *, now: datetime, budget: int) -> Decision:
        """Admit and render: what the claiming transaction asks."""
        seen = replace(snapshot, pool=self.holding.seen_with(snapshot.pool))
        pinning = Pinning(seen, self.provider.limits.start_deadline, self.holding.needs)
        self.admission = admit(seen.pool, seen.in_use, seen.due, now=now, budget=budget, needs=pinning.needs)
        decision = pinning.decide(self.admission.admitted)
        self.report.saw(seen, self.admission, decision, now=now, heads=self.limits.heads)
        return decision

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
        if claim.repeat and (known := attempted(partial(self._look_up, claim, job), _not_looked_up)):
            return known
        if self.clock.now() > self.deadline:
            return NotSubmitted("given back: looking it up took the rest of the tick")
        answer = attempted(partial(self.provider.submit, job), lambda problem: Unknown(cause=words(problem)))
        return answer if isinstance(answer, Outcome) else Unknown(cause=f"the provider answered {answer!r}")

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
        held = [self._hold(claim, answer, now) for claim, answer in answers]
        moves = [
            self._recorded(claim.run, claim, answer, now, held=of) for (claim, answer), of in zip(answers, held, strict=True)
        ]
        written = [move for move in moves if move]
        moved = self.store.move(written) if written else frozenset()
        for (claim, answer), move, of in zip(answers, moves, held, strict=True):
            if move is None or claim.run.id in moved:
                self._note(claim.run, answer, move)
            else:
                self._record_moved(claim, answer, now, held=of)
        self.holding.accepted([claim.run for (claim, _), move in zip(answers, moves, strict=True) if was_accepted(move)], now)

    def _recorded(self, run: Run, claim: Claim, answer: Answer, now: datetime, *, held: bool) -> Move | None:
        settled = settled_in(self.known)
        return recorded(run, answer, now, fence=claim.run.fence, repeat=claim.repeat, settled=settled, held=held)

    def _hold(self, claim: Claim, answer: Answer, now: datetime) -> bool:
        """Let wait what a refusal concerns; true when that keeps the refused run back as well."""
        if isinstance(answer, Unknown | Unreachable | NotLookedUp):
            self.holding.unanswered(claim, answer.cause)
        if isinstance(answer, Throttled | Misconfigured) and (hold := hold_for(answer, refused_until(claim.run, answer, now))):
            return self.holding.refused(claim, hold)
        return False

    def hold_until_recovered(self) -> None:
        """What the provider allows is used up, and the next tick counts anew: it comes when all of it is there again."""
        if self.outpaced:
            now = self.clock.now()
            until = now + timedelta(seconds=self.pace.recovery(now))
            reason = "this tick has submitted as much as the provider's limits allow"
            self.holding.add(PoolHold(until=until, reason=reason, kind=HoldKind.PACE))

    def _record_moved(self, claim: Claim, answer: Answer, now: datetime, *, held: bool) -> None:
        """The same for a run that somebody else has moved meanwhile: it is read again first."""
        while run := self.store.get(claim.run.id):
            move = self._recorded(run, claim, answer, now, held=held)
            if move is None or self.store.move([move]):
                self._note(run, answer, move)
                return

    def _note(self, run: Run, answer: Answer, move: Move | None) -> None:
        self.report.answered(run, answer, move)
        if isinstance(answer, Misconfigured) and not self.report.problem:
            self.tell(f"misconfigured: {answer.reason}")
        note_answer(self.events, run, answer, move, self.calls.pop(run.id, {}))

    def _calls(self, function: Callable[[Item], Any], pace: Pace | None = None) -> Calls[Item, Any]:
        return Calls(
            function,
            threads=self.provider.limits.concurrency,
            clock=self.clock,
            deadline=self.until,
            pace=pace or Pace((), self.clock.now()),
        )


def _not_looked_up(problem: Exception) -> NotLookedUp:
    return NotLookedUp(words(problem))


def _after_ends(snapshot: Snapshot, ended: Sequence[Run]) -> Snapshot:
    """The snapshot as it is once these runs have ended."""
    if not ended:
        return snapshot
    left = Counter(snapshot.in_use)
    left.subtract(Counter(run.queue for run in ended))
    return replace(snapshot, pool=replace(snapshot.pool, holds=freed(snapshot.pool.holds)), in_use=+left)


def _start(now: datetime) -> UUID:
    """Where to begin among more live runs than one tick looks at: somewhere else every second."""
    return uuid5(NAMESPACE_OID, str(int(now.timestamp())))


def _batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[index : index + size] for index in range(0, len(items), size)]


def _submission(run: Run) -> Submission:
    return Submission(**(run.submission or {}))
