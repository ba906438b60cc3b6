"""Ticks between a Prefect server and a provider: every flow run comes to its right end, with one job for each attempt."""

import pytest

from dispatcher.models import RunState, submission_name
from dispatcher.prefect.flow_runs import flow_run_in, variables_of
from dispatcher.prefect.owed import GRACE
from providers import registry
from providers.base import Rejected, Throttled
from providers.testing import LOST_ANSWER
from tests.builders import HOUR, MINUTE, SECOND, a_pool
from tests.prefect.emulated import EmulatedPrefect
from tests.prefect.stage import JOBS_API, Bridge


@pytest.fixture
def bridge():
    return Bridge()


@pytest.fixture
def prefect(bridge) -> EmulatedPrefect:
    return bridge.prefect


def test_a_flow_run_starts_shows_where_it_runs_and_completes(bridge, prefect):
    flow_run = prefect.add_flow_run("quiet-otter", tags=["a"])
    report = bridge.tick()
    assert (report.problems, report.pools[0].submitted) == ([], 1)
    run = bridge.run_of(flow_run)
    name = submission_name(run.id, 1)
    assert (run.name, run.tags, run.source_id) == ("quiet-otter", ("a",), flow_run)
    assert prefect.flow_runs[flow_run]["infrastructure_pid"] == name
    assert prefect.history(flow_run) == ["Scheduled", "Pending", "InfrastructurePending"]
    prefect.propose(flow_run, "RUNNING")
    prefect.propose(flow_run, "COMPLETED")
    bridge.finish(flow_run)
    bridge.settle()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("COMPLETED", RunState.COMPLETED)
    assert bridge.provider.starts == {name: 1}


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


