import json
import math
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from pickle import dumps, loads
from types import MappingProxyType

import pytest

from dispatcher.core.templates import MISSING, Placeholder, fill, lookup, placeholders
from dispatcher.errors import RenderError

# (template, values, outcome): what Prefect 3 answers, and we too.
AS_PREFECT = [
    ("{{ a }}", {"a": 1}, 1),
    ("{{ a }}", {"a": 1.5}, 1.5),
    ("{{a}}", {"a": [1, {"b": 2}]}, [1, {"b": 2}]),
    ("{{ a }}", {"a": None}, None),
    ("{{ a }}", {"a": ""}, ""),
    ("{{ a }}", {"a": 0}, 0),
    ("{{ a }}", {"a": False}, False),
    ("{{ a }}", {}, MISSING),
    ("x-{{ a }}", {"a": 3}, "x-3"),
    ("x-{{ a }}", {"a": 2.0}, "x-2.0"),
    ("x-{{ a }}", {"a": True}, "x-True"),
    ("x-{{ a }}", {}, "x-"),
    ("{{ a }}{{ b }}", {"a": 1, "b": 2}, "12"),
    ("{{ a }} {{ a }}", {"a": 1}, "1 1"),
    ("{{ a }} ", {"a": 1}, "1 "),
    ("{{\na\n}}", {"a": 1}, 1),
    ({"k": "{{ a }}", "m": "literal"}, {}, {"m": "literal"}),
    ({"k": {"n": "{{ a }}"}}, {}, {"k": {}}),
    (["{{ a }}", "y"], {}, ["y"]),
    (["{{ a }}"], {}, []),
    (["{{ a }}", "y"], {"a": [1, 2]}, [[1, 2], "y"]),
    ({"{{ a }}": "v"}, {"a": "key"}, {"{{ a }}": "v"}),
    ({"n": None, "i": 5, "f": 1.5, "b": False}, {}, {"n": None, "i": 5, "f": 1.5, "b": False}),
    ("{{ a.b.c }}", {"a": {"b": {"c": 7}}}, 7),
    ("{{ a.b.c }}", {"a": {"b": "s"}}, MISSING),
    ("{{ a[0].x }}", {"a": [{"x": 9}]}, 9),
    ("{{ a.0.x }}", {"a": [{"x": 9}]}, 9),
    ("{{ a.-1 }}", {"a": [1, 2, 3]}, 3),
    ("{{ a[5] }}", {"a": [1]}, MISSING),
    ("{{ a.b }}", {"a": [1]}, MISSING),
    ("{{ a.b }}", {"a.b": 1}, MISSING),
    ("{{ a.1 }}", {"a": {"1": "s"}}, MISSING),
    ("{{ a-b }}", {"a-b": 1}, 1),
    ("{{ größe }}", {"größe": 1}, 1),
    ("{{ a b }}", {"a": 1, "b": 2}, "{{ a b }}"),
    ("{{ a | upper }}", {"a": 1}, "{{ a | upper }}"),
    ("{{ }}", {}, "{{ }}"),
    ("{{ 'a' }}", {"a": 1}, "{{ 'a' }}"),
    ("{% if a %}", {"a": 1}, "{% if a %}"),
    ("${a}", {"a": 1}, "${a}"),
    ("{{ a", {"a": 1}, "{{ a"),
    ("{{{ a }}}", {"a": 1}, "{1}"),
    ("{{{{ a }}}}", {"a": 1}, "{{1}}"),
    ("{{ a }}", {"a": "{{ b }}", "b": 2}, "{{ b }}"),
    ("{{ $MISSING }}", {}, MISSING),
    ("p/{{ $MISSING }}/q", {}, "p//q"),
]

# The same where our answer is another one than Prefect's, or where Prefect's depends on chance.
AS_OURS = [
    ("x-{{ a }}", {"a": None}, "x-"),
    ("{{ a }}-{{ b }}", {"a": "{{ b }}", "b": "Z"}, "{{ b }}-Z"),
    ("{{ b }}-{{ a }}", {"a": "{{ b }}", "b": "Z"}, "Z-{{ b }}"),
    ("{{ $E }}", {"$E": "v"}, MISSING),
    ("{{ prefect.variables.v }}", {"prefect": {"variables": {"v": 1}}}, MISSING),
    ("{{ prefect.blocks.secret.s }}-{{ a }}", {"a": 1}, "-1"),
    ("{{ a.0 }}", {"a": "text"}, MISSING),
]


@pytest.mark.parametrize(("template", "values", "outcome"), AS_PREFECT)
def test_placeholders_have_the_same_meaning_as_in_prefect(template, values, outcome):
    filled = fill(template, values)
    assert filled == outcome
    assert type(filled) is type(outcome)


@pytest.mark.parametrize(("template", "values", "outcome"), AS_OURS)
def test_placeholders_differ_from_prefect_only_on_purpose(template, values, outcome):
    assert fill(template, values) == outcome


