"""All emulated clouds at once: a pool on each, the same runs in each pool, one function that ticks them all.

Nothing is mocked: the function uses the vendors' own clients, which call the emulators.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from dispatcher.cli.commands.demo.emulated import Function, scheduled_event, starts_of
from dispatcher.cli.commands.demo.scenario import PlannedRun, meant_to_fail
from dispatcher.cli.commands.demo.stage import Evidence
from dispatcher.cli.commands.demo.summary import Shape, summary
from dispatcher.client import Dispatcher
from dispatcher.environment.clock import Clock
from dispatcher.errors import DispatcherError
from dispatcher.models import DEFAULT_QUEUE, Run, parse_submission_name
from dispatcher.wiring import open_store
from providers import registry
from providers.emulators.command import load

if TYPE_CHECKING:
    from providers.emulators.base import Emulator

STAGE = "six emulated clouds, through one function"
HANDLER = "dispatcher.functions.aws_lambda.handler"
LIMIT = 2
TICK_SECONDS = 1.0
PATIENCE = 120.0
"""A tour that has not ended after this many seconds fails."""

IMAGE = "docker.io/library/busybox"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

NEXT = (
    "dispatcher emulator cloud-run --job-seconds 20    # prints what to export elsewhere; or ecs, aci, modal, ...",
    "dispatcher work-pool create gcp --type cloud-run-v2:push --concurrency-limit 2",
    "dispatcher run create --pool gcp -jv image=docker.io/library/busybox --count 4",
    "dispatcher tick && dispatcher run ls",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One of the clouds."""

    pool: str
    pool_type: str
    emulator: str
    variables: Mapping[str, Any]
    """The job variables of every run of this cloud, apart from the command."""
    coordinate: str
    """The key of the handle that identifies the job in this cloud; empty if the job's name does."""


CLOUDS = (
    Cloud(pool="aws", pool_type="ecs:push", emulator="ecs", variables={"image": IMAGE}, coordinate="task"),
    Cloud(pool="gcp", pool_type="cloud-run-v2:push", emulator="cloud-run", variables={"image": IMAGE}, coordinate="execution"),
    Cloud(
        pool="vertex",
        pool_type="vertex-ai",
        emulator="vertex-ai",
        variables={"image": IMAGE, "region": "us-central1"},
        coordinate="job_id",
    ),
    Cloud(
        pool="azure",
        pool_type="azure-container-instance:push",
        emulator="aci",
        variables={"image": IMAGE, "subscription_id": SUBSCRIPTION, "resource_group_name": "jobs"},
        coordinate="",
    ),
    Cloud(pool="modal", pool_type="modal:push", emulator="modal", variables={}, coordinate="sandbox_id"),
    Cloud(pool="kube", pool_type="kubernetes", emulator="kubernetes", variables={"image": IMAGE}, coordinate=""),
)

OPTIONS = {"cloud-run-v2:push": {"writes_per_minute": 600}, "vertex-ai": {"submissions_per_minute": 600}}
"""With a new project's quota, only one run could start every four seconds."""


def runs_to_play(speed: float) -> tuple[PlannedRun, ...]:
    """The runs of each cloud; one of them fails."""
    lengths = {"extract": 2.0, "transform": 3.0, "check": 1.0, "load": 2.0}
    codes = {"check": 3}
    return tuple(
        PlannedRun(name=name, queue=DEFAULT_QUEUE, seconds=seconds / speed, exit_code=codes.get(name, 0))
        for name, seconds in lengths.items()
    )


