"""Sessions of the AWS SDK: apart in who they are, together in what they read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from providers.aws import new_session
from providers.aws_data import content, sdk_model

EC2 = "ec2/2016-11-15/service-2"
OPERATIONS = ["DescribeSubnets", "DescribeVpcs"]


def test_two_sessions_read_the_sdks_data_once():
    first, second = new_session(), new_session()
    assert first is not second
    model = first.get_component("data_loader").load_service_model("ecs", "service-2")
    assert second.get_component("data_loader").load_service_model("ecs", "service-2") is model


def test_the_service_model_is_the_one_that_the_sdks_sessions_load():
    assert sdk_model("ecs") is new_session().get_component("data_loader").load_service_model("ecs", "service-2")


def test_threads_that_want_a_file_at_the_same_time_read_it_once(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"shapes": {str(number): {} for number in range(10_000)}}))
    barrier = Barrier(16)

    def read(_: int) -> Any:
        barrier.wait()
        return content(str(tmp_path / "model"))

    with ThreadPoolExecutor(16) as executor:
        models = list(executor.map(read, range(16)))
    assert all(model is models[0] for model in models)


def test_a_model_is_the_sdks_but_for_its_documentation():
    sdks = json.loads(json.dumps(Loader().load_service_model("ecs", "service-2")))
    assert any("documentation" in shape for shape in sdks["shapes"].values())
    for shape in sdks["shapes"].values():
        for described in (shape, *shape.get("members", {}).values()):
            described.pop("documentation", None)
    assert sdk_model("ecs") == sdks


def test_data_of_ones_own_is_kept_apart(tmp_path, monkeypatch):
    usual = new_session().get_component("data_loader")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    own = new_session().get_component("data_loader")
    assert own is not usual
    assert own.search_paths[0] == str(tmp_path)


def test_an_unknown_service_is_refused_as_by_the_sdk():
    with pytest.raises(UnknownServiceError):
        new_session().create_client("no-such-service", region_name="eu-central-1")


def test_a_client_of_ec2_knows_no_more_than_what_is_asked_of_it():
    client = new_session().create_client("ec2", region_name="eu-central-1")
    assert client.meta.service_model.operation_names == OPERATIONS


def test_our_model_of_ec2_says_what_the_sdks_says():
    ours, sdks = new_session().get_component("data_loader").load_data(EC2), Loader().load_data(EC2)
    assert ours["metadata"] == sdks["metadata"]
    assert sorted(ours["operations"]) == OPERATIONS
    for kind in ("operations", "shapes"):
        for name, described in ours[kind].items():
            assert is_part_of(described, sdks[kind][name]), name


def is_part_of(part: Any, whole: Any) -> bool:
    """Whether everything in an object, at every depth, is in another one."""
    if isinstance(part, dict):
        return all(name in whole and is_part_of(value, whole[name]) for name, value in part.items())
    return bool(part == whole)
