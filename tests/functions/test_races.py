"""Processes that dispatch at the same time, and one after the other dies: the promises hold all the same.

Two processes share one SQLite file and one cloud. One of them is killed (SIGKILL) and started anew, again and again, at a step
of its tick that chance picks. What was started is told by the cloud, what was recorded by the store.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from random import Random

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import TERMINAL_STATES, RunState, parse_submission_name
from dispatcher.stores.sqlite import SqliteStore
from providers.emulators.control import Remote

ROOT = Path(__file__).parents[2]
FOREIGN = ("AWS_", "DISPATCHER_")
PATIENCE = 300.0
DEATHS = 8
ANY = ""
"""Any event at all: the process is up."""
STEPS = ("run.admitted", "run.admitted", "run.admitted", "run.answered", "run.moved", "tick.pool")
"""Where a process is killed: most often between its claim and its submission; between submissions, while it settles, and
between ticks."""
SHORT = {
    "DISPATCHER_TICK_SECONDS": "1",
    "DISPATCHER_CLOCK_SKEW_SECONDS": "0.1",
    "DISPATCHER_LEASE_SECONDS": "3.2",
    "DISPATCHER_MARGIN_SECONDS": "3",
}
"""So that what a dead process held is taken over within seconds. Calls end within two."""


class Racer:
    """A process that dispatches, and what it says."""

    def __init__(self, platform: str, environment: Mapping[str, str], log: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.functions.racer", platform],
                cwd=ROOT,
                env={**inherited, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def await_event(self, event: str, deadline: float) -> None:
        """Until it says so, or until `deadline`."""
        while time.monotonic() < deadline:
            try:
                line = self._said.get(timeout=0.1)
            except queue.Empty:
                assert self.process.poll() is None, "the process ended by itself"
                continue
            if event in (ANY, json.loads(line)["event"]):
                return

    def kill(self) -> None:
        self.process.kill()
        self.stop()

    def stop(self) -> int:
        """Let it end after its tick, if it has not ended."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait(timeout=30)
        self._listener.join()
        self.process.stdout.close()
        return code

    def _listen(self) -> None:
        for line in self.process.stdout:
            self._said.put(line)


@contextmanager
def emulator(job_seconds: float) -> Iterator[tuple[Remote, Mapping[str, str]]]:
    """ECS in a process of its own, and the variables that point a client at it."""
    command = [sys.executable, "-m", "providers.emulators", "ecs", "--json", "--job-seconds", str(job_seconds)]
    environment = {**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            about = json.loads(process.stdout.readline())
            yield Remote(about["control_url"]), about["environment"]
        finally:
            process.terminate()


def race(platform: str, client: Dispatcher, environment: Mapping[str, str], log: Path) -> int:
    """Dispatch with two processes, one of them mortal, until every run has ended; the answer counts the deaths."""
    random = Random(20300101)
    deadline = time.monotonic() + PATIENCE
    racers, deaths = [Racer(platform, environment, log)], 0
    try:
        while is_unfinished(client) and deaths < DEATHS:
            mortal = Racer(platform, environment, log)
            racers.append(mortal)
            for event in (ANY, random.choice(STEPS)):
                mortal.await_event(event, min(deadline, time.monotonic() + 5))
            mortal.kill()
            deaths += 1
        racers.append(Racer(platform, environment, log))
        while is_unfinished(client) and time.monotonic() < deadline:
            racers[0].await_event("tick.pool", deadline)
        assert (racers[0].stop(), racers[-1].stop()) == (0, 0), log.read_text()
    finally:
        for racer in racers:
            racer.kill()
    return deaths


def is_unfinished(client: Dispatcher) -> bool:
    return bool(client.runs(states=set(RunState) - TERMINAL_STATES, limit=1))


@pytest.fixture
def client(tmp_path):
    dispatcher = Dispatcher(SqliteStore(tmp_path / "race.db"))
    yield dispatcher
    dispatcher.store.close()


@pytest.mark.long
def test_200_runs_of_two_processes_of_which_one_is_killed_again_and_again(client, tmp_path):
    client.create_work_pool("race", type="ecs:push", concurrency_limit=5)
    runs = client.create_runs({"pool": "race", "job_variables": {"image": "busybox"}} for _ in range(200))
    options = {"ecs:push": {"lookup_lag": 0, "call_timeout": 2}}
    with emulator(job_seconds=0.3) as (cloud, aws):
        own = {"DISPATCHER_STORE": f"sqlite:///{tmp_path / 'race.db'}", "DISPATCHER_PROVIDER_OPTIONS": json.dumps(options)}
        deaths = race("lambda", client, {**SHORT, **own, **aws}, tmp_path / "racers.log")
        jobs = cloud.get("jobs")
    assert deaths >= 5
    assert jobs["peak_live"] == 5, "the limit was used, and never passed"
    assert set(jobs["starts"].values()) == {1}
    assert sorted(parse_submission_name(name)[0] for name in jobs["starts"]) == sorted(run.id for run in runs)
    ended = client.runs(limit=1000)
    assert Counter((run.state, run.ended_attempts) for run in ended) == {(RunState.COMPLETED, 1): 200}
    assert max(run.fence for run in ended) > 1, "nothing was taken over: the deaths were too kind"


TRACE = """sh -c 'echo + $DISPATCHER_RUN_ID >> "$TRACE"; sleep 0.1; echo - $DISPATCHER_RUN_ID >> "$TRACE"'"""


@pytest.mark.long
def test_60_runs_as_local_processes_of_two_dispatchers_of_which_one_is_killed_again_and_again(client, tmp_path):
    trace = tmp_path / "trace"
    client.create_work_pool("race", type="process", concurrency_limit=4)
    variables = {"command": TRACE, "env": {"TRACE": str(trace)}}
    runs = client.create_runs({"pool": "race", "job_variables": variables} for _ in range(60))
    own = {
        "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'race.db'}",
        "DISPATCHER_PROCESS_DIRECTORY": str(tmp_path / "processes"),
        "DISPATCHER_PROVIDER_OPTIONS": json.dumps({"process": {"call_timeout": 2}}),
    }
    deaths = race("tick", client, {**SHORT, **own}, tmp_path / "racers.log")
    entries = [line.split() for line in trace.read_text().splitlines()]
    live = [0, *accumulate({"+": 1, "-": -1}[sign] for sign, _ in entries)]
    assert deaths >= 3
    assert (max(live), live[-1]) == (4, 0), "the limit was used, and never passed"
    assert Counter(run_id for sign, run_id in entries if sign == "+") == Counter(str(run.id) for run in runs)
    assert Counter((run.state, run.ended_attempts) for run in client.runs(limit=1000)) == {(RunState.COMPLETED, 1): 60}
