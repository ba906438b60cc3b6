"""Processes that tick the same pools on one store and one cloud, while they are killed and the store is disturbed.

The cloud is the ECS emulator in a process of its own: it alone knows what was started, when, and how often. In full, by hand:

    python -m tests.stores.races --runs 2000
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from dispatcher.client import Dispatcher
from dispatcher.errors import StoreUnavailable
from dispatcher.models import RunState, parse_submission_name
from dispatcher.models.records import RunFilter
from dispatcher.protocols import Store
from dispatcher.wiring import open_store
from providers.emulators.control import Remote
from tests.stores.postgres_server import PostgresServer, server
from tests.stores.postgres_wire import Cutter

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
POOLS = ("east", "west")
POOL_LIMIT, QUEUE_LIMIT = 5, 2
LIMITED = "few"
PATIENCE = 20
"""How often whoever watches the race asks a store that is being disturbed."""

SETTINGS: Mapping[str, str] = {
    "DISPATCHER_TICK_SECONDS": "2",
    "DISPATCHER_CLOCK_SKEW_SECONDS": "0.5",
    "DISPATCHER_LEASE_SECONDS": "6",
    "DISPATCHER_LOG_LEVEL": "ERROR",
    "DISPATCHER_PROVIDER_OPTIONS": json.dumps({"ecs:push": {"call_timeout": 3.0, "lookup_lag": 0.5}}),
}
"""Leases short enough that what a killed process held is taken over while the race is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How hard it is."""

    runs: int
    processes: int = 8
    kill_after: int = 20
    """Runs that are seen to end between one SIGKILL and the next."""
    disturb_after: int = 50
    """Runs that are seen to end between one disturbance of the store and the next."""
    lost_answers: float = 0.0
    """The probability that a task is started and its caller gets no answer."""
    job_seconds: float = 1.0
    """Long enough that the limits, and not the ticks, are what most runs wait for."""
    interval: float = 0.05
    """Seconds between two ticks of a process: what a schedule is in a cloud."""
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Figures:
    """What came of it. The first six have to be zero."""

    over_pool_limit: int = 0
    """Starts after which a pool had more live jobs than its limit, by the cloud's own times."""
    over_queue_limit: int = 0
    doubles: int = 0
    """Runs with more than one job."""
    lost: int = 0
    """Runs that did not complete."""
    without_job: int = 0
    """Runs that are said to have completed and never had a job."""
    leaked: int = 0
    """Slots that are held at the end."""
    runs: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    """The most live jobs at once, by pool and by limited queue."""
    ticks: int = 0
    kills: int = 0
    disturbances: int = 0
    interrupted_ticks: int = 0
    """Ticks that reported a problem: they lost the store in the middle, or could not reach it."""
    taken_over: int = 0
    """Runs that were claimed more than once."""
    seconds: float = 0.0

    @property
    def broken(self) -> Mapping[str, int]:
        """What should be zero and is not."""
        wrong = ("over_pool_limit", "over_queue_limit", "doubles", "lost", "without_job", "leaked")
        return {name: value for name in wrong if (value := getattr(self, name))}


def run(race: Race, store_url: str, disturb: Callable[[int], None]) -> tuple[Figures, Sequence[str]]:
    """Run it to its end; the answer is the figures, and the different problems that ticks reported.

    `disturb(n)` does the n-th thing to the store that it has to survive.
    """
    begun = datetime.now(UTC)
    with emulator(race.job_seconds) as (environment, cloud):
        store = open_store(store_url)
        if race.lost_answers:
            cloud.post("faults", operation="RunTask", kind="lose-answer", probability=race.lost_answers)
        _set_up(store, race)
        figures = Figures(runs=race.runs)
        problems = _drive(race, figures, {**environment, **SETTINGS, "DISPATCHER_STORE": store_url}, store, disturb)
        _judge(figures, store, cloud.get("jobs")["jobs"])
        store.close()
    figures.seconds = round((datetime.now(UTC) - begun).total_seconds(), 1)
    return figures, problems


