"""Three `dispatcher serve` on one PostgreSQL and one real Docker engine, two of which are killed again and again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families as read_text

from dispatcher.client import Dispatcher
from dispatcher.models import RunState
from dispatcher.stores.postgres import PostgresStore
from tests.providers.docker.engines import IMAGE
from tests.providers.docker.engines import engine as started
from tests.providers.docker.test_docker_races import SCRIPT, Watcher, repeatedly
from tests.providers.mortal_ticks import is_over
from tests.stores.postgres_server import server

pytestmark = pytest.mark.long

RUNS, LIMIT = 60, 7
LIFETIME = (0.0, 3.0)
"""Seconds from the first look at its port to the signal."""
DEATHS = 3
"""The least of each kind."""
SCRAPE_SECONDS = 0.2
OPTIONS = {"docker": {"call_timeout": 5.0, "lookup_lag": 5.0}}


class Replica:
    """One process that serves."""

    def __init__(self, environment):
        command = [sys.executable, "-m", "dispatcher", "serve", "--every", "0.5", "--port", "0"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stderr.readline())["url"]
        self._reader = threading.Thread(target=self._read)
        self.events = Counter()
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.events[json.loads(line)["event"]] += 1

    def end(self, number):
        """Send the signal; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self._reader.join()
        self.process.stderr.close()
        return code


class Scraper:
    """Reads the metrics of those who are there, as Prometheus does."""

    def __init__(self):
        self.replicas, self.pages, self.samples = {}, 0, Counter()

    def scrape(self):
        for replica in list(self.replicas.values()):
            try:
                with urllib.request.urlopen(f"{replica.url}/metrics", timeout=10) as answer:
                    page = answer.read().decode()
            except OSError:  # it has just been killed
                continue
            self.pages += 1
            for family in read_text(page):
                for sample in family.samples:
                    self.samples[sample.name] = max(self.samples[sample.name], sample.value)


@pytest.fixture
def engine():
    engine = started()
    yield engine
    engine.clear()


def environment(engine, store_url):
    return {
        **os.environ,
        "DOCKER_HOST": engine.socket,
        "DISPATCHER_STORE": store_url,
        "DISPATCHER_TICK_SECONDS": "2",
        "DISPATCHER_CLOCK_SKEW_SECONDS": "0.1",
        "DISPATCHER_LEASE_SECONDS": "8",
        "DISPATCHER_PROVIDER_OPTIONS": json.dumps(OPTIONS),
    }


def die_again_and_again(name, settings, scraper, over):
    """Start a replica and end it, alternately by SIGKILL and by SIGTERM, until all is over; the exit codes by signal."""
    chance, codes = random.Random(name), []
    for number in (signal.SIGKILL, signal.SIGTERM) * 1000:
        replica = scraper.replicas[name] = Replica(settings)
        over.wait(chance.uniform(*LIFETIME))
        codes.append((number, replica.end(number)))
        if over.is_set():
            return codes
    raise AssertionError("the runs do not end")


def test_replicas_that_are_killed_neither_repeat_nor_lose_nor_crowd_a_run_and_leave_nothing(engine, tmp_path, request):
    url = server().url(server().fresh_database())
    store, ledger = PostgresStore(url), tmp_path / "ledger"
    request.addfinalizer(store.close)
    ledger.mkdir()
    client, settings = Dispatcher(store), environment(engine, url)
    client.create_work_pool("race", type="docker", concurrency_limit=LIMIT)
    variables = {"image": IMAGE, "network_mode": "none", "volumes": [f"{ledger}:/ledger"], "command": ["sh", "-c", SCRIPT]}
    runs = client.create_runs([{"pool": "race", "job_variables": variables}] * RUNS)

    scraper, watcher, over = Scraper(), Watcher(engine), threading.Event()
    with repeatedly(watcher.look, 0.05), repeatedly(scraper.scrape, SCRAPE_SECONDS), ThreadPoolExecutor(2) as executor:
        lasting = scraper.replicas["lasting"] = Replica(settings)
        mortals = [executor.submit(die_again_and_again, name, settings, scraper, over) for name in ("first", "second")]
        try:
            while not is_over(store) and not any(mortal.done() for mortal in mortals):
                over.wait(0.2)
        finally:
            over.set()
            code = lasting.end(signal.SIGTERM)
    deaths = Counter(death for mortal in mortals for death in mortal.result())

    assert set(deaths) == {(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)}
    assert min(deaths.values()) >= DEATHS
    assert (code, lasting.events["serve.tick_failed"]) == (0, 0)
    assert Counter(client.run(run.id).state for run in runs) == {RunState.COMPLETED: RUNS}
    assert Counter((ledger / "starts").read_text().split()) == {str(run.id): 1 for run in runs}
    assert watcher.peak <= LIMIT
    assert watcher.looks > RUNS
    assert scraper.pages > 20
    assert 0 < scraper.samples["dispatcher_pool_slot_usage"] <= scraper.samples["dispatcher_pool_slot_limit"] == LIMIT
    assert 0 < scraper.samples["dispatcher_run_ended_total"] <= RUNS
    assert engine.names() == set()
