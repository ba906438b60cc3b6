"""`dispatcher work-pool provision-infrastructure` on the command line, and what Terraform says of what it wrote."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dispatcher.cli.terraform import writing
from tests.infra.clouds import PROJECT, STORE, SUBSCRIPTION, a_package, of_type, on_the_stub
from tests.infra.terraform import Terraform, installed, mirror, needs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def written(cli, tmp_path):
    """Where the files for a pool of a type are, and what was said."""

    def write(pool_type, *words, name="GPU jobs"):
        target = tmp_path / "written" / "root"
        command = ("work-pool", "provision-infrastructure", name, "--output", str(target))
        return target, cli.ok(*command, "--type", pool_type, *words)

    return write


def names(directory):
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.long  # AWS's plug-in takes seconds to start
@needs("hashicorp/aws")
def test_a_pool_on_ecs_gets_a_root_module_that_terraform_and_the_aws_provider_find_right(written, tmp_path):
    written("ecs:push")
    terraform = Terraform(tmp_path, "root", plugins=mirror("hashicorp/aws"), variables={}, infra=tmp_path / "written")
    terraform.run("init", "-input=false")
    terraform.run("validate")


@installed
def test_a_pool_on_cloud_run_gets_one_that_can_be_applied(written, tmp_path):
    written("cloud-run-v2:push")
    values = {"project": PROJECT, "store_url": STORE, "package": a_package(tmp_path)}
    with on_the_stub(tmp_path, "root", infra=tmp_path / "written", **values) as terraform:
        terraform.apply()
        assert terraform.outputs()["job_variables"]["project"] == PROJECT
        accounts = {account["account_id"] for account in of_type(terraform.resources(), "google_service_account")}
    assert accounts == {"gpu-jobs-job", "push-dispatcher", "push-dispatcher-schedule", "push-dispatcher-build"}


@installed
def test_a_pool_on_container_instances_gets_one_that_can_be_applied(written, tmp_path):
    written("azure-container-instance:push")
    values = {"subscription_id": SUBSCRIPTION, "store_url": STORE, "package": a_package(tmp_path)}
    with on_the_stub(tmp_path, "root", infra=tmp_path / "written", **values) as terraform:
        terraform.apply()
        assert terraform.outputs()["job_variables"]["resource_group_name"] == "gpu-jobs"


@installed
@pytest.mark.parametrize("pool_type", ["cloud-run:push", "azure-container-instance"])
def test_a_pool_without_a_dispatcher_can_be_applied_and_outputs_the_rights_it_needs(pool_type, written, tmp_path):
    target, _ = written(pool_type, "--pool-only")
    assert not [name for name in names(target) if "dispatcher" in name]
    values = {"project": PROJECT, "subscription_id": SUBSCRIPTION}
    with on_the_stub(tmp_path, "root", infra=tmp_path / "written", **values) as terraform:
        terraform.apply()
        assert terraform.outputs()["dispatcher"]


@pytest.mark.parametrize("pool_type", ["ecs:push", "cloud-run-v2:push", "azure-container-instance:push"])
def test_the_directory_is_complete(pool_type, written):
    target, said = written(pool_type)
    assert {str(target / name) for name in names(target)} == set(said["files"])
    for source in re.findall(r'source = "(\./[^"]+)"', "".join((target / f).read_text() for f in ("main.tf", "dispatcher.tf"))):
        assert (target / source / "variables.tf").is_file()
    assert (target / "main.tf").read_text().startswith('# What the work pool "GPU jobs" needs, written by ')
    assert '"gpu-jobs"' in (target / "main.tf").read_text()


@installed
@pytest.mark.parametrize("pool_type", ["ecs:push", "cloud-run-v2:push", "azure-container-instance:push"])
def test_written_terraform_files_are_formatted(pool_type, written):
    target, _ = written(pool_type)
    subprocess.run(["terraform", "fmt", "-check", "-recursive", str(target)], check=True)


def test_the_type_is_the_stored_pools_and_the_next_steps_are_printed(cli, tmp_path):
    cli.ok("work-pool", "create", "nightly", "--type", "cloud-run-v2:push")
    target = tmp_path / "root"
    said = cli("work-pool", "provision-infrastructure", "nightly", "--output", str(target))
    assert said.exit_code == 0
    last = [line.strip() for line in said.out.splitlines()][-4:]
    assert last == [
        f"cd {target}",
        "dispatcher package --target google-cloud-function --extras gcp,postgres --output function.zip",
        "terraform init && terraform apply",
        "dispatcher work-pool update nightly --job-variables <(terraform output -json job_variables)",
    ]


def test_on_aws_the_pool_is_created_in_the_store_that_is_made(cli, tmp_path):
    cli.ok("work-pool", "create", "nightly", "--type", "ecs:push")
    said = cli.ok("work-pool", "provision-infrastructure", "nightly", "--output", str(tmp_path / "root"))
    assert said["next"][-2:] == [
        'export DISPATCHER_STORE="$(terraform output -raw store)"',
        "dispatcher work-pool create --type ecs:push nightly --job-variables <(terraform output -json job_variables)",
    ]


@pytest.mark.parametrize(("pool_type", "words"), [("process", "dispatcher dev"), ("modal:push", "modal token new")])
def test_the_error_for_a_pool_that_needs_nothing_says_what_to_do_instead(pool_type, words, cli, tmp_path):
    cli.ok("work-pool", "create", "nightly", "--type", pool_type)
    command = ("work-pool", "provision-infrastructure", "nightly", "--output", str(tmp_path / "root"))
    said = cli(*command)
    assert said.exit_code == 0
    assert words in said.out
    assert "there is nothing to provision" in said.out
    assert cli.ok(*command)["files"] == []
    assert not (tmp_path / "root").exists()


def test_a_file_that_somebody_changed_is_overwritten_only_on_request(written, cli):
    target, _ = written("ecs:push")
    written("ecs:push")  # the same again is no change
    (target / "main.tf").write_text("# mine\n")
    command = ("work-pool", "provision-infrastructure", "GPU jobs", "--type", "ecs:push", "--output", str(target))
    (target / "versions.tf").unlink()
    refused = cli(*command)
    assert refused.exit_code == 1
    (line,) = refused.errors
    assert f"{target / 'main.tf'}: exists; name another directory with --output, or give --force" in line
    assert not (target / "versions.tf").exists(), "all of it, or nothing"
    assert (target / "main.tf").read_text() == "# mine\n"
    cli.ok(*command, "--force")
    assert "ecs-pool" in (target / "main.tf").read_text()


def test_an_unknown_pool_and_an_unknown_type_are_reported_in_one_line(cli):
    for words in (("nightly",), ("nightly", "--type", "ecs:psuh")):
        said = cli("work-pool", "provision-infrastructure", *words)
        assert (said.exit_code, len(said.errors)) == (1, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nightly", "nightly"),
        ("GPU jobs", "gpu-jobs"),
        ("4 GPUs", "pool-4-gpus"),
        ("Größe", "gr-e"),
        ("x", "pool-x"),
        ("ä", "pool"),
        ("the-pool-with-the-longest-name-of-all", "the-pool-with-the-longest"),
    ],
)
def test_a_name_becomes_one_that_all_clouds_take(name, expected):
    assert writing.cloud_name(name) == expected
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,24}[a-z0-9]", expected)


def test_the_modules_travel_in_the_wheel(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    modules = {path.relative_to(ROOT / "infra").as_posix() for path in (ROOT / "infra/modules").rglob("*.tf")}
    assert len(modules) > 30
    assert {f"dispatcher/cli/terraform/{module}" for module in modules} <= inside
    assert {"dispatcher/cli/terraform/roots/ecs/main.tf", "dispatcher/cli/serverless.yml"} <= inside


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_init_writes_a_whole_root_module_without_a_clone_or_a_stored_pool(cloud, cli, tmp_path):
    target = tmp_path / "infrastructure"
    answer = cli.ok("init", "--infrastructure", cloud, "--output", str(target))
    assert {str(target / name) for name in names(target)} == set(answer["files"])
    assert {"main.tf", "dispatcher.tf", "versions.tf", "modules/settings/main.tf"} <= names(target)
    for text in (path.read_text() for path in target.rglob("*.tf")):
        for source in re.findall(r'source *= "(\.\.?/[^"]+)"', text):
            assert (target / "modules" / source.rpartition("/")[2] / "variables.tf").is_file()
    assert answer["next"][0] == f"cd {target}"
    assert "dispatcher work-pool create" in answer["next"][-1]


def test_init_asks_for_a_configuration_or_a_root_module(cli):
    for words in (("init",), ("init", "--type", "ecs:push", "--infrastructure", "aws")):
        refused = cli(*words)
        assert refused.exit_code == 2
        assert (
            "Give --type for a configuration, --infrastructure for a Terraform root module, or --python for a function."
            in " ".join(refused.errors)
        )


def test_init_writes_the_service_of_the_serverless_framework_without_a_clone(cli, tmp_path):
    target = tmp_path / "service"
    answer = cli.ok("init", "--infrastructure", "serverless", "--output", str(target))
    assert answer["files"] == [str(target / "serverless.yml")]
    assert (target / "serverless.yml").read_bytes() == (ROOT / "serverless.yml").read_bytes()
    (tested,) = set(re.findall(r"npx (osls@[\d.]+) deploy", (ROOT / "serverless.yml").read_text()))
    assert [step.partition(" ")[0] for step in answer["next"]] == ["cd", "dispatcher", "npx", "npx"]
    assert all(tested in step for step in answer["next"][2:])
    said = cli("init", "--infrastructure", "serverless", "--output", str(target))
    assert said.out.splitlines()[0] == f"Wrote 1 file to {target}; infra/serverless.md explains them."


def test_the_first_block_of_every_page_works_without_a_clone():
    for page, cloud in {"aws": "aws", "gcp": "gcp", "azure": "azure", "serverless": "serverless"}.items():
        text = (ROOT / "infra" / f"{page}.md").read_text()
        first = text.partition("```sh\n")[2].partition("```")[0]
        assert f"dispatcher init --infrastructure {cloud} && cd infrastructure" in first
        assert "clone" not in text.partition("```sh\n")[0]
