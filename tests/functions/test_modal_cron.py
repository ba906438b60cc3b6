"""Modal's function: deployed with Modal's own command to the emulator, and its body called by the unmodified SDK.

Modal's runtime exists at Modal alone, so the process that calls the body is ours: it is told that it is a container, and has
the environment that the function was deployed with. The store is PostgreSQL and the jobs are sandboxes of the emulator.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest

from dispatcher.client import Dispatcher
from dispatcher.models import RunState
from dispatcher.packaging.lock import default_path
from dispatcher.stores.postgres import PostgresStore
from providers.emulators.modal import ModalEmulator
from tests.stores.postgres_server import server

MODULE = "dispatcher.functions.modal_cron"
CALL = f"""
import json, sys
from {MODULE} import tick
print(json.dumps(tick.local(*json.loads(sys.argv[1]))))
"""


class World:
    """A Modal with the app's secret, and processes that know no other."""

    def __init__(self, emulator, directory):
        self.emulator, self.directory = emulator, directory
        self.bare = {"PATH": os.environ["PATH"], "HOME": str(directory)}

    def deploy(self):
        """`modal deploy`, as the documentation has it."""
        command = [sys.executable, "-m", "modal", "deploy", "-m", MODULE]
        environment = {**self.bare, **self.emulator.environment()}
        return subprocess.run(command, cwd=self.directory, env=environment, check=False, capture_output=True, text=True)

    @property
    def function(self):
        return self.emulator.deployments.deployed("push-dispatcher")["tick"]

    def variables(self):
        """What a container of the function has in its environment."""
        values = [self.emulator.objects.values_of(secret) for secret in self.function.secret_ids]
        return {name: value for part in values for name, value in part.items()}

    def call(self, *arguments):
        """The function's answer to a call; the last line of what it raises."""
        inside = {**self.bare, **self.variables(), "MODAL_SERVER_URL": self.emulator.url, "MODAL_IS_REMOTE": "1"}
        command = [sys.executable, "-c", CALL, json.dumps(arguments)]
        done = subprocess.run(command, env=inside, check=False, capture_output=True, text=True)
        return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr.splitlines()[-1]


@pytest.fixture
def world(tmp_path):
    """Of a Modal whose secret names an empty store."""
    with ModalEmulator(secrets={"push-dispatcher": {"DISPATCHER_STORE": f"sqlite:///{tmp_path}/runs.db"}}) as emulator:
        yield World(emulator, tmp_path)


def test_modal_deploy_publishes_one_function_on_a_schedule_with_its_secret_and_its_time_limit(world):
    deployed = world.deploy()
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert list(world.emulator.deployments.deployed("push-dispatcher")) == ["tick"]
    cron = world.function.schedule.cron
    assert (cron.cron_string, cron.timezone) == ("* * * * *", "UTC")
    assert (world.function.timeout_secs, world.function.retry_policy.retries) == (60, 0)
    assert world.function.concurrency_limit == 0, "ticks may overlap"
    assert world.function.autoscaler_settings.scaledown_window == 2, "nothing idles"
    assert world.variables() == {"DISPATCHER_TIMEOUT_SECONDS": "60", **world.emulator.objects.secrets["push-dispatcher"]}


def test_the_image_holds_what_the_lock_pins_and_the_function_brings_its_own_code_and_data(world):
    world.deploy()
    recipe = world.emulator.calls.requests("ImageGetOrCreate")[-1]["image"]
    (install,) = [line for line in recipe["dockerfile_commands"] if "pip install" in line]
    assert all(word in install for word in ("--require-hashes", "--no-deps", "--only-binary :all:"))
    (requirements,) = recipe["context_files"]
    assert base64.b64decode(requirements["data"]) == default_path().read_bytes()
    brought = {file for mount in world.function.mount_ids for file in world.emulator.deployments.mounts[mount]}
    assert brought >= {
        "/root/dispatcher/functions/modal_cron.py",
        "/root/dispatcher/stores/sql/statements.sql",
        "/root/providers/templates/modal.json",
    }
    assert not [file for file in brought if "__pycache__" in file]


def test_deploying_again_replaces_the_function(world):
    assert [world.deploy().returncode for _ in range(2)] == [0, 0]
    assert len(world.emulator.deployments.published) == 1


def test_without_its_secret_the_app_is_not_deployed_and_modal_names_what_is_missing(world):
    world.emulator.objects.secrets.clear()
    deployed = world.deploy()
    assert deployed.returncode != 0
    assert "push-dispatcher" in deployed.stdout + deployed.stderr
    assert not world.emulator.deployments.published


def test_a_schedule_dispatches_runs_to_sandboxes_until_all_have_ended(tmp_path):
    database = server().url(server().fresh_database())
    people = Dispatcher(PostgresStore(database))
    people.create_work_pool("batch", type="modal:push", concurrency_limit=2)
    runs = [people.create_run(pool="batch", job_variables={"command": "sleep 60"}) for _ in range(3)]
    with ModalEmulator(secrets={"push-dispatcher": {"DISPATCHER_STORE": database}}) as emulator:
        world = World(emulator, tmp_path)
        world.deploy()
        report = world.call()
        assert report["pools"][0]["submitted"] == 2, report
        for job in emulator.jobs():
            emulator.finish(job.name)
        assert world.call({"pool": "batch"})["pools"][0]["submitted"] == 1
        emulator.finish(next(job.name for job in emulator.jobs() if job.live))
        world.call({})
        assert sorted(emulator.starts.values()) == [1, 1, 1]
    assert [people.run(run.id).state for run in runs] == [RunState.COMPLETED] * 3
    people.store.close()


def test_a_request_for_a_missing_pool_fails_the_call(world):
    world.deploy()
    assert world.call({"pool": "nowhere"}) == "dispatcher.errors.NotFound: pool: work pool 'nowhere' does not exist"
    run = {"create_run": {"pool": "nowhere"}}
    assert world.call(run).startswith("dispatcher.errors.NotFound"), "validation is part of the image"
