"""A check ends soon, and what it cannot check is a fault with its field. Without bounds, no test here would end."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.validation import check_base_job_template, check_job_variables
from dispatcher.validation.bounds import TooMuch, bounded, is_pattern, matches
from dispatcher.validation.library import BoundedValidator


def a_template(definitions: Any = None, **properties: Any) -> dict[str, Any]:
    return {
        "job_configuration": {"command": "true"},
        "variables": {"type": "object", "properties": properties, "definitions": definitions or {}},
    }


def doubling(word: str, levels: int, last: Any) -> dict[str, Any]:
    """Definitions, each of which asks twice for the next."""
    return {
        str(level): {word: [{"$ref": f"#/definitions/{level + 1}"}] * 2} if level < levels else last
        for level in range(levels + 1)
    }


def faults_of_template(template: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        check_base_job_template(template)
    return {fault.path: fault.message for fault in refused.value.faults}


def faults_of(template: Any, **variables: Any) -> dict[str, str]:
    check_base_job_template(template)
    with pytest.raises(InvalidInput) as refused:
        check_job_variables(template, variables)
    return {fault.path: fault.message for fault in refused.value.faults}


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^(.*a){25}$", r"^(a*)*\1$", "^(?:a?){40}a{40}$"])
def test_a_pattern_that_backtracks_without_end_names_the_variable(pattern):
    [field] = faults_of(a_template(x={"type": "string", "pattern": pattern}), x="a" * 39 + "!")
    assert field == "x"


def test_a_default_that_such_a_pattern_looks_at_is_a_fault_of_the_template():
    declared = {"type": "string", "pattern": "^(a|aa)+$", "default": "a" * 60 + "!"}
    assert list(faults_of_template(a_template(x=declared))) == ["variables.properties.x.default"]


def test_names_are_matched_with_patterns_within_the_same_bounds():
    declared = {"type": "object", "patternProperties": {"^(a|aa)+$": {"type": "string"}}, "additionalProperties": False}
    [field] = faults_of(a_template(x=declared), x={"a" * 60 + "!": "y"})
    assert field.startswith("x")


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "[", "a" * 2000, "(?P<x>a)(?P=y)"])
def test_an_invalid_pattern_is_a_fault_of_the_template(pattern):
    assert not is_pattern(pattern)
    messages = faults_of_template(a_template(x={"type": "string", "pattern": pattern}))
    assert list(messages) == ["variables.properties.x.pattern"]


def test_a_value_that_should_be_a_pattern_but_is_not_is_a_fault():
    assert list(faults_of(a_template(x={"type": "string", "format": "regex"}), x="a{99999999999}")) == ["x"]


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_references_that_double_are_a_fault_of_the_template(word):
    template = a_template(doubling(word, 26, {"type": "string"}), x={"$ref": "#/definitions/0"})
    [(field, words)] = faults_of_template(template).items()
    assert field.startswith("variables.properties.x")
    assert "unfolds to more than" in words


def test_references_that_double_within_a_list_are_stopped_when_a_value_is_checked():
    definitions = {"0": {"items": {"allOf": [{"$ref": "#/definitions/0"}] * 2}}}
    nested: Any = "x"
    for _ in range(30):
        nested = [nested]
    [(field, words)] = faults_of(a_template(definitions, x={"$ref": "#/definitions/0"}), x=nested).items()
    assert field == "x"
    assert "too many steps" in words


def test_a_chain_of_references_is_followed_only_so_far():
    definitions = {str(n): {"$ref": f"#/definitions/{n + 1}"} for n in range(500)} | {"500": {"type": "string"}}
    [words] = faults_of_template(a_template(definitions, x={"$ref": "#/definitions/0"})).values()
    assert "through more than" in words


def test_many_objects_are_found_to_be_unique():
    template = a_template(x={"type": "array", "uniqueItems": True})
    check_job_variables(template, {"x": [{"n": n} for n in range(5000)]})
    assert faults_of(template, x=[{"n": 1}, {"n": 2}, {"n": 1.0}]) == {"x": "must not hold the same item twice (got a list)"}
    check_job_variables(template, {"x": [1, True, "1", [1], {"1": 1}]})


def test_more_values_than_can_be_compared_are_a_fault():
    common = {"const": [[n] for n in range(8000)]}
    template = a_template({"c": common}, x={"allOf": [{"$ref": "#/definitions/c"}] * 200})
    assert list(faults_of(template, x=[[n] for n in range(8000)])) == ["x"]


def test_the_faults_of_a_required_list_of_many_objects_take_few_lines():
    template = a_template(x={"type": "object", "required": [{"n": n} for n in range(9000)]})
    with pytest.raises(InvalidInput) as refused:
        check_base_job_template(template)
    assert 0 < len(refused.value.faults) <= 101


def test_an_address_within_a_schema_is_a_fault_at_its_place():
    declared = {"$id": "https://example.com/x", "properties": {"y": {"$ref": "#/definitions/y"}}}
    messages = faults_of_template(a_template({"y": {"type": "string"}}, x=declared))
    assert list(messages) == ["variables.properties.x.$id"]


def test_a_schema_may_say_where_it_comes_from():
    template = a_template({"y": {"type": "string"}}, x={"$ref": "#/definitions/y"})
    template["variables"] |= {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/x"}
    template["variables"]["properties"]["x"]["$schema"] = "http://json-schema.org/draft-03/schema#"
    assert faults_of(template, x=1) == {"x": "must be text (got 1)"}


def test_a_circle_under_items_is_a_fault_of_the_template():
    definitions = {"c": {"allOf": [{"$ref": "#/definitions/c"}]}}
    template = a_template(definitions, x={"type": "array", "items": {"$ref": "#/definitions/c"}, "default": [1]})
    [(field, words)] = faults_of_template(template).items()
    assert field == "variables.properties.x.items"
    assert "without end" in words


def test_a_recursive_schema_is_accepted():
    tree = {"type": "object", "properties": {"inner": {"type": "array", "items": {"$ref": "#/definitions/tree"}}}}
    template = a_template({"tree": tree}, x={"$ref": "#/definitions/tree", "default": {"inner": [{"inner": []}]}})
    check_base_job_template(template)
    assert list(faults_of(template, x={"inner": [{"inner": [3]}]})) == ["x.inner[0].inner[0]"]


def test_a_template_of_very_many_variables_is_refused():
    assert list(faults_of_template(a_template(**{f"v{n}": {} for n in range(9000)}))) == ["variables"]


@pytest.mark.parametrize("format_", ["idn-hostname", "uri", "date-time", "uuid", "duration"])
def test_a_long_text_has_no_format(format_):
    assert list(faults_of(a_template(x={"type": "string", "format": format_}), x="1" * 100_000)) == ["x"]


def test_any_error_of_the_validation_library_is_reported_as_uncheckable():
    validator = BoundedValidator({"multipleOf": "x"})
    with pytest.raises(TooMuch, match="cannot be checked"), bounded():
        list(validator.iter_errors(5))


def test_a_machine_that_is_busy_makes_no_pattern_take_too_long(monkeypatch):
    """Time that passes while others have the processor costs nothing."""
    hours = itertools.count(step=3600)
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(hours)))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(hours)))
    with bounded():
        assert all(matches(r"^\d+Mi$", "512Mi") for _ in range(10))
