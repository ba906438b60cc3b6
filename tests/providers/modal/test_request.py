from __future__ import annotations

import pytest

from providers.base import ConfigurationError, Job
from providers.modal.request import ImageSpec, Place, gpu_of, read

from .builders import a_job

OURS = {"managed-by": "push-dispatcher", "push-dispatcher-job": a_job().name}


def test_a_configuration_of_defaults_is_enough():
    spec = read(a_job(image=None, timeout=None, command=None))
    assert spec.place == Place()
    assert spec.image == ImageSpec(tag="python:3.12-slim")
    assert spec.options == {"timeout": 3600, "tags": OURS}


def test_numbers_may_be_written_as_text():
    options = read(a_job(cpu="0.25", memory="1024", timeout="60")).options
    assert (options["cpu"], options["memory"], options["timeout"]) == (0.25, 1024, 60)


def test_a_command_is_split_like_a_shell_does_and_a_list_stays():
    assert read(a_job(command="python -c 'print(1)'")).command == ("python", "-c", "print(1)")
    assert read(a_job(command=["a b", 1])).command == ("a b", "1")


@pytest.mark.parametrize("key", ["secret", "aws_secret", "gcp_secret", "registry_secret"])
def test_the_registrys_secret_goes_by_several_names(key):
    image = read(a_job(image={"tag": "x", key: "pull"})).image
    assert image == ImageSpec(tag="x", secret="pull")


def test_labels_are_cleaned_and_cut_and_cannot_replace_our_own():
    job = a_job(labels={"prefect.io/flow name": "ä" + "x" * 80, "empty": "", "managed-by": "me"})
    assert read(job).options["tags"] == {"prefect.io-flow-name": "-" + "x" * 62, **OURS}


def test_a_null_is_left_out_and_the_rest_is_written_as_json_writes_it():
    spec = read(a_job(environment={"A": "ours"}, env={"A": "theirs", "B": None, "C": 1, "D": True, "E": "True", "F": 1.5}))
    assert spec.variables == {"A": "theirs", "C": "1", "D": "true", "E": "True", "F": "1.5"}
    assert spec.own_variables == {"A": "ours"}
    assert read(a_job(command=["echo", True, 1])).command == ("echo", "true", "1")
    labelled = Job(name="r1", configuration={"labels": {"nightly": False}})
    assert read(labelled).options["tags"]["nightly"] == "false"


@pytest.mark.parametrize(
    ("value", "gpu"), [("T4", ("T4", 1)), ("h100:2", ("H100", 2)), ("A100-80GB", ("A100-80GB", 1)), (None, None)]
)
def test_a_gpu_is_a_kind_and_a_count(value, gpu):
    assert gpu_of({"gpu": value}) == gpu


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"timeout": 0}, "timeout: give a positive number, not 0"),
        ({"timeout": 1.5}, "timeout: give a whole number from 1 to 86400, not 1.5"),
        ({"memory": "much"}, "memory: give a positive number, not 'much'"),
        ({"cpu": True}, "cpu: give a positive number, not True"),
        ({"gpu": 1}, "gpu: give a text, not 1"),
        ({"gpu": "H100:0"}, "gpu: give a kind of GPU"),
        ({"gpu": ":2"}, "gpu: give a kind of GPU"),
        ({"gpu": "H100:many"}, "gpu: give a kind of GPU"),
        ({"env": {"A-B": "1"}}, "env: 'A-B' is not a name Modal accepts"),
        ({"env": {"A": {"b": 1}}}, "env.A: give a text, not dict"),
        ({"command": "echo 'open"}, "command: No closing quotation"),
        ({"command": {"a": 1}}, "command: give a text or a list of words"),
        ({"image": {"secret": "a"}}, "image: give a reference"),
        ({"image": {"tag": "x", "aws_secret": "a", "gcp_secret": "b"}}, "image: name one secret"),
        ({"secrets": [""]}, r"secrets\[0\]: give a name"),
        ({"secrets": {"a": 1}}, "secrets: give a list of names"),
        ({"pip_packages": [1]}, r"pip_packages\[0\]: give a name"),
        ({"env": ["A"]}, "env: give an object"),
        ({"modal_credentials": {"token_id": "ak-1"}}, "modal_credentials: give the name of an entry"),
    ],
)
def test_every_fault_names_its_field(configuration, message):
    with pytest.raises(ConfigurationError, match=message):
        read(a_job(**configuration))
