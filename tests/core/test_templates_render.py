import json
from copy import deepcopy
from functools import reduce

import pytest

from dispatcher.core.placeholders import MAX_DEPTH
from dispatcher.core.templates import is_block_reference, names_block, nest, render, resolve, with_defaults
from dispatcher.errors import RenderError


def a_template(configuration, **defaults):
    properties = {name: {"default": value} for name, value in defaults.items()}
    return {"job_configuration": configuration, "variables": {"type": "object", "properties": properties}}


ENV = {"env": "{{ env }}"}

# (job configuration, defaults, job variables, outcome)
CASES = [
    ({"cpu": "{{ cpu }}"}, {"cpu": 4}, {}, {"cpu": 4}),
    ({"cpu": "{{ cpu }}"}, {"cpu": 4}, {"cpu": 8}, {"cpu": 8}),
    ({"cpu": "{{ cpu }}"}, {"cpu": 4}, {"cpu": None}, {}),
    ({"s": {"a": "{{ cpu }}"}}, {"cpu": None}, {}, {"s": {}}),
    ({"s": {"a": "{{ c }}", "b": {"c": "{{ c }}"}}, "l": ["{{ c }}"]}, {}, {}, {"s": {"b": {}}, "l": []}),
    ({"cpu": "{{ cpu }}", "s": "{{ cpu }}m"}, {}, {"cpu": 2}, {"cpu": 2, "s": "2m"}),
    ({"cpu": "{{ cpu }}"}, {}, {"nope": 1}, {}),
    (ENV, {"env": {"A": "1", "B": "2"}}, {"env": {"B": "x", "C": "3"}}, {"env": {"A": "1", "B": "x", "C": "3"}}),
    (
        {"env": {"FIX": "f", "B": "jc"}},
        {"env": {"A": "1", "B": "2"}},
        {"env": {"D": "x"}},
        {"env": {"FIX": "f", "B": "2", "A": "1", "D": "x"}},
    ),
    ({"env": {"X": "{{ x }}", "Y": "y"}}, {}, {}, {"env": {"Y": "y"}}),
    (ENV, {"env": {"A": "1", "B": "2"}}, {"env.C": "3"}, {"env": {"A": "1", "B": "2", "C": "3"}}),
    (
        ENV,
        {"env": {"A": "1", "B": "2"}},
        {"env.B": "dot", "env.Z": "z", "env": {"B": "nest"}},
        {"env": {"A": "1", "B": "nest", "Z": "z"}},
    ),
    ({"d": "{{ d }}"}, {"d": {"a": 1, "b": 2}}, {"d.a": 9}, {"d": {"a": 9}}),
    ({"d": "{{ d }}"}, {"d": {"a": 1, "b": 2}}, {"d": {"a": 9}}, {"d": {"a": 9}}),
    ({"d": "{{ d }}"}, {}, {"d.a.b": 1, "d.a.c": 2}, {"d": {"a": {"b": 1, "c": 2}}}),
    ({"d": "{{ d }}"}, {}, {"d.a": 1, "d": {"a": 3, "b": 2}}, {"d": {"a": 3, "b": 2}}),
    ({"labels": "{{ labels }}"}, {"labels": {"a": "1"}}, {"labels": {"b": "2"}}, {"labels": {"b": "2"}}),
    ({"l": "{{ l }}"}, {"l": [1]}, {"l": []}, {"l": []}),
    ({"s": "{{ s }}"}, {"t": "T"}, {"s": "i:{{ t }}"}, {"s": "i:{{ t }}"}),
    ({"s": "literal"}, {}, {"s": "x"}, {"s": "literal"}),
    (ENV, {}, {"env": {"A": 1, "B": True, "C": 2.5}}, {"env": {"A": "1", "B": "true", "C": "2.5"}}),
    (ENV, {"env": {"A": 1}}, {"env": {"A": None}}, {"env": {}}),
    (ENV, {}, {}, {}),
    (ENV, {"env": {"A": 1}}, {"env": None}, {"env": {"A": "1"}}),
    (ENV, {}, {"env": None, "env.A": 1}, {"env": {"A": "1"}}),
    (ENV, {}, {"env.spring.profile": "x"}, {"env": {"spring.profile": "x"}}),
    ({"env": {"A": "fixed", "N": None, "I": 5}}, {}, {"env": {"A": None}}, {"env": {"I": "5"}}),
    ({"v": "{{ env.A }}", "t": "<{{ env.A }}>"}, {"env": {"A": 1}}, {}, {"v": "1", "t": "<1>"}),
]


@pytest.mark.parametrize(("configuration", "defaults", "variables", "outcome"), CASES)
def test_a_job_configuration_is_filled_from_defaults_and_variables(configuration, defaults, variables, outcome):
    assert render(a_template(configuration, **defaults), variables) == outcome


