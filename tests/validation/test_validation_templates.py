from copy import deepcopy
from types import MappingProxyType

import pytest

from dispatcher.core.own_values import NAMES
from dispatcher.core.templates import render
from dispatcher.errors import InvalidTemplate
from dispatcher.validation import check_base_job_template
from tests.prefect import installed

HERE = "variables.properties"
BLOCK_RULE = (
    "must be the name of an entry of the settings' credentials: no key may stand in a template or a variable, "
    "and Prefect blocks are not looked up"
)
REFERENCE = {"$ref": {"block_document_id": "8a7fcf5e-0d3a-4e5b-8f04-5c5a4b0ff7a1"}}
AWS = {"title": "Aws", "type": "object", "block_type_slug": "aws-credentials", "properties": {"key": {"type": "string"}}}


def a_template(configuration=None, properties=None, **variables):
    """A template whose parts can be given one by one."""
    return {
        "job_configuration": configuration or {"command": "true"},
        "variables": {"type": "object", "properties": properties or {}, **variables},
    }


def faults(template):
    with pytest.raises(InvalidTemplate) as caught:
        check_base_job_template(template)
    assert "\n" not in str(caught.value)
    return [str(fault) for fault in caught.value.faults]


LIKE_ECS = a_template(
    {
        "env": "{{ env }}",
        "aws_credentials": "{{ aws_credentials }}",
        "task_definition": {"containerDefinitions": [{"image": "{{ image }}"}], "cpu": "{{ cpu }}"},
        "task_run_request": {"launchType": "{{ launch_type }}", "capacityProviderStrategy": "{{ strategy }}"},
    },
    {
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "aws_credentials": {"allOf": [{"$ref": "#/definitions/Aws"}]},
        "image": {"type": "string"},
        "cpu": {"type": "integer"},
        "launch_type": {"type": "string", "enum": ["FARGATE", "EC2"], "default": "FARGATE"},
        "strategy": {"type": "array", "items": {"$ref": "#/definitions/Provider"}},
    },
    definitions={"Aws": AWS, "Provider": {"type": "object", "properties": {"weight": {"type": "integer"}}}},
)

