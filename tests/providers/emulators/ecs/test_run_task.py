from __future__ import annotations

import pytest

from tests.providers.emulators.ecs.builders import a_container, client, refusal

INVALID = "InvalidParameterException"


def tags(number, key="k", value="v"):
    return [{"key": f"{key}{i}", "value": value} for i in range(number)]


def environment(size):
    return {"containerOverrides": [{"name": "main", "environment": [{"name": "X", "value": "x" * size}]}]}


def strategy(*items):
    return [{"capacityProvider": provider, **other} for provider, other in items]


BY_THEMSELVES = {
    "a count of 0": ({"count": 0}, "count"),
    "a count of 11": ({"count": 11}, "count"),
    "51 tags": ({"tags": tags(51)}, "maximum number of tags"),
    "a key twice": ({"tags": tags(1) + tags(1)}, "Duplicate"),
    "a key of 129 characters": ({"tags": [{"key": "k" * 129, "value": "v"}]}, "128"),
    "a value of 257 characters": ({"tags": [{"key": "k", "value": "v" * 257}]}, "256"),
    "a key with a reserved prefix": ({"tags": [{"key": "AWS:k", "value": "v"}]}, "aws:"),
    "a value with a bracket": ({"tags": [{"key": "k", "value": "[v]"}]}, "allowed"),
    "a token of 65 characters": ({"clientToken": "t" * 65}, "clientToken"),
    "a token with a space": ({"clientToken": "a b"}, "clientToken"),
    "startedBy of 129 characters": ({"startedBy": "s" * 129}, "startedBy"),
    "startedBy with a dollar": ({"startedBy": "a$"}, "startedBy"),
    "tags from a service": ({"propagateTags": "SERVICE"}, "propagateTags"),
    "overrides of more than 8,192 characters": ({"overrides": environment(8192)}, "8192"),
    "a strategy beside a launch type": ({"capacityProviderStrategy": strategy(("FARGATE", {"weight": 1}))}, "launch type"),
    "a strategy without weight": (
        {"launchType": None, "capacityProviderStrategy": strategy(("FARGATE", {"weight": 0}))},
        "greater than 0",
    ),
    "a strategy with two bases": (
        {"launchType": None, "capacityProviderStrategy": strategy(("FARGATE", {"base": 1}), ("FARGATE_SPOT", {"base": 1}))},
        "base",
    ),
    "a weight above 1000": (
        {"launchType": None, "capacityProviderStrategy": strategy(("FARGATE", {"weight": 1001}))},
        "1000",
    ),
    "more than twenty providers": (
        {"launchType": None, "capacityProviderStrategy": strategy(*[("FARGATE", {"weight": 1})] * 21)},
        "20",
    ),
    "a provider that the cluster lacks": (
        {"launchType": None, "capacityProviderStrategy": strategy(("mine", {"weight": 1}))},
        "'mine' was not found",
    ),
    "an override of an unknown container": ({"overrides": {"containerOverrides": [{"name": "other"}]}}, "other"),
    "no network": ({"networkConfiguration": None}, "Network Configuration must be provided"),
    "no subnets": ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}, "subnets"),
    "17 subnets": ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"] * 17}}}, "16"),
    "an unknown subnet": ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}}, "subnet-0"),
    "a launch type that is none": ({"launchType": "LAMBDA"}, "LAMBDA"),
}


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_run_task_refuses_every_invalid_request(ecs, name):
    parameters, words = BY_THEMSELVES[name]
    code, message = ecs.refusal(**parameters)
    assert (code, words in message) == (INVALID, True), message
    assert ecs.emulator.jobs() == []


EMPTY_OVERRIDES = len('{"containerOverrides":[{"name":"main","environment":[{"name":"X","value":""}]}]}')

AT_THE_LIMIT = {
    "a count of 10": {"count": 10},
    "50 tags": {"tags": tags(50)},
    "the longest tag": {"tags": [{"key": "k" * 128, "value": "v" * 256}]},
    "a token of 64 characters": {"clientToken": "~" * 64},
    "startedBy of 128 characters": {"startedBy": "aZ9-/_" * 21 + "ab"},
    "a Fargate Spot strategy": {"launchType": None, "capacityProviderStrategy": strategy(("FARGATE_SPOT", {"weight": 1}))},
    "overrides of 8,192 characters": {"overrides": environment(8192 - EMPTY_OVERRIDES)},
    "a task's own size": {"overrides": {"cpu": "1024", "memory": "2048"}},
}


@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_run_task_accepts_every_request_at_the_limit(ecs, name):
    answer = ecs.run(**AT_THE_LIMIT[name])
    assert answer["failures"] == []
    assert len(answer["tasks"]) == AT_THE_LIMIT[name].get("count", 1)


def test_an_unknown_cluster_is_not_found_and_not_made(ecs):
    assert ecs.refusal(cluster="other")[0] == "ClusterNotFoundException"
    assert ecs.boto.list_clusters()["clusterArns"] == ["arn:aws:ecs:us-east-1:111111111111:cluster/default"]


def test_unknown_and_inactive_definitions_are_client_exceptions(ecs):
    assert ecs.refusal(taskDefinition="other")[0] == "ClientException"
    assert ecs.refusal(taskDefinition="job:7")[0] == "ClientException"
    ecs.boto.deregister_task_definition(taskDefinition="job:1")
    assert ecs.refusal(taskDefinition="job:1") == ("ClientException", "TaskDefinition is inactive")
    assert ecs.refusal(taskDefinition="job")[0] == "ClientException"


def test_a_family_means_its_newest_active_revision(ecs):
    ecs.register()
    ecs.register()
    ecs.boto.deregister_task_definition(taskDefinition="job:3")
    assert ecs.run()["tasks"][0]["taskDefinitionArn"].endswith("job:2")


