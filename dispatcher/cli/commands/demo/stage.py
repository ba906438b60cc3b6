"""Where the demo plays: a store of its own, and something that runs jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self
from uuid import UUID

from dispatcher.cli.commands.demo.scenario import PlannedRun
from dispatcher.client import Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the infrastructure itself counted, whatever the store says."""

    starts: Mapping[UUID, int]
    """Jobs started, by run."""
    peak: int | None = None
    """The most jobs that were ever live at once; None where nobody counted."""


class Stage(Protocol):
    """A context manager; everything it made is gone afterwards, processes and files."""

    title: str
    """Where the jobs run, for people."""
    next_steps: tuple[str, ...]
    """Command lines to try afterwards."""
    pool_type: str
    tick_seconds: float
    """How often the schedule ticks."""

    @property
    def client(self) -> Dispatcher:
        """The API over the store of this stage."""
        ...

    def variables(self, planned: PlannedRun) -> Mapping[str, Any]:
        """The job variables that make a job do what is planned."""
        ...

    def expect(self, planned: Mapping[UUID, PlannedRun]) -> None:
        """These runs are in the store now; called before they are ticked."""
        ...

    def tick(self) -> None:
        """One tick of the schedule."""
        ...

    def wait(self, seconds: float) -> bool:
        """Let time pass; True as soon as something happened by itself that is worth a look."""
        ...

    def evidence(self) -> Evidence:
        """What was counted so far."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
