"""A source of runs (a Prefect server): a run may start only with its permission, and it permits one invocation at a time.

Its chances are drawn separately, so that the history of a world without a source does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from dispatcher.models import Mirror, Run
from dispatcher.models.source_answers import NotConfirmed, Withdrawn
from providers.base import Submission

if TYPE_CHECKING:
    from tests.simulation.faults import Pausing, Weather

NAME = "elsewhere"
MIRROR = Mirror(source=NAME, revision="")


@dataclass
class Elsewhere:
    """The source's own state, the same for every invocation: which run may start."""

    random: Random
    holders: dict[str, str] = field(default_factory=dict)
    """By the source's id: the run that holds it."""

    def chance(self, weather: Weather, probability: float) -> bool:
        """Whether a fault happens; never when the weather is calm."""
        return weather.chances.call_request_lost > 0 and self.random.random() < probability

    def lets(self, run: Run) -> bool:
        """Whether this run holds what it would start."""
        return self.holders.get(run.source_id or "") == run.id.hex


@dataclass
class SimulatedSource:
    """The source as one invocation reaches it: each question is an IO point before and after its effect."""

    elsewhere: Elsewhere
    invocation: Pausing
    weather: Weather
    now: datetime
    name: str = NAME

    def bring(self, _pools: Sequence[str] | None, _deadline: datetime) -> Sequence[str]:
        """Runs come from people here."""
        return ()

    def report(self, _pools: Sequence[str] | None, _deadline: datetime) -> Sequence[str]:
        """Nobody reads it here."""
        return ()

    def has_reported(self, _pool: str) -> bool:
        """Nothing is to report."""
        return True

    def started(self, _run: Run, _submission: Submission) -> None:
        """Nobody reads it here."""

    def close(self) -> None:
        """Holds nothing."""

    def may_start(self, run: Run) -> Withdrawn | NotConfirmed | None:
        """Yes for the first that asks; now and then never, later, or no answer."""
        self.invocation.pause("ask before")
        chance, source_id = self.elsewhere.chance, run.source_id or ""
        if chance(self.weather, 0.05):
            return NotConfirmed("the request was lost")
        if not self.elsewhere.lets(run) and chance(self.weather, 0.05):
            return Withdrawn("later", not_before=self.now + timedelta(seconds=40))
        if source_id not in self.elsewhere.holders and chance(self.weather, 0.1):
            self.elsewhere.holders[source_id] = "somebody else"
        self.elsewhere.holders.setdefault(source_id, run.id.hex)
        self.invocation.pause("ask after")
        if chance(self.weather, 0.1):
            return NotConfirmed("the answer was lost")
        return None if self.elsewhere.lets(run) else Withdrawn("taken elsewhere")
