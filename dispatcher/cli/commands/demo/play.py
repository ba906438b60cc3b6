"""The play: create runs, tick and show pictures until all runs have ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dispatcher.cli.commands.demo.picture import Picture, Watcher
from dispatcher.cli.commands.demo.scenario import Scenario, Wave
from dispatcher.cli.commands.demo.stage import Stage
from dispatcher.core.reasons import Explanation
from dispatcher.environment.clock import Clock
from dispatcher.errors import DispatcherError
from dispatcher.models import Run, RunState

PATIENCE = 300.0
"""A play that has not ended after this many seconds fails."""

Show = Callable[[Picture], None]


@dataclass
class Play:
    """One performance of a scenario on a stage."""

    scenario: Scenario
    stage: Stage
    clock: Clock
    show: Show
    watcher: Watcher = field(default_factory=Watcher)
    seconds: float = 0.0
    """The time of the last picture since the play began; setting up is not counted."""

    def run(self) -> Sequence[Run]:
        """Play until all runs have ended, and return them. Raises the dispatcher's errors."""
        self._set_up()
        self._begun = self.clock.now()
        waves = list(self.scenario.waves)
        while True:
            while waves and waves[0].after <= self._seconds():
                self._enqueue(waves.pop(0))
            self.stage.tick()
            runs = self._look()
            if not waves and all(run.state.is_terminal for run in runs):
                return runs
            self._let_time_pass()

    def _set_up(self) -> None:
        client, scenario = self.stage.client, self.scenario
        client.create_work_pool(scenario.pool, type=self.stage.pool_type, concurrency_limit=scenario.limit)
        for queue in scenario.queues:
            client.create_work_queue(scenario.pool, queue.name, priority=queue.priority, concurrency_limit=queue.limit)

    def _enqueue(self, wave: Wave) -> None:
        requests = [
            {"pool": self.scenario.pool, "queue": run.queue, "name": run.name, "job_variables": self.stage.variables(run)}
            for run in wave.runs
        ]
        created = self.stage.client.create_runs(requests)
        self.stage.expect({run.id: planned for run, planned in zip(created, wave.runs, strict=True)})

    def _let_time_pass(self) -> None:
        """Wait for the next tick, and show a picture whenever something happens before it."""
        if self._seconds() > PATIENCE:
            raise DispatcherError(f"the demo did not end within {PATIENCE:g} s; --verbose shows what it waits for")
        next_tick = self._seconds() + self.stage.tick_seconds
        while self.stage.wait(next_tick - self._seconds()):
            self._look()

    def _look(self) -> Sequence[Run]:
        client = self.stage.client
        pool = client.work_pool(self.scenario.pool)
        runs = client.runs(pool=pool.name, limit=1000)
        self.seconds = self._seconds()
        self.show(self.watcher.look(pool, runs, self._reasons(runs), self.seconds))
        return runs

    def _reasons(self, runs: Sequence[Run]) -> Mapping[str, Explanation]:
        """Why the next run of each queue waits, as `explain` says."""
        waiting = [run for run in runs if run.state is RunState.SCHEDULED]
        first: dict[str, Run] = {}
        for run in sorted(waiting, key=lambda run: (run.due_at, run.id)):
            first.setdefault(run.queue, run)
        return {queue: self.stage.client.explain(run.id) for queue, run in first.items()}

    def _seconds(self) -> float:
        return (self.clock.now() - self._begun).total_seconds()