LIKE_PREFECT = {
    "a worker's template": LIKE_ECS,
    "a block as the default of credentials": a_template(
        {"c": "{{ c }}"}, {"c": {"allOf": [{"$ref": "#/definitions/Aws"}], "default": REFERENCE}}, definitions={"Aws": AWS}
    ),
    "a block by name as the default of credentials": a_template(
        {"c": "{{ c }}"}, {"c": {"$ref": "#/$defs/Aws", "default": "{{ prefect.blocks.aws.prod }}"}}, **{"$defs": {"Aws": AWS}}
    ),
    "a placeholder in a key": a_template({"{{ nothing }}": 1}),
    "keys beyond the two": {**a_template(), "comment": "mine"},
    "no properties at all": {"job_configuration": {"x": 1}, "variables": {}},
    "a default of null": a_template({"x": "{{ x }}"}, {"x": {"type": "string", "default": None}}),
    "items as a list": a_template({"x": "{{ x }}"}, {"x": {"type": "array", "items": [{"type": "string"}], "default": ["a"]}}),
    "null in an optional field of a default": a_template(
        {"x": "{{ x }}"},
        {"x": {"type": "object", "properties": {"y": {"type": "string", "enum": ["a"]}}, "default": {"y": None}}},
    ),
    "text in braces that is not a placeholder": a_template({"x": "{{ a | upper }}", "y": "{{ }}", "z": "${a}"}),
    "a path into a declared object": a_template({"x": "{{ o.y[0] }}"}, {"o": {"type": "object"}}),
    "numbers in the environment": a_template(
        {"env": "{{ env }}"}, {"env": LIKE_ECS["variables"]["properties"]["env"] | {"default": {"A": 1}}}
    ),
    "a variable named like a keyword": a_template(
        {"x": "{{ default }}"}, {"default": {"type": "string"}, "$ref": {"type": "string"}}
    ),
    "a tree that refers to itself": a_template(
        {"x": "{{ x }}"},
        {"x": {"$ref": "#/$defs/Tree"}},
        **{"$defs": {"Tree": {"type": "object", "properties": {"child": {"$ref": "#/$defs/Tree"}}}}},
    ),
    "examples that look like references": a_template(
        {"x": "{{ x }}"}, {"x": {"type": "object", "example": {"$ref": "#/nowhere"}}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("template", LIKE_PREFECT.values(), ids=LIKE_PREFECT)
def test_templates_as_prefect_writes_them_are_accepted(template):
    before = deepcopy(template)
    check_base_job_template(template)
    assert template == before
    render(template, {})


@pytest.mark.long
def test_the_templates_of_the_newest_packages_of_prefect_are_accepted_unmodified():
    for template in installed.templates().values():
        check_base_job_template(template)
        render(template, {})


# (template, its faults)
STRUCTURE = [
    ([], ["must be an object with `job_configuration` and `variables` (got a list)"]),
    (
        {},
        [
            "job_configuration: is missing; a base job template has both `job_configuration` and `variables`",
            "variables: is missing; a base job template has both `job_configuration` and `variables`",
        ],
    ),
    ({"job_configuration": {}, "variables": {}}, ["job_configuration: is empty; say what the provider is to run"]),
    ({"job_configuration": "x", "variables": 5}, [
        'job_configuration: must be an object (got "x")',
        "variables: must be an object (got 5)",
    ]),
    (a_template({"f": float("nan")}), ["job_configuration.f: is nan, which JSON cannot say; give a finite number"]),
    (a_template({"f": {1: 2}}), ["job_configuration.f: has the key 1, which is not text; put it in quotes"]),
    (a_template({"f": (1,)}), ["job_configuration.f: is a tuple; give text, a number, a boolean, null, a list or an object"]),
    (a_template({"f": "a\0b"}), ["job_configuration.f: holds a NUL character, which databases cannot store; remove it"]),
    (a_template({"f": "\ud800"}), [
        "job_configuration.f: holds half of a character (a lone surrogate), which is not valid Unicode; remove it",
    ]),
    (a_template({"f": 2**63}), ["job_configuration.f: is a whole number of more than 64 bits; give it as text"]),
    (a_template({"f": "x" * 300_000}), ["is larger than 256 KiB as JSON; keep large data elsewhere and pass its address"]),
]  # fmt: skip


@pytest.mark.parametrize(("template", "expected"), STRUCTURE)
def test_a_value_that_is_not_a_template_is_reported(template, expected):
    assert faults(template) == expected


def test_absurd_nesting_is_reported():
    deep = "x"
    for _ in range(5000):
        deep = [deep]
    assert faults(a_template({"f": deep}))[0].endswith("nests more than 64 levels deep; flatten it")


def test_an_exponentially_nested_template_is_refused_by_its_size():
    laughs = ["ha"]
    for _ in range(40):
        laughs = [laughs] * 10
    assert "is larger than 256 KiB" in faults(a_template({"f": laughs}))[-1]


def test_undeclared_placeholders_are_reported_with_their_paths_and_the_nearest_names():
    template = a_template(
        {"a": ["{{ imge }}", {"b": "{{ image }}-{{ none.near }}"}], "h": "{{ $HOME }}", "v": "{{ prefect.variables.v }}"},
        {"image": {"type": "string"}},
    )
    outside = (
        "would be looked up outside the template, which is never done; declare a variable and use it instead, "
        "and give a secret by a reference that the provider resolves"
    )
    assert faults(template) == [
        "job_configuration.a[0]: {{ imge }} uses the undeclared variable imge; did you mean image?",
        "job_configuration.a[1].b: {{ none.near }} uses the undeclared variable none; declare it under `variables.properties`",
        f"job_configuration.h: {{{{ $HOME }}}} {outside}",
        f"job_configuration.v: {{{{ prefect.variables.v }}}} {outside}",
    ]


def test_a_block_in_the_job_configuration_is_reported():
    (fault,) = faults(a_template({"c": [REFERENCE]}))
    assert fault.startswith("job_configuration.c[0]: refers to a Prefect block, and blocks are not looked up; name an entry")


# (properties, other keywords of the schema, faults)
SCHEMAS = [
    ({"x": {"type": "string", "default": 5}}, {}, [f"{HERE}.x.default: must be text (got 5)"]),
    ({"x": {"type": "integer", "minimum": 5, "default": 1}}, {}, [f"{HERE}.x.default: must be at least 5 (got 1)"]),
    (
        {"x": {"type": "object", "properties": {"y": {"type": "integer"}}, "default": {"y": "1"}}},
        {},
        [f'{HERE}.x.default.y: must be a whole number (got "1")'],
    ),
    (
        {"x": {"type": "notatype"}},
        {},
        [f'{HERE}.x.type: must be one of array, boolean, integer, null, number, object, string (got "notatype")'],
    ),
    ({"x": {"type": "integer", "exclusiveMinimum": True}}, {}, [f"{HERE}.x.exclusiveMinimum: must be a number (got true)"]),
    ({"x": {"pattern": "("}}, {}, [f'{HERE}.x.pattern: must be a valid regex (got "(")']),
    ({"x": 5}, {}, [f"{HERE}.x: must be an object or true or false (got 5)"]),
    (
        {"x": {"$ref": "#/definitions/Nope"}},
        {},
        [f"{HERE}.x.$ref: refers to #/definitions/Nope, which is not a schema in here; add it under `definitions`"],
    ),
    (
        {"x": {"allOf": [{"$ref": "https://a.example"}]}},
        {},
        [
            f"{HERE}.x.allOf[0].$ref: refers to https://a.example, which is not a schema in here; add it under `definitions`"
        ],
    ),
    (
        {"x": {"$ref": "#/$defs/A"}},
        {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
        [f"{HERE}.x: refers to itself without end; break the circle of `$ref`s"],
    ),
    ({}, {"type": "array"}, ['variables.type: must be "object" (got "array")']),
    ({"image": {}}, {"required": ["imag", "nothing"]}, [
        "variables.required[0]: imag is not declared; did you mean image?",
        "variables.required[1]: nothing is not declared; declare it under `properties`",
    ]),
    ({"a.b": {}}, {}, [f"{HERE}.a.b: cannot be reached: a variable's name is not empty and has no `.`, `[` or `]`"]),
    ({"env": {"default": {"A": [], "DISPATCHER_X": "1"}}}, {}, [
        f"{HERE}.env.default.A: must be text, a number or a boolean, or null to remove the name (got a list)",
        f"{HERE}.env.default.DISPATCHER_X: is the dispatcher's own; choose a name that does not begin with DISPATCHER_",
    ]),
    ({"env": {"default": "A=1"}}, {}, [f'{HERE}.env.default: must be an object of names and texts (got "A=1")']),
    ({"c": {"$ref": "#/definitions/Aws", "default": {"key": "AKIA"}}}, {"definitions": {"Aws": AWS}}, [
        f"{HERE}.c.default: {BLOCK_RULE}",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("properties", "keywords", "expected"), SCHEMAS)
def test_a_schema_or_a_default_that_cannot_be_used_is_reported(properties, keywords, expected):
    assert faults(a_template(None, properties, **keywords)) == expected


def test_every_fault_of_a_template_is_listed_at_once():
    template = a_template(
        {"a": "{{ other }}", "env": {"A=B": "1"}},
        {"x": {"type": "integer", "default": "five"}, "y": {"enum": ["one", "two"], "default": "onee"}},
    )
    assert faults(template) == [
        "job_configuration.a: {{ other }} uses the undeclared variable other; declare it under `variables.properties`",
        "job_configuration.env.A=B: has a name with `=` or a control character in it, which no environment takes; rename it",
        'variables.properties.x.default: must be a whole number (got "five")',
        'variables.properties.y.default: must be one of one, two (got "onee"); did you mean one?',
    ]


def test_a_default_that_cannot_be_put_inside_text_is_reported():
    template = a_template({"n": {"g": "{{ labels }}-x"}}, {"labels": {"type": "object", "default": {"a": "1"}}})
    assert faults(template) == ["labels: must be text or a number: job_configuration.n.g has it inside text (got an object)"]


def test_a_fixed_environment_that_would_hold_an_object_is_reported():
    template = a_template({"env": {"X": "{{ labels }}"}}, {"labels": {"default": {"a": "1"}}})
    (fault,) = faults(template)
    assert fault.startswith("job_configuration: env.X: must be text")


def test_a_template_may_be_any_mapping():
    template = MappingProxyType({key: MappingProxyType(part) for key, part in LIKE_ECS.items()})
    check_base_job_template(template)
    assert render(template, {"image": "i"}) == render(LIKE_ECS, {"image": "i"})


@pytest.mark.parametrize("name", ["prefect.variables.token", "prefect.blocks.secret.token", "$TOKEN"])
def test_a_default_that_asks_for_a_look_up_is_a_fault_at_its_place(name):
    value = f"{{{{ {name} }}}}"
    env = {"type": "object", "default": {"TOKEN": f"Bearer {value}"}}
    template = a_template(properties={"env": env, "x": {"type": "string", "default": value}})
    with pytest.raises(InvalidTemplate) as refused:
        check_base_job_template(template)
    messages = {fault.path: fault.message for fault in refused.value.faults}
    assert set(messages) == {"variables.properties.env.default.TOKEN", "variables.properties.x.default"}
    assert all(message.startswith(f"{value} would be looked up") for message in messages.values())


def test_a_key_that_is_nearly_one_of_the_two_is_a_fault():
    with pytest.raises(InvalidTemplate, match="job_configurations: is not part of a base job template; did you mean job_conf"):
        check_base_job_template({**a_template(), "job_configurations": {}})


def own_template(text: str, default: str = "") -> dict:
    variables = {"type": "object", "properties": {"day": {"type": "string", "default": default}}}
    return {"job_configuration": {"command": text, "day": "{{ day }}"}, "variables": variables}


@pytest.mark.parametrize("name", NAMES)
def test_a_template_may_name_the_dispatchers_own_values(name):
    check_base_job_template(own_template(f"x {{{{ dispatcher.{name} }}}}", f"x {{{{ dispatcher.{name} }}}}"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ dispatcher.scheduledat }}", "is not one of the dispatcher's own values; did you mean scheduled_at?"),
        ("a {{ dispatcher.zzz }} b", "is not one of the dispatcher's own values; there are run_id, run_name"),
        ("{{ dispatcher }}", "is not one of the dispatcher's own values"),
        ("{{ dispatcher.run_id.hex }}", "is not one of the dispatcher's own values; did you mean run_id"),
    ],
)
def test_an_unknown_own_value_is_refused_with_the_nearest_name(text, words):
    for template, path in (
        (own_template(text), "job_configuration.command"),
        (own_template("x", text), "variables.properties.day.default"),
    ):
        with pytest.raises(InvalidTemplate) as refused:
            check_base_job_template(template)
        [fault] = refused.value.faults
        assert fault.path == path
        assert words in fault.message


def test_no_variable_may_have_the_name_of_own_values():
    template = own_template("x")
    template["variables"]["properties"]["dispatcher"] = {"type": "object"}
    with pytest.raises(
        InvalidTemplate, match=r"variables\.properties\.dispatcher: is reserved for the dispatcher's own values"
    ):
        check_base_job_template(template)


def test_a_default_that_names_an_own_value_is_checked_with_a_sample_of_its_kind():
    template = own_template("x", "{{ dispatcher.scheduled_at }}")
    template["variables"]["properties"]["day"]["pattern"] = "^20"
    template["variables"]["properties"]["n"] = {"type": "integer", "default": "{{ dispatcher.attempt }}"}
    check_base_job_template(template)
    template["variables"]["properties"]["n"]["default"] = "{{ dispatcher.run_name }}"
    with pytest.raises(InvalidTemplate, match=r"variables\.properties\.n\.default"):
        check_base_job_template(template)
