"""What the job of a flow run is made of: its variables, its labels, and the values of the server's blocks and variables."""

import pytest

from dispatcher.models import submission_name
from dispatcher.prefect.flow_runs import flow_run_in, variables_of
from providers import registry
from tests.builders import MINUTE, a_pool
from tests.prefect.emulated import EmulatedPrefect
from tests.prefect.stage import JOBS_API, Bridge


@pytest.fixture
def bridge():
    return Bridge()


@pytest.fixture
def prefect(bridge) -> EmulatedPrefect:
    return bridge.prefect


def test_the_job_knows_its_flow_run_its_server_and_its_command(bridge, prefect):
    deployment = prefect.add_deployment("nightly", job_variables={"env": {"A": "low", "B": "low"}, "cpu": 512})
    flow_run = prefect.add_flow_run(deployment=deployment, job_variables={"env": {"B": "high"}, "memory": 2048})
    bridge.tick()
    configuration = bridge.run_of(flow_run).job_configuration
    text = str(configuration)
    for part in (flow_run, JOBS_API, "prefect flow-run execute", "prefecthq/prefect:3-latest", "nightly", "512", "2048"):
        assert part in text, part
    assert "PREFECT__FLOW_RUN_ID" in text
    assert bridge.run_of(flow_run).job_variables["env"] == {
        "A": "low",
        "B": "high",
        "PREFECT__FLOW_RUN_ID": flow_run,
        "PREFECT__FLOW_ID": prefect.flow_runs[flow_run]["flow_id"],
        "PREFECT__FLOW_NAME": f"flow-{prefect.flow_runs[flow_run]['flow_id'][:4]}",
        "PREFECT__DEPLOYMENT_ID": deployment,
        "PREFECT__DEPLOYMENT_NAME": "nightly",
    }


def test_the_job_has_the_labels_that_prefects_workers_set_and_its_own(bridge, prefect):
    deployment = prefect.add_deployment("nightly", job_variables={"labels": {"team": "data", "prefect.io/flow-name": "mine"}})
    flow_run = prefect.add_flow_run("quiet-otter", deployment=deployment)
    bridge.tick()
    assert bridge.run_of(flow_run).job_variables["labels"] == {
        "prefect.io/flow-run-id": flow_run,
        "prefect.io/flow-run-name": "quiet-otter",
        "prefect.io/flow-id": prefect.flow_runs[flow_run]["flow_id"],
        "prefect.io/flow-name": "mine",
        "prefect.io/deployment-id": deployment,
        "prefect.io/deployment-name": "nightly",
        "prefect.io/work-pool-id": prefect.pools["p"]["id"],
        "prefect.io/work-pool-name": "p",
        "team": "data",
    }


@pytest.mark.parametrize("kind", ["ecs:push", "cloud-run-v2:push", "azure-container-instance:push"])
def test_no_name_makes_a_label_that_a_provider_refuses(prefect, kind):
    awkward = "Ünïcode & (spaces), 'quotes' " + "x" * 300
    flow_run = flow_run_in(prefect.flow_runs[prefect.add_flow_run(awkward)])
    labels = variables_of(flow_run, {"name": awkward}, a_pool("p", type=kind), awkward)["labels"]
    assert registry.check(kind, {"labels": labels}).faults == registry.check(kind, {}).faults


def test_a_job_variable_cannot_pretend_to_be_another_flow_run(bridge, prefect):
    flow_run = prefect.add_flow_run(job_variables={"env": {"PREFECT__FLOW_RUN_ID": "another"}})
    bridge.tick()
    assert bridge.run_of(flow_run).job_variables["env"]["PREFECT__FLOW_RUN_ID"] == flow_run


def test_a_flow_run_that_cannot_be_rendered_is_crashed_and_not_tried_again(bridge, prefect):
    flow_run = prefect.add_flow_run(job_variables={"env": "no object"}, deployment=None)
    prefect.flow_runs[flow_run]["job_variables"] = {"cpu.a": 1, "cpu": 2}
    bridge.settle()
    assert prefect.state(flow_run) == "CRASHED"
    assert len(bridge.runs_of(flow_run)) == 1


def test_job_variables_that_change_while_a_flow_run_waits_count(bridge, prefect):
    prefect.pools["p"]["is_paused"] = True
    flow_run = prefect.add_flow_run(job_variables={"cpu": 256})
    bridge.tick()
    prefect.flow_runs[flow_run]["job_variables"] = {"cpu": 512}
    prefect.pools["p"]["is_paused"] = False
    bridge.tick()
    [started] = [run for run in bridge.runs_of(flow_run) if run.submission]
    assert started.job_variables["cpu"] == 512
    assert len(bridge.provider.starts) == 1