def test_a_job_that_crashes_is_reported_as_crashed_with_its_reason(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    bridge.finish(flow_run, exit_code=3)
    bridge.tick()
    assert prefect.state(flow_run) == "PENDING", "its own report may be on its way"
    bridge.wait(GRACE)
    bridge.tick()
    assert prefect.state(flow_run) == "CRASHED"
    assert prefect.message(flow_run).startswith("Flow run infrastructure exited with non-zero status code 3.")


def test_a_flow_that_fails_reports_this_itself_and_stays_failed(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    bridge.finish(flow_run, exit_code=1)
    bridge.tick()
    prefect.propose(flow_run, "FAILED")
    bridge.settle()
    assert prefect.state(flow_run) == "FAILED"
    assert "Crashed" not in prefect.history(flow_run)


def test_a_job_that_succeeds_without_a_word_is_crashed_in_the_end(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    bridge.finish(flow_run)
    bridge.tick()
    assert prefect.state(flow_run) == "RUNNING"
    bridge.wait(GRACE)
    bridge.tick()
    assert prefect.state(flow_run) == "CRASHED"


def test_cancelling_a_running_flow_run_stops_its_job_and_is_confirmed_when_the_end_is_seen(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    prefect.propose(flow_run, "CANCELLING")
    bridge.tick()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("CANCELLING", RunState.CANCELLING)
    assert [operation for operation, _ in bridge.provider.calls].count("cancel") == 1, "in the same tick"
    bridge.settle()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("CANCELLED", RunState.CANCELLED)


def test_a_flow_run_that_was_cancelled_while_it_waited_never_starts(bridge, prefect):
    prefect.pools["p"]["is_paused"] = True
    flow_run = prefect.add_flow_run()
    bridge.tick()
    assert bridge.run_of(flow_run).state is RunState.SCHEDULED
    prefect.propose(flow_run, "CANCELLING")
    prefect.pools["p"]["is_paused"] = False
    bridge.settle()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).state) == ("CANCELLED", RunState.CANCELLED)
    assert bridge.provider.starts == {}


def test_a_worker_that_took_a_flow_run_first_keeps_it(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.source.server.flow_run = lambda _: pytest.fail("it is not ours")
    claim = bridge.source.may_start

    def late(run):
        prefect.propose(flow_run, "PENDING")
        return claim(run)

    bridge.source.may_start = late
    report = bridge.tick()
    assert (report.pools[0].withdrawn, bridge.provider.starts) == (1, {})
    prefect.propose(flow_run, "RUNNING")
    prefect.flow_runs[flow_run]["infrastructure_pid"] = "cluster::arn:aws:ecs:task"
    bridge.settle()
    assert prefect.state(flow_run) == "RUNNING", "nothing is reported of what is not ours"
    prefect.propose(flow_run, "CANCELLING")
    bridge.settle()
    assert prefect.state(flow_run) == "CANCELLING", "the worker ends it"


def test_a_run_that_is_no_flow_run_is_cancelled_when_its_turn_comes(bridge, prefect):
    bridge.tick()
    [stranger] = bridge.add(pool="p")
    bridge.settle(2)
    run = bridge.store.get(stranger.id)
    assert (run.state, run.reason) == (RunState.CANCELLED, "it is no flow run of the Prefect server that its pool mirrors")
    assert bridge.provider.starts == {}


def test_a_crashed_flow_run_that_is_retried_from_the_page_gets_a_run_of_its_own(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    bridge.finish(flow_run, exit_code=137)
    bridge.settle()
    assert prefect.state(flow_run) == "CRASHED"
    prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=bridge.clock.time.isoformat())
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    prefect.propose(flow_run, "COMPLETED")
    bridge.finish(flow_run)
    bridge.settle()
    runs = bridge.runs_of(flow_run)
    assert len({run.id for run in runs}) == 2
    assert sorted(bridge.provider.starts.values()) == [1, 1]
    assert prefect.state(flow_run) == "COMPLETED"


def test_an_attempt_that_its_own_process_starts_is_left_alone(bridge, prefect):
    flow_run = prefect.add_flow_run(empirical_policy={"retry_type": "in_process"})
    bridge.settle()
    assert (bridge.run_of(flow_run), prefect.history(flow_run)) == (None, ["Scheduled"])


@pytest.mark.parametrize(("strategy", "end"), [("ENQUEUE", "PENDING"), ("CANCEL_NEW", "CANCELLED")])
def test_a_full_deployment_lets_a_flow_run_wait_or_cancels_it(bridge, prefect, strategy, end):
    deployment = prefect.add_deployment(limit=1, strategy=strategy)
    first = prefect.add_flow_run("first", deployment=deployment)
    bridge.tick()
    second = prefect.add_flow_run("second", deployment=deployment)
    bridge.tick()
    assert len(bridge.provider.starts) == 1
    prefect.propose(first, "RUNNING")
    prefect.propose(first, "COMPLETED")
    bridge.finish(first)
    bridge.wait(MINUTE)
    bridge.settle(2)
    assert prefect.state(second) == end
    assert len(bridge.provider.starts) == (2 if strategy == "ENQUEUE" else 1)
    assert len(bridge.runs_of(second)) == 1


def test_a_flow_run_whose_job_is_refused_is_crashed_with_the_providers_words(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", Rejected(reason="AccessDenied: no"))
    bridge.tick()
    assert (prefect.state(flow_run), prefect.message(flow_run)) == ("CRASHED", "AccessDenied: no")


def test_a_flow_run_that_cannot_be_rendered_is_crashed_and_not_tried_again(bridge, prefect):
    flow_run = prefect.add_flow_run(job_variables={"env": "no object"}, deployment=None)
    prefect.flow_runs[flow_run]["job_variables"] = {"cpu.a": 1, "cpu": 2}
    bridge.settle()
    assert prefect.state(flow_run) == "CRASHED"
    assert len(bridge.runs_of(flow_run)) == 1


def test_a_throttled_flow_run_is_given_back_until_it_is_tried_again(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", Throttled(reason="slow down", retry_after=300.0, hold=None))
    bridge.tick()
    assert (prefect.state(flow_run), bridge.run_of(flow_run).attempt) == ("SCHEDULED", 2)
    bridge.settle(2)
    assert prefect.state(flow_run) == "SCHEDULED"
    bridge.wait(4 * MINUTE)
    bridge.tick()
    assert prefect.state(flow_run) == "PENDING"
    assert bridge.provider.starts == {submission_name(bridge.run_of(flow_run).id, 2): 1}


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


def test_a_deleted_flow_run_is_stopped(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    del prefect.flow_runs[flow_run]
    bridge.wait(MINUTE)
    bridge.settle()
    assert bridge.run_of(flow_run).state is RunState.CANCELLED


def test_a_deleted_flow_run_that_waits_is_cancelled_when_its_turn_comes(bridge, prefect):
    prefect.pools["p"]["concurrency_limit"] = 0
    flow_run = prefect.add_flow_run()
    bridge.tick()
    del prefect.flow_runs[flow_run]
    prefect.pools["p"]["concurrency_limit"] = 1
    bridge.tick()
    assert (bridge.run_of(flow_run).state, bridge.provider.starts) == (RunState.CANCELLED, {})


def test_a_flow_run_of_the_future_starts_when_it_is_due(bridge, prefect):
    flow_run = prefect.add_flow_run(at=bridge.clock.time + HOUR)
    soon = prefect.add_flow_run(at=bridge.clock.time + 30 * SECOND)
    bridge.tick()
    assert (bridge.run_of(flow_run), bridge.run_of(soon).state) == (None, RunState.SCHEDULED)
    bridge.wait(MINUTE)
    bridge.tick()
    assert bridge.run_of(soon).state is RunState.PENDING


def test_a_late_flow_run_stays_the_same_occasion(bridge, prefect):
    prefect.pools["p"]["is_paused"] = True
    flow_run = prefect.add_flow_run()
    bridge.tick()
    prefect.flow_runs[flow_run]["state"]["name"] = "Late"
    bridge.settle()
    assert len(bridge.runs_of(flow_run)) == 1


def test_the_limit_holds_between_two_dispatchers_with_one_store(bridge, prefect):
    prefect.pools["p"]["concurrency_limit"] = 2
    for _ in range(6):
        prefect.add_flow_run()
    bridge.tick()
    bridge.source = bridge.new_source()
    bridge.tick()
    assert bridge.provider.peak_live == 2
    states = sorted(run["state"]["type"] for run in prefect.flow_runs.values())
    assert states == ["PENDING"] * 2 + ["SCHEDULED"] * 4


def test_two_dispatchers_with_two_stores_start_no_flow_run_twice(bridge, prefect):
    other = Bridge(prefect, pools=False)
    flow_runs = [prefect.add_flow_run() for _ in range(4)]
    bridge.source.bring(None, bridge.clock.time + MINUTE)
    other.tick()
    bridge.settle(2)
    assert (len(other.provider.starts), len(bridge.provider.starts)) == (4, 0)
    assert [prefect.state(flow_run) for flow_run in flow_runs] == ["PENDING"] * 4


def test_a_lost_answer_of_the_provider_is_looked_up_and_adopted(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", LOST_ANSWER)
    bridge.tick()
    assert prefect.flow_runs[flow_run]["infrastructure_pid"] is None
    bridge.settle(2, every=2 * MINUTE)
    run = bridge.run_of(flow_run)
    assert prefect.flow_runs[flow_run]["infrastructure_pid"] == submission_name(run.id, 1)
    assert list(bridge.provider.starts.values()) == [1]


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


def test_the_end_of_an_earlier_job_is_no_end_of_the_job_of_another_dispatcher(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.tick()
    bridge.finish(flow_run, exit_code=137)
    bridge.settle()
    assert prefect.state(flow_run) == "CRASHED"
    prefect.propose(flow_run, "SCHEDULED", "AwaitingRetry", scheduled_time=bridge.clock.time.isoformat())
    other = Bridge(prefect, pools=False)
    other.clock.time = bridge.clock.time
    other.tick()
    assert len(other.provider.starts) == 1
    prefect.propose(flow_run, "RUNNING")
    bridge.settle()
    assert prefect.state(flow_run) == "RUNNING"


def test_a_job_without_an_answer_that_its_provider_has_forgotten_ends_its_flow_run(bridge, prefect):
    flow_run = prefect.add_flow_run()
    bridge.provider.script("submit", LOST_ANSWER)
    bridge.tick()
    prefect.propose(flow_run, "RUNNING")
    bridge.provider.finish(next(iter(bridge.provider.starts)))
    bridge.wait(48 * HOUR)
    bridge.settle()
    assert (bridge.run_of(flow_run).state, prefect.state(flow_run)) == (RunState.CRASHED, "CRASHED")
