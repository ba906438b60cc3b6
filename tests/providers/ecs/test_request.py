from __future__ import annotations

import pytest

from providers.base import ConfigurationError, Job
from providers.ecs.definition import Facts
from providers.ecs.launch import Launch, launch_of
from providers.ecs.request import MAX_OVERRIDES, run_task_request
from tests.providers.ecs.builders import NAME


def request(configuration=None, *, environment=None, labels=None, container="main", launch=None, network=None, facts=None):
    job = Job(name=NAME, configuration=configuration or {}, environment=environment or {}, labels=labels or {})
    launch = launch or Launch(launch_type="FARGATE")
    facts = facts or Facts(containers=(container,))
    return run_task_request(job, definition="arn:def", container=container, facts=facts, launch=launch, network=network)


def run(**parameters):
    return {"task_run_request": parameters}


def environment_of(built):
    return {item["name"]: item["value"] for item in built["overrides"]["containerOverrides"][0]["environment"]}


def test_the_name_is_token_and_started_by_whatever_the_template_says():
    built = request(run(clientToken="mine", startedBy="me", count=1))
    assert (built["clientToken"], built["startedBy"], built["count"]) == (NAME, NAME, 1)


@pytest.mark.parametrize("count", [0, 2, "3"])
def test_a_run_is_one_task(count):
    with pytest.raises(ConfigurationError, match=r"task_run_request\.count"):
        request(run(count=count))


def test_the_dispatchers_variables_win_over_those_of_the_job_and_these_over_the_override():
    override = {"environment": [{"name": name, "value": "override"} for name in "ABC"]}
    configuration = {**run(overrides={"containerOverrides": [override]}), "env": {"B": "job", "C": "job"}}
    assert environment_of(request(configuration, environment={"C": "ours"})) == {"A": "override", "B": "job", "C": "ours"}


def test_the_main_containers_override_comes_first():
    overrides = {"containerOverrides": [{"name": "proxy", "command": "a"}, {"name": "main", "command": "b"}, {}]}
    built = request(run(overrides=overrides))
    assert [item["name"] for item in built["overrides"]["containerOverrides"]] == ["main", "proxy"]


def test_the_jobs_command_is_the_main_containers():
    built = request({"command": "x 'y z'", **run(overrides={"containerOverrides": [{"name": "proxy", "command": "p"}]})})
    assert [item.get("command") for item in built["overrides"]["containerOverrides"]] == [["x", "y z"], ["p"]]


def test_sizes_are_text_for_the_task_and_numbers_for_a_container():
    overrides = {"cpu": 256, "memory": 512, "containerOverrides": [{"cpu": "256", "memory": 512}]}
    built = request(run(overrides=overrides))["overrides"]
    assert (built["cpu"], built["memory"]) == ("256", "512")
    assert (built["containerOverrides"][0]["cpu"], built["containerOverrides"][0]["memory"]) == (256, 512)


def test_empty_fields_are_left_out_and_unknown_fields_are_sent():
    built = request(run(group="", platformVersion=None, placementConstraints=[], enableExecuteCommand=True, tags={}))
    assert built["enableExecuteCommand"] is True
    assert not {"group", "platformVersion", "placementConstraints", "tags", "cluster"} & built.keys()


def test_the_cluster_of_the_request_goes_before_the_configurations():
    assert request({**run(cluster="a"), "cluster": "b"})["cluster"] == "a"
    assert request({**run(cluster=None), "cluster": "b"})["cluster"] == "b"


def test_equal_jobs_give_equal_bytes_in_any_order_of_names():
    one = request({"env": {"A": "1", "B": "2"}}, labels={"x": "1", "y": "2"})
    other = request({"env": {"B": "2", "A": "1"}}, labels={"y": "2", "x": "1"})
    assert str(one) == str(other)


def test_overrides_that_ecs_would_refuse_are_refused_before_the_call_with_sizes():
    with pytest.raises(ConfigurationError, match=r"overrides: 9\d+ characters.* 8192; the largest variable is BIG with 9000"):
        request({"env": {"BIG": "x" * 9000, "SMALL": "y"}})