class Sky:
    """The emulators, a store and the function; a context manager that leaves nothing behind."""

    def __init__(self) -> None:
        self._planned: dict[UUID, PlannedRun] = {}

    def __enter__(self) -> Self:
        for cloud in CLOUDS:
            registry.require(cloud.pool_type)
        with ExitStack() as stack:
            directory = Path(stack.enter_context(TemporaryDirectory(prefix="dispatcher-demo-", ignore_cleanup_errors=True)))
            store = f"sqlite:///{directory / 'demo.db'}"
            self.client = Dispatcher(open_store(store))
            stack.callback(self.client.store.close)
            self.emulators: dict[str, Emulator] = {
                cloud.pool: stack.enter_context(load(cloud.emulator)(job_seconds=self._seconds, exit_code=self._exit_code))
                for cloud in CLOUDS
            }
            self._function = Function(HANDLER, self._environment(store), directory / "function.log")
            stack.callback(self._function.close)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def enqueue(self, planned: Sequence[PlannedRun]) -> None:
        """A pool for each cloud, and the same runs in each."""
        for cloud in CLOUDS:
            self.client.create_work_pool(cloud.pool, type=cloud.pool_type, concurrency_limit=LIMIT)
            requests = [
                {"pool": cloud.pool, "name": run.name, "job_variables": {**cloud.variables, "command": f"python -m {run.name}"}}
                for run in planned
            ]
            created = self.client.create_runs(requests)
            self._planned.update({run.id: plan for run, plan in zip(created, planned, strict=True)})

    def tick(self) -> None:
        """Send one scheduled event, which ticks all pools. Raises `DispatcherError` if a pool could not be ticked."""
        report = self._function.invoke(scheduled_event())
        for pool in report["pools"]:
            if pool["problem"]:
                raise DispatcherError(f"{pool['pool']}: {pool['problem']}")

    def evidence(self, pool: str) -> Evidence:
        """What the emulator behind a pool counted."""
        emulator = self.emulators[pool]
        return Evidence(starts=starts_of(emulator), peak=emulator.peak_live)

    def _environment(self, store: str) -> dict[str, str]:
        environment = {"DISPATCHER_STORE": store, "DISPATCHER_PROVIDER_OPTIONS": json.dumps(OPTIONS)}
        for emulator in self.emulators.values():
            environment |= emulator.environment()
        return environment

    def _seconds(self, name: str) -> float:
        planned = self._plan(name)
        return planned.seconds if planned else 0.0

    def _exit_code(self, name: str) -> int:
        planned = self._plan(name)
        return planned.exit_code if planned else 0

    def _plan(self, name: str) -> PlannedRun | None:
        named = parse_submission_name(name)
        return self._planned.get(named[0]) if named else None


def tour(*, speed: float, clock: Clock, say: Callable[[str], Any]) -> Shape:
    """Tick until all runs have ended, print a line for each, and return the summary. Raises the dispatcher's errors."""
    with Sky() as sky:
        begun = clock.now()
        planned = runs_to_play(speed)
        failing = meant_to_fail(planned)
        sky.enqueue(planned)
        printed: set[UUID] = set()
        while True:
            sky.tick()
            runs = sky.client.runs(limit=1000)
            seconds = (clock.now() - begun).total_seconds()
            ended = [run for run in runs if run.state.is_terminal]
            for run in ended:
                if run.id not in printed:
                    printed.add(run.id)
                    why = "   (it is meant to)" if run.name in failing else ""
                    say(f"{seconds:5.1f} s  {run.pool:6} {run.name:10} {run.state}{why}")
            if len(ended) == len(runs):
                return _shape(sky, runs, seconds)
            if seconds > PATIENCE:
                raise DispatcherError(f"the demo did not end within {PATIENCE:g} s: {len(ended)} of {len(runs)} runs did")
            clock.sleep(TICK_SECONDS)


def _shape(sky: Sky, runs: Sequence[Run], seconds: float) -> Shape:
    """The shape of `demo --all --json`: stage, seconds, runs, ends, pools (each as in the plain demo), jobs, checks, ok,
    next.
    """
    planned = runs_to_play(1.0)
    order, failing = [run.name for run in planned], meant_to_fail(planned)
    pools: list[Shape] = []
    jobs: list[Shape] = []
    for cloud in CLOUDS:
        own = sorted((run for run in runs if run.pool == cloud.pool), key=lambda run: order.index(run.name))
        figures = summary(
            sky.client.work_pool(cloud.pool), own, sky.evidence(cloud.pool), highest={}, seconds=seconds, failing=failing
        )
        pools.append({"type": cloud.pool_type, **figures})
        jobs.extend(_job(cloud, run) for run in own)
    checks = [{**check, "name": f"{pool['pool']}: {check['name']}"} for pool in pools for check in pool["checks"]]
    return {
        "stage": STAGE,
        "seconds": round(seconds, 1),
        "runs": len(runs),
        "ends": dict(Counter(str(run.state) for run in runs)),
        "meant_to_fail": sum(pool["meant_to_fail"] for pool in pools),
        "pools": pools,
        "jobs": jobs,
        "checks": checks,
        "ok": all(check["ok"] for check in checks),
        "next": list(NEXT),
    }


def _job(cloud: Cloud, run: Run) -> Shape:
    submission = run.submission
    name = submission.handle.get(cloud.coordinate) or submission.name if submission else ""
    return {
        "pool": cloud.pool,
        "type": cloud.pool_type,
        "run": run.name,
        "id": str(run.id),
        "state": str(run.state),
        "exit_code": run.exit_code,
        "short": _short(name.rpartition("/")[2]),
        "handle": submission.handle if submission else None,
        "url": run.url,
    }


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:12]}…{name[-8:]}"
