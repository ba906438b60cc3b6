"""What it costs to create many runs: alike, and each by a request of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dispatcher.client import Dispatcher
from dispatcher.stores.sqlite import SqliteStore
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns, workspace

VARIABLES = {"image": "busybox", "env": {"STAGE": "test", "REGION": "north"}}


def measure(options: Options) -> Result:
    """One call of `create_runs`, SQLite, the default template of ECS."""
    count = 500 if options.quick else 10_000
    with workspace() as directory:
        sides = {
            "one request, many times": [{"pool": "p", "job_variables": VARIABLES}] * count,
            "equal requests": [{"pool": "p", "job_variables": _copy()} for _ in range(count)],
            "of a deployment": [{"deployment": "d"}] * count,
            "different variables": [
                {"pool": "p", "job_variables": {"image": "busybox", "env": {"N": str(n)}}} for n in range(count)
            ],
        }
        samples = in_turns(options.runs, {name: _creation(directory, requests) for name, requests in sides.items()})
    return Result(
        "creation",
        f"CPU of creating {count} runs in one call, for each run",
        [
            Figure(name, "ms", values, None if name == "different variables" else Target("<=", 0.25))
            for name, values in samples.items()
        ],
        ["equal variables of one pool and deployment are checked once in a call"],
    )


def _copy() -> dict[str, Any]:
    return {"image": "busybox", "env": dict(VARIABLES["env"])}


def _creation(directory: Path, requests: Sequence[Mapping[str, Any]]) -> Callable[[], float]:
    def once() -> float:
        path = directory / f"{time.monotonic_ns()}.db"
        store = SqliteStore(path)
        client = Dispatcher(store)
        client.create_work_pool("p", type="ecs:push")
        client.create_deployment("d", pool="p", job_variables=VARIABLES)
        begin = time.process_time()
        client.create_runs(requests)
        spent = time.process_time() - begin
        store.close()
        path.unlink()
        return 1000 * spent / len(requests)

    return once
