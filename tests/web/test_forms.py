"""Forms made from the schemas of templates: what is stored, drawn and sent back unchanged stays what it was."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.client import Dispatcher
from dispatcher.client.checks import coerced_variables
from dispatcher.errors import Fault, InvalidInput
from dispatcher.stores.memory import MemoryStore
from dispatcher.web.clients import ClientLender
from dispatcher.web.pages.forms import Form, as_sent
from dispatcher.web.pages.schema_fields import FieldKind
from dispatcher.web.pages.variables import EditedVariables, restored
from dispatcher.web.pages.visit import Pages
from providers import registry

SCHEMA = {
    "type": "object",
    "properties": {
        "image": {"type": "string", "default": "busybox"},
        "cpu": {"type": "integer", "minimum": 256, "maximum": 4096},
        "ratio": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": 0.5},
        "size": {"$ref": "#/$defs/Size"},
        "debug": {"type": "boolean", "default": False},
        "command": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "subnets": {"type": "array", "items": {"type": "string"}},
        "ports": {"type": "array", "items": {"type": "integer"}},
        "env": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        "network": {
            "type": "object",
            "properties": {"vpc": {"type": "string"}, "public": {"type": "boolean"}},
            "required": ["vpc"],
        },
        "rules": {"type": "array", "items": {"type": "object"}},
        "either": {"anyOf": [{"type": "object", "properties": {}}, {"type": "array"}]},
    },
    "required": ["cpu", "image"],
    "$defs": {"Size": {"title": "Size", "enum": ["small", "large", None]}},
}

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


class Sender(HTMLParser):
    """What a browser sends for a form that nobody has touched."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.sent, self._area, self._select, self._fresh = {}, None, None, False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "input" and (attrs.get("type") != "checkbox" or "checked" in attrs):
            self.sent.setdefault(attrs["name"], []).append(attrs["value"])
        elif tag == "textarea":
            self._area, self._fresh = attrs["name"], True
            self.sent[self._area] = [""]
        elif tag == "select":
            self._select = attrs["name"]
            self.sent[self._select] = [""]
        elif tag == "option" and "selected" in attrs:
            self.sent[self._select] = [attrs["value"]]

    def handle_endtag(self, tag):
        self._area = None if tag == "textarea" else self._area

    def handle_data(self, data):
        if self._area:
            text = data.removeprefix("\n") if self._fresh else data
            self._fresh = False
            self.sent[self._area][0] += text


@pytest.fixture(scope="module")
def drawn():
    template = Pages(clients=ClientLender(lambda: Dispatcher(MemoryStore()), registry.create)).templates.from_string(
        "{% import 'forms.html' as forms %}{{ forms.fields(form) }}"
    )
    return lambda field: template.render(form=field)


def back(drawn, schema, values):
    form = Form(schema)
    return coerced_variables({"variables": schema}, form.read(Sender(drawn(form.draw(values))).sent))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
@given(values=st.dictionaries(st.sampled_from([*SCHEMA["properties"], "unknown", "env.HOME"]), VALUES, max_size=5))
def test_an_untouched_form_returns_the_stored_values(drawn, values):
    assert json.dumps(back(drawn, SCHEMA, values), sort_keys=True) == json.dumps(values, sort_keys=True)


@pytest.mark.parametrize("pool_type", registry.types())
def test_every_template_is_drawn_and_left_out_stays_left_out(drawn, pool_type):
    schema = registry.default_template(pool_type)["variables"]
    form = Form(schema).draw({})
    assert len(form.fields) == len(schema["properties"])
    assert back(drawn, schema, {}) == {}


def field(form, path):
    return next(inner for inner in form.fields if inner.path == path)