def test_subnets_and_groups_of_two_vpcs_do_not_go_together(ecs):
    ec2 = client("ec2", ecs.emulator)
    other = ec2.create_subnet(VpcId=ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"], CidrBlock="10.0.0.0/24")
    subnets = [*ecs.emulator.network["awsvpcConfiguration"]["subnets"], other["Subnet"]["SubnetId"]]
    assert "same VPC" in ecs.refusal(networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}})[1]


def test_a_task_without_security_groups_gets_a_network_all_the_same(ecs):
    subnets = ecs.emulator.network["awsvpcConfiguration"]["subnets"]
    task = ecs.run(networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}})["tasks"][0]
    details = {detail["name"]: detail["value"] for detail in task["attachments"][0]["details"]}
    assert details["subnetId"] in subnets


def test_ec2_tasks_take_no_network_and_no_platform_and_need_instances(ecs):
    ecs.register("host", networkMode="bridge", requiresCompatibilities=["EC2"])
    on_host = {"taskDefinition": "host", "launchType": "EC2"}
    assert "not valid" in ecs.refusal(**on_host)[1]
    assert "platform version" in ecs.refusal(**on_host, networkConfiguration=None, platformVersion="LATEST")[1]
    assert "FARGATE" in ecs.refusal(**{**on_host, "launchType": "FARGATE"}, networkConfiguration=None)[1]
    assert ecs.run(**on_host, networkConfiguration=None)["tasks"][0]["launchType"] == "EC2"
    ecs.emulator.change_settings({"instances": False})
    assert ecs.refusal(**on_host, networkConfiguration=None)[1] == "No Container Instances were found in your cluster."


def test_a_fargate_definition_needs_no_memory_in_its_container(ecs):
    assert "memory" not in ecs.boto.describe_task_definition(taskDefinition="job")["taskDefinition"]["containerDefinitions"][0]
    assert ecs.run()["tasks"][0]["memory"] == "512"


def test_the_clusters_own_strategy_is_the_default(ecs):
    ecs.boto.put_cluster_capacity_providers(
        cluster="default",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=strategy(("FARGATE_SPOT", {"weight": 1})),
    )
    task = ecs.run(launchType=None)["tasks"][0]
    assert (task["launchType"], task["capacityProviderName"]) == ("FARGATE", "FARGATE_SPOT")


def test_the_tags_of_a_definition_come_along_when_asked_for(ecs):
    ecs.register("tagged", tags=[{"key": "team", "value": "a"}, {"key": "tier", "value": "1"}])
    own = [{"key": "team", "value": "b"}]
    task = ecs.run(taskDefinition="tagged", propagateTags="TASK_DEFINITION", tags=own)["tasks"][0]
    assert task["tags"] == [{"key": "team", "value": "b"}, {"key": "tier", "value": "1"}]
    assert ecs.run(taskDefinition="tagged", tags=own)["tasks"][0]["tags"] == own


def test_a_new_task_shows_all_that_was_requested(ecs):
    overrides = {"containerOverrides": [{"name": "main", "command": ["true"]}], "cpu": "512", "memory": "1024"}
    task = ecs.run(overrides=overrides, tags=tags(1), cluster="default")["tasks"][0]
    assert task["overrides"] == {**overrides, "inferenceAcceleratorOverrides": []}
    assert (task["cpu"], task["memory"], task["startedBy"]) == ("512", "1024", "run-1")
    assert (task["lastStatus"], task["desiredStatus"], task["version"]) == ("PROVISIONING", "RUNNING", 1)
    assert (task["group"], task["platformVersion"]) == ("family:job", "1.4.0")
    assert task["containers"][0]["lastStatus"] == "PENDING"
    assert "startedAt" not in task
    assert "stopCode" not in task


def test_tasks_start_only_up_to_the_capacity(ecs):
    ecs.emulator.change_settings({"capacity": 3})
    answer = ecs.run(count=5)
    assert len(answer["tasks"]) == 3
    assert [failure["reason"][:35] for failure in answer["failures"]] == ["Capacity is unavailable at this tim"] * 2
    assert ecs.run()["tasks"] == []
    ecs.boto.stop_task(task=answer["tasks"][0]["taskArn"])
    assert len(ecs.run(startedBy="run-2")["tasks"]) == 1
    assert ecs.emulator.peak_live == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"taskDefinition": "job", "count": "1"}', "count"),
        (b'{"taskDefinition": "job", "launchType": "fargate"}', "fargate"),
        (b'{"taskDefinition": "job", "tags": [{"name": "a"}]}', "name"),
        (b'{"taskDefinition": "job", "count": true}', "count"),
        (b'{"taskDefintion": "job"}', 'Missing required parameter in input: "taskDefinition"'),
        (b'{"taskDefinition": "job", "subnets": []}', 'Unknown parameter in input: "subnets"'),
        (b"[1]", "not a JSON object"),
        (b"{", "not JSON"),
    ],
)
def test_a_body_that_does_not_fit_the_model_is_refused(emulator, body, words):
    boto = client("ecs", emulator)
    boto.meta.events.register("before-call.ecs.RunTask", lambda params, **_: params.update(body=body))
    error = refusal(boto.run_task, taskDefinition="job")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert words in error["Error"]["Message"]


def test_other_requests_are_read_by_the_model_too(emulator):
    boto = client("ecs", emulator)
    definition = {"family": "f", "containerDefinitions": [a_container(essential=True, stopTimeout=3)], "networkMode": "overlay"}
    assert "overlay" in refusal(boto.register_task_definition, **definition)["Error"]["Message"]
