"""What is decided without a library is decided as `jsonschema` decides it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core import plain_schemas
from dispatcher.core.plain_schemas import KEYWORDS, OPEN, decided, is_open
from dispatcher.validation.bounds import TooMuch, bounded
from dispatcher.validation.library import BoundedValidator

SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, -1.5]) | st.text("ab2026-01", max_size=11)
)
NAMES = st.sampled_from(["a", "b", "c/d", "e~f"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
SMALL = st.integers(0, 3)
REFERENCES = st.sampled_from(
    ["#/definitions/a", "#/definitions/b", "#/definitions/c~1d", "#/definitions/e~0f", "#/properties/a"]
)


def with_keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    words = {
        "type": KINDS | st.lists(KINDS, min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), st.integers(-2, 2)),
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), SMALL),
        "format": st.sampled_from(["date", "time", "date-time", "email", "ipv4", "ipv6", "uuid", "regex", "uri", "password"]),
        "required": st.lists(NAMES, max_size=2, unique=True),
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "additionalProperties": inner,
        "items": inner,
        "uniqueItems": st.booleans(),
        **dict.fromkeys(("allOf", "anyOf", "oneOf"), some),
        "not": inner,
        "$ref": REFERENCES,
        "pattern": st.just("^a"),
        "prefixItems": some,
        "title": st.just("a name"),
        "order": SMALL,
    }
    return st.lists(st.one_of(_keyword(word, argument) for word, argument in words.items()), max_size=3).map(dict)


def _keyword(word: str, argument: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(word), argument)


SCHEMAS = st.recursive(st.booleans() | st.builds(dict, type=KINDS), with_keywords, max_leaves=5)
ROOTS = st.builds(
    lambda root, definitions: {**(root if isinstance(root, dict) else {}), "definitions": definitions},
    SCHEMAS,
    st.fixed_dictionaries(dict.fromkeys(("a", "b", "c/d", "e~f"), SCHEMAS)),
)


def by_the_library(schema: Any, value: Any) -> bool | None:
    """None where the library gives no verdict either."""
    try:
        with bounded():
            return bool(BoundedValidator(schema).is_valid(value))
    except TooMuch:
        return None


@settings(max_examples=400, deadline=None)
@given(ROOTS, VALUES)
def test_every_verdict_agrees_with_the_library(schema, value):
    verdict = decided(schema, value, schema)
    assert verdict is None or by_the_library(schema, value) in (verdict, None)


def test_each_keyword_of_the_draft_is_decided_here_or_left_to_the_library():
    assert set(BoundedValidator.VALIDATORS) == KEYWORDS.keys() | OPEN
    assert not KEYWORDS.keys() & OPEN


A, B = {"type": "string"}, {"type": "integer"}
CASES = {
    "$ref": ({"$ref": "#/definitions/c~1d/allOf/0", "definitions": {"c/d": {"allOf": [A]}}}, ["a"], [1]),
    "type": ({"type": ["integer", "null"]}, [0, 2.0, None], [True, 2.5, "a"]),
    "enum": ({"enum": [1, "b", {}]}, [1.0, "b"], [True, "a"]),
    "const": ({"const": False}, [False], [0, None]),
    "format": ({"format": "date"}, ["2026-01-31", 5], ["31.1.2026"]),
    "minimum": ({"minimum": 2}, [2, 3.5, "a", True], [1]),
    "maximum": ({"maximum": 2}, [2, 1, "a"], [3]),
    "exclusiveMinimum": ({"exclusiveMinimum": 2}, [3, "a"], [2]),
    "exclusiveMaximum": ({"exclusiveMaximum": 2}, [1, "a"], [2]),
    "minLength": ({"minLength": 2}, ["aa", "aaa", 1, []], ["a"]),
    "maxLength": ({"maxLength": 2}, ["aa", "", 9, [1, 2, 3]], ["aaa"]),
    "minItems": ({"minItems": 2}, [[1, 2], [1, 2, 3], "a", {}], [[1]]),
    "maxItems": ({"maxItems": 2}, [[1, 2], [], "aaa"], [[1, 2, 3]]),
    "minProperties": ({"minProperties": 2}, [{"a": 1, "b": 1}, [], "a"], [{"a": 1}]),
    "maxProperties": ({"maxProperties": 1}, [{"a": 1}, {}, [1, 2]], [{"a": 1, "b": 1}]),
    "required": ({"required": ["a", "b"]}, [{"a": 1, "b": None}, [], "x"], [{"a": 1}, {}]),
    "properties": ({"properties": {"a": A, "b": B}}, [{"a": "x", "b": 1}, {"c": 1}, {}, 5], [{"a": 1, "b": 1}, {"b": "x"}]),
    "additionalProperties": (
        {"properties": {"a": A}, "additionalProperties": B},
        [{"a": "x", "b": 1, "c": 2}, {"a": "x"}, [], "x"],
        [{"b": 1, "c": "x"}],
    ),
    "items": ({"items": A}, [["a", "b"], [], {"a": 1}, 5], [["a", 1]]),
    "uniqueItems": ({"uniqueItems": True}, [[1, True, "1"], [], "aa"], [[1, 1.0], ["a", "b", "a"]]),
    "allOf": ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1, 2], [0, 3]),
    "anyOf": ({"anyOf": [{"maximum": 1}, {"minimum": 3}]}, [1, 3], [2]),
    "oneOf": ({"oneOf": [{"maximum": 3}, {"minimum": 1}]}, [0, 4], [2]),
    "not": ({"not": A}, [1], ["a"]),
}
"""By keyword: a schema, values that it allows, and values that it refuses."""


@pytest.mark.parametrize("word", CASES)
def test_each_keyword_is_decided_without_the_library_and_with_its_verdict(word):
    schema, good, bad = CASES[word]
    assert word in schema
    assert [decided(schema, value, schema) for value in (*good, *bad)] == [True] * len(good) + [False] * len(bad)
    assert [by_the_library(schema, value) for value in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


def test_there_is_a_case_for_each_keyword():
    assert CASES.keys() == KEYWORDS.keys()


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "array", "object", "null"])
@pytest.mark.parametrize("value", ["a", 1, 1.0, 1.5, True, [], {}, None], ids=repr)
def test_each_type_is_as_the_library_has_it(kind, value):
    assert decided({"type": kind}, value, {}) is by_the_library({"type": kind}, value)
    assert decided({"type": ["null", kind]}, value, {}) is by_the_library({"type": ["null", kind]}, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        *(({word: {}}, "a") for word in sorted(OPEN)),
        ({"$ref": "#"}, 1),
        ({"$ref": "other#/definitions/x"}, 1),
        ({"$ref": "#/definitions/a%25b", "definitions": {"a%25b": A}}, "a"),
        ({"$ref": "#/definitions/y", "definitions": {}}, 1),
        ({"type": "odd"}, 1),
        ({"format": "regex"}, "a"),
        ({"uniqueItems": True}, [[1], 2]),
        ({"enum": [1]}, {}),
        ({"items": A, "prefixItems": [B]}, [1, "a"]),
        ({"additionalProperties": False, "patternProperties": {"^a": A}}, {"ab": 1}),
        ({"type": "object"}, MappingProxyType({})),
    ],
)
def test_undecided_schemas_are_left_to_the_library(schema, value):
    assert decided(schema, value, schema) is None


@pytest.mark.parametrize(
    ("schema", "value", "taken"),
    [
        ({"title": "a"}, 1, 1),
        ({"allOf": [{"title": "a"}, {"title": "b"}]}, 1, 3),
        ({"enum": [1, 2, 3]}, 1, 4),
        ({"items": True}, [1, 2, 3], 4),
        ({"uniqueItems": True}, [1, 2, 3], 4),
    ],
)
def test_a_check_takes_no_more_steps_than_allowed(schema, value, taken, monkeypatch):
    for allowed, verdict in ((taken, True), (taken - 1, None)):
        monkeypatch.setattr(plain_schemas, "MAX_STEPS", allowed)
        assert decided(schema, value, schema) is verdict


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, False),
        ({"additionalProperties": False}, False),
        ({"additionalProperties": None, "unevaluatedProperties": False}, False),
        ({"additionalProperties": True}, True),
        ({"additionalProperties": {}}, True),
        ({"patternProperties": {"^a": {}}}, True),
        ({"additionalProperties": False, "unevaluatedProperties": {"type": "string"}}, True),
    ],
)
def test_a_schema_is_open_if_it_says_so_in_any_way(schema, expected):
    assert is_open(schema) is expected
