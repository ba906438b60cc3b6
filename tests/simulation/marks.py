"""What an invocation was seen to do. A mark is a branch of the product that matters: a simulation that never reaches it proves
nothing about it, so `test_simulation.py` asserts that a small number of seeds reaches each of `MARKS`.

Marks are counted at the seams (claims, moves, provider calls, the product's own events); the product knows nothing of them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatcher.models import Run, RunState, submission_name
from dispatcher.models.records import Automated, Claims, Move

MARKS = (
    "claim taken over",
    "claim of a cancelled run taken over",
    "take-over: found by its name",
    "take-over: not found",
    "take-over: submitted again",
    "create: the name was taken by the job itself",
    "late request: started the job",
    "late request: found the job",
    "first answer: Accepted",
    "first answer: Rejected",
    "first answer: Throttled",
    "first answer: Misconfigured",
    "first answer: Unknown",
    "first answer: Unreachable",
    "first answer: NotSubmitted",
    "repeat's answer: Accepted",
    "repeat's answer: Rejected",
    "repeat's answer: Throttled",
    "repeat's answer: Misconfigured",
    "repeat's answer: Unknown",
    "repeat's answer: Unreachable",
    "repeat's answer: NotLookedUp",
    "repeat's answer: NotSubmitted",
    "repeat's answer: Absent",
    "repeat's answer: Forgotten",
    "rejected repeat: the run is stopped",
    "attempt raised",
    "move refused by its guard",
    "overdue start",
    "missing end",
    "accepted while cancelling",
    "cancelled while waiting",
    "cancelled between claim and answer",
    "cancelled while submitted",
    "cancelled while running",
    "stop asked for",
    "ended by itself while cancelling",
    "event settled",
    "event ahead of the record",
    "event without effect",
    "hint settled",
    "hint without effect",
    "pool held",
    "pool problem",
    "discard",
    "discard has to wait",
    "stale read",
    "window made a run",
    "materialisation refused by its guard",
    "attempt retried",
    "start retried that came too late",
    "runs of a schedule withdrawn",
    "history pruned",
    "waiting run requeued",
    "requeue refused by its guard",
)
"""Each must be reached."""


@dataclass
class Journal:
    """The counts of a world, and, for a person at three in the morning, its story."""

    now: Callable[[], datetime]
    write: Callable[[str], None] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    overdue: list[UUID] = field(default_factory=list)
    """Runs that are being stopped because they did not start in time: people like to cancel just those."""

    def log(self, who: str, what: Callable[[], str]) -> None:
        """One line of the story; the text is made only when somebody reads it."""
        if self.write is not None:
            self.write(f"{self.now():%d %H:%M:%S.%f} {who:>10}  {what()}")


class Witness:
    """Sees what one invocation does."""

    def __init__(self, journal: Journal, who: str) -> None:
        self.journal, self.who = journal, who
        self.repeats: set[str] = set()
        self._lingering = 0

    def mark(self, name: str) -> None:
        """A branch was reached."""
        self.journal.marks[name] += 1
        self.journal.log(self.who, lambda: f"* {name}")

    def log(self, what: Callable[[], str]) -> None:
        """A line of the story."""
        self.journal.log(self.who, what)

    def read(self, verb: str, answer: Any) -> None:
        """A store has answered."""
        if verb == "lingering":
            self._lingering = len(answer)
        if verb == "prune" and answer:
            self.mark("history pruned")

    def automated(self, automated: Automated, *, written: bool) -> None:
        """Automations have looked at an end."""
        made = sorted(run.id.hex for run in automated.runs)
        self.log(lambda: f"automations: {'refused' if not written else [firing.did for firing in automated.firings]} {made}")
        acted = "acted" if automated.firings else "looked"
        self.mark(f"automation {acted if written else 'refused'}")
        if written and automated.deployments:
            self.mark("automation paused")

    def materialised(self, added: Collection[UUID] | None) -> None:
        """Windows were to be made runs."""
        self.log(lambda: f"makes runs of windows: {'refused' if added is None else sorted(run.hex for run in added)}")
        self.journal.counts["windows"] += len(added or ())
        if added is None:
            self.mark("materialisation refused by its guard")
        elif added:
            self.mark("window made a run")

    def claimed(self, claims: Claims) -> None:
        """A claim was made."""
        for claim in claims.claims:
            name = submission_name(claim.run.id, claim.run.attempt)
            self.log(lambda name=name, claim=claim: f"claims {name}, fence {claim.run.fence}, repeat {claim.repeat}")
            if claim.repeat:
                self.repeats.add(name)
                cancelled = claim.run.state is RunState.CANCELLING
                self.mark("claim of a cancelled run taken over" if cancelled else "claim taken over")

    def moved(self, moves: Sequence[Move], applied: Collection[UUID]) -> None:
        """Moves were handed to a store."""
        for move in moves:
            done = move.run_id in applied
            self.log(lambda move=move, done=done: _line(move, done))
            if done and move.to is RunState.CANCELLING and move.changes.get("ending") is RunState.CRASHED:
                self.journal.overdue.append(move.run_id)
            self.journal.counts["retries"] += done and "past" in move.changes
            for name in _marks_of(move) if done else ["move refused by its guard"]:
                self.mark(name)

    def called(self, call: str, name: str, answer: Any) -> None:
        """A provider has done something."""
        self.log(lambda: f"{call} {name}: {_short(answer)}")
        if name in self.repeats and call == "find":
            self.mark("take-over: found by its name" if answer else "take-over: not found")
        if name in self.repeats and call == "submit":
            self.mark("take-over: submitted again")

    def event(self, name: str, **fields: Any) -> None:
        """The product's own log line."""
        if name == "run.answered" and fields["answer"] != "RenderError":
            repeat = submission_name(fields["run"], fields["attempt"]) in self.repeats
            self.mark(("repeat's answer: " if repeat else "first answer: ") + fields["answer"])
        elif name in ("pool.held", "pool.problem"):
            self.mark(name.replace(".", " "))
        elif name == "run.stop":
            self.mark("stop asked for")
        elif name == "tick.pool" and self._lingering:
            self.mark("discard" if fields["discarded"] else "discard has to wait")
            self._lingering = 0

    def cancelled(self, run: Run) -> None:
        """Somebody cancels a run."""
        pending = "while submitted" if run.submission else "between claim and answer"
        when = {RunState.SCHEDULED: "while waiting", RunState.RUNNING: "while running"}
        self.mark(f"cancelled {when.get(run.state, pending)}")


