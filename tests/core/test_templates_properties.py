import json
from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.templates import MISSING, fill, nest, placeholders, render

NAMES = st.sampled_from(["a", "b", "c", "d-e", "env"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=12) | st.sampled_from(["{{ a }}", "x{{ b }}y", "{{{ a }}}", "{{ b", "}} {{ c }}"])


def json_values(texts):
    return st.recursive(
        SCALARS | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    )


PLAIN = json_values(st.text(max_size=12).filter(lambda text: "{{" not in text))
VALUES = st.dictionaries(NAMES, json_values(TEXTS), max_size=5)
TEMPLATES = json_values(TEXTS)
ENVIRONMENTS = st.dictionaries(st.sampled_from("ABCD"), TEXTS | st.integers() | st.booleans() | st.none(), max_size=4)
LEVELS = st.fixed_dictionaries({}, optional={"a": json_values(TEXTS), "b": SCALARS, "env": ENVIRONMENTS | st.none()})


def a_template(configuration, defaults):
    return {
        "job_configuration": configuration,
        "variables": {"properties": {name: {"default": value} for name, value in defaults.items()}},
    }


WHOLE = {"a": "{{ a }}", "b": ["{{ b }}"], "env": "{{ env }}", "deep": {"env": "{{ env }}"}}


@settings(deadline=None)
@given(PLAIN, VALUES)
def test_a_template_without_placeholders_is_filled_to_itself(template, values):
    assert placeholders(template) == ()
    assert fill(template, values) == template


@settings(deadline=None)
@given(TEXTS)
def test_a_value_comes_out_byte_for_byte(text):
    values = {"a": text, "b": "B"}
    assert fill("{{ a }}", values) == text
    assert fill("<{{ a }}|{{ b }}|{{ a }}>", values) == f"<{text}|B|{text}>"


@settings(deadline=None)
@given(json_values(TEXTS))
def test_a_whole_value_comes_out_as_it_is(value):
    filled = fill({"k": "{{ a }}"}, {"a": value})
    assert json.dumps(filled["k"], sort_keys=True) == json.dumps(value, sort_keys=True)


@settings(max_examples=60, deadline=None)
@given(LEVELS, LEVELS, LEVELS)
def test_rendering_changes_no_input_and_repeats_byte_for_byte(defaults, deployment, run):
    template = a_template(WHOLE, defaults)
    before = deepcopy((template, deployment, run))
    first = render(template, run, deployment_variables=deployment)
    assert (template, deployment, run) == before
    again = render(deepcopy(template), deepcopy(run), deployment_variables=deepcopy(deployment))
    assert json.dumps(first) == json.dumps(again)


@settings(max_examples=60, deadline=None)
@given(LEVELS, LEVELS, LEVELS)
def test_the_last_level_that_sets_a_variable_decides(defaults, deployment, run):
    filled = render(a_template(WHOLE, defaults), run, deployment_variables=deployment)
    expected = {name: value for name, value in defaults.items() if value is not None}
    for name, seen in (("a", filled.get("a", MISSING)), ("b", filled["b"][0] if filled["b"] else MISSING)):
        last = next((level[name] for level in (run, deployment, expected) if name in level), None)
        assert seen == (MISSING if last is None else last)


@settings(max_examples=60, deadline=None)
@given(LEVELS, LEVELS, LEVELS)
def test_the_environment_is_merged_name_by_name_and_is_text(defaults, deployment, run):
    filled = render(a_template(WHOLE, defaults), run, deployment_variables=deployment)
    merged: dict[str, object] = {}
    for level in (defaults, deployment, run):
        merged.update(level.get("env") or {})
    expected = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in merged.items() if value is not None
    }
    assert filled.get("env", {}) == expected
    assert filled["deep"].get("env", {}) == expected


@settings(deadline=None)
@given(st.dictionaries(NAMES.filter(lambda name: name != "env"), SCALARS, max_size=4))
def test_names_without_dots_nest_to_themselves(variables):
    assert nest(variables) == variables


@settings(deadline=None)
@given(st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=4), SCALARS)
def test_a_dotted_name_and_the_placeholder_of_the_same_name_meet(parts, value):
    name = ".".join(["root", *parts])
    assert fill(f"{{{{ {name} }}}}", nest({name: value})) == value
