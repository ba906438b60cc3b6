"""Each cloud under real processes: answers get lost at random, and the processes that tick are killed at random.

At full size, and behind a hostile network: `test_network_races.py`, under the marker `long`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState, parse_submission_name
from dispatcher.stores.sqlite import SqliteStore
from providers import registry
from providers.base import CallFailed
from providers.emulators.control import Remote

ROOT = Path(__file__).parents[2]
RUNS, LIMIT = 60, 4
IMAGE = "docker.io/library/busybox"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
CLOUD_RUN_JOBS = "v2/projects/emulated-project/locations/us-central1/jobs"
GROUPS = f"subscriptions/{SUBSCRIPTION}/resourceGroups/jobs/providers/Microsoft.ContainerInstance/containerGroups"


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One cloud as the race needs it."""

    pool_type: str
    emulator: str
    lossy: Mapping[str, float]
    """Operations whose answers get lost, each with its probability."""
    options: Mapping[str, Any]
    lease: float
    """Longer than a tick, one call and the skew together."""
    deaths: int = 3
    """How many processes are killed; what each held is not taken over before its lease ends."""
    variables: Mapping[str, Any] = field(default_factory=lambda: {"image": IMAGE})
    leftovers: str = ""
    """Where the cloud lists what lingers."""
    unrepeatable: str = ""
    """The call that a network must not deliver twice: it holds nothing by which the cloud would know it again."""
    later: Mapping[str, Any] = field(default_factory=dict)
    """Options of a provider whose clock is a day ahead, so that a sweep finds everything settled."""


CLOUDS = (
    Cloud(
        pool_type="ecs:push",
        emulator="ecs",
        lossy={"RunTask": 0.1, "DescribeTasks": 0.05, "ListTasks": 0.05},
        options={"call_timeout": 1.5, "lookup_lag": 0.5, "launches_per_second": 1000},
        lease=2.7,
    ),
    Cloud(
        pool_type="cloud-run-v2:push",
        emulator="cloud-run",
        lossy={"CreateJob": 0.1, "DeleteJob": 0.1, "GetJob": 0.05, "ListJobs": 0.05},
        options={"call_timeout": 1.5, "lookup_lag": 0.5, "writes_per_minute": 60_000},
        lease=2.7,
        leftovers=f"{CLOUD_RUN_JOBS}?pageSize=100",
        later={"now": lambda: datetime.now(UTC) + timedelta(days=1)},
    ),
    Cloud(
        pool_type="vertex-ai",
        emulator="vertex-ai",
        lossy={"CreateCustomJob": 0.1, "DeleteCustomJob": 0.1, "GetCustomJob": 0.05, "ListCustomJobs": 0.05},
        options={"call_timeout": 1.5, "lookup_lag": 0.5, "submissions_per_minute": 60_000, "delete_ended": True},
        lease=2.7,
        variables={"image": IMAGE, "region": "us-central1"},
        leftovers="v1/projects/emulated-project/locations/us-central1/customJobs",
        later={"now": lambda: datetime.now(UTC) + timedelta(days=1), "delete_ended": True, "submissions_per_minute": 60_000},
        unrepeatable="POST /v1/projects/emulated-project/locations/us-central1/customJobs",
    ),
    Cloud(
        pool_type="azure-container-instance:push",
        emulator="aci",
        lossy={"ContainerGroups_CreateOrUpdate": 0.06, "ContainerGroups_Delete": 0.06, "ContainerGroups_Get": 0.02},
        options={"lookup_lag": 0.5},
        deaths=2,
        lease=11.5,  # Azure's calls may take ten seconds
        variables={"image": IMAGE, "subscription_id": SUBSCRIPTION, "resource_group_name": "jobs"},
        leftovers=f"{GROUPS}?api-version=2023-05-01",
        later={"clock": lambda: datetime.now(UTC) + timedelta(days=1)},
    ),
    Cloud(
        pool_type="modal:push",
        emulator="modal",
        lossy={"SandboxCreateV2": 0.1, "SandboxList": 0.05},
        options={
            "call_timeout": 1.5,
            "gpu_timeout": 1.5,
            "lookup_lag": 0.5,
            "creations_per_second": 1000,
            "creation_burst": 100,
        },
        lease=2.7,
        variables={},
    ),
    Cloud(
        pool_type="kubernetes",
        emulator="kubernetes",
        lossy={"CreateJob": 0.1, "DeleteJob": 0.1, "GetJob": 0.05, "ListJobs": 0.05, "ListPods": 0.05},
        options={"call_timeout": 1.5},
        lease=2.7,
        leftovers="apis/batch/v1/jobs",
        later={"now": lambda: datetime.now(UTC) + timedelta(days=1)},
    ),
)


