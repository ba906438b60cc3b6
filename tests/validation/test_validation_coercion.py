"""The schema decides what typed and written words are; spelling alone never does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.templates import render
from dispatcher.core.written import Typed, from_json, integer, number
from dispatcher.validation import coerced_template, coerced_variables

TEXT = {"type": "string"}
TEXT_OR_NUMBER = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
TEXT_OR_LIST = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
SMALL_OR_AUTO = {"oneOf": [{"type": "integer", "maximum": 9}, {"enum": ["auto"]}]}


def a_template(declared: Any) -> dict[str, Any]:
    properties = {"x": declared, "env": {"type": "object"}}
    return {
        "job_configuration": {"x": "{{ x }}", "env": "{{ env }}"},
        "variables": {"type": "object", "properties": properties, "definitions": {"text": TEXT}},
    }


def settled(declared: Any, value: Any) -> Any:
    coerced = coerced_variables(a_template(declared), {"x": value})["x"]
    assert type(coerced) in (str, int, float, bool, list, dict, type(None))
    return coerced


@pytest.mark.parametrize(
    ("declared", "words", "value"),
    [
        (TEXT, "2", "2"),
        (TEXT, "true", "true"),
        (TEXT, '"a"', '"a"'),
        (TEXT, "null", None),
        (TEXT, "[1]", "[1]"),
        ({"type": ["string", "null"]}, "1e5", "1e5"),
        ({"$ref": "#/definitions/text"}, "1e5", "1e5"),
        ({"allOf": [{"$ref": "#/definitions/text"}], "title": "X"}, "1e5", "1e5"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "2024.10", "2024.10"),
        ({"enum": ["1", "2"]}, "2", "2"),
        ({"type": "integer"}, "2", 2),
        ({"type": "integer"}, "two", "two"),
        ({"type": "number"}, "2.50", 2.5),
        ({"type": "number"}, "NaN", "NaN"),
        ({"type": "boolean"}, "true", True),
        ({"type": "array"}, "[1, 2.0]", [1, 2.0]),
        ({"type": "object"}, '{"a": 1.10}', {"a": 1.1}),
        ({"type": "object", "additionalProperties": TEXT}, '{"a": 1.10}', {"a": "1.10"}),
        ({"type": "array", "items": TEXT}, "[1.10]", ["1.10"]),
        ({"enum": [1, 2]}, "2", 2),
        ({"const": 2}, "2", 2),
        (TEXT_OR_NUMBER, "2", "2"),
        (TEXT_OR_LIST, '["a", 1.10]', ["a", "1.10"]),
        (TEXT_OR_LIST, "2", "2"),
        (SMALL_OR_AUTO, "2", 2),
        (SMALL_OR_AUTO, "auto", "auto"),
        (SMALL_OR_AUTO, "20", "20"),
        ({}, "2", 2),
        ({}, "true", True),
        ({}, "2024.10", "2024.10"),
        ({}, "83415e7", "83415e7"),
        (True, "2", 2),
        (TEXT, "[" * 3000, "[" * 3000),
        ({"type": "array"}, "[" * 3000, "[" * 3000),
    ],
)
def test_typed_words_get_the_type_that_the_schema_declares(declared, words, value):
    coerced = settled(declared, Typed(words))
    assert (coerced, type(coerced)) == (value, type(value))


@pytest.mark.parametrize(
    ("declared", "written", "value"),
    [
        (TEXT, integer("0123"), "0123"),
        (TEXT, number("2024.10"), "2024.10"),
        (TEXT, number("1e400"), "1e400"),
        (TEXT, True, True),
        ({"type": "integer"}, integer("0123"), 123),
        ({"type": "number"}, number("1e5"), 100000.0),
        (TEXT_OR_NUMBER, integer("007"), 7),
        (TEXT_OR_NUMBER, number("2024.10"), "2024.10"),
        ({}, integer("007"), 7),
    ],
)
def test_a_number_out_of_a_file_is_text_where_the_schema_takes_no_such_number(declared, written, value):
    coerced = settled(declared, written)
    assert (coerced, type(coerced)) == (value, type(value))


def test_dotted_names_lead_to_the_schema_of_a_field():
    declared = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": TEXT, "c": {"type": "integer"}}}}}
    typed = {"x.a.b": Typed("1"), "x.a.c": Typed("1"), "env.a.b": Typed("1"), "env.c": number("1.0")}
    assert coerced_variables(a_template(declared), typed) == {"x.a.b": "1", "x.a.c": 1, "env.a.b": "1", "env.c": "1.0"}


def test_a_name_that_is_not_declared_is_left_to_the_check():
    assert coerced_variables(a_template(TEXT), {"y": Typed("2")}) == {"y": 2}


def test_plain_values_come_back_as_they_are():
    variables = {"x": 5, "env": {"A": True}}
    assert coerced_variables(a_template(TEXT), variables) is variables


def test_a_template_out_of_a_file_keeps_the_words_of_its_texts():
    written = from_json(
        '{"job_configuration": {"env": {"ZIP": 1.10}, "cpu": 1.10}, "variables": {"properties": {'
        '"a": {"$ref": "#/definitions/t", "default": 2.50}, "b": {"type": "number", "default": 2.50},'
        '"c": {"type": "string", "enum": [1.10, 1.20], "default": 1.10}, "env": {"type": "object", "default": {"R": 3.10}}},'
        '"definitions": {"t": {"type": "string"}}}}'
    )
    coerced = coerced_template(written)
    defaults = {name: schema["default"] for name, schema in coerced["variables"]["properties"].items()}
    assert coerced["job_configuration"] == {"env": {"ZIP": "1.10"}, "cpu": 1.1}
    assert defaults == {"a": "2.50", "b": 2.5, "c": "1.10", "env": {"R": "3.10"}}
    assert coerced["variables"]["properties"]["c"]["enum"] == ["1.10", "1.20"]


@pytest.mark.parametrize("template", [None, [integer("1")], {"variables": integer("1")}, {"job_configuration": integer("1")}])
def test_an_invalid_template_is_left_to_the_check(template):
    coerced_template(template)


def test_a_boolean_in_the_environment_renders_as_json_has_it():
    variables = {"env": {"ON": True, "OFF": False, "N": 2.5, "BIG": 10**17}}
    rendered = render(a_template({}), variables)["env"]
    assert rendered == {"ON": "true", "OFF": "false", "N": "2.5", "BIG": "100000000000000000"}


@given(st.text())
def test_any_text_but_null_is_kept_where_text_is_taken(text):
    assert settled(TEXT, Typed(text)) == (None if text == "null" else text)
