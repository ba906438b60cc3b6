"""The stage of local processes: the embedded default, in a temporary directory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from uuid import UUID

from dispatcher.cli.commands.demo.scenario import PlannedRun
from dispatcher.cli.commands.demo.stage import Evidence
from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.models import SLOT_STATES
from dispatcher.ticking import tick
from dispatcher.wiring import wire

SCRIPT = 'echo started >> "$LEDGER/$DISPATCHER_RUN_ID"; sleep {seconds:g}; exit {exit_code}'
"""The command of each job: sign the ledger, sleep, exit."""

DEADLINE = timedelta(seconds=20)
STOP_SECONDS = 1.0
TRIES = 50


class ProcessStage:
    """Jobs are processes of this machine, and the demo itself ticks."""

    title = "local processes and an SQLite file"
    next_steps: tuple[str, ...] = (
        "dispatcher work-pool create mine --type process --concurrency-limit 2",
        "dispatcher run create --pool mine -jv 'command=sleep 5' --count 4",
        "dispatcher tick && dispatcher run ls",
        "dispatcher demo --ecs        # the same on AWS ECS, emulated, through the Lambda handler",
    )
    pool_type = "process"
    tick_seconds = 0.5

    def __enter__(self) -> Self:
        self._temporary = TemporaryDirectory(prefix="dispatcher-demo-", ignore_cleanup_errors=True)
        self._directory = Path(self._temporary.name)
        self._ledger.mkdir()
        settings = Settings(
            store=f"sqlite:///{self._directory / 'demo.db'}",
            process_directory=str(self._directory / "processes"),
            provider_options={"process": {"stop_seconds": STOP_SECONDS}},
        )
        self._wiring = wire(settings)
        self.client: Dispatcher = self._wiring.client
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_what_is_left()
        self._wiring.store.close()
        self._temporary.cleanup()

    def variables(self, planned: PlannedRun) -> Mapping[str, Any]:
        """A shell that signs the ledger, sleeps and exits."""
        script = SCRIPT.format(seconds=planned.seconds, exit_code=planned.exit_code)
        return {"command": ["sh", "-c", script], "env": {"LEDGER": str(self._ledger)}}

    def expect(self, planned: Mapping[UUID, PlannedRun]) -> None:
        """Nothing to prepare: each job's command holds its length and its end."""

    def tick(self) -> None:
        """Tick in this process."""
        tick(self._wiring.dispatch, self._wiring.dispatch.clock.now() + DEADLINE)

    def wait(self, seconds: float) -> bool:
        """Sleep; no event reports that a job has ended."""
        self._wiring.dispatch.clock.sleep(seconds)
        return False

    def evidence(self) -> Evidence:
        """How often each run's job signed the ledger."""
        return Evidence(starts={UUID(file.name): len(file.read_text().splitlines()) for file in self._ledger.iterdir()})

    @property
    def _ledger(self) -> Path:
        return self._directory / "ledger"

    def _stop_what_is_left(self) -> None:
        """After Ctrl-C: cancel live runs, and tick until they have ended."""
        for pool in self.client.work_pools():
            self.client.update_work_pool(pool.name, paused=True)
        for _ in range(TRIES):
            live = self.client.runs(states=SLOT_STATES, limit=1000)
            if not live:
                return
            for run in live:
                self.client.cancel_run(run.id)
            self.tick()
            self.wait(STOP_SECONDS / 10)
