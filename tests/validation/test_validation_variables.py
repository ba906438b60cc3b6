from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.templates import render
from dispatcher.errors import InvalidInput, InvalidVariables
from dispatcher.validation import check_base_job_template, check_job_variables

BLOCK_RULE = (
    "must be the name of an entry of the settings' credentials: no key may stand in a template or a variable, "
    "and Prefect blocks are not looked up"
)

TEMPLATE = {
    "job_configuration": {
        "env": "{{ env }}",
        "image": "{{ image }}",
        "generateName": "{{ name }}-job",
        "cpu": "{{ cpu }}",
        "resources": {"limits": {"memory": "{{ memory }}Mi", "gpu": "{{ resources.gpu }}"}},
        "credentials": "{{ credentials }}",
        "registry": "{{ registry }}",
        "labels": "{{ labels }}",
        "anything": ["{{ anything }}"],
    },
    "variables": {
        "type": "object",
        "required": ["image", "credentials"],
        "properties": {
            "env": {"type": "object", "additionalProperties": {"type": "string"}, "default": {"REGION": "north"}},
            "image": {"type": "string", "minLength": 1},
            "name": {"type": "string", "pattern": "^[a-z-]+$"},
            "cpu": {"type": "integer", "minimum": 256, "maximum": 4096, "default": 512},
            "memory": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
            "size": {"type": "string", "enum": ["small", "large"]},
            "token": {"type": "integer", "writeOnly": True},
            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "resources": {
                "type": "object",
                "additionalProperties": False,
                "required": ["gpu"],
                "properties": {"gpu": {"type": "integer"}, "disk": {"type": "string"}},
            },
            "credentials": {"allOf": [{"$ref": "#/definitions/Cloud"}]},
            "registry": {"anyOf": [{"$ref": "#/definitions/Registry"}, {"$ref": "#/definitions/Identity"}]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "names": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 2},
            "anything": {},
        },
        "definitions": {
            "Cloud": {"type": "object", "block_type_slug": "cloud-credentials", "required": ["key"]},
            "Registry": {"type": "object", "block_type_slug": "docker-registry", "required": ["username", "password"]},
            "Identity": {
                "type": "object",
                "required": ["identity"],
                "properties": {"identity": {"type": "string"}, "note": {"type": "string"}},
            },
        },
    },
}


def faults(variables, template=TEMPLATE, **others):
    with pytest.raises(InvalidVariables) as caught:
        check_job_variables(template, variables, **others)
    assert "\n" not in str(caught.value)
    return [str(fault) for fault in caught.value.faults]


def with_image(**variables):
    return {"image": "i", **variables}


def test_the_template_of_these_tests_is_sound():
    check_base_job_template(TEMPLATE)


GOOD = [
    {},
    {"cpu": 1024, "memory": 0.5, "name": "a-b", "size": "large"},
    {"cpu": None, "name": None, "size": None, "env": None},
    {"env": {"A": "1", "B": 2, "C": 2.5, "D": True, "E": None, "F": "{{ image }} = x"}},
    {"env.A": 1, "env.spring.profile": "x"},
    {"resources.gpu": 1, "resources": {"disk": None}},
    {"credentials": "production"},
    {"registry": "hub"},
    {"registry": {"identity": "me", "note": None}},
    {"either": 5},
    {"cpu": 512.0},
    {"anything": {"deep": [1, {"x": "{{ nothing }}"}]}},
]


@pytest.mark.parametrize("variables", GOOD)
def test_variables_that_fit_pass_and_render(variables):
    given_variables = with_image(**variables)
    before = deepcopy(given_variables)
    check_job_variables(TEMPLATE, given_variables)
    assert given_variables == before
    render(TEMPLATE, given_variables)