def test_job_variables_that_change_right_before_the_claim_count(bridge, prefect):
    flow_run = prefect.add_flow_run(job_variables={"cpu": 256})
    claim = bridge.source.may_start

    def late(run):
        bridge.source.may_start = claim
        prefect.flow_runs[flow_run]["job_variables"] = {"cpu": 512}
        return claim(run)

    bridge.source.may_start = late
    bridge.settle(2)
    [started] = [run for run in bridge.runs_of(flow_run) if run.submission]
    assert (started.job_variables["cpu"], prefect.state(flow_run)) == (512, "PENDING")
    assert bridge.provider.starts == {submission_name(started.id, 1): 1}


@pytest.mark.parametrize("name", ["prefect.blocks.secret.key", "prefect.variables.region"])
def test_a_block_or_a_variable_of_prefect_never_arrives_as_literal_text(bridge, prefect, name):
    deployment = prefect.add_deployment(job_variables={"env": {"KEY": f"x-{{{{ {name} }}}}"}})
    flow_run = prefect.add_flow_run(deployment=deployment)
    bridge.settle(2)
    assert prefect.state(flow_run) == "CRASHED"
    assert prefect.message(flow_run).startswith(
        f"job variables: env.KEY: {{{{ {name} }}}} is a block, or no variable of the server"
    )
    assert bridge.run_of(flow_run) is None


def test_a_variable_of_the_server_has_its_value_in_the_job(bridge, prefect):
    prefect.variables |= {"region": "eu-central-1", "sizes": [1, 2], "text": "{{ prefect.variables.region }}"}
    variables = {
        "env": {
            "REGION": "in {{ prefect.variables.region }}",
            "SIZES": "{{ prefect.variables.sizes }} or so",
            "TEXT": "{{prefect.variables.region}}",
        }
    }
    flow_run = prefect.add_flow_run(deployment=prefect.add_deployment(job_variables=variables))
    bridge.tick()
    environment = bridge.run_of(flow_run).job_variables["env"]
    assert {name: environment[name] for name in variables["env"]} == {
        "REGION": "in eu-central-1",
        "SIZES": "[1, 2] or so",
        "TEXT": "eu-central-1",
    }
    assert prefect.state(flow_run) == "PENDING"


def test_a_variable_that_changes_before_the_claim_counts(bridge, prefect):
    prefect.variables["region"] = "eu-central-1"
    later = bridge.clock.time + MINUTE / 2
    deployment = prefect.add_deployment(job_variables={"env": {"REGION": "{{ prefect.variables.region }}"}})
    flow_run = prefect.add_flow_run(at=later, deployment=deployment)
    bridge.tick()
    assert bridge.run_of(flow_run).job_variables["env"]["REGION"] == "eu-central-1"
    prefect.variables["region"] = "us-east-1"
    bridge.wait(MINUTE)
    bridge.tick()
    [started] = [run for run in bridge.runs_of(flow_run) if run.submission is not None]
    assert started.job_variables["env"]["REGION"] == "us-east-1"
    assert prefect.state(flow_run) == "PENDING"


def test_a_template_has_the_values_of_the_servers_variables(bridge, prefect):
    template = registry.default_template("ecs:push")
    template["variables"]["properties"]["cluster"]["default"] = "{{ prefect.variables.cluster }}"
    prefect.add_pool("templated", template=template)
    prefect.variables["cluster"] = "blue"
    bridge.tick()
    stored = bridge.store.pool("templated")
    assert stored.base_job_template["variables"]["properties"]["cluster"]["default"] == "blue"
    bridge.tick()
    assert bridge.store.pool("templated").version == stored.version
    prefect.variables["cluster"] = "green"
    bridge.tick()
    assert bridge.store.pool("templated").base_job_template["variables"]["properties"]["cluster"]["default"] == "green"


def test_a_template_whose_default_names_a_block_is_not_used(bridge, prefect):
    template = registry.default_template("ecs:push")
    template["variables"]["properties"]["env"]["default"] = {"KEY": "{{ prefect.blocks.secret.key }}"}
    prefect.add_pool("blocks", template=template)
    [problem] = bridge.tick().problems
    assert "work pool 'blocks' is not served" in problem
    assert "variables.properties.env.default.KEY: {{ prefect.blocks.secret.key }} would be looked up" in problem
