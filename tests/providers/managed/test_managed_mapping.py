"""One vocabulary for every platform: what becomes what, rounded up, bounded, and refused by the field's name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dispatcher.core.templates import render
from providers import registry
from providers.base import ConfigurationError
from providers.managed.checking import check
from providers.managed.mapping import configuration_of, filled
from providers.managed.setting import Managed
from providers.managed.sizes import FARGATE, machine, pair
from providers.managed.wrapping import PIP_FAILED, with_packages, with_timeout

IMAGE = "docker.io/library/python:3.12-slim"
ROOMS = {
    "process": {},
    "docker": {},
    "kubernetes": {"namespace": "jobs"},
    "ecs:push": {"cluster": "jobs"},
    "cloud-run-v2:push": {"region": "europe-west1"},
    "azure-container-instance:push": {
        "subscription_id": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
        "resource_group_name": "jobs",
    },
    "modal:push": {},
    "vertex-ai": {"region": "us-central1"},
}
WISH = {"command": "python -m 'my job'", "env": {"MODE": "fast"}, "labels": {"team": "data"}}
SIZED = {**WISH, "image": IMAGE, "cpu": 1.5, "memory": 3000, "timeout": 600}


def managed(kind, **maximum):
    return Managed.of({"type": kind, "job_variables": ROOMS[kind], "maximum": maximum})


def wanted(kind):
    return SIZED if kind != "process" else {**WISH, "cpu": 1, "timeout": 600}


@pytest.mark.parametrize("kind", ROOMS)
def test_the_type_behind_a_managed_pool_accepts_the_job_made_for_it(kind):
    made = configuration_of(managed(kind), wanted(kind))
    assert registry.check(kind, made).faults == ()
    assert "MODE" in made["env"]
    assert "my job" in str(made["command"])


@pytest.mark.parametrize("kind", ROOMS)
def test_a_template_is_filled_as_the_dispatcher_fills_it(kind):
    variables = {**ROOMS[kind], "command": "x", "env": {"A": "b"}}
    assert filled(kind, variables) == render(registry.default_template(kind), variables)


def parts(kind, **wish):
    return configuration_of(managed(kind), {**SIZED, **wish})


def test_cpu_memory_and_timeout_in_each_platforms_words():
    assert parts("docker")["mem_limit"] == "3000m"
    assert parts("docker")["container_create_kwargs"] == {"nano_cpus": 1_500_000_000}
    [container] = parts("kubernetes")["job_manifest"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == container["resources"]["requests"] == {"cpu": "1500m", "memory": "3000Mi"}
    assert parts("kubernetes")["job_manifest"]["spec"]["activeDeadlineSeconds"] == 600
    assert parts("ecs:push")["task_definition"]["cpu"] == 2048
    assert parts("ecs:push")["task_definition"]["memory"] == 4096
    task = parts("cloud-run-v2:push")["job_body"]["template"]["template"]
    assert task["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "3072Mi"}
    assert task["timeout"] == 600
    group = parts("azure-container-instance:push")
    assert (group["cpu"], group["memory"]) == (1.5, 3.0)
    sandbox = parts("modal:push", pip_packages=["polars"])
    assert (sandbox["cpu"], sandbox["memory"], sandbox["timeout"], sandbox["pip_packages"]) == (1.5, 3000, 600, ["polars"])
    spec = parts("vertex-ai")["job_spec"]
    assert spec["worker_pool_specs"][0]["machine_spec"] == {"machine_type": "n1-highmem-2"}
    assert spec["maximum_run_time_hours"] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [(None, None, (256, 512)), (256, 513, (256, 1024)), (300, None, (512, 1024)), (None, 5000, (1024, 5120))],
)
def test_sizes_are_rounded_up_to_the_next_pair(cpu, memory, expected):
    assert pair(FARGATE, cpu, memory) == expected


def test_a_size_that_no_machine_has_is_refused_with_its_field():
    with pytest.raises(ConfigurationError, match=r"^cpu: .*16 cores"):
        pair(FARGATE, 20_000, None)
    with pytest.raises(ConfigurationError, match=r"^memory: .*122880 MiB"):
        pair(FARGATE, None, 200_000)
    with pytest.raises(ConfigurationError, match=r"^cpu: "):
        machine(200, None)


@pytest.mark.parametrize(("field", "amount"), [("cpu", 8), ("memory", 5000), ("timeout", 7200)])
def test_more_than_the_platform_team_allows_is_refused_by_the_field_and_says_where_the_bound_is(field, amount):
    bounded = managed("docker", cpu=2, memory=4096, timeout=3600)
    with pytest.raises(ConfigurationError, match=rf"^{field}: {amount:g} .*DISPATCHER_MANAGED: maximum.{field}"):
        configuration_of(bounded, {**SIZED, field: amount})


def test_a_job_that_names_no_time_gets_the_maximum():
    words = configuration_of(managed("docker", timeout=3600), {**WISH, "image": IMAGE})["command"]
    assert words.startswith("timeout -k 10 3600 python")


@pytest.mark.parametrize(
    ("kind", "wish", "field"),
    [
        ("process", {"image": IMAGE, "command": "x"}, "image"),
        ("process", {"pip_packages": ["polars"], "command": "x"}, "pip_packages"),
        ("docker", {"command": "x"}, "image"),
        ("docker", {"image": IMAGE, "pip_packages": ["polars"]}, "command"),
        ("docker", {"image": IMAGE, "command": "x", "pip_packages": ["--index-url=http://x"]}, r"pip_packages\[0\]"),
        ("docker", {"image": IMAGE, "command": "x", "cpu": "much"}, "cpu"),
    ],
)
def test_a_fault_names_its_field(kind, wish, field):
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        configuration_of(managed(kind), wish)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({}, "type: is missing; give a value"),
        ({"type": "managed"}, "type: give one of process, docker, kubernetes"),
        ({"type": "docker", "max": {}}, "has unknown keys: max; the keys are type, job_variables, maximum"),
        ({"type": "docker", "maximum": {"gpu": 1}}, "maximum: has unknown keys: gpu"),
        ({"type": "docker", "maximum": {"cpu": "many"}}, r"maximum.cpu: give a number"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(setting, words):
    with pytest.raises(ConfigurationError, match=f"^DISPATCHER_MANAGED: {words}"):
        Managed.of(setting)


def test_a_job_variable_that_the_type_does_not_have_is_named():
    with pytest.raises(ConfigurationError, match=r"^subnet: docker has no such job variable"):
        configuration_of(Managed.of({"type": "docker", "job_variables": {"subnet": "x"}}), {**WISH, "image": IMAGE})


def test_the_platform_teams_values_stand_below_the_authors():
    setting = Managed.of({"type": "docker", "job_variables": {"image": IMAGE, "env": {"A": "1", "MODE": "slow"}}})
    made = configuration_of(setting, WISH)
    assert (made["image"], made["env"]) == (IMAGE, {"A": "1", "MODE": "fast"})


def test_a_saved_job_is_checked_against_the_managed_maximum_only_where_it_is_set(monkeypatch):
    monkeypatch.delenv("DISPATCHER_MANAGED", raising=False)
    assert check({"command": "x", "cpu": 64}).faults == (), "an author's machine does not know the bounds"
    monkeypatch.setenv("DISPATCHER_MANAGED", '{"type": "process", "maximum": {"cpu": 2}}')
    assert [fault.path for fault in check({"command": "x", "cpu": 64}).faults] == ["cpu"]
    assert [warning.path for warning in check({"command": "x", "stream_output": True}).warnings] == ["stream_output"]


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_command_that_runs_for_too_long_is_ended():
    assert run(with_timeout(["sleep", "30"], 1)).returncode == 124
    assert run(with_timeout(["sh", "-c", "exit 3"], 60)).returncode == 3


def test_packages_are_arguments_and_a_failed_installation_has_an_exit_code_of_its_own(tmp_path):
    (tmp_path / "pip.py").write_text("import sys\nopen('asked', 'w').write(repr(sys.argv[1:]))\nsys.exit('bad' in sys.argv)\n")
    command = with_packages(["sh", "-c", "echo $0 $1", "a b", "c"], ["x; touch owned", "polars==1"])
    installed = subprocess.run(
        [sys.executable, *command[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (installed.returncode, installed.stdout) == (0, "a b c\n"), installed.stderr
    assert "'--', 'x; touch owned', 'polars==1'" in (tmp_path / "asked").read_text()
    failed = with_packages(["true"], ["bad"])
    assert subprocess.run([sys.executable, *failed[1:]], cwd=tmp_path, check=False).returncode == PIP_FAILED
    assert not (tmp_path / "owned").exists()