def _short(answer: Any) -> str:
    if isinstance(answer, dict):
        return ", ".join(str(seen.state) for seen in answer.values())
    return ", ".join(sorted(answer)) if isinstance(answer, frozenset) else str(answer)


def _line(move: Move, done: bool) -> str:
    changes = {name: value for name, value in move.changes.items() if name in ("reason", "attempt", "submission", "ending")}
    verdict = "moves" if done else "is refused to move"
    return f"{verdict} r{move.run_id.hex} {move.expected} -> {move.to}, fence {move.fence} {changes}"


def _marks_of(move: Move) -> list[str]:
    reason, located = str(move.changes.get("reason", "")), move.changes.get("submission")
    by_itself = move.expected is RunState.CANCELLING and move.changes.get("exit_code") is not None
    reached = {
        "attempt raised": "attempt" in move.changes,
        "overdue start": move.to is RunState.CANCELLING and reason.startswith("did not start"),
        "rejected repeat: the run is stopped": move.to is RunState.CANCELLING and reason == "AccessDenied",
        "missing end": reason.startswith("the job is gone"),
        "accepted while cancelling": move.expected is move.to is RunState.CANCELLING and located is not None,
        "attempt retried": "past" in move.changes,
        "start retried that came too late": "past" in move.changes and move.expected is RunState.CANCELLING,
        "event ahead of the record": located is not None and (move.to is RunState.RUNNING or move.to.is_terminal),
        "ended by itself while cancelling": by_itself and move.to.is_terminal,
    }
    return [name for name, here in reached.items() if here]
