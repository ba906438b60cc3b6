"""Whole ticks against the emulator: bursts over the quota, lost answers, invocations that die half way."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import pytest

from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import Dispatch, TickLimits, tick
from providers.cloud_run import CloudRunProvider
from providers.emulators.cloud_run import READS_PER_MINUTE, WRITES_PER_MINUTE, CloudRunEmulator
from providers.emulators.faults import FaultKind
from tests.builders import MINUTE, NOW, SECOND, a_pool, a_run, an_id
from tests.providers.cloud_run.builders import IMAGE, OURS
from tests.providers.cloud_run.gateways import a_gateway, saying

LIMITS = TickLimits(lease=timedelta(seconds=120), claims=20)


class Killed(BaseException):
    """The invocation's process is gone."""


class SharedClock:
    """The time of the dispatcher and of the emulator; asking for it may be the last thing an invocation does."""

    def __init__(self, *, seed=0):
        self._now = NOW
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self.mortality = 0.0

    def now(self):
        with self._lock:
            if self._random.random() < self.mortality:
                raise Killed
            return self._now

    def seconds(self):
        return self._now.timestamp()

    def sleep(self, seconds):
        with self._lock:
            self._now += timedelta(seconds=max(0.0, seconds))

    def new_id(self):
        return an_id()


class World:
    """One pool of Cloud Run, ticked every minute."""

    def __init__(self, clock, emulator, *, runs, limit=None):
        self.clock, self.emulator = clock, emulator
        self.store = MemoryStore()
        self.provider = CloudRunProvider(endpoint=emulator.url, now=lambda: clock._now)
        self.store.save_pool(a_pool(type="cloud-run-v2:push", base_job_template=OURS, limit=limit), expected_version=None)
        self.store.add_runs([a_run(job_variables={"image": IMAGE}) for _ in range(runs)])
        self.problems = []

    def tick(self):
        begun = self.clock._now
        dispatch = Dispatch(
            store=self.store,
            providers=lambda _: self.provider,
            clock=self.clock,
            events=lambda name, **fields: self.problems.append(fields) if name == "pool.problem" else None,
            limits=LIMITS,
        )
        try:
            tick(dispatch, begun + 50 * SECOND)
        finally:
            self.clock._now = begun + MINUTE

    def states(self):
        return {run.state for run in self.store.runs(RunFilter(), limit=1000)}

    def is_over(self):
        return all(state.is_terminal for state in self.states()) and not self.store.lingering("pool", limit=1)


@pytest.fixture
def clock():
    return SharedClock()


@pytest.mark.long
def test_a_burst_waits_for_the_quota_and_no_run_fails_for_it(clock):
    quotas = {"writes_per_minute": WRITES_PER_MINUTE, "reads_per_minute": READS_PER_MINUTE}
    with CloudRunEmulator(clock=clock.seconds, job_seconds=90, **quotas) as emulator:
        world = World(clock, emulator, runs=500)
        for _ in range(90):
            world.tick()
            if world.is_over():
                break
        assert world.states() == {RunState.COMPLETED}
        assert set(emulator.starts.values()) == {1}
        assert len(emulator.starts) == 500
        assert world.is_over()


def test_a_quota_of_running_executions_is_used_again_by_the_tick_that_sees_an_end(clock):
    with CloudRunEmulator(clock=clock.seconds, job_seconds=30) as emulator:
        emulator.change_settings({"capacity": 4})
        world = World(clock, emulator, runs=12)
        for _ in range(5):
            world.tick()
        assert world.states() == {RunState.COMPLETED}
        assert emulator.peak_live == 4


@pytest.mark.parametrize("words", ["requested: 1 allowed: 0", "requested: 1 allowed: 8"])
def test_small_runs_start_behind_one_that_its_region_has_no_gpu_for(clock, words):
    violated = f"Quota violated: NvidiaL4GpuAllocPerProjectRegion {words}"
    refusal = saying({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": violated}}, 429)
    with CloudRunEmulator(clock=clock.seconds, job_seconds=30) as emulator, a_gateway(emulator) as gateway:
        gateway.answer = lambda request: refusal if b"nvidia" in request.body else None
        world = World(clock, gateway, runs=0)
        gpu = {"image": IMAGE, "gpu_type": "nvidia-l4", "gpu_count": 1, "cpu": "4", "memory": "16Gi"}
        world.store.add_runs([a_run(job_variables=gpu, due_at=NOW - MINUTE)])
        world.store.add_runs([a_run(job_variables={"image": IMAGE}) for _ in range(6)])
        for _ in range(4):
            world.tick()
        runs = world.store.runs(RunFilter(), limit=10)
        assert sorted(run.state for run in runs) == [*([RunState.COMPLETED] * 6), RunState.SCHEDULED]
        [waiting] = [run for run in runs if run.state is RunState.SCHEDULED]
        assert "NvidiaL4GpuAllocPerProjectRegion" in waiting.reason


@pytest.mark.parametrize("answer", [saying({"error": "upstream connect error"}, 503), saying({})], ids=["503", "{}"])
def test_a_gateway_that_answers_for_cloud_run_ends_no_tick_and_no_run(clock, answer):
    with CloudRunEmulator(clock=clock.seconds, job_seconds=30) as emulator, a_gateway(emulator) as gateway:
        world = World(clock, gateway, runs=4)
        world.tick()
        gateway.answer = lambda request: answer
        for _ in range(3):
            world.tick()
        assert world.states() <= {RunState.PENDING, RunState.RUNNING}
        gateway.answer = lambda request: None
        for _ in range(4):
            world.tick()
        assert world.states() == {RunState.COMPLETED}
        assert set(emulator.starts.values()) == {1}


@pytest.mark.parametrize("seed", range(3))
def test_lost_answers_and_dead_invocations_neither_repeat_nor_lose_a_run(seed):
    clock = SharedClock(seed=seed)
    with CloudRunEmulator(clock=clock.seconds, job_seconds=20, seed=seed) as emulator:
        world = World(clock, emulator, runs=100, limit=7)
        clock.mortality = 0.01
        for operation in ("CreateJob", "DeleteJob", "GetJob", "ListJobs"):
            emulator.faults.add(operation, FaultKind.LOSE_ANSWER, probability=0.2)
        emulator.faults.add("CreateJob", FaultKind.LOSE_REQUEST, probability=0.1)
        deaths = 0
        for _ in range(200):
            try:
                world.tick()
            except Killed:
                deaths += 1
            if world.is_over():
                break
        assert deaths > 0
        assert world.states() == {RunState.COMPLETED}
        assert set(emulator.starts.values()) == {1}
        assert emulator.peak_live <= 7
        clock.mortality = 0.0
        emulator.faults.reset()
        emulator.advance(600)
        world.provider._now = lambda: clock._now + timedelta(seconds=600)
        world.provider.sweep({"region": "us-central1"}, frozenset())
        assert emulator._service.list_jobs("projects/emulated-project/locations/us-central1") == []
