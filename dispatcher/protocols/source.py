"""The Source protocol: where runs come from that are kept somewhere else, and shown there.

A source (a Prefect server) brings runs before a tick, is asked before a job of them is submitted, and learns afterwards what
became of them. The tick knows nothing else of it, so that a second source needs no change of the tick. Our store decides: it
counts slots and holds the claim. The source is the second lock: it may only say no.

What every source guarantees:

* **Asking is repeatable.** `may_start` for the same attempt of a run gives the same answer, whatever answers were lost. Two
  dispatchers that ask for the same thing under different runs never both get a yes.
* **Everything is bounded.** No call begins after the deadline that is passed, and each ends within its own timeout.
* **What is not reported now is reported later.** `report` compares what the source shows with what the store holds, so that a
  crash at any point loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from dispatcher.models import Run
from dispatcher.models.source_answers import NotConfirmed, Withdrawn
from providers.base import Submission


class Source(Protocol):
    """Where the runs of mirrored pools come from. Its methods are safe to call from several threads."""

    @property
    def name(self) -> str:
        """What `WorkPool.mirror.source` of its pools says."""
        ...

    def bring(self, pools: Sequence[str] | None, deadline: datetime) -> Sequence[str]:
        """Before the pools are ticked: mirror pools and queues, add runs, cancel what is cancelled there.

        `pools` limits this to pools of these names. Returns its problems, one line each.
        """
        ...

    def may_start(self, run: Run) -> Withdrawn | NotConfirmed | None:
        """Whether a claimed run may start now; None means yes, and that the source holds it for us from now on."""
        ...

    def started(self, run: Run, submission: Submission) -> None:
        """The provider has accepted the run's job. May fail: `report` makes up for it."""
        ...

    def report(self, pools: Sequence[str] | None, deadline: datetime) -> Sequence[str]:
        """After the pools were ticked: report there what became of runs. Returns its problems, one line each."""
        ...

    def has_reported(self, pool: str) -> bool:
        """Whether the last `report` has left nothing of this pool unreported: only then may old history of it be pruned."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
