"""`dispatcher import`: what a prefect.yaml says becomes a configuration that `apply` takes, and the rest is listed."""

import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial

import pytest
import yaml
from click.testing import CliRunner

from dispatcher.cli.root import root
from dispatcher.prefect import opening
from dispatcher.prefect.server import PrefectServer
from providers import registry
from tests.prefect.emulated import EmulatedPrefect

PROJECT = """
name: shop
prefect-version: 3.8.8
build:
- prefect_docker.deployments.steps.build_docker_image: {id: build_image, image_name: shop, tag: latest}
pull:
- prefect.deployments.steps.git_clone: {repository: https://example.com/shop.git}
definitions:
  pool: &nightly
    name: nightly
    work_queue_name: critical
    job_variables:
      image: "{{ build_image.image }}"
      env: {REGION: "{{ prefect.variables.region }}", TAG: "v{{ $TAG }}", TOKEN: "{{ prefect.blocks.secret.token }}"}
deployments:
- name: etl
  version: 1.2.3
  tags: [data, "{{ prefect.variables.region }}"]
  description: Loads the orders.
  entrypoint: flows/etl.py:etl
  parameters: {day: yesterday, limit: 100}
  concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW, grace_period_seconds: 60}
  paused: true
  work_pool: *nightly
  triggers:
  - {type: event}
  schedules:
  - {cron: "0 6 * * *", timezone: Europe/Paris, slug: mornings, day_or: false, parameters: {limit: 5}}
  - {interval: "1:30:00", anchor_date: "2026-01-31T08:00:00", active: false}
  - {rrule: "{no json"}
  - {interval: null}
  - timezone: Europe/Paris
    rrule: "DTSTART;TZID=Europe/Paris:20260105T060000\\nRRULE:FREQ=WEEKLY;BYDAY=MO\\nEXDATE:20260112T060000"
- name: etl
  entrypoint: flows/stock.py:stock
  concurrency_limit: 3
  schedule: {interval: 3600}
  work_pool: {name: batch, job_variables: {command: opentelemetry-instrument prefect flow-run execute, image: shop:1, cpu: "1"}}
- name: served
  entrypoint: flows/etl.py:etl
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "prefect.yaml").write_text(PROJECT)

    def call(*words):
        environment = {"HOME": str(tmp_path), "DISPATCHER_STORE": f"sqlite:///{tmp_path / 'store.db'}"}
        result = CliRunner().invoke(root, list(words), env=environment, prog_name="dispatcher")
        return result.exit_code, result.stdout, result.stderr

    return call


@pytest.fixture
def written(call, tmp_path):
    target = tmp_path / "dispatcher.yaml"
    words = ("import", str(tmp_path / "prefect.yaml"), "--type", "ecs:push", "--type", "batch=cloud-run-v2:push")
    code, out, errors = call(*words, "-f", str(target))
    assert (code, errors) == (0, "")
    return target, out


def test_deployments_pools_and_schedules_become_ours(written):
    configuration = yaml.safe_load(written[0].read_text())
    assert configuration["variables"] == {"build_image_image": None, "region": None, "TAG": None}
    assert configuration["pools"] == {
        "nightly": {"type": "ecs:push", "queues": {"critical": {}, "default": {}}},
        "batch": {"type": "cloud-run-v2:push", "queues": {"default": {}}},
    }
    etl, stock = configuration["deployments"]["etl-etl"], configuration["deployments"]["stock-etl"]
    command = etl["job_variables"].pop("command")
    assert etl == {
        "pool": "nightly",
        "queue": "critical",
        "tags": ["data", "${region}"],
        "description": "Loads the orders.",
        "parameters": {"day": "yesterday", "limit": 100},
        "paused": True,
        "job_variables": {"image": "${build_image_image}", "env": {"REGION": "${region}", "TAG": "v${TAG}"}},
        "concurrency_limit": 1,
        "on_collision": "skip",
        "schedules": {
            "mornings": {
                "timezone": "Europe/Paris",
                "cron": "0 6 * * *",
                "day_or": False,
                "parameters": {"limit": 5},
            },
            "interval": {"anchor": "2026-01-31T08:00:00+00:00", "interval": 5400, "active": False},
            "rrule": {
                "timezone": "Europe/Paris",
                "rrule": "FREQ=WEEKLY;BYDAY=MO",
                "anchor": "2026-01-05T05:00:00+00:00",
                "exclude": ["2026-01-12"],
            },
        },
    }
    assert "flows/etl.py:etl" in command
    assert stock["concurrency_limit"] == 3
    assert stock["schedules"] == {"interval": {"interval": 3600}}


def test_fields_without_a_counterpart_are_listed_on_screen_and_in_the_file(written):
    target, out = written
    left_out = {
        "build": "build and push the image",
        "pull": "put the flow's code into the image",
        "deployments[0].version": "keep it as a tag",
        "deployments[0].triggers": "automation",
        "deployments[0].concurrency_limit.grace_period_seconds": "a slot is freed when",
        "deployments[0].work_pool.job_variables.env.TOKEN": "let the provider read a secret by a reference",
        "deployments[0].schedules[2].rrule": "write it as the parts of one RRULE",
        "deployments[0].schedules[3]": "must hold exactly one of cron, interval and rrule",
        "deployments[1].work_pool.job_variables.command": "needs Prefect's server",
        "deployments[2]": "the whole deployment: it needs a `name` and a `work_pool.name`",
    }
    listed = [line.strip() for line in out.splitlines() if line.startswith("  ")]
    assert sorted(line.partition(":")[0] for line in listed) == sorted(left_out)
    assert all(any(line.startswith(f"{path}: ") and words in line for line in listed) for path, words in left_out.items())
    file = " ".join(target.read_text().replace("#", " ").split())
    assert all(" ".join(line.split()) in file for line in listed)


def test_an_imported_file_can_be_applied(call, written):
    target, out = written
    assert f"Try: dispatcher plan -f {target} --var region=VALUE --var build_image_image=VALUE --var TAG=VALUE" in out
    code, _, errors = call("plan", "-f", str(target))
    assert code == 1
    assert "region" in errors
    given = [word for name in ("build_image_image", "region", "TAG") for word in ("--var", f"{name}=value")]
    code, _, errors = call("apply", "-f", str(target), *given)
    assert (code, errors) == (0, "")
    code, out, _ = call("deployment", "inspect", "etl-etl", "--json")
    stored = json.loads(out)
    assert stored["job_variables"]["env"] == {"REGION": "value", "TAG": "vvalue"}
    assert stored["paused"]


def test_the_command_runs_the_flow_with_the_parameters_of_the_run(written, tmp_path):
    library = tmp_path / "prefect"
    library.mkdir()
    (library / "__init__.py").write_text("")
    (library / "flows.py").write_text("def load_flow_from_entrypoint(e): return lambda **p: print(e, p)")
    command = yaml.safe_load(written[0].read_text())["deployments"]["etl-etl"]["job_variables"]["command"]
    _, *words = shlex.split(command)
    environment = {"PYTHONPATH": str(tmp_path), "DISPATCHER_PARAMETERS": '{"day": "today"}'}
    said = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "flows/etl.py:etl {'day': 'today'}\n"


def test_pools_without_a_type_and_unknown_types_are_refused(call, tmp_path):
    source = str(tmp_path / "prefect.yaml")
    code, _, errors = call("import", source)
    assert code == 1
    assert "work pool 'nightly': say the type of the work pool: --type nightly=ecs:push" in errors
    assert call("import", source, "--type", "lambda:push")[0] == 1
    code, _, errors = call("import", source, "--type", "ecs:push", "--type", "other=ecs:push")
    assert code == 1
    assert "no deployment names the work pool 'other'" in errors
    assert not (tmp_path / "dispatcher.yaml").exists()


@pytest.mark.parametrize("text", ["[]", "deployments: 5", "deployments: [5]"])
def test_a_file_that_is_not_a_prefect_project_is_refused(call, tmp_path, text):
    (tmp_path / "prefect.yaml").write_text(text)
    code, _, errors = call("import", str(tmp_path / "prefect.yaml"), "--type", "ecs:push")
    assert code == 1
    assert "deployments: must be a list of deployments" in errors


def test_the_pools_can_be_read_from_the_server(call, tmp_path, monkeypatch):
    prefect = EmulatedPrefect(lambda: datetime.now(UTC))
    monkeypatch.setattr(opening, "PrefectServer", partial(PrefectServer, transport=prefect.transport))
    template = registry.default_template("ecs:push")
    prefect.add_pool("nightly", limit=4, template=template, queues=(("critical", 1), ("default", 2)))
    prefect.add_pool("batch", kind="cloud-run-v2:push")
    target = tmp_path / "ours.yaml"
    words = ("import", str(tmp_path / "prefect.yaml"), "--api-url", "http://prefect/api", "-f", str(target))
    assert call(*words)[::2] == (0, "")
    pools = yaml.safe_load(target.read_text())["pools"]
    queues = {"critical": {"priority": 1}, "default": {"priority": 2}}
    assert pools["nightly"] == {"type": "ecs:push", "concurrency_limit": 4, "base_job_template": template, "queues": queues}
    assert pools["batch"] == {"type": "cloud-run-v2:push", "queues": {"default": {"priority": 1}}}