def test_overrides_of_exactly_the_limit_pass():
    spare = MAX_OVERRIDES - len('{"containerOverrides":[{"name":"main","environment":[{"name":"A","value":""}]}]}')
    assert request({"env": {"A": "é" * spare}})
    with pytest.raises(ConfigurationError):
        request({"env": {"A": "é" * (spare + 1)}})


def test_a_name_that_is_plain_and_secret_is_a_secret():
    """ECS refuses a variable that is given twice; the plain value must not win."""
    facts = Facts(containers=("main", "proxy"), secrets=(frozenset({"A"}), frozenset({"P"})))
    overrides = {
        "containerOverrides": [{"environment": {"A": "plain"}}, {"name": "proxy", "environment": {"P": "1", "Q": "2"}}]
    }
    built = request({"env": {"A": "1", "B": "2"}, **run(overrides=overrides)}, facts=facts)
    main, proxy = built["overrides"]["containerOverrides"]
    assert main["environment"] == [{"name": "B", "value": "2"}]
    assert proxy["environment"] == [{"name": "Q", "value": "2"}]


@pytest.mark.parametrize("facts", [("main",), ("main", "proxy")], ids=["alone", "beside another"])
def test_a_main_container_among_others_is_not_given_all_of_the_task(facts):
    overrides = {"cpu": 512, "memory": 1024, "containerOverrides": [{"cpu": 512, "memory": "1024"}]}
    main = request(run(overrides=overrides), facts=Facts(containers=facts))["overrides"]["containerOverrides"][0]
    assert ("cpu" in main, "memory" in main) == ((True, True) if facts == ("main",) else (False, False))


def test_the_main_container_keeps_its_own_sizes():
    overrides = {"cpu": 512, "memory": 1024, "containerOverrides": [{"cpu": 256, "memory": 512}]}
    main = request(run(overrides=overrides), facts=Facts(containers=("main", "proxy")))["overrides"]["containerOverrides"][0]
    assert (main["cpu"], main["memory"]) == (256, 512)


@pytest.mark.parametrize(
    ("fields", "compatibilities", "parameters"),
    [
        ({"launchType": "EC2"}, (), {"launchType": "EC2"}),
        ({"launchType": "EXTERNAL"}, (), {"launchType": "EXTERNAL"}),
        ({}, (), {"launchType": "FARGATE"}),
        ({}, ("FARGATE",), {"launchType": "FARGATE"}),
        ({}, ("EC2", "FARGATE"), {}),
        ({}, ("EXTERNAL",), {}),
        ({"launchType": "FARGATE_SPOT"}, (), {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}),
        (
            {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "asg", "weight": 1, "base": 0}]},
            (),
            {"capacityProviderStrategy": [{"capacityProvider": "asg", "weight": 1, "base": 0}]},
        ),
        ({"launchType": "EC2", "capacityProviderStrategy": []}, (), {"launchType": "EC2"}),
        ({"launchType": "CLUSTER_DEFAULT"}, ("FARGATE",), {}),
    ],
)
def test_a_request_has_a_launch_type_or_a_strategy_but_never_both(fields, compatibilities, parameters):
    assert launch_of(fields, compatibilities).parameters == parameters


@pytest.mark.parametrize(
    ("providers", "fargate"), [(["FARGATE"], True), (["FARGATE", "FARGATE_SPOT"], True), (["FARGATE", "asg"], False)]
)
def test_a_strategy_is_fargate_when_all_of_it_is(providers, fargate):
    fields = {"capacityProviderStrategy": [{"capacityProvider": name} for name in providers]}
    assert launch_of(fields, ()).fargate is fargate


def test_an_unknown_launch_type_is_named_with_the_known_ones():
    with pytest.raises(
        ConfigurationError, match="launch_type: 'LAMBDA' is not one of CLUSTER_DEFAULT, EC2, EXTERNAL, FARGATE, F"
    ):
        launch_of({"launchType": "LAMBDA"}, ())
