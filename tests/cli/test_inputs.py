"""What people type, and how it is shown to them again: text stays text, whatever it looks like."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.cli.input.values import job_variable
from dispatcher.cli.output.views import as_typed

TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}", "labels": {"dir": "{{ dir }}"}},
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string", "default": "true"},
            "dir": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "env": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        },
    },
}
LOOKS_LIKE_NUMBERS = {
    "GIT_SHA": "83415e7",
    "RELEASE": "2024.10",
    "DEBUG": "false",
    "ZIP": "0123",
    "QUOTED": '"5"',
    "LIST": "[1]",
}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "null"))
def test_a_text_is_shown_as_it_would_be_typed(text):
    assert job_variable(f"x={as_typed(text)}") == ("x", text)


def test_a_value_that_is_not_text_is_shown_as_json():
    assert [as_typed(value) for value in (5, True, None, [1], "null")] == ["5", "true", "null", "[1]", '"null"']


@pytest.fixture
def with_pool(cli, a_file):
    cli.ok("work-pool", "create", "p", "--type", "process", "--base-job-template", a_file("t.json", TEMPLATE))
    return cli


def typed(variables):
    return [word for name, value in variables.items() for word in ("-jv", f"env.{name}={value}")]


def test_typed_environment_variables_arrive_byte_for_byte(with_pool):
    [run] = with_pool.ok("run", "create", "--pool", "p", *typed(LOOKS_LIKE_NUMBERS), "-jv", "env.GONE=null")
    stored = with_pool.ok("run", "inspect", run["id"])["job_variables"]
    assert stored == {f"env.{name}": value for name, value in LOOKS_LIKE_NUMBERS.items()} | {"env.GONE": None}


@pytest.mark.parametrize("words", ["2", "true", "2024.10", "83415e7", '"quoted"', "{}", "[", "NaN", "1e999", "9" * 5000])
def test_typed_words_stay_for_a_variable_of_text(with_pool, words):
    [run] = with_pool.ok("run", "create", "--pool", "p", "-jv", f"command={words}", "-jv", f"dir={words}")
    assert with_pool.ok("run", "inspect", run["id"])["job_variables"] == {"command": words, "dir": words}


def test_null_overrides_a_value(with_pool):
    with_pool.ok("deployment", "create", "d", "--pool", "p", "-jv", "dir=/tmp")
    [run] = [with_pool.ok("deployment", "run", "d", "-jv", "dir=null")]
    assert with_pool.ok("run", "inspect", run["id"])["job_variables"] == {"dir": None}


def test_deployments_keep_the_words_when_made_updated_and_run(with_pool):
    with_pool.ok("deployment", "create", "d", "--pool", "p", "-jv", "env.A=1e5")
    with_pool.ok("deployment", "update", "d", "-jv", "env.B=2024.10")
    assert with_pool.ok("deployment", "inspect", "d")["job_variables"] == {"env.A": "1e5", "env.B": "2024.10"}
    run = with_pool.ok("deployment", "run", "d", "-jv", "env.C=007")
    assert with_pool.ok("run", "inspect", run["id"])["job_variables"] == {"env.C": "007"}


def test_defaults_of_a_pool_keep_the_words(with_pool):
    with_pool.ok("work-pool", "update", "p", "-jv", "command=0123", "-jv", "env.RELEASE=2024.10")
    properties = with_pool.ok("work-pool", "inspect", "p")["base_job_template"]["variables"]["properties"]
    assert properties["command"]["default"] == "0123"
    assert properties["env"]["default"] == {"RELEASE": "2024.10"}


def test_numbers_in_json_given_in_place_or_in_a_file_keep_their_words(with_pool, a_file):
    text = '{"env": {"RELEASE": 2024.10, "SHA": 83415e7, "ON": true}, "command": 0.10}'
    for source in (text, a_file("v.json", text)):
        [run] = with_pool.ok("run", "create", "--pool", "p", "--job-variables", source)
        variables = with_pool.ok("run", "inspect", run["id"])["job_variables"]
        assert variables == {"env": {"RELEASE": "2024.10", "SHA": "83415e7", "ON": True}, "command": "0.10"}


def test_a_whole_env_is_an_object_whose_numbers_keep_their_words(with_pool):
    [run] = with_pool.ok("run", "create", "--pool", "p", "-jv", 'env={"A": 1.10, "B": null}')
    assert with_pool.ok("run", "inspect", run["id"])["job_variables"] == {"env": {"A": "1.10", "B": None}}


def test_a_template_in_json_keeps_the_words_of_its_texts(cli, a_file):
    text = json.dumps(TEMPLATE).replace('"default": "true"', '"default": 2024.10')
    cli.ok("work-pool", "create", "p", "--type", "process", "--base-job-template", a_file("t.json", text))
    properties = cli.ok("work-pool", "inspect", "p")["base_job_template"]["variables"]["properties"]
    assert properties["command"]["default"] == "2024.10"


def test_a_number_of_too_many_digits_is_a_fault_with_its_field(with_pool):
    said = with_pool("run", "create", "--pool", "p", "--job-variables", f'{{"dir": {"9" * 5000}}}')
    assert said.exit_code == 1
    assert said.errors[0].startswith("error: job_variables: the argument: is not JSON")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_brackets_without_end_are_a_fault_with_their_field(with_pool, opening):
    said = with_pool("run", "create", "--pool", "p", "--job-variables", "{" + '"x":' + opening * 3000)
    assert (said.exit_code, len(said.errors)) == (1, 1)
    assert said.errors[0].startswith("error: job_variables: ")
    typed_brackets = with_pool("run", "create", "--pool", "p", "-jv", f"env={opening * 3000}")
    assert typed_brackets.errors[0].startswith("error: env: must be an object")


def test_run_inspect_shows_objects_and_lists_as_json(cli):
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    [created] = cli.ok("run", "create", "--pool", "nightly", "-jv", "command=echo hello", "-jv", 'env={"A": "b", "C": null}')
    shown = cli("run", "inspect", created["id"]).out
    assert 'variable env      {"A": "b", "C": null}' in shown


def test_many_runs_of_the_longest_name_get_a_number_each(with_pool):
    runs = with_pool.ok("run", "create", "--pool", "p", "--name", "n" * 200, "--count", "11")
    assert sorted({run["name"][-4:] for run in runs})[:2] == ["n-10", "n-11"]
    assert {len(run["name"]) for run in runs} == {200}