# (defaults, deployment's, run's, outcome) for `{"env": ..., "d": "{{ d }}", "cpu": "{{ cpu }}"}`
LEVELS = [
    ({"env": {"A": 1}}, {"env": {"B": "2", "A": "d"}}, {"env": {"C": "3", "B": "r"}}, {"env": {"A": "d", "B": "r", "C": "3"}}),
    ({"d": {"a": 1}}, {"d": {"b": 2}}, {"d": {"c": 3}}, {"d": {"c": 3}}),
    ({"d": {"a": 1}}, {"d": {"b": 2}}, {"d.c": 3}, {"d": {"c": 3}}),
    ({}, {"d.a": 1}, {"d.b": 2}, {"d": {"b": 2}}),
    ({"cpu": 1}, {"cpu": 2}, {}, {"cpu": 2}),
    ({"cpu": 1}, {"cpu": 2}, {"cpu": None}, {}),
    ({"cpu": 1}, {"cpu": None}, {}, {}),
    ({"cpu": 1}, {"cpu": None}, {"cpu": 3}, {"cpu": 3}),
    ({}, {"env": {"X": "dep"}}, {"env": None}, {"env": {"X": "dep"}}),
    ({}, {"env": {"X": "dep"}}, {"env": {"X": None}}, {"env": {}}),
    ({"env": {"X": "pool"}}, {"env": {"X": None}}, {"env": {"X": "run"}}, {"env": {"X": "run"}}),
]  # fmt: skip


@pytest.mark.parametrize(("defaults", "deployment", "run", "outcome"), LEVELS)
def test_pool_default_gives_way_to_deployment_and_deployment_to_run(defaults, deployment, run, outcome):
    template = a_template({**ENV, "d": "{{ d }}", "cpu": "{{ cpu }}"}, **defaults)
    assert render(template, run, deployment_variables=deployment) == outcome


@pytest.mark.parametrize("deployment", [{"env": {"X": "deployment"}}, {"env.X": "deployment"}])
@pytest.mark.parametrize("run", [{"env": {"X": "run"}}, {"env.X": "run"}])
def test_a_run_overrides_its_deployment_in_every_spelling(deployment, run):
    assert render(a_template(ENV), run, deployment_variables=deployment) == {"env": {"X": "run"}}


def test_every_env_placeholder_sees_the_merged_environment():
    template = a_template({"env": "{{ env }}", "d": {"e": "{{ env }}"}}, env={"A": "1", "B": "2"})
    filled = render(template, {"env": {"C": "3"}})
    assert filled["env"] == filled["d"]["e"] == {"A": "1", "B": "2", "C": "3"}


@pytest.mark.parametrize("default", [{}, {"A": "1"}])
def test_values_of_the_environment_are_never_filled_with_or_without_a_default(default):
    template = a_template({**ENV, "e": ["{{ env }}"]}, env=default, t="T")
    variables = {"env": {"Z": "v-{{ t }}", "Y": "{{ $HOME }}", "X": "{{ t }}"}}
    filled = render(template, variables)
    assert filled["env"] == {**default, **variables["env"]}
    assert filled["e"] == [filled["env"]]


def test_values_merged_into_a_fixed_environment_are_not_filled_either():
    template = a_template({"env": {"FIXED": "{{ t }}"}}, t="T", env={"A": "{{ t }}"})
    assert render(template, {"env": {"B": "{{ t }}"}})["env"] == {"A": "{{ t }}", "B": "{{ t }}", "FIXED": "T"}


@pytest.mark.parametrize("value", [{"x": 1}, [1]])
def test_an_environment_variable_holds_no_object_or_list(value):
    with pytest.raises(RenderError, match=r"^env\.D: must be text"):
        render(a_template(ENV), {"env": {"D": value}})
    with pytest.raises(RenderError, match=r"^env\.D: must be text"):
        render(a_template({"env": {"D": "{{ d }}"}}, d=value), {})


def test_an_environment_is_an_object():
    with pytest.raises(RenderError, match=r"^env: must be an object"):
        render(a_template(ENV), {"env": ["A=1"]})


@pytest.mark.parametrize("variables", [{"d": 5, "d.a": 1}, {"d.a": 1, "d.a.b": 2}, {"d": None, "d.a": 1}])
def test_two_spellings_that_exclude_each_other_are_an_error_that_names_the_variable(variables):
    with pytest.raises(RenderError, match=r"^d(\.a)?: is given both whole and in parts"):
        nest(variables)


@pytest.mark.parametrize("name", ["d.", ".a", "a..b", "env.", "."])
def test_a_dotted_name_with_an_empty_part_is_an_error(name):
    with pytest.raises(RenderError, match="has an empty part between its dots"):
        nest({name: 1})


def test_inputs_are_never_changed_and_never_shared():
    inputs = [
        a_template({"env": {"F": "f"}, "d": "{{ d }}"}, env={"A": "1"}, d={"l": [1]}),
        {"env": {"B": "2"}, "env.C": "3", "d.a": {"b": [1]}, "d.a.c": 2},
        {"env": {"D": "4"}},
    ]
    before = deepcopy(inputs)
    filled = render(inputs[0], inputs[1], deployment_variables=inputs[2])
    assert filled["d"] == {"a": {"b": [1], "c": 2}}
    filled["d"]["a"]["b"].append(0)
    filled["env"].clear()
    assert inputs == before


