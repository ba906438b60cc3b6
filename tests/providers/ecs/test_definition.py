from __future__ import annotations

import pytest

from providers.base import ConfigurationError
from providers.ecs.definition import definition_of, facts_of, family_of, main_container, slug
from providers.ecs.launch import Launch
from tests.providers.ecs.builders import a_configuration

FARGATE, EC2 = Launch(launch_type="FARGATE"), Launch(launch_type="EC2")
ROLE = "arn:aws:iam::123456789012:role/x"


def of(definition=None, launch=FARGATE, **configuration):
    content = {"containerDefinitions": [{"image": "busybox"}]} if definition is None else definition
    return definition_of({"task_definition": content, **configuration}, launch, "eu-west-1")


def containers(*items):
    return {"containerDefinitions": list(items)}


def test_equal_content_has_an_equal_family_whatever_the_order_of_its_keys():
    one = of(containers({"name": "a", "image": "i", "environment": {"X": "1", "Y": "2"}}))
    other = of(
        containers({"environment": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}], "image": "i", "name": "a"})
    )
    assert one == other


@pytest.mark.parametrize("change", [{"image": "other"}, {"cpu": 512}, {"family": "other"}, {"execution_role_arn": ROLE}])
def test_definitions_with_different_content_have_different_families(change):
    same, changed = (definition_of(a_configuration(**fields), FARGATE, "eu-west-1") for fields in ({}, change))
    assert same["family"] != changed["family"]


def test_a_family_keeps_to_its_characters_and_length():
    family = family_of({"family": "ünïcode and spaces/" + "x" * 300})
    assert len(family) <= 255
    assert family.replace("-", "").replace("_", "").isascii()
    assert slug("///") == "push-dispatcher"


def test_variables_of_one_run_are_not_part_of_the_definition():
    one, other = (a_configuration(command=text, env={"N": text}, labels={"n": text}) for text in "ab")
    assert definition_of(one, FARGATE, "r") == definition_of(other, FARGATE, "r")


@pytest.mark.parametrize(
    ("names", "name", "chosen"),
    [(["a", "b"], None, "a"), (["a", "prefect"], None, "prefect"), (["a", "prefect"], "a", "a")],
)
def test_the_main_container_is_the_wanted_one_else_prefect_else_the_first(names, name, chosen):
    assert main_container(names, name) == chosen


def test_a_wanted_container_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match="container_name: 'c' is not in the task definition, which has a, b"):
        main_container(["a", "b"], "c")


def test_a_container_without_a_name_gets_one():
    assert facts_of(of()).containers == ("prefect",)
    assert facts_of(of(container_name="main")).containers == ("main",)
    assert facts_of(of(containers({"name": "proxy", "image": "i"}, {"image": "i"}))).containers == ("proxy", "prefect")


def test_fargate_gets_task_sizes_as_text_awsvpc_and_its_compatibility():
    definition = of({**containers({"image": "i"}), "requiresCompatibilities": ["EC2"], "cpu": 512})
    assert (definition["cpu"], definition["memory"]) == ("512", "2048")
    assert definition["networkMode"] == "awsvpc"
    assert definition["requiresCompatibilities"] == ["EC2", "FARGATE"]


def test_fargate_in_another_network_mode_is_refused():
    with pytest.raises(ConfigurationError, match=r"task_definition\.networkMode: Fargate needs awsvpc, not 'bridge'"):
        of({**containers({"image": "i"}), "networkMode": "bridge"})


def test_outside_fargate_the_container_has_the_sizes():
    definition = of(launch=EC2)
    assert definition["containerDefinitions"][0] == {"image": "busybox", "name": "prefect", "cpu": 1024, "memory": 2048}
    assert not {"cpu", "memory", "networkMode", "requiresCompatibilities"} & definition.keys()


def test_a_reservation_stays_without_a_hard_limit():
    definition = of(containers({"image": "i", "memoryReservation": "128"}), EC2)
    assert definition["containerDefinitions"][0]["memoryReservation"] == 128
    assert "memory" not in definition["containerDefinitions"][0]


