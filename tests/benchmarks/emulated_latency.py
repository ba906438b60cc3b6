"""How long a warm function takes, from its invocation until a task starts at the ECS emulator, over a socket and the SDK."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispatcher.environment.settings import Settings
from dispatcher.functions.invocation import invoke
from dispatcher.wiring import wire
from tests.benchmarks.emulated import EmulatedCloud, emulated_ecs
from tests.benchmarks.figures import Figure
from tests.benchmarks.measuring import in_turns, workspace
from tests.benchmarks.woken import WOKEN, woken
from tests.benchmarks.worlds import JOB_VARIABLES, add_ecs_pool, settings_environment

CREATED, ENDED = "create_run to the task's start", "event of an end to the next task's start"
TICKED = "tick after an end to the next task's start"


def figures(rounds: int) -> list[Figure]:
    """SQLite, one process, one call of RunTask for each sample."""
    with workspace() as directory, emulated_ecs() as ecs, woken(directory, ecs) as client:
        function = _Function(directory, ecs)
        sides = {CREATED: function.created, WOKEN: client.created, ENDED: function.ended, TICKED: function.ticked}
        took = in_turns(rounds, sides)
    return [Figure(f"ECS emulator: {what}", "ms", samples) for what, samples in took.items()]


class _Function:
    """A warm function with two stores: in one every run starts at once, in the other one run at a time."""

    def __init__(self, directory: Path, ecs: EmulatedCloud) -> None:
        self._ecs = ecs
        self._free, self._narrow = self._wired(directory / "free.db", None), self._wired(directory / "narrow.db", 1)
        self._live = self._create(self._narrow)

    def created(self) -> float:
        """Milliseconds from the invocation until the emulator has started the task."""
        begin = time.time()
        return 1000 * (self._started(self._create(self._free)) - begin)

    def ended(self) -> float:
        """Milliseconds from the invocation with the event of an end until the run that waited has started."""
        waiting = self._create(self._narrow)
        self._ecs.remote.post("finish", name=self._live)
        events = self._ecs.remote.get("events")["events"]
        of_task = [event for event in events if event["detail"]["startedBy"] == self._live]
        return self._next(waiting, of_task[-1])

    def ticked(self) -> float:
        """Milliseconds from a tick, which comes up to a minute after the end, until the run that waited has started."""
        waiting = self._create(self._narrow)
        self._ecs.remote.post("finish", name=self._live)
        return self._next(waiting, {})

    def _next(self, waiting: str, event: Mapping[str, Any]) -> float:
        begin = time.time()
        answer = invoke(self._narrow, event, seconds_left=300)
        self._live = waiting
        return 1000 * (self._started(waiting, answer) - begin)

    @staticmethod
    def _wired(path: Path, limit: int | None) -> Any:
        wiring = wire(Settings.from_environment({**os.environ, **settings_environment(path)}))
        add_ecs_pool(wiring.store, limit=limit)
        return wiring

    @staticmethod
    def _create(wiring: Any) -> str:
        """The name of the new run's submission, whether it could start or not."""
        run: Mapping[str, Any] = invoke(
            wiring, {"create_run": {"pool": "benchmark", "job_variables": JOB_VARIABLES}}, seconds_left=300
        )["run"]
        return f"r{run['id'].replace('-', '')}-1"

    def _started(self, name: str, answer: object = None) -> float:
        """When, in seconds since the epoch."""
        jobs = self._ecs.remote.get("jobs")["jobs"]
        started = [job["started_at"] for job in jobs if job["name"] == name]
        assert started, answer
        return float(started[0])
