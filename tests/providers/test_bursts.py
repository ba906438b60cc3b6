"""Bursts beyond a cloud's default quotas: everything waits its turn, nothing fails, and every run can say why it waits."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from dispatcher.client import Dispatcher
from dispatcher.core.reasons import Reason
from dispatcher.models import RunState
from dispatcher.stores.memory import MemoryStore
from dispatcher.ticking import Dispatch, tick
from providers.cloud_run import CloudRunProvider
from providers.container_instance import ContainerInstanceProvider
from providers.emulators.cloud_run import READS_PER_MINUTE, WRITES_PER_MINUTE, CloudRunEmulator
from providers.emulators.container_instance import ContainerInstanceEmulator
from tests.builders import NOW, an_id

RUNS = 500
TICKS = 200
MINUTE, DEADLINE = timedelta(minutes=1), timedelta(seconds=50)
AZURE = {"subscription_id": "00000000-0000-0000-0000-000000000000", "resource_group_name": "jobs"}


class SharedClock:
    """The time of the dispatcher, of the emulator and of the provider; waiting makes it pass."""

    def __init__(self):
        self._now, self._lock = NOW, threading.Lock()

    def now(self):
        return self._now

    def seconds(self):
        return self._now.timestamp()

    def sleep(self, seconds):
        with self._lock:
            self._now += timedelta(seconds=max(0.0, seconds))

    def until(self, moment):
        self._now = max(self._now, moment)

    def new_id(self):
        return an_id()


def cloud_run(clock):
    emulator = CloudRunEmulator(
        clock=clock.seconds, job_seconds=90, writes_per_minute=WRITES_PER_MINUTE, reads_per_minute=READS_PER_MINUTE
    )
    return emulator, lambda: CloudRunProvider(endpoint=emulator.url, project="p", now=clock.now)


def container_instance(clock):
    emulator = ContainerInstanceEmulator(clock=clock.seconds, job_seconds=90)
    return emulator, lambda: ContainerInstanceProvider(endpoint=emulator.url, clock=clock.now)


CLOUDS = {"cloud-run-v2:push": (cloud_run, {}), "azure-container-instance:push": (container_instance, AZURE)}


@pytest.mark.long
@pytest.mark.parametrize("pool_type", CLOUDS)
def test_a_burst_beyond_the_default_quotas_waits_and_says_why_and_until_when(pool_type):
    make, variables = CLOUDS[pool_type]
    clock = SharedClock()
    emulator, a_provider = make(clock)
    with emulator:
        provider, client = a_provider(), Dispatcher(MemoryStore(), clock=clock)
        client.create_work_pool("pool", type=pool_type)
        client.create_runs([{"pool": "pool", "job_variables": {"image": "busybox", **variables}}] * RUNS)
        dispatch = Dispatch(store=client.store, providers=lambda _: provider, clock=clock, events=lambda *_, **__: None)
        explanations = []
        for _ in range(TICKS):
            begun = clock.now()
            report = tick(dispatch, begun + DEADLINE)
            assert not report.problems
            waiting = client.runs(states=[RunState.SCHEDULED], limit=1000)
            explanations += [client.explain(waiting[0].id)] if waiting else []
            if not client.runs(states=frozenset(RunState) - {RunState.COMPLETED}, limit=1):
                break
            clock.until(begun + MINUTE)
        runs = client.runs(limit=1000)
        assert {run.state for run in runs} == {RunState.COMPLETED}
        assert len(emulator.starts) == RUNS
        assert set(emulator.starts.values()) <= {1}
        assert explanations
        assert {explanation.reason for explanation in explanations} <= {Reason.POOL_HELD, Reason.PLACE_HELD, Reason.RUN_HELD}
        assert any("waiting for the provider" in explanation.text for explanation in explanations)
        assert all(explanation.until is not None for explanation in explanations)
