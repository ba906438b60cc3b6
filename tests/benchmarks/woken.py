"""From a client's `create_run` to the task's start, where its wake reaches `dispatcher serve`: three processes and a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dispatcher.client import Dispatcher
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.waking import from_setting
from tests.benchmarks.emulated import EmulatedCloud
from tests.benchmarks.measuring import ROOT
from tests.benchmarks.worlds import JOB_VARIABLES, POOL, add_ecs_pool, settings_environment

WOKEN = "create and its wake to the task's start"
PATIENCE = 60.0


@dataclass(frozen=True)
class Woken:
    """A client beside a server that ticks once an hour, unless it is woken."""

    client: Dispatcher
    ecs: EmulatedCloud

    def created(self) -> float:
        """Milliseconds from the call until the emulator has started the task."""
        begin = time.time()
        run = self.client.create_run(pool=POOL, job_variables=JOB_VARIABLES)
        return 1000 * (self._started(f"r{run.id.hex}-1", begin + PATIENCE) - begin)

    def _started(self, name: str, deadline: float) -> float:
        while time.time() < deadline:
            for job in self.ecs.remote.get("jobs")["jobs"]:
                if job["name"] == name:
                    return float(job["started_at"])
            time.sleep(0.01)
        raise AssertionError(f"{name} was not started within {PATIENCE:g} s")


@contextmanager
def woken(directory: Path, ecs: EmulatedCloud) -> Iterator[Woken]:
    """With a store of its own."""
    path = directory / "woken.db"
    environment = {**os.environ, **settings_environment(path), "DISPATCHER_TICK_SECONDS": "50"}
    store = SqliteStore(path)
    add_ecs_pool(store)
    command = [sys.executable, "-m", "dispatcher", "serve", "--port", "0", "--every", "3600"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = _url(process)
            yield Woken(Dispatcher(store, wake=from_setting(f"{url}/wake")), ecs)
        finally:
            process.terminate()
            store.close()


def _url(process: subprocess.Popen[str]) -> str:
    """Where the server listens, which it logs."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line)["event"] == "serve.began":
            return str(json.loads(line)["url"])
    raise AssertionError("the server ended before it listened")