BAD = [
    ({"cpu": "256"}, ['cpu: must be a whole number (got "256")']),
    ({"cpu": 128}, ["cpu: must be at least 256 (got 128)"]),
    ({"cpu": 9999}, ["cpu: must be at most 4096 (got 9999)"]),
    ({"cpu": True}, ["cpu: must be a whole number (got true)"]),
    ({"memory": 0}, ["memory: must be more than 0 (got 0)"]),
    ({"memory": 0.3}, ["memory: must be a multiple of 0.5 (got 0.3)"]),
    ({"name": "A b"}, ['name: must match the pattern ^[a-z-]+$ (got "A b")']),
    ({"image": ""}, ['image: must have at least 1 character(s) (got "")']),
    ({"size": "lage"}, ['size: must be one of small, large (got "lage"); did you mean large?']),
    ({"token": "hush-hush"}, ["token: must be a whole number"]),
    ({"either": []}, ["either: must be text or a whole number (got a list)"]),
    ({"resources": {"gpus": 1}}, [
        "resources.gpu: is missing; give it a value",
        "resources.gpus: is not a field of this object; did you mean gpu?",
    ]),
    ({"resources.gpu": "1"}, ['resources.gpu: must be a whole number (got "1")']),
    ({"labels": {"a": 1, "b": "x", "c": {}}}, ["labels.a: must be text (got 1)", "labels.c: must be text (got an object)"]),
    ({"names": ["a", "a", 5]}, [
        "names: must have at most 2 item(s) (got a list)",
        "names: must not hold the same item twice (got a list)",
        "names[2]: must be text (got 5)",
    ]),
    ({"imge": "x"}, ["imge: is not a variable of this pool's template; did you mean image?"]),
    ({"zzz": 1}, ["zzz: is not a variable of this pool's template; remove it, or declare it under the template's `variables`"]),
    ({"zzz.a": 1}, [
        "zzz: is not a variable of this pool's template; remove it, or declare it under the template's `variables`",
    ]),
    ({"credentials": {"key": "secret"}}, [f"credentials: {BLOCK_RULE}"]),
    ({"credentials": {"$ref": {"block_document_id": "x"}}}, [f"credentials: {BLOCK_RULE}"]),
    ({"credentials": "{{ prefect.blocks.cloud.prod }}"}, [f"credentials: {BLOCK_RULE}"]),
    ({"credentials": ""}, [f"credentials: {BLOCK_RULE}"]),
    ({"registry": {"username": "me", "password": "secret"}}, [
        f"registry: {BLOCK_RULE}; or in one of its forms: registry.identity: is missing; give it a value",
    ]),
    ({"registry": 5}, [f"registry: {BLOCK_RULE}; or must be an object"]),
    ({"d.": 1, ".x": 2}, [
        "'d.' has an empty part between its dots; write it as `variable.field`",
        "'.x' has an empty part between its dots; write it as `variable.field`",
    ]),
    ({"cpu": 512, "cpu.x": 1}, ["cpu: is given both whole and in parts (dotted names); give it one way"]),
    ({"anything": float("inf")}, ["anything: is inf, which JSON cannot say; give a finite number"]),
    ({"anything": {1}}, ["anything: is a set; give text, a number, a boolean, null, a list or an object"]),
    ({"anything": "x" * 140_000}, ["is larger than 128 KiB as JSON; keep large data elsewhere and pass its address"]),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "expected"), BAD)
def test_variables_that_do_not_fit_are_reported_in_plain_words(variables, expected):
    assert faults(with_image(**variables)) == expected


