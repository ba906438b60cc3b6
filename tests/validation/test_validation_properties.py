"""Validation against arbitrary input: it raises its own errors only, and whatever it accepts renders."""

from copy import deepcopy

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher.core.templates import render
from dispatcher.errors import InvalidTemplate, InvalidVariables
from dispatcher.validation import check_base_job_template, check_job_variables

SOUND = {
    "job_configuration": {"env": "{{ env }}", "a": ["{{ a }}", "x{{ b }}"], "c": {"c": "{{ c }}"}, "f": {"x": "{{ a.x }}"}},
    "variables": {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "default": {"x": "1"}},
            "b": {"type": "string", "enum": ["p", "q"], "default": "p"},
            "c": {"allOf": [{"$ref": "#/definitions/C"}], "default": {"$ref": {"block_document_id": "1"}}},
            "d": {"anyOf": [{"$ref": "#/$defs/D"}, {"type": "null"}]},
            "env": {"type": "object", "additionalProperties": {"type": "string"}, "default": {"A": "1"}},
        },
        "definitions": {"C": {"type": "object", "block_type_slug": "c-credentials"}},
        "$defs": {"D": {"type": "array", "items": [{"type": "integer"}], "maxItems": 3}},
    },
}

KEYWORDS = ["type", "properties", "definitions", "default", "required", "items", "enum", "pattern", "allOf", "not", "minimum"]
REFERENCES = ["$ref", "$dynamicRef", "$id", "$anchor", "#/definitions/C", "#/definitions/Z", "#/properties/b/type", "#a", "#"]
NAMES = ["a", "b", "env", "", "(", "{{ a }}", "{{ z }}", "block_type_slug", "object", "string", "null", "http://["]
WORDS = st.sampled_from([*KEYWORDS, *REFERENCES, *NAMES])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**64) | st.floats() | WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def places(value, way=()):
    """The way to every place in a JSON value."""
    yield way
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from places(child, (*way, step))


def with_change(value, way, new):
    changed = deepcopy(value)
    inner = changed
    for step in way[:-1]:
        inner = inner[step]
    if not way:
        return new
    inner[way[-1]] = new
    return changed


def answers(check, refusal, *arguments):
    """True when `check` lets its arguments pass; anything but its own refusal is a bug."""
    try:
        check(*arguments)
    except refusal as error:
        problem = error
    else:
        return True
    assert problem.faults
    assert str(problem).isprintable()
    return False


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(places(SOUND), key=str)), ANYTHING, ANYTHING)
@example((), None, None)
@example(("variables", "properties", "b", "pattern"), "a{99999999999999}", {})
def test_a_template_changed_anywhere_is_refused_in_words_or_renders(way, new, variables):
    template = with_change(SOUND, way, new)
    if not answers(check_base_job_template, InvalidTemplate, template):
        return
    render(template, {})
    if answers(check_job_variables, InvalidVariables, template, variables):
        render(template, variables)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "a.x", "a.y", "b", "c", "d", "env", "env.A"]) | st.text(max_size=3), ANYTHING))
@example({"a\n": 1, "\ud800": 2})
@example({"env": {"\ud800": []}})
@example({"a.\n.": 1})
def test_variables_of_any_kind_are_refused_in_words_or_render(variables):
    if answers(check_job_variables, InvalidVariables, SOUND, variables):
        render(SOUND, variables)


def test_the_generated_cases_include_valid_and_invalid_input():
    assert answers(check_base_job_template, InvalidTemplate, SOUND)
    assert answers(check_job_variables, InvalidVariables, SOUND, {"a.x": "2", "b": "q", "d": [1], "env.A": 5})
    assert not answers(check_job_variables, InvalidVariables, SOUND, {"a.x": 2})