@contextmanager
def emulator(job_seconds: float) -> Iterator[tuple[Mapping[str, str], Remote]]:
    """The cloud: what points a client at it, and its control surface."""
    command = [sys.executable, "-m", "providers.emulators", "ecs", "--json", "--job-seconds", str(job_seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            about = json.loads(process.stdout.readline())
            yield about["environment"], Remote(about["control_url"])
        finally:
            process.kill()


def _set_up(store: Store, race: Race) -> None:
    client = Dispatcher(store)
    for pool in POOLS:
        client.create_work_pool(pool, type="ecs:push", concurrency_limit=POOL_LIMIT)
        client.create_work_queue(pool, LIMITED, priority=1, concurrency_limit=QUEUE_LIMIT)
    places = [(pool, queue) for pool in POOLS for queue in (LIMITED, "default", "default")]
    client.create_runs(
        {"pool": pool, "queue": queue, "job_variables": {"image": "busybox"}}
        for pool, queue in (places[number % len(places)] for number in range(race.runs))
    )


def _drive(
    race: Race, figures: Figures, environment: Mapping[str, str], store: Store, disturb: Callable[[int], None]
) -> Sequence[str]:
    """Kill and disturb as runs end, until all have ended."""
    random, problems = Random(race.seed), Counter[str]()
    tickers = Tickers(environment, race.interval)
    kill_at, disturb_at, ended = race.kill_after, race.disturb_after, 0
    try:
        for _ in range(race.processes):
            tickers.add()
        for said in tickers.lines():
            figures.ticks += 1
            ended += said["ended"]
            figures.interrupted_ticks += bool(said["problems"])
            problems.update(said["problems"])
            if ended >= kill_at:
                tickers.kill_one(random)
                figures.kills, kill_at = figures.kills + 1, ended + race.kill_after
            if ended >= disturb_at:
                disturb(figures.disturbances)
                figures.disturbances, disturb_at = figures.disturbances + 1, ended + race.disturb_after
            if figures.ticks % 40 == 0 and _all_have_ended(store):
                return [f"{count} x {problem}" for problem, count in problems.most_common()]
    finally:
        tickers.close()
    raise AssertionError("every ticker has ended")


def _all_have_ended(store: Store) -> bool:
    counts = [count for pool in POOLS for count in _insistently(partial(store.counts, pool, datetime.now(UTC))).values()]
    return not any(count.due or count.later or count.in_use for count in counts)


def _insistently(read: Callable[[], T]) -> T:
    """Whoever watches is disturbed like everybody else."""
    for _ in range(PATIENCE):
        with suppress(StoreUnavailable):
            return read()
    return read()


class Tickers:
    """The processes, and the one pipe to which all of them report."""

    def __init__(self, environment: Mapping[str, str], interval: float) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DISPATCHER_"))}
        self._environment = {**inherited, **environment}
        self._interval = interval
        self._read, self._write = os.pipe()
        self._processes: list[subprocess.Popen[bytes]] = []

    def add(self) -> None:
        self._processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.stores.ticker", str(self._write), str(self._interval)],
                cwd=ROOT,
                env=self._environment,
                pass_fds=[self._write],
            )
        )

    def kill_one(self, random: Random) -> None:
        """And put another in its place."""
        victim = self._processes.pop(random.randrange(len(self._processes)))
        victim.kill()
        victim.wait()
        self.add()

    def lines(self) -> Iterator[Mapping[str, Any]]:
        with os.fdopen(os.dup(self._read)) as pipe:
            for line in pipe:
                gone = [process.returncode for process in self._processes if process.poll() is not None]
                assert not gone, "a ticker ended by itself; it says why above"
                yield json.loads(line)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        os.close(self._write)
        os.close(self._read)


def _judge(figures: Figures, store: Store, jobs: Sequence[Mapping[str, Any]]) -> None:
    runs = {run.id: run for run in _insistently(partial(store.runs, RunFilter(), limit=1_000_000))}
    starts = Counter(_run_of(job) for job in jobs)
    figures.doubles = sum(count > 1 for count in starts.values())
    figures.lost = figures.runs - sum(run.state is RunState.COMPLETED for run in runs.values())
    figures.without_job = sum(run.state is RunState.COMPLETED and not starts[run.id] for run in runs.values())
    figures.leaked = sum(run.state.holds_slot for run in runs.values()) + sum(job["live"] for job in jobs)
    figures.taken_over = sum(run.fence > 1 for run in runs.values())
    for pool in POOLS:
        of_pool = [job for job in jobs if runs[_run_of(job)].pool == pool]
        of_queue = [job for job in of_pool if runs[_run_of(job)].queue == LIMITED]
        figures.peaks[pool], over = _peak(of_pool, POOL_LIMIT)
        figures.over_pool_limit += over
        figures.peaks[f"{pool}/{LIMITED}"], over = _peak(of_queue, QUEUE_LIMIT)
        figures.over_queue_limit += over


def _run_of(job: Mapping[str, Any]) -> UUID:
    parsed = parse_submission_name(job["name"])
    assert parsed, job
    return parsed[0]


def _peak(jobs: Sequence[Mapping[str, Any]], limit: int) -> tuple[int, int]:
    """The most jobs that were live at once, and how often a start made them more than the limit. At one time, ends go first."""
    changes = sorted([(job["started_at"], 1) for job in jobs] + [(job["ended_at"] or float("inf"), -1) for job in jobs])
    live = most = over = 0
    for _, change in changes:
        live += change
        most = max(most, live)
        over += change > 0 and live > limit
    return most, over


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one race on PostgreSQL, print its figures, and answer 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.stores.races")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--kill-after", type=int, default=40)
    parser.add_argument("--disturb-after", type=int, default=100)
    parser.add_argument("--lost-answers", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args(arguments))
    figures, problems = on_postgres(Race(**options))
    sys.stdout.write("".join(f"{name:>18}  {value}\n" for name, value in asdict(figures).items()))
    sys.stdout.write("".join(f"  {problem}\n" for problem in problems))
    return 1 if figures.broken else 0


def on_postgres(race: Race) -> tuple[Figures, Sequence[str]]:
    """The race on PostgreSQL: the server is restarted and crashed, and connections are cut before and after its answers."""
    started = server()
    with closing(Cutter(started.port)) as wire:
        return run(race, started.url(started.fresh_database(), port=wire.port), disturbing(started, wire))


def disturbing(started: PostgresServer, wire: Cutter) -> Callable[[int], None]:
    """Four disturbances, in turn."""
    kinds = (
        partial(wire.cut, _anywhere, passed_on=True),
        partial(started.restart, "immediate"),
        partial(wire.cut, _anywhere, passed_on=False),
        partial(started.restart, "fast"),
    )
    return lambda number: kinds[number % len(kinds)]()


def _anywhere(_number: int, _data: bytes) -> bool:
    return True


if __name__ == "__main__":
    sys.exit(main())
