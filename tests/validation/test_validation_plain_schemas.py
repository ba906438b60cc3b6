"""What is decided without a library is decided as `jsonschema` decides it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.plain_schemas import KEYWORDS, OPEN, decided
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
    return st.booleans() | st.fixed_dictionaries({}, optional=words)


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
def test_whatever_is_decided_the_library_decides_so_too(schema, value):
    verdict = decided(schema, value, schema)
    assert verdict is None or by_the_library(schema, value) in (verdict, None)


def test_each_keyword_of_the_draft_is_decided_here_or_left_to_the_library():
    assert set(BoundedValidator.VALIDATORS) == KEYWORDS.keys() | OPEN
    assert not KEYWORDS.keys() & OPEN


@pytest.mark.parametrize(
    ("schema", "value", "verdict"),
    [
        ({"type": "string", "minLength": 1}, "a", True),
        ({"type": ["integer", "null"]}, True, False),
        ({"enum": [1, "b"]}, 1.0, True),
        ({"enum": [1]}, True, False),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, False),
        ({"$ref": "#/definitions/x", "definitions": {"x": {"type": "integer"}}}, "a", False),
        ({"pattern": "^a"}, "a", None),
        ({"$ref": "#"}, 1, None),
        ({"type": "odd"}, 1, None),
        ({"items": {"type": "integer"}}, [1] * 3000, None),
    ],
)
def test_the_plain_part_is_decided_and_the_rest_is_left(schema, value, verdict):
    assert decided(schema, value, schema) is verdict