@pytest.mark.parametrize("knob", [{"subnets": ["s"]}, {"vpc_id": "v"}, {"network_configuration": {"subnets": ["s"]}}])
def test_a_network_on_ec2_means_awsvpc_but_not_on_external_machines(knob):
    assert of(launch=EC2, **knob)["networkMode"] == "awsvpc"
    assert "networkMode" not in of(launch=Launch(launch_type="EXTERNAL"), **knob)


def test_empty_values_go_and_empty_texts_of_variables_stay():
    definition = of(
        {
            **containers({"image": "i", "environment": {"EMPTY": "", "GONE": None}, "mountPoints": [], "linuxParameters": {}}),
            "taskRoleArn": "",
            "volumes": None,
        }
    )
    assert definition["containerDefinitions"][0] == {
        "image": "i",
        "name": "prefect",
        "environment": [{"name": "EMPTY", "value": ""}],
    }
    assert not {"taskRoleArn", "volumes"} & definition.keys()


def test_tags_and_commands_become_lists():
    definition = of({**containers({"image": "i", "entryPoint": "sh -c", "command": "a 'b c'"}), "tags": {"k": "v"}})
    assert definition["tags"] == [{"key": "k", "value": "v"}]
    assert definition["containerDefinitions"][0]["entryPoint"] == ["sh", "-c"]
    assert definition["containerDefinitions"][0]["command"] == ["a", "b c"]


def test_logs_need_an_execution_role_and_their_options_need_logs():
    with pytest.raises(ConfigurationError, match=r"configure_cloudwatch_logs: .* execution_role_arn"):
        of(configure_cloudwatch_logs=True)
    with pytest.raises(ConfigurationError, match="cloudwatch_logs_options: set configure_cloudwatch_logs"):
        of(cloudwatch_logs_options={"awslogs-group": "g"})


def test_logs_go_to_the_region_of_the_task():
    definition = of({**containers({"image": "i"}), "executionRoleArn": ROLE}, configure_cloudwatch_logs=True)
    options = definition["containerDefinitions"][0]["logConfiguration"]["options"]
    assert options["awslogs-region"] == "eu-west-1"
    assert options["awslogs-stream-prefix"] == "run"


def test_secrets_need_an_execution_role():
    with pytest.raises(ConfigurationError, match=r"secrets: .* execution_role_arn"):
        of(secrets={"A": "arn"})


def test_a_secret_takes_the_place_of_a_plain_variable_of_its_name():
    variables = {"image": "i", "environment": {"A": "plain"}, "secrets": {"B": "arn:b"}}
    definition = of({**containers(variables), "executionRoleArn": ROLE}, secrets={"A": "arn:a"})
    [container] = definition["containerDefinitions"]
    assert container["secrets"] == [{"name": "A", "valueFrom": "arn:a"}, {"name": "B", "valueFrom": "arn:b"}]
    assert "environment" not in container


def test_prefects_own_secrets_are_secrets():
    definition = of({**containers({"image": "i"}), "executionRoleArn": ROLE}, prefect_api_key_secret_arn="arn:k")
    assert definition["containerDefinitions"][0]["secrets"] == [{"name": "PREFECT_API_KEY", "valueFrom": "arn:k"}]


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("text", "task_definition: give an object, not text"),
        ({"containerDefinitions": {}}, None),
        ({"containerDefinitions": 3}, "task_definition.containerDefinitions: give a list, not a number"),
        (containers({"image": "i", "cpu": "much"}), r"task_definition.containerDefinitions\[0\].cpu: give a whole number"),
        (containers({"image": "i", "command": "'open"}), r"containerDefinitions\[0\].command: cannot be split like a shell"),
    ],
)
def test_a_wrong_shape_names_its_path(definition, words):
    with pytest.raises(ConfigurationError, match=words or "image: is missing"):
        of(definition)
