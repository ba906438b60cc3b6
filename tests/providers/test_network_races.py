"""Each cloud behind a hostile network, with processes that tick and are killed: counted at the far side.

First the network does its worst while two processes tick and are killed at random. Then it is calm, everybody is dead, and one
process ticks once a second of the store's clock: how many ticks it takes until every slot is held by a live job or by nobody.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dispatcher.client import Dispatcher
from dispatcher.environment.clock import SystemClock
from dispatcher.environment.settings import Settings
from dispatcher.models import TERMINAL_STATES, Run, RunState, parse_submission_name
from dispatcher.models.records import RunFilter
from dispatcher.stores.sqlite import SqliteStore
from dispatcher.ticking import tick
from dispatcher.wiring import Wiring, wire
from providers.emulators.control import Remote
from tests.network.faults import Act, Call, Chance, Fault
from tests.network.listening import Listener
from tests.network.proxy import HttpProxy
from tests.network.wire import TcpProxy
from tests.providers.mortal_ticks import PAUSE, load
from tests.providers.test_races import CLOUDS, Cloud, emulated, jobs_by_run, settings_of, tick_and_kill

pytestmark = pytest.mark.long

RUNS, LIMIT, LEFT = 100, 7, 20
SEED = 11
TICKS = 14
"""Within so many ticks, a second apart, every slot is held by a live job or by nobody: the longest lease (11.5 s), the lag
(0.5 s), the tick that looks up, and one more where the killed process claimed in the middle of a second."""
ODDS = {
    Fault.CUT_BEFORE: 0.03,
    Fault.CUT_AFTER: 0.04,
    Fault.HALF: 0.02,
    Fault.HTML_200: 0.02,
    Fault.HTML_503: 0.01,
    Fault.GATEWAY: 0.02,
    Fault.OBJECT: 0.02,
    Fault.EMPTY: 0.01,
    Fault.JUNK: 0.04,
    Fault.REPEATED: 0.02,
}
SLOW = {Fault.DRIP: 0.01, Fault.SILENT: 0.005}
BELOW_GRPC = {Fault.CUT_BEFORE: 0.01, Fault.CUT_AFTER: 0.01, Fault.HALF: 0.01, Fault.SILENT: 0.003, Fault.DRIP: 0.003}
REFUSED_SECONDS, ADMITTED_SECONDS = 0.4, 4.0


@dataclass
class SteppedClock(SystemClock):
    """The machine's clock, put forward."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def network(cloud: Cloud, url: str) -> tuple[Listener, Chance]:
    """A hostile network before an emulator."""
    if cloud.emulator == "modal":
        chance = Chance(SEED, BELOW_GRPC)
        return TcpProxy(int(url.rpartition(":")[2]), chance), chance
    slow = {} if cloud.emulator == "aci" else SLOW  # whose calls may take ten seconds each
    chance = Chance(SEED, {**ODDS, **slow}, only=_is_the_clouds)
    return HttpProxy(url, lambda call: _once(cloud, call, chance(call))), chance


def _once(cloud: Cloud, call: Call, act: Act) -> Act:
    """Its answer is lost where its request would have arrived twice."""
    return Fault.CUT_AFTER if act is Fault.REPEATED and call.action == cloud.unrepeatable else act


def _behind(value: str, there: str, here: str, directory: Path) -> str:
    """A variable that leads to the proxy; where it names a file that leads to the cloud, a copy of the file does."""
    if not Path(value).is_file():
        return value.replace(there, here)
    copy = directory / Path(value).name
    copy.write_text(Path(value).read_text().replace(there, here))
    return str(copy)


def _is_the_clouds(call: Call) -> bool:
    return not call.path.startswith("/_emulator")


@contextmanager
def refusing_now_and_then(proxy: Listener) -> Iterator[None]:
    """Nobody is let in for a while, again and again."""
    over, chance = threading.Event(), random.Random(SEED)

    def disturb() -> None:
        while not over.wait(chance.uniform(0, ADMITTED_SECONDS)):
            with proxy.refusing():
                over.wait(REFUSED_SECONDS)

    thread = threading.Thread(target=disturb)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("cloud", CLOUDS, ids=[cloud.emulator for cloud in CLOUDS])
