"""Sample values of variables: one that the schema may take, or none."""

from typing import Any

import pytest

from dispatcher.core.placeholders import MISSING
from dispatcher.core.samples import sample, samples

VARIABLES = {
    "properties": {"size": {"default": 2}},
    "definitions": {"size": {"default": 3}, "loop": {"$ref": "#/definitions/loop"}},
    "$defs": {"size": {"default": 4}},
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "sample"),
        ({}, "sample"),
        ({"type": "integer"}, 1),
        ({"type": "number"}, 1),
        ({"type": "boolean"}, True),
        ({"type": "array"}, ["sample"]),
        ({"type": "object"}, {"sample": "sample"}),
        ({"type": ["null", "integer"]}, 1),
        ({"type": ["boolean", "string"]}, True),
        ({"type": "null"}, MISSING),
        ({"type": None}, MISSING),
        (True, MISSING),
        ({"type": "integer", "minimum": 5, "maximum": 9}, 5),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "string", "minimum": 5}, "sample"),
        ({"default": "default", "examples": ["example"]}, "default"),
        ({"default": None, "examples": [None, "first", "second"], "enum": ["choice"]}, "first"),
        ({"enum": ["first", "second"]}, "first"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"allOf": [{"type": "boolean"}]}, True),
        ({"oneOf": [{"type": "array"}, {"type": "integer"}]}, ["sample"]),
        ({"$ref": "#/definitions/size"}, 3),
        ({"$ref": "#/$defs/size"}, 4),
        ({"$ref": "#/definitions/loop"}, "sample"),
        ({"$ref": "#/definitions/other"}, "sample"),
        ({"$ref": "#/definitions/size/default"}, "sample"),
        ({"$ref": "#/properties/size"}, "sample"),
    ],
)
def test_a_sample_comes_from_the_default_an_example_the_choices_or_the_type(schema: Any, value: Any):
    taken = sample(schema, VARIABLES)
    assert (type(taken), taken) == (type(value), value)


def test_eight_schemas_are_followed_on_the_way_to_a_value():
    assert [sample(nested(schemas), {}) for schemas in (8, 9)] == [7, "sample"]


def nested(schemas: int) -> dict[str, Any]:
    return {"default": 7} if schemas == 1 else {"allOf": [nested(schemas - 1)]}


def test_every_variable_that_can_have_a_sample_has_one():
    assert samples({"properties": {"text": {}, "nothing": {"type": "null"}}}) == {"text": "sample"}
    assert samples({}) == {}