def test_a_template_cannot_read_the_dispatchers_environment(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    assert fill({"k": "{{ $AWS_SECRET_ACCESS_KEY }}", "t": "<{{ $AWS_SECRET_ACCESS_KEY }}>"}, {}) == {"t": "<>"}


@pytest.mark.parametrize(("value", "kind"), [({"k": 1}, "an object"), ([1], "a list"), ({}, "an object")])
def test_an_object_or_list_inside_text_is_an_error_that_names_the_placeholder(value, kind):
    with pytest.raises(RenderError, match=rf"\{{\{{ labels \}}\}} is {kind} and cannot stand inside the text"):
        fill({"name": "x-{{ labels }}"}, {"labels": value})


@pytest.mark.parametrize("template", [(1, "{{ a }}"), {"k": {1, 2}}, [b"bytes"]])
def test_a_template_holds_json_only(template):
    with pytest.raises(RenderError, match="which JSON has no place for"):
        fill(template, {})


def test_a_value_holds_json_only():
    with pytest.raises(RenderError, match="a set, which JSON has no place for"):
        fill("{{ a }}", {"a": [{1}]})


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


def test_instances_of_subclasses_become_plain_json_types():
    filled = fill({"c": Colour.RED, "m": "{{ m }}", "t": "{{ c }}!"}, {"m": MappingProxyType({"s": Size.BIG}), "c": Colour.RED})
    assert filled == {"c": "red", "m": {"s": 3}, "t": "red!"}
    assert [type(filled["c"]), type(filled["m"]), type(filled["m"]["s"])] == [str, dict, int]


def test_a_float_subclass_comes_out_as_a_float():
    class Celsius(float):
        pass

    assert type(fill("{{ t }}", {"t": Celsius(1.5)})) is float


def test_the_result_shares_nothing_with_its_inputs():
    template, values = {"fixed": {"l": [1]}, "a": "{{ a }}", "b": "{{ a }}"}, {"a": {"deep": [1]}}
    filled = fill(template, values)
    filled["fixed"]["l"].append(2)
    filled["a"]["deep"].append(2)
    assert template == {"fixed": {"l": [1]}, "a": "{{ a }}", "b": "{{ a }}"}
    assert values == {"a": {"deep": [1]}}
    assert filled["b"] == {"deep": [1]}


def test_equal_inputs_give_equal_bytes_whatever_the_order_of_their_keys():
    one = fill({"b": "{{ x }}", "a": {"d": 1, "c": 2}}, {"x": {"z": 1, "y": 2}})
    other = fill({"a": {"c": 2, "d": 1}, "b": "{{ x }}"}, {"x": {"y": 2, "z": 1}})
    assert json.dumps(one) == json.dumps(other)


def nested(depth: int, inner: object = "{{ a }}") -> object:
    for _ in range(depth):
        inner = {"k": [inner]}
    return inner


def test_deeply_nested_placeholders_are_filled():
    assert fill(nested(32), {"a": 1}) == nested(32, 1)


@pytest.mark.parametrize("depth", [33, 100_000])
def test_absurd_nesting_in_a_template_is_a_clear_error(depth):
    with pytest.raises(RenderError, match="nest more than 64 levels deep"):
        fill(nested(depth), {"a": 1})
    with pytest.raises(RenderError, match="nest more than 64 levels deep"):
        placeholders(nested(depth))


@pytest.mark.parametrize("depth", [33, 100_000])
def test_absurd_nesting_in_a_value_is_a_clear_error(depth):
    with pytest.raises(RenderError, match="nest more than 64 levels deep"):
        fill("{{ a }}", {"a": nested(depth, 1)})


def test_a_value_that_holds_itself_is_a_clear_error():
    value: list[object] = []
    value.append(value)
    with pytest.raises(RenderError, match="nest more than 64 levels deep"):
        fill("{{ a }}", {"a": value})


def test_missing_is_a_single_false_object_that_prints_as_its_name():
    assert not MISSING
    assert repr(MISSING) == "MISSING"
    assert loads(dumps(MISSING)) is MISSING


def test_placeholders_are_found_with_their_places():
    template = {"a": ["{{ x }}", {"b": "{{ y.z[0] }}-{{ x }}"}], "{{ key }}": "{{ not one", "n": 1}
    assert placeholders(template) == (
        Placeholder("x", "a[0]", alone=True),
        Placeholder("y.z[0]", "a[1].b", alone=False),
        Placeholder("x", "a[1].b", alone=False),
    )


@pytest.mark.parametrize(("name", "value"), [("a.b[1]", 2), ("a.c", MISSING), ("$a", MISSING), ("a..b", MISSING)])
def test_lookup_follows_the_path_of_a_placeholder(name, value):
    assert lookup(name, {"a": {"b": [1, 2]}, "$a": 1}) is value


def test_a_number_too_long_for_python_is_a_key_and_not_a_crash():
    name = "9" * 5000
    assert fill(f"{{{{ {name} }}}}", {name: 1}) == 1


def test_hostile_text_is_read_in_linear_time():
    for text in ("{{" * 50_000, "{{" + " " * 100_000, "{{ " + "a" * 100_000, "{{ a" * 30_000):
        assert fill(text, {"a": 1}) == text


def test_numbers_that_json_lacks_pass_through_because_validation_refuses_them():
    assert math.isnan(fill("{{ a }}", {"a": math.nan}))


def test_values_may_be_any_mapping():
    class Lazy(Mapping):
        def __getitem__(self, name):
            return name.upper()

        def __iter__(self):
            return iter(())

        def __len__(self):
            return 0

    assert fill("{{ a }}", Lazy()) == "A"
