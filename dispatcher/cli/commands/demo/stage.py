"""A stage of the demo: its own store, and something that runs jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self
from uuid import UUID

from dispatcher.cli.commands.demo.scenario import PlannedRun
from dispatcher.client import Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The infrastructure's own counts, independent of the store."""

    starts: Mapping[UUID, int]
    """Jobs started, by run."""
    peak: int | None = None
    """The most jobs that were live at once; None if nothing counted them."""


class Stage(Protocol):
    """A context manager that removes all of its processes and files at the end."""

    title: str
    """Where the jobs run, in words for people."""
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
        """The job variables that make a job behave as planned."""
        ...

    def expect(self, planned: Mapping[UUID, PlannedRun]) -> None:
        """Called when these runs are in the store, before the next tick."""
        ...

    def tick(self) -> None:
        """One tick of the schedule."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait. Returns True as soon as something has changed that a picture should show."""
        ...

    def evidence(self) -> Evidence:
        """The counts so far."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