def test_each_kind_of_value_has_its_kind_of_field():
    form = Form(SCHEMA).draw({})
    assert {inner.path: inner.kind for inner in form.fields} == {
        "image": FieldKind.TEXT,
        "cpu": FieldKind.NUMBER,
        "ratio": FieldKind.NUMBER,
        "size": FieldKind.CHOICE,
        "debug": FieldKind.CHOICE,
        "command": FieldKind.WORDS,
        "subnets": FieldKind.LINES,
        "ports": FieldKind.LINES,
        "env": FieldKind.PAIRS,
        "network": FieldKind.GROUP,
        "rules": FieldKind.JSON,
        "either": FieldKind.JSON,
    }
    assert [inner.path for inner in form.fields if inner.required] == ["cpu"], "what has a default is not asked for"
    assert field(form, "cpu").hint == "from 256 to 4096"
    assert (field(form, "ratio").takes_null, field(form, "size").takes_null) == (True, False), "null is the empty field already"
    assert field(form, "debug").choices == (("true", "true"), ("false", "false"))


def test_typed_words_become_values_of_the_schema():
    sent = {
        "v:image": ["busybox"],
        "v:cpu": ["512"],
        "n:ratio": ["1"],
        "v:size": ['"large"'],
        "v:debug": ["true"],
        "v:command": ['["echo", "hello"]'],
        "v:subnets": ["a\nb\n"],
        "v:ports": ["80\n443"],
        "v:env": ["A=1\nB=x=y\nC="],
        "v:network/vpc": ["vpc-1"],
        "v:network/public": [""],
        "j:rules": ["[]"],
        "m:": [""],
    }
    values = coerced_variables({"variables": SCHEMA}, Form(SCHEMA).read(sent))
    assert values == {
        "image": "busybox",
        "cpu": 512,
        "ratio": None,
        "size": "large",
        "debug": True,
        "command": ["echo", "hello"],
        "subnets": ["a", "b"],
        "ports": [80, 443],
        "env": {"A": "1", "B": "x=y", "C": ""},
        "network": {"vpc": "vpc-1"},
        "rules": [],
    }
    assert type(values["cpu"]) is int


@pytest.mark.parametrize(
    ("sent", "path", "words"),
    [
        ({"v:env": ["A=1\nnothing"]}, "env", "'nothing' is not NAME=value"),
        ({"j:rules": ["[1"]}, "rules", "is not JSON"),
        ({"j:rules": ["NaN"]}, "rules", "NaN"),
        ({"m:": ["[]"]}, "", "must be a JSON object"),
    ],
)
def test_words_that_cannot_be_read_are_a_fault_of_their_field(sent, path, words):
    with pytest.raises(InvalidInput) as refused:
        Form(SCHEMA).read(sent)
    [fault] = refused.value.faults
    assert (fault.path, words in fault.message) == (path, True)


def test_a_fault_stands_at_its_field_beside_what_was_typed():
    faults = [
        Fault("cpu", "must be from 256 to 4096"),
        Fault("network.vpc", "is missing"),
        Fault("ports[0]", "is not a number"),
    ]
    form = as_sent(Form(SCHEMA).draw({}, faults), {"v:cpu": ["many"], "v:ports": ["x"]})
    assert (field(form, "cpu").text, field(form, "cpu").faults) == ("many", ("must be from 256 to 4096",))
    assert field(form, "ports").faults == ("is not a number",)
    network = field(form, "network")
    assert (network.is_open, field(network, "network.vpc").faults) == (True, ("is missing",))


def test_a_secret_that_comes_back_as_its_mark_stays_what_it_is():
    stored = {"env": {"DB_PASSWORD": "hunter2-and-more", "HOME": "/"}, "list": [{"token": "abcdef"}]}
    variables = EditedVariables(form=Form({"properties": {}}), secrets=frozenset(), stored=stored)
    assert "hunter2" not in json.dumps(variables.shown)
    changed = {**variables.shown, "env": {**variables.shown["env"], "HOME": "/root"}}
    assert restored(changed, stored, variables.shown) == {**stored, "env": {**stored["env"], "HOME": "/root"}}
    with pytest.raises(InvalidInput, match="hidden"):
        variables.read({"half": ["json"], "job_variables": ['{"other": "(hidden)"}']})


def test_references_that_go_in_circles_end():
    schema = {
        "properties": {"node": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }
    assert Form(schema).draw({}).fields[0].fields[0].fields[0].kind is FieldKind.JSON
    assert (
        Form({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}).draw({}).fields[0].kind
        is FieldKind.JSON
    )
