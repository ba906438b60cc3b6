"""The stage of an emulated cloud: its events and its schedule reach the dispatcher through the handler of a function."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

from dispatcher.cli.commands.demo.scenario import PlannedRun
from dispatcher.cli.commands.demo.stage import Evidence
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatcherError
from dispatcher.models import parse_submission_name
from dispatcher.wiring import open_store
from providers.emulators.command import load

if TYPE_CHECKING:
    from providers.emulators.base import Emulator

SECONDS = 60.0
"""The timeout of the function, as its deployment would set it."""

FOREIGN = ("AWS_", "AZURE_", "GOOGLE_", "MODAL_", "DISPATCHER_")
"""Variables that the function must not inherit, so that it calls only the emulator."""


class Function:
    """A function's handler in its own process with its own environment."""

    def __init__(self, handler: str, environment: Mapping[str, str], log: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own runtime
                [sys.executable, "-m", "dispatcher.cli.commands.demo.runtime", handler],
                env={**inherited, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C is for the demo, which ends this process
            )

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """The handler's answer to one event. Raises `DispatcherError` if the handler raised or its process is gone."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as asked for
        assert self._process.stdout is not None  # noqa: S101 - as above
        try:
            self._process.stdin.write(json.dumps({"event": event, "seconds": SECONDS}) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline() or '{"error": "its process has ended"}')
        except BrokenPipeError:
            answer = {"error": "its process has ended"}
        if "error" in answer:
            words = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise DispatcherError(f"the function failed: {' '.join([answer['error'], *words])}")
        return answer["answer"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def scheduled_event() -> Mapping[str, Any]:
    """What EventBridge sends on a schedule."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/push-dispatcher"],
        "detail": {},
    }


def starts_of(emulator: Emulator) -> Mapping[UUID, int]:
    """How many jobs an emulator was asked to start, by run."""
    starts: Counter[UUID] = Counter()
    for name, count in emulator.starts.items():
        if named := parse_submission_name(name):
            starts[named[0]] += count
    return starts


class EcsStage:
    """Tasks on the ECS emulator; ticks and task state changes go through `dispatcher.functions.aws_lambda.handler`."""

    title = "the ECS emulator, through the AWS Lambda handler"
    next_steps: tuple[str, ...] = (
        "dispatcher emulator ecs --job-seconds 20        # prints the variables to export in a second terminal, and there:",
        "dispatcher work-pool create aws --type ecs:push --concurrency-limit 2",
        "dispatcher run create --pool aws -jv image=busybox --count 4",
        "dispatcher tick && dispatcher run ls",
    )
    pool_type = "ecs:push"
    tick_seconds = 2.0
    emulator_name = "ecs"
    handler = "dispatcher.functions.aws_lambda.handler"

    def __init__(self) -> None:
        self._planned: dict[UUID, PlannedRun] = {}
        self._events: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        emulator: Callable[..., Emulator] = load(self.emulator_name)  # raises when its extra is missing
        self._temporary = TemporaryDirectory(prefix="dispatcher-demo-", ignore_cleanup_errors=True)
        directory = Path(self._temporary.name)
        store = f"sqlite:///{directory / 'demo.db'}"
        self.client = Dispatcher(open_store(store))
        self._emulator = emulator(job_seconds=self._seconds, exit_code=self._exit_code, on_event=self._events.put)
        self._emulator.start()
        environment = {"DISPATCHER_STORE": store, **self._emulator.environment()}
        self._function = Function(self.handler, environment, directory / "function.log")
        return self

    def __exit__(self, *_: object) -> None:
        self._function.close()
        self._emulator.stop()
        self.client.store.close()
        self._temporary.cleanup()

    def variables(self, planned: PlannedRun) -> Mapping[str, Any]:
        """A task of any image, in the smallest size of Fargate."""
        return {"image": "busybox", "command": ["sleep", f"{planned.seconds:g}"], "cpu": 256, "memory": 512}

    def expect(self, planned: Mapping[UUID, PlannedRun]) -> None:
        """Remember how long each task runs and how it ends, for the emulator."""
        self._planned.update(planned)

    def tick(self) -> None:
        """What EventBridge sends on a schedule."""
        self._function.invoke(scheduled_event())

    def wait(self, seconds: float) -> bool:
        """Pass the next task state change to the function as soon as it happens."""
        try:
            event = self._events.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        self._function.invoke(event)
        return True

    def evidence(self) -> Evidence:
        """What the emulator was asked to start."""
        return Evidence(starts=starts_of(self._emulator), peak=self._emulator.peak_live)

    def _seconds(self, name: str) -> float:
        planned = self._plan(name)
        return planned.seconds if planned else 0.0

    def _exit_code(self, name: str) -> int:
        planned = self._plan(name)
        return planned.exit_code if planned else 0

    def _plan(self, name: str) -> PlannedRun | None:
        named = parse_submission_name(name)
        return self._planned.get(named[0]) if named else None
