"""Images that are not on the engine: who pulls them, what a run waits for, and what no repeat changes."""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest
from docker.errors import ImageNotFound

from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers.base import Accepted, Hold, Misconfigured, Rejected, Throttled
from providers.docker import pulls
from tests.providers.docker.engines import files
from tests.providers.docker.registry import PASSWORD, USER, Registry

ROOT = Path(__file__).parents[3]
SUBMIT = """
import json, sys
from providers.base import Job
from providers.docker import DockerProvider

given = json.loads(sys.argv[1])
provider = DockerProvider(environment={"DOCKER_HOST": given["url"]}, pull_directory=given["pulls"], pull_seconds=0.1)
print(type(provider.submit(Job(**given["job"]))).__name__)
"""


@pytest.fixture
def registry(harness, monkeypatch, tmp_path):
    """A registry; nothing of this machine's `docker login` is used."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker-login"))
    registry = Registry(files())
    yield registry
    registry.close()
    harness.engine.clear()
    for row in harness.client.images(name=f"{registry.name}/*/job"):
        with suppress(ImageNotFound):
            harness.client.remove_image(row["Id"], force=True)


@pytest.fixture
def puller(harness):
    """A provider that waits for pulls no longer than it must."""
    return harness.another(pull_seconds=0.1, call_timeout=10)


def a_job(harness, registry, repository="team", **changes):
    image = f"{registry.name}/{repository}/job:1"
    return harness.job(configuration={**harness.configuration(), "image": image, **changes})


def until_ended(harness, job, **options):
    """The first outcome that is not "it is being pulled"."""
    patient = harness.another(pull_seconds=5, **options)
    while True:
        outcome = patient.submit(job)
        if not (isinstance(outcome, Throttled) and "is being pulled" in outcome.reason):
            return outcome


def test_a_run_waits_for_its_image_while_it_is_pulled_and_starts_when_it_has_come(harness, registry, puller):
    registry.gate.clear()
    job = a_job(harness, registry)
    waiting = puller.submit(job)
    assert isinstance(waiting, Throttled), waiting
    assert waiting.reason == f"waiting for the image {registry.name}/team/job:1: it is being pulled"
    assert waiting.hold == Hold(place=("", f"{registry.name}/team/job:1"))
    assert puller.needs(job.configuration).place == waiting.hold.place
    registry.gate.set()
    assert isinstance(until_ended(harness, job), Accepted)
    assert harness.starts(job.name) == 1


def test_explain_says_what_a_run_waits_for_and_runs_of_other_images_go_on(harness, registry, tmp_path):
    registry.gate.clear()
    options = {
        "pull_seconds": 0.1,
        "pull_directory": str(tmp_path / "pulls"),
        "environment": {"DOCKER_HOST": harness.engine.socket},
    }
    settings = {
        "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}",
        "DISPATCHER_PROVIDER_OPTIONS": json.dumps({"docker": options}),
    }
    wiring = wire(Settings.from_environment(settings))
    client = wiring.client
    client.create_work_pool("machine", type="docker")
    variables = {"network_mode": "none", "command": "true"}
    waiting = [
        client.create_run(pool="machine", job_variables={**variables, "image": f"{registry.name}/team/job:1"}) for _ in range(2)
    ]
    other = client.create_run(pool="machine", job_variables={**variables, "image": "job:1"})
    tick(wiring.dispatch, wiring.dispatch.clock.now() + timedelta(seconds=30))
    for run in waiting:
        assert "waiting for the image" in client.explain(run.id).text
        assert client.run(run.id).state is RunState.SCHEDULED
    assert client.run(other.id).state is RunState.PENDING
    wiring.store.close()


def test_only_one_process_pulls_an_image_however_many_runs_wait_for_it(harness, registry, puller):
    registry.gate.clear()
    outcomes = [provider.submit(a_job(harness, registry)) for provider in [puller, harness.another(pull_seconds=0.1)] * 3]
    assert {type(outcome) for outcome in outcomes} == {Throttled}
    registry.gate.set()
    until_ended(harness, a_job(harness, registry))
    assert registry.asked["HEAD manifests"] == 1


def test_a_pull_outlives_the_process_that_ticked(harness, registry):
    registry.gate.clear()
    job = a_job(harness, registry)
    arguments = {"url": harness.engine.socket, "pulls": str(harness.root / "pulls"), "job": asdict(job)}
    command = [sys.executable, "-c", SUBMIT, json.dumps(arguments)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said == "Throttled\n"
    registry.gate.set()
    assert isinstance(until_ended(harness, job, environment={"DOCKER_HOST": harness.engine.socket}), Accepted)
    assert registry.asked["HEAD manifests"] == 1


def test_a_pull_whose_process_was_killed_is_started_again(harness, registry, puller):
    registry.gate.clear()
    job = a_job(harness, registry)
    puller.submit(job)
    [pid] = pullers(harness)
    ended = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([ended], [], [])
    os.close(ended)
    registry.gate.set()
    outcome = until_ended(harness, job)
    if isinstance(outcome, Throttled):
        assert "was ended" in outcome.reason
        outcome = until_ended(harness, job)
    assert isinstance(outcome, Accepted)


def test_a_locked_registry_opens_for_the_entry_that_the_job_names(harness, registry, monkeypatch):
    registry.locked = True
    refused = until_ended(harness, a_job(harness, registry))
    assert isinstance(refused, Rejected), refused
    assert "cannot be pulled" in refused.reason
    entry = {"username": USER, "password_env": "REGISTRY_PASSWORD", "registry_url": registry.name}
    around = {"DOCKER_HOST": harness.engine.socket, "REGISTRY_PASSWORD": PASSWORD}
    named = harness.another(credentials={"team": entry}, environment=around, pull_seconds=5)
    job = a_job(harness, registry, "other", registry_credentials="team")
    while isinstance(outcome := named.submit(job), Throttled):
        assert "is being pulled" in outcome.reason
    assert isinstance(outcome, Accepted), outcome
    assert not [path for path in (harness.root / "pulls").iterdir() if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({}, "does not name an entry of DISPATCHER_CREDENTIALS (its entries: none); add it there"),
        ({"team": {"username": "robot"}}, "give password_env, registry_url"),
        ({"team": {"username": "robot", "password": "hush"}}, "unknown keys: password"),
        ({"team": {"username": "r", "password_env": "ABSENT", "registry_url": "r.test"}}, "ABSENT is not set"),
    ],
)
def test_missing_credentials_are_not_a_fault_of_the_run(harness, registry, entries, words):
    provider = harness.another(credentials=entries)
    outcome = provider.submit(a_job(harness, registry, registry_credentials="team"))
    assert isinstance(outcome, Misconfigured), outcome
    assert words in outcome.reason


def test_an_image_that_does_not_exist_is_refused_in_the_registrys_words(harness, registry):
    outcome = until_ended(harness, a_job(harness, registry, "missing"))
    assert isinstance(outcome, Rejected), outcome
    assert "manifest unknown" in outcome.reason


def test_a_registry_that_is_out_of_order_lets_the_runs_of_its_image_wait(harness, registry):
    registry.status = 503
    job = a_job(harness, registry)
    outcome = until_ended(harness, job)
    assert isinstance(outcome, Throttled), outcome
    assert outcome.hold == Hold(place=harness.provider.needs(job.configuration).place)
    assert outcome.retry_after == 60


def test_the_pull_policy_never_never_asks_the_registry(harness, registry):
    outcome = harness.provider.submit(a_job(harness, registry, image_pull_policy="Never"))
    assert isinstance(outcome, Rejected)
    assert "No such image" in outcome.reason
    assert registry.asked == {}


def test_if_possible_goes_on_with_what_the_engine_has_and_always_does_not(harness, registry):
    assert isinstance(until_ended(harness, a_job(harness, registry)), Accepted)
    registry.status = 503
    (harness.root / "pulls").rename(harness.root / "long-ago")
    assert isinstance(until_ended(harness, a_job(harness, registry, image_pull_policy="IfPossible")), Accepted)
    assert isinstance(until_ended(harness, a_job(harness, registry, image_pull_policy="Always")), Throttled)


def test_always_asks_the_registry_once_a_minute_and_not_once_a_run(harness, registry, monkeypatch):
    for _ in range(3):
        assert isinstance(until_ended(harness, a_job(harness, registry, image_pull_policy="Always")), Accepted)
    assert registry.asked["HEAD manifests"] == 1
    monkeypatch.setattr(pulls, "FRESH_SECONDS", 0.0)
    patient = harness.another(pull_seconds=60, call_timeout=120)
    patient.submit(a_job(harness, registry, image_pull_policy="Always"))
    assert registry.asked["HEAD manifests"] == 2


def test_a_repeat_finds_the_container_even_where_the_registry_is_gone(harness, registry):
    job = a_job(harness, registry, image_pull_policy="Always")
    assert isinstance(until_ended(harness, job), Accepted)
    registry.status = 503
    (harness.root / "pulls").rename(harness.root / "long-ago")
    assert isinstance(harness.another().submit(job), Accepted)
    assert harness.starts(job.name) == 1


def pullers(harness):
    """The processes that pull for this test."""
    mine = str(harness.root / "pulls").encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mine in path.read_bytes():
                yield int(path.parent.name)