@contextmanager
def emulated(cloud: Cloud) -> Iterator[tuple[dict[str, str], Remote, str]]:
    """The emulator in a process of its own: a client's environment, its control, its URL."""
    command = [sys.executable, "-m", "providers.emulators", cloud.emulator, "--json", "--job-seconds", "0.1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        about = json.loads(process.stdout.readline())
        try:
            yield about["environment"], Remote(about["control_url"]), about["url"]
        finally:
            process.terminate()


@pytest.mark.long
@pytest.mark.parametrize("cloud", CLOUDS, ids=[cloud.emulator for cloud in CLOUDS])
def test_lost_answers_and_killed_processes_neither_repeat_nor_lose_nor_crowd_a_run(cloud, tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    with emulated(cloud) as (environment, remote, url):
        client = Dispatcher(SqliteStore(path))
        client.create_work_pool("race", type=cloud.pool_type, concurrency_limit=LIMIT)
        client.create_runs([{"pool": "race", "job_variables": cloud.variables}] * RUNS)
        for operation, probability in cloud.lossy.items():
            remote.post("faults", operation=operation, kind="lose-answer", probability=probability)
        assert tick_and_kill(cloud, environment, path) == cloud.deaths

        runs, jobs = client.runs(limit=1000), remote.get("jobs")
        assert Counter(run.state for run in runs) == {RunState.COMPLETED: RUNS}
        assert jobs_by_run(jobs["starts"]) == Counter(run.id for run in runs)
        assert jobs["peak_live"] <= LIMIT
        assert jobs["live"] == 0
        client.store.close()

        if cloud.leftovers:
            for variable, value in environment.items():
                monkeypatch.setenv(variable, value)
            sweep(cloud, runs[0].job.configuration)
            assert listed(f"{url}/{cloud.leftovers}") == 0


def settings_of(cloud: Cloud, path: Path) -> dict[str, str]:
    """The settings of whoever ticks."""
    return {
        "DISPATCHER_STORE": f"sqlite:///{path}",
        "DISPATCHER_TICK_SECONDS": "1",
        "DISPATCHER_CLOCK_SKEW_SECONDS": "0.1",
        "DISPATCHER_LEASE_SECONDS": str(cloud.lease),
        "DISPATCHER_PROVIDER_OPTIONS": json.dumps({cloud.pool_type: cloud.options}),
    }


def tick_and_kill(cloud: Cloud, environment: Mapping[str, str], path: Path, left: int = 0) -> int:
    """Let mortal processes do the work, but for the last `left` runs; how many of them were killed."""
    command = [sys.executable, "-m", "tests.providers.mortal_ticks", cloud.pool_type, str(cloud.deaths), "1", str(left)]
    around = {**os.environ, **environment, **settings_of(cloud, path)}
    process = subprocess.run(
        command,
        cwd=ROOT,
        env=around,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return int(process.stdout)


def jobs_by_run(starts: Mapping[str, int]) -> Counter[Any]:
    """How many jobs each run had, whatever the number of its attempt."""
    jobs: Counter[Any] = Counter()
    for name, count in starts.items():
        named = parse_submission_name(name)
        assert named, name
        jobs[named[0]] += count
    return jobs


def sweep(cloud: Cloud, configuration: Mapping[str, Any]) -> None:
    """What a sweep a day later removes, of a store that knows nothing any more."""
    provider = registry.create(cloud.pool_type, options=cloud.later)
    try:
        provider.sweep(configuration, frozenset())
    except CallFailed:  # its list got lost, as the faults have it
        sweep(cloud, configuration)


def listed(url: str) -> int:
    """How many objects the cloud still lists; asked again where the answer gets lost."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            answer = json.load(reply)
    except OSError:
        return listed(url)
    return len(answer.get("jobs", answer.get("value", answer.get("customJobs", ()))))