ENVIRONMENTS = [
    ("A=1", ['env: must be an object of names and texts (got "A=1")']),
    ({"": "1"}, ["env.: has an empty name; name the environment variable"]),
    ({"A=B": "1"}, ["env.A=B: has a name with `=` or a control character in it, which no environment takes; rename it"]),
    ({"A\nB": "1"}, [r"env.A\nB: has a name with `=` or a control character in it, which no environment takes; rename it"]),
    ({"A": "x\0"}, ["env.A: holds a NUL character, which databases cannot store; remove it"]),
    ({"A\0": "x"}, ["env: has a key that holds a NUL character, which databases cannot store; remove it"]),
    ({"A": ["x"]}, ["env.A: must be text, a number or a boolean, or null to remove the name (got a list)"]),
    ({"DISPATCHER_RUN_ID": "x"}, [
        "env.DISPATCHER_RUN_ID: is the dispatcher's own; choose a name that does not begin with DISPATCHER_",
    ]),
    ({"DISPATCHER_RUN_ID": None}, [
        "env.DISPATCHER_RUN_ID: is the dispatcher's own; choose a name that does not begin with DISPATCHER_",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "expected"), ENVIRONMENTS)
def test_an_environment_that_no_job_can_have_is_reported(environment, expected):
    assert faults(with_image(env=environment)) == expected


def test_environment_names_with_a_dot_are_checked_in_the_same_way():
    assert faults({"image": "i", "env.DISPATCHER_RUN_ID": "x"}) == ENVIRONMENTS[-1][1]


def test_a_required_variable_is_missing_until_some_level_gives_it():
    missing = ["image: is required and missing; give it a value here, in the deployment or as the pool's default"]
    assert faults({}) == missing
    check_job_variables(TEMPLATE, {}, partial=True)
    check_job_variables(TEMPLATE, {}, deployment_variables={"image": "i"})
    template = deepcopy(TEMPLATE)
    template["variables"]["properties"]["image"]["default"] = "i"
    check_job_variables(template, {})


@pytest.mark.parametrize("partial", [True, False])
def test_a_required_variable_is_never_null(partial):
    assert faults({"image": None}, partial=partial) == ["image: is required and must not be null; give it a value"]
    assert faults({"image": None}, partial=partial, deployment_variables={"image": "i"}) == [
        "image: is required and must not be null; give it a value"
    ]


def test_credentials_are_never_missing_because_the_host_has_an_identity():
    assert "credentials" in TEMPLATE["variables"]["required"]
    check_job_variables(TEMPLATE, {"image": "i"})
    check_job_variables(TEMPLATE, {"image": "i", "credentials": None})


def test_a_partial_check_still_finds_what_is_wrong():
    assert faults({"cpu": "1"}, partial=True) == ['cpu: must be a whole number (got "1")']


def test_faults_of_the_deployment_are_found_again_when_a_run_is_made():
    assert faults({"image": "i"}, deployment_variables={"cpu": "1", "nope": 1, "env": {"A=": ""}}) == [
        "nope: is not a variable of this pool's template; remove it, or declare it under the template's `variables`",
        "env.A=: has a name with `=` or a control character in it, which no environment takes; rename it",
        'cpu: must be a whole number (got "1")',
    ]


def test_a_run_overrides_a_wrong_variable_of_its_deployment():
    check_job_variables(TEMPLATE, {"image": "i", "cpu": 512}, deployment_variables={"cpu": "512"})


def test_every_fault_of_the_variables_is_listed_at_once():
    assert faults({"size": "x", "cpu": "1", "imag": 1, "env": {"": 1}}) == [
        "imag: is not a variable of this pool's template; did you mean image?",
        "env.: has an empty name; name the environment variable",
        'cpu: must be a whole number (got "1")',
        'size: must be one of small, large (got "x")',
        "image: is required and missing; give it a value here, in the deployment or as the pool's default",
    ]


def test_an_object_that_the_template_has_inside_text_is_reported():
    template = deepcopy(TEMPLATE)
    template["job_configuration"]["also"] = ["<{{ anything }}>", "<{{ anything.x }}>"]
    assert faults({"image": "i", "anything": {"x": [1]}}, template) == [
        "anything: must be text or a number: job_configuration.also[0] has it inside text (got an object)",
        "anything.x: must be text or a number: job_configuration.also[1] has it inside text (got a list)",
    ]
    check_job_variables(template, {"image": "i", "anything": {"x": [1]}}, partial=True)


def test_names_are_free_where_the_schema_says_so():
    template = deepcopy(TEMPLATE)
    template["variables"]["additionalProperties"] = {"type": "integer"}
    check_job_variables(template, {"image": "i", "more": 5})
    assert faults({"image": "i", "more": "x"}, template) == ['more: must be a whole number (got "x")']


def test_a_schema_that_forbids_other_names_reports_each_once():
    template = deepcopy(TEMPLATE)
    template["variables"]["additionalProperties"] = False
    assert faults({"image": "i", "imge": 5}, template) == [
        "imge: is not a variable of this pool's template; did you mean image?"
    ]


def test_a_changed_template_is_checked_by_its_new_schema():
    template = deepcopy(TEMPLATE)
    check_job_variables(template, {"image": "i", "cpu": 256})
    template["variables"]["properties"]["cpu"]["minimum"] = 1024
    assert faults({"image": "i", "cpu": 256}, template) == ["cpu: must be at least 1024 (got 256)"]


@pytest.mark.parametrize("name", ["anything." + ".".join("a" * 100), "anything." + ".".join("a" * 40_000)])
def test_a_dotted_name_of_absurd_depth_is_reported(name):
    (fault,) = faults({"image": "i", name: 1})
    assert fault.endswith("nests more than 64 levels deep; flatten it")


def test_the_depth_of_dotted_names_and_values_adds_up():
    value = 1
    for _ in range(40):
        value = [value]
    check_job_variables(TEMPLATE, {"image": "i", "anything": value})
    (fault,) = faults({"image": "i", "anything." + ".".join("a" * 40): value})
    assert fault.endswith("nests more than 64 levels deep; flatten it")


@pytest.mark.parametrize(("variables", "message"), [(None, "null"), ([], "a list"), ("x", '"x"')])
def test_variables_are_an_object(variables, message):
    assert faults(variables) == [f"must be an object of names and values (got {message})"]


def test_an_error_of_the_validation_is_an_invalid_input_that_names_its_subject():
    with pytest.raises(InvalidInput, match=r"^job variables: cpu: must be"):
        check_job_variables(TEMPLATE, {"image": "i", "cpu": "x"})


NAMES = st.sampled_from(
    [*TEMPLATE["variables"]["properties"], "env.A", "env.", "resources.gpu", "anything.x", "anything.x.y", "nope"]
)
LEAVES = st.none() | st.booleans() | st.integers(-1, 5000) | st.floats() | st.text(max_size=5) | st.just("{{ image }}")
VALUES = st.recursive(
    LEAVES,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(st.sampled_from(["gpu", "x", "A", "", "identity"]), v, max_size=2),
)
LEVELS = st.dictionaries(NAMES, VALUES, max_size=4)
TEXTUAL = {**TEMPLATE["job_configuration"], "t": "{{ anything }}-{{ anything.x }}", "env": {"FIXED": "{{ anything }}"}}


@settings(max_examples=300, deadline=None)
@given(LEVELS, LEVELS, st.sampled_from([TEMPLATE["job_configuration"], TEXTUAL]))
def test_a_template_that_passes_validation_renders(deployment, run, configuration):
    template = {**TEMPLATE, "job_configuration": configuration}
    try:
        check_job_variables(template, {"image": "i", **run}, deployment_variables=deployment)
    except InvalidVariables:
        return
    render(template, {"image": "i", **run}, deployment_variables=deployment)
