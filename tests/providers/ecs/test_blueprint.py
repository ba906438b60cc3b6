from __future__ import annotations

import pytest

from providers.base import ConfigurationError
from providers.ecs.blueprint import blueprint_of
from tests.providers.ecs.builders import a_configuration


def of(**variables):
    return blueprint_of(a_configuration(**variables), "eu-west-1")


def test_runs_that_differ_in_what_is_their_own_share_it():
    one, other = (of(command=text, env={"N": text}, labels={"n": text}, name=text) for text in "ab")
    assert one is other


@pytest.mark.parametrize("change", [{"image": "other"}, {"cpu": 512}, {"launch_type": "EC2"}, {"subnets": ["subnet-1"]}])
def test_any_change_of_its_parts_makes_another_blueprint(change):
    assert of() != of(**change)


def test_another_region_makes_another_blueprint():
    assert of() is not blueprint_of(a_configuration(), "eu-west-2")


def test_one_and_true_are_not_the_same():
    """They are equal in Python, and ECS takes one of them."""
    configuration = a_configuration()
    definition = configuration["task_definition"]
    [container] = definition["containerDefinitions"]

    def changed(value):
        return {
            **configuration,
            "task_definition": {**definition, "containerDefinitions": [{**container, "privileged": value}]},
        }

    assert blueprint_of(changed(True), "eu-west-1")[0]["containerDefinitions"][0]["privileged"] is True
    with pytest.raises(ConfigurationError, match="privileged: give true or false, not 1"):
        blueprint_of(changed(1), "eu-west-1")


def test_a_fault_is_reported_each_time():
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="image: is missing"):
            of(image=None)