def test_a_hostile_network_and_killed_processes_neither_repeat_nor_lose_nor_crowd_a_run(cloud, tmp_path, monkeypatch, capsys):
    path = tmp_path / "store.db"
    with emulated(cloud) as (environment, remote, url):
        client = Dispatcher(SqliteStore(path))
        client.create_work_pool("race", type=cloud.pool_type, concurrency_limit=LIMIT)
        client.create_runs([{"pool": "race", "job_variables": cloud.variables}] * RUNS)
        proxy, chance = network(cloud, url)
        with proxy:
            there, here = url.removeprefix("http://"), f"127.0.0.1:{proxy.port}"
            around = {name: _behind(value, there, here, tmp_path) for name, value in environment.items()}
            with refusing_now_and_then(proxy):
                tick_and_kill(replace(cloud, deaths=6), around, path, LEFT)
            chance.calm()
            ticks, whole = until_rest(cloud, remote, {**around, **settings_of(cloud, path)}, monkeypatch)
        runs, jobs = client.runs(limit=1000), remote.get("jobs")
        client.store.close()
        with capsys.disabled():
            print(f"\n{cloud.emulator}: {_figures(chance, proxy)}; at rest after {ticks} ticks, all ended after {whole}")
        judge(runs, jobs)
        assert sum(chance.counts.values()) > 20, "the network was hostile"
        assert ticks <= TICKS


def until_rest(cloud: Cloud, remote: Remote, around: Mapping[str, str], monkeypatch: Any) -> tuple[int, int]:
    """Tick once a second: after how many ticks each slot held at first is free or a live job's, and after how many all is over.

    Jobs run by the far side's clock, which is the machine's: once that is at rest, it is given time between two ticks.
    """
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    load(cloud.pool_type)
    clock = SteppedClock()
    wiring = wire(Settings.from_environment(os.environ), clock=clock)
    held = {run.id for run in unended(wiring) if run.state.holds_slot}
    rest: int | None = None if held else 0
    for number in range(1, 300):
        clock.ahead += timedelta(seconds=1)
        tick(wiring.dispatch, clock.now() + timedelta(seconds=wiring.settings.tick_seconds))
        if rest is not None:
            time.sleep(PAUSE)
        elif not held & without_a_job(wiring, remote):
            rest = number
        if not unended(wiring) and not any(wiring.store.lingering(pool.name, limit=1) for pool in wiring.store.pools()):
            wiring.close()
            assert rest is not None
            return rest, number
    raise AssertionError(f"after 300 ticks {len(unended(wiring))} runs have not ended")


def without_a_job(wiring: Wiring, remote: Remote) -> set[UUID]:
    """The runs that hold a slot though no live job is known to be theirs."""
    holders = [run for run in unended(wiring) if run.state.holds_slot]
    live = {job["name"] for job in remote.get("jobs")["jobs"] if job["live"]}
    return {run.id for run in holders if not (run.submission and run.submission.name in live)}


def unended(wiring: Wiring) -> list[Run]:
    return list(wiring.store.runs(RunFilter(states=frozenset(RunState) - TERMINAL_STATES), limit=RUNS))


def judge(runs: Any, jobs: Mapping[str, Any]) -> None:
    """By what the far side counted."""
    others = [(run.state, run.reason) for run in runs if run.state is not RunState.COMPLETED]
    assert not others
    assert jobs_by_run(jobs["starts"]) == Counter(run.id for run in runs), "one start for each run"
    assert set(jobs["starts"].values()) == {1}, "one start for each name"
    assert jobs["peak_live"] <= LIMIT
    assert jobs["live"] == 0
    ends = {run_of(job["name"]): job["exit_code"] for job in jobs["jobs"]}
    assert {run.id: run.exit_code for run in runs} == ends


def run_of(name: str) -> UUID:
    named = parse_submission_name(name)
    assert named, name
    return named[0]


def _figures(chance: Chance, proxy: Listener) -> str:
    met = ", ".join(f"{fault} {count}" for fault, count in chance.counts.items() if count)
    return f"{met}; refused {proxy.refusals} times"
