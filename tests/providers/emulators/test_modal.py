"""The Modal emulator, asked by Modal's own client over gRPC."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest

from providers.emulators.control import Remote
from providers.emulators.faults import FaultKind
from providers.emulators.modal import ModalEmulator

NOW = 1_800_000_000.0
PATIENCE = 60
"""Seconds for what happens, however busy the machine is."""


@pytest.fixture
def emulator():
    with ModalEmulator(clock=lambda: NOW, secrets={"database": {"PASSWORD": "hush"}}) as emulator:
        yield emulator


class Cloud:
    """The client, signed in at one emulator; throttles surface at once unless a test says otherwise."""

    def __init__(self, emulator, monkeypatch):
        for name, value in {**emulator.environment(), "MODAL_MAX_THROTTLE_WAIT": "0"}.items():
            monkeypatch.setenv(name, value)
        import modal  # noqa: PLC0415 - it reads its settings when it is imported

        self.modal = modal
        self.client = modal.Client.from_credentials(*next(iter(emulator.tokens.items())))
        self.app = modal.App.lookup("jobs", client=self.client, create_if_missing=True)
        self.image = modal.Image.from_registry("python:3.12-slim")

    def create(self, name="job", command=("true",), **options):
        return self.modal.Sandbox.create(*command, name=name, app=self.app, image=self.image, client=self.client, **options)

    def named(self, name="job", **options):
        return self.modal.Sandbox.from_name("jobs", name, client=self.client, **options)

    def listed(self, **options):
        return [sandbox.object_id for sandbox in self.modal.Sandbox.list(app_id=self.app.app_id, client=self.client, **options)]

    def close(self):
        self.client.close()


@pytest.fixture
def cloud(emulator, monkeypatch):
    cloud = Cloud(emulator, monkeypatch)
    yield cloud
    cloud.close()


def test_a_name_is_unique_among_running_sandboxes_and_free_after_the_end(cloud, emulator):
    first = cloud.create()
    with pytest.raises(cloud.modal.exception.AlreadyExistsError):
        cloud.create()
    emulator.finish("job", 3)
    assert first.poll() == 3
    second = cloud.create()
    assert second.object_id != first.object_id
    assert emulator.starts == {"job": 2}


def test_only_one_of_twenty_simultaneous_creations_succeeds(cloud, emulator):
    cloud.image.build(cloud.app)
    outcomes = []

    def create():
        try:
            outcomes.append(cloud.create().object_id)
        except cloud.modal.exception.AlreadyExistsError:
            outcomes.append(None)

    threads = [threading.Thread(target=create) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([made for made in outcomes if made]) == 1
    assert emulator.peak_live == 1


def test_by_name_the_newer_backend_finds_ended_sandboxes_for_as_long_as_it_remembers(cloud, emulator):
    made = cloud.create()
    assert cloud.named().object_id == made.object_id
    emulator.finish("job")
    with pytest.raises(cloud.modal.exception.NotFoundError):
        cloud.named()
    assert cloud.named(include_terminated=True).returncode == 0
    emulator.advance(8 * 24 * 3600)
    with pytest.raises(cloud.modal.exception.NotFoundError):
        cloud.named(include_terminated=True)


def test_by_name_the_older_backend_finds_running_sandboxes_alone(cloud, emulator):
    made = cloud.create(gpu="T4")
    assert cloud.named().object_id == made.object_id
    emulator.finish("job")
    with pytest.raises(cloud.modal.exception.NotFoundError):
        cloud.named(include_terminated=True)


def test_the_timeout_is_five_minutes_unless_it_is_given(cloud, emulator):
    short, long = cloud.create("short"), cloud.create("long", timeout=3600)
    emulator.advance(301)
    assert short.poll() == 124
    assert long.poll() is None
    with pytest.raises(cloud.modal.exception.SandboxTimeoutError):
        short.wait()
    with pytest.raises(cloud.modal.exception.InvalidError):
        cloud.create("longest", timeout=86_401)


def test_terminate_ends_with_137(cloud, emulator):
    made = cloud.create()
    made.terminate()
    assert made.poll() == 137
    with pytest.raises(cloud.modal.exception.SandboxTerminatedError):
        made.wait()
    made.terminate()
    assert emulator.jobs()[0].exit_code == 137


def test_a_list_holds_what_runs_in_pages_and_by_tag(cloud, emulator):
    emulator.change_settings({"page_size": 2})
    made = [cloud.create(f"job-{number}", tags={"group": "ab"[number % 2]}).object_id for number in range(5)]
    gpu = cloud.create("gpu", gpu="T4").object_id
    emulator.finish("job-0")
    assert cloud.listed() == [gpu, *reversed(made[1:])]
    assert cloud.listed(tags={"group": "b"}) == [made[3], made[1]]


def test_a_new_sandbox_may_be_hidden_for_a_while(cloud, emulator):
    emulator.change_settings({"lag_seconds": 30})
    made = cloud.create()
    assert cloud.listed() == []
    emulator.advance(30)
    assert cloud.listed() == [made.object_id]


def test_the_creation_rate_is_refused_with_the_time_to_wait(cloud, emulator):
    emulator.change_settings({"creation_rate": 5, "creation_burst": 1})
    cloud.create("first")
    with pytest.raises(cloud.modal.exception.ResourceExhaustedError, match="5/s") as refused:
        cloud.create("second")
    assert refused.value._grpc_details[0].retry_after_secs == pytest.approx(0.2)
    emulator.advance(0.2)
    cloud.create("second")


def test_a_client_that_may_wait_sleeps_and_repeats(cloud, emulator, monkeypatch):
    monkeypatch.delenv("MODAL_MAX_THROTTLE_WAIT")
    emulator.faults.add("SandboxCreateV2", FaultKind.THROTTLE, times=2, detail="0.01")
    cloud.create()
    assert emulator.calls["SandboxCreateV2"] == 3


def test_capacity_and_gpu_capacity(cloud, emulator):
    emulator.capacity = 1
    cloud.create("first")
    with pytest.raises(cloud.modal.exception.ResourceExhaustedError, match="limit"):
        cloud.create("second")
    emulator.capacity = None
    emulator.change_settings({"gpu_capacity": 1})
    cloud.create("gpu-1", gpu="T4")
    waiting = threading.Thread(target=lambda: cloud.create("gpu-2", gpu="T4"))
    waiting.start()
    until = time.monotonic() + PATIENCE
    while not emulator.sandboxes.waiting() and time.monotonic() < until:
        waiting.join(0.01)
    assert emulator.starts == {"first": 1, "gpu-1": 1}
    emulator.finish("gpu-1")
    waiting.join(PATIENCE)
    assert emulator.starts["gpu-2"] == 1


@pytest.mark.parametrize("kind", [FaultKind.LOSE_ANSWER, FaultKind.SERVER_ERROR_AFTER])
def test_a_lost_answer_is_lost_for_the_whole_call_and_the_cloud_acted_once(cloud, emulator, kind):
    emulator.faults.add("SandboxCreateV2", kind)
    with pytest.raises(Exception, match=r"Stream reset|Internal error"):
        cloud.create()
    assert emulator.starts == {"job": 1}
    assert emulator.calls["SandboxCreateV2"] == 4


def test_the_clients_own_repeat_gets_the_answer_to_its_first_attempt(cloud, emulator):
    emulator.faults.add("SandboxCreateV2", FaultKind.LOSE_ANSWER, detail="once")
    cloud.create()
    assert emulator.starts == {"job": 1}
    assert emulator.calls["SandboxCreateV2"] == 2


def test_a_service_may_carry_out_the_clients_own_repeat(cloud, emulator):
    emulator.change_settings({"honours_keys": False})
    emulator.faults.add("SandboxCreateV2", FaultKind.LOSE_ANSWER, detail="once")
    with pytest.raises(cloud.modal.exception.AlreadyExistsError):
        cloud.create()
    assert emulator.starts == {"job": 1}


def test_a_lost_request_did_nothing(cloud, emulator):
    emulator.faults.add("SandboxCreateV2", FaultKind.LOSE_REQUEST)
    with pytest.raises(Exception, match="Stream reset"):
        cloud.create()
    assert emulator.starts == {}


def test_an_unknown_token_is_refused(cloud, emulator):
    client = cloud.modal.Client.from_credentials("ak-emulator", "as-wrong")
    with pytest.raises(cloud.modal.exception.AuthError):
        cloud.modal.App.lookup("jobs", client=client)
    client.close()


def test_an_unknown_secret_app_or_environment_is_not_found(cloud):
    missing = cloud.modal.Secret.from_name("nobody", client=cloud.client)
    with pytest.raises(cloud.modal.exception.NotFoundError, match="nobody"):
        cloud.create(secrets=[missing])
    with pytest.raises(cloud.modal.exception.NotFoundError, match="App 'elsewhere'"):
        cloud.modal.App.lookup("elsewhere", client=cloud.client)
    with pytest.raises(cloud.modal.exception.NotFoundError, match="Environment 'moon'"):
        cloud.modal.App.lookup("jobs", client=cloud.client, environment_name="moon")


def test_a_modal_dict_stores_a_name_only_once(cloud):
    ledger = cloud.modal.Dict.from_name("names", client=cloud.client, create_if_missing=True)
    assert [ledger.put("job", number, skip_if_exists=True) for number in (1, 2)] == [True, False]
    assert ledger.get("job") == 1
    assert ledger.pop("job") == 1
    assert ledger.get("job") is None


def test_a_procedure_that_is_not_modelled_answers_unimplemented_and_is_recorded(cloud, emulator):
    made = cloud.create()
    with pytest.raises(cloud.modal.exception.UnimplementedError, match="SandboxTagsSetV2"):
        made.set_tags({"a": "b"})
    assert emulator.calls["SandboxTagsSetV2"] == 1


def test_a_command_may_run_as_a_local_process_with_the_secrets_and_variables_it_was_given(cloud, emulator, tmp_path):
    emulator.change_settings({"run_commands": True})
    script = 'echo "$PASSWORD $MODE" > "$OUTPUT"; exit 5'
    made = cloud.create(
        command=("sh", "-c", script),
        env={"MODE": "fast", "OUTPUT": str(tmp_path / "output")},
        secrets=[cloud.modal.Secret.from_name("database", client=cloud.client)],
    )
    made.wait()
    assert made.returncode == 5
    assert (tmp_path / "output").read_text() == "hush fast\n"


def test_the_control_surface_is_served_on_a_port_of_its_own(cloud, emulator):
    remote = Remote(emulator.control_url)
    cloud.create()
    assert remote.get()["environment"]["MODAL_SERVER_URL"] == emulator.url
    assert [job["name"] for job in remote.get("jobs")["jobs"]] == ["job"]
    remote.post("finish", name="job", exit_code=2)
    remote.post("settings", lag_seconds=5)
    assert emulator.jobs()[0].exit_code == 2
    remote.post("reset")
    assert emulator.jobs() == []


def test_the_emulator_runs_as_a_process_of_its_own(monkeypatch):
    command = [sys.executable, "-m", "providers.emulators", "modal", "--json", "--job-seconds", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        about = json.loads(process.stdout.readline())
        assert about["environment"]["MODAL_SERVER_URL"] == about["url"]
        assert Remote(about["control_url"]).get()["name"] == "modal"
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gpu": "Z9"}, "GPU type 'Z9' is not known"),
        ({"gpu": "H100:9"}, "at most 8 H100s"),
        ({"gpu": "A10:5"}, "at most 4 A10s"),
        ({"env": {"A": "x" * 32_769}}, "more than 32768 characters"),
    ],
)
def test_every_request_that_modal_documents_as_invalid_is_refused(cloud, emulator, options, words):
    with pytest.raises(cloud.modal.exception.InvalidError, match=words):
        cloud.create(**options)
    assert emulator.starts == {}