def test_equal_inputs_render_to_equal_bytes():
    template = a_template({"b": "{{ env }}", "a": "{{ d }}"}, env={"X": 1, "A": 2}, d={"z": 1, "y": 2})
    turned = a_template({"a": "{{ d }}", "b": "{{ env }}"}, d={"y": 2, "z": 1}, env={"A": 2, "X": 1})
    one = render(template, {"env": {"M": "1", "B": "2"}}, deployment_variables={"env": {"Q": "1"}})
    other = render(turned, {"env": {"B": "2", "M": "1"}}, deployment_variables={"env": {"Q": "1"}})
    assert json.dumps(one) == json.dumps(other)


def test_resolve_gives_the_values_behind_a_job():
    template = a_template({"x": 1}, cpu=1, env={"A": 1})
    assert resolve(template, {"cpu": None, "d.a": 1}, deployment_variables={"env.B": True}) == {
        "d": {"a": 1},
        "env": {"A": "1", "B": "true"},
    }


BLOCK = {"type": "object", "block_type_slug": "aws-credentials"}
REFERENCE = {"$ref": {"block_document_id": "8a7fcf5e-0d3a-4e5b-8f04-5c5a4b0ff7a1"}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/definitions/Aws"},
        {"$ref": "#/$defs/Aws"},
        {"allOf": [{"$ref": "#/definitions/Aws"}]},
        {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Aws"}]},
        {"oneOf": [{"$ref": "#/definitions/Aws"}]},
        BLOCK,
    ],
)
@pytest.mark.parametrize("default", [REFERENCE, "{{ prefect.blocks.aws-credentials.prod }}"])
def test_a_default_that_refers_to_a_prefect_block_is_left_out(schema, default):
    variables = {"properties": {"c": {**schema, "default": default}}, "definitions": {"Aws": BLOCK}, "$defs": {"Aws": BLOCK}}
    template = {"job_configuration": {"c": "{{ c }}"}, "variables": variables}
    assert render(template, {}) == {}
    assert render(template, {"c": "production"}) == {"c": "production"}


@pytest.mark.parametrize("schema", [{"type": "string"}, {"$ref": "#/definitions/Other"}, {"$ref": "#/elsewhere"}, True])
def test_a_variable_that_refers_to_no_block_names_none(schema):
    assert not names_block(schema, {"definitions": {"Other": {"type": "object"}}})


def test_only_what_prefect_stores_for_a_block_is_a_block_reference():
    assert is_block_reference(REFERENCE)
    assert not is_block_reference({"$ref": "#/definitions/X"})
    assert not is_block_reference({"block_document_id": "x"})
    assert not is_block_reference("prefect.blocks.secret.s")
    assert not is_block_reference(5)


def test_defaults_are_laid_over_those_that_a_template_has():
    template = {
        "job_configuration": {"image": "{{ image }}", "env": "{{ env }}", "cpu": "{{ cpu }}"},
        "variables": {
            "type": "object",
            "properties": {
                "image": {"type": "string"},
                "cpu": {"type": "integer", "default": 1},
                "env": {"type": "object", "default": {"A": "1", "B": "2"}},
            },
        },
    }
    changed = with_defaults(template, {"image": "busybox", "env": {"B": "3"}, "env.C": "4"})
    assert render(changed, {}) == {"image": "busybox", "cpu": 1, "env": {"A": "1", "B": "3", "C": "4"}}
    assert render(changed, {"image": "own"})["image"] == "own"
    assert template["variables"]["properties"]["image"] == {"type": "string"}, "what was given is left as it is"


def test_a_template_is_rendered_with_the_values_of_the_run():
    template = {"job_configuration": {"a": "{{ dispatcher.attempt }}"}, "variables": {}}
    assert render(template, {}, own={"attempt": 7}) == {"a": 7}


def test_a_dotted_name_nests_as_deep_as_a_value_may():
    deepest = ".".join(["a"] * MAX_DEPTH)
    assert nest({deepest: 1}) == reduce(lambda inner, name: {name: inner}, ["a"] * MAX_DEPTH, 1)
    with pytest.raises(RenderError, match=f"nests more than {MAX_DEPTH} levels deep; flatten it"):
        nest({f"{deepest}.a": 1})
    assert nest({f"env.{deepest}.a": 1}) == {"env": {f"{deepest}.a": 1}}, "dots in the name of an environment variable"


def test_a_template_is_rendered_with_the_parameters_of_the_run():
    template = {"job_configuration": {"day": "{{ parameters.day }}"}, "variables": {}}
    assert render(template, {}, parameters={"day": 7}) == {"day": 7}


def test_a_template_with_a_variable_named_parameters_keeps_it():
    template = a_template({"p": "{{ parameters }}"}, parameters="its own")
    assert render(template, {}, parameters={"day": 7}) == {"p": "its own"}
