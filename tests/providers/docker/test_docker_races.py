"""A hundred runs on a real engine while the processes that tick are killed at random, and while the engine itself is."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from docker.errors import DockerException
from requests.exceptions import RequestException

from dispatcher.client import Dispatcher
from dispatcher.models import RunState
from dispatcher.stores.sqlite import SqliteStore
from providers.docker.provider import DockerProvider
from providers.docker.request import NAME_LABEL
from tests.providers.docker.engines import IMAGE
from tests.providers.test_races import Cloud, tick_and_kill

pytestmark = pytest.mark.long

RUNS, LIMIT = 100, 7
SCRIPT = "echo $DISPATCHER_RUN_ID >> /ledger/starts; sleep 0.3"
LOOK_SECONDS = 0.05
UP_SECONDS, DOWN_SECONDS = 8.0, 1.0
ENGINE_DEATHS = 3


class Watcher:
    """Looks at the engine again and again: the most containers that ran at once."""

    def __init__(self, engine):
        self.engine, self.peak, self.looks = engine, 0, 0

    def look(self):
        with suppress(DockerException, RequestException):  # the engine is down
            live = self.engine.client.containers(filters={"label": NAME_LABEL})
            self.peak, self.looks = max(self.peak, len(live)), self.looks + 1

    @contextmanager
    def looking(self):
        with repeatedly(self.look, LOOK_SECONDS):
            yield


@contextmanager
def repeatedly(act, seconds):
    over = threading.Event()

    def work():
        while not over.wait(seconds):
            act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def raced(engine, tmp_path, deaths):
    """The runs are made, raced, and given with how often each was started and how many ran at once."""
    path, ledger = tmp_path / "store.db", tmp_path / "ledger"
    ledger.mkdir()
    client = Dispatcher(SqliteStore(path))
    client.create_work_pool("race", type="docker", concurrency_limit=LIMIT)
    variables = {"image": IMAGE, "network_mode": "none", "volumes": [f"{ledger}:/ledger"], "command": ["sh", "-c", SCRIPT]}
    runs = client.create_runs([{"pool": "race", "job_variables": variables}] * RUNS)
    options = {"call_timeout": 5.0, "lookup_lag": 5.0}
    cloud = Cloud(pool_type="docker", emulator="", lossy={}, options=options, lease=6.5, deaths=deaths)
    watcher = Watcher(engine)
    with watcher.looking():
        assert tick_and_kill(cloud, {"DOCKER_HOST": engine.socket}, path) == deaths
    starts = Counter((ledger / "starts").read_text().split())
    yield [client.run(run.id) for run in runs], starts, watcher
    client.store.close()


def test_killed_dispatchers_neither_repeat_nor_lose_nor_crowd_a_run_and_leave_nothing(engine, tmp_path):
    with raced(engine, tmp_path, deaths=12) as (runs, starts, watcher):
        assert Counter(run.state for run in runs) == {RunState.COMPLETED: RUNS}
        assert starts == {str(run.id): 1 for run in runs}
        assert watcher.peak <= LIMIT
        assert watcher.looks > RUNS
    assert engine.names() == set()
    assert not engine.client.volumes()["Volumes"]


def test_an_engine_that_is_killed_and_restarted_neither_repeats_nor_loses_nor_crowds_a_run(engine, tmp_path):
    """The restart ends what runs (`live-restore` is off). Docker says 137, or 255 where the container was gone by then."""
    deaths = iter(range(ENGINE_DEATHS))

    def kill_and_restart():
        if next(deaths, None) is not None:
            engine.kill()
            threading.Event().wait(DOWN_SECONDS)
            engine.start()

    with repeatedly(kill_and_restart, UP_SECONDS), raced(engine, tmp_path, deaths=5) as (runs, starts, watcher):
        states = Counter(run.state for run in runs)
        assert set(states) <= {RunState.COMPLETED, RunState.CRASHED, RunState.FAILED}
        assert {run.exit_code for run in runs if run.state is RunState.FAILED} <= {255}
        assert RUNS - states[RunState.COMPLETED] <= ENGINE_DEATHS * LIMIT, states
        assert set(starts.values()) == {1}
        assert {str(run.id) for run in runs if run.state is RunState.COMPLETED} <= set(starts)
        assert {run.exit_code for run in runs} <= {0, 137, 255, None}
        assert watcher.peak <= LIMIT
        assert next(deaths, None) is None, "the engine was killed as often as was meant"
    assert len(engine.names()) <= states[RunState.CRASHED], "only what may have run is left, as a token against a second start"
    a_day_later = DockerProvider(environment={"DOCKER_HOST": engine.socket}, now=lambda: datetime.now(UTC) + timedelta(days=1))
    a_day_later.sweep(runs[0].job.configuration, frozenset())
    assert engine.names() == set()
