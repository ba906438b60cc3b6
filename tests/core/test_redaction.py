"""What is hidden on a screen, and what is not."""

import pytest

from dispatcher.core.redaction import HIDDEN, hidden_at, is_secret, redacted, secret_texts, without


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "password",
        "PGPASSWD",
        "api_key",
        "API-KEY",
        "apikey",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "x.client_secret",
        "PRIVATE_KEY",
        "Authorization",
        "SENTRY_AUTH_TOKEN",
        "DB_PWD",
        "GH_PAT",
    ],
)
def test_a_value_under_a_secret_name_is_hidden(name):
    assert is_secret(name)
    assert redacted({"env": {name: "hunter2"}}) == {"env": {name: HIDDEN}}
    assert redacted([{"name": name, "value": "hunter2"}]) == [{"name": name, "value": HIDDEN}]


@pytest.mark.parametrize("name", ["PATH", "compat", "spatial", "KEYBOARD", "aws_credentials", "credentials", "monkey", "STAGE"])
def test_other_names_hide_nothing(name):
    assert redacted({name: "shown"}) == {name: "shown"}


def test_a_password_in_a_url_is_hidden_wherever_it_stands():
    assert (
        redacted("postgresql://me:hunter2@db/x and https://host/a:b") == f"postgresql://me:{HIDDEN}@db/x and https://host/a:b"
    )
    assert redacted({"env": {"URL": "redis://:hunter2@cache"}}) == {"env": {"URL": f"redis://:{HIDDEN}@cache"}}


def test_references_to_secrets_are_shown():
    job = {"secrets": [{"name": "DB_PASSWORD", "valueFrom": "arn:aws:ssm:::parameter/x"}], "n": 1, "e": None}
    assert redacted(job) == job


def test_known_texts_are_hidden_wherever_they_stand():
    job = {"command": ["run", "--key=abcabc"], "env": {"X": "abc"}}
    assert without(frozenset({"abc", "abcabc"}), job) == {"command": ["run", f"--key={HIDDEN}"], "env": {"X": HIDDEN}}


def test_the_texts_of_secret_variables_are_those_of_every_level():
    properties = {
        "key": {"type": "string", "writeOnly": True, "default": "from-the-pool"},
        "login": {"type": "object", "format": "password"},
        "stage": {"type": "string", "default": "shown"},
        "pin": {"type": "string", "format": "password"},
    }
    texts = secret_texts(
        {"variables": {"properties": properties}},
        {"key": "from-the-deployment", "stage": "prod-stage"},
        {"login": {"user": "anna", "n": 5}, "login.password": "hunter2", "pin": "123"},
    )
    assert texts == {"from-the-pool", "from-the-deployment", "anna", "hunter2"}


@pytest.mark.parametrize(
    "shown",
    [
        {"secrets": ["a-named-secret"]},
        {"secrets": {"DB_PASSWORD": "db-password:latest", "API_TOKEN": "https://vault/secrets/x"}},
        {"env_from_secrets": {"DB_PASSWORD": {"secret": "db-password", "version": "latest"}}},
        {"prefect_api_key_secret": {"secret": "prefect-key", "version": "3"}},
        {"prefect_api_key_secret_arn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x"},
        {"image": {"reference": "busybox", "secret": "registry"}},
        {"env": {"DB_PASSWORD": "{{ db_password }}"}},
        {"volumes": [{"secret": {"secretName": "x"}}], "secret_fields": ["env", "headers"]},
        {"properties": {"api_key": {"title": "The key", "type": "string"}}},
    ],
    ids=str,
)
def test_references_and_placeholders_are_shown(shown):
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ({"properties": {"db_password": {"default": "hunter2"}}}, {"properties": {"db_password": {"default": HIDDEN}}}),
        ({"env": {"secret": "hunter2"}}, {"env": {"secret": HIDDEN}}),
        ({"secret": "hunter2"}, {"secret": HIDDEN}),
        ({"secrets": "hunter2"}, {"secrets": HIDDEN}),
        ({"headers": {"Authorization": "Bearer {{ x }} hunter2"}}, {"headers": {"Authorization": HIDDEN}}),
        (
            {"path": "job_variables.env.DB_PASSWORD", "before": "hunter1", "after": "hunter2"},
            {"path": "job_variables.env.DB_PASSWORD", "before": HIDDEN, "after": HIDDEN},
        ),
        (
            {"path": "base_job_template.variables.properties.api_key.default", "before": None, "after": "hunter2"},
            {"path": "base_job_template.variables.properties.api_key.default", "before": None, "after": HIDDEN},
        ),
    ],
    ids=str,
)
def test_values_are_hidden_where_a_schema_a_change_or_an_environment_holds_them(value, seen):
    assert redacted(value) == seen


def test_the_mark_is_found_wherever_it_stands():
    value = {"a": [1, f"postgresql://me:{HIDDEN}@db"], "b": {"c": HIDDEN, "e": "shown"}}
    assert list(hidden_at(value)) == ["a[1]", "b.c"]


def test_a_secret_that_holds_another_is_hidden_whole():
    assert without(frozenset({"word-12345", "my-word-12345"}), "say my-word-12345") == f"say {HIDDEN}"


def test_a_secret_value_among_references_is_hidden():
    references = ["TOKEN_REFERENCE", {"name": "TOKEN", "value": "hush"}]
    assert redacted(references, "secrets") == ["TOKEN_REFERENCE", {"name": "TOKEN", "value": HIDDEN}]


def test_secrets_among_the_parameters_of_a_job_are_hidden():
    shown = redacted(
        {"DISPATCHER_PARAMETERS": '{"db_password":"hunter2","limit":5}', "DISPATCHER_PARAMETER_DB_PASSWORD": "hunter2"}
    )
    assert shown == {
        "DISPATCHER_PARAMETERS": '{"db_password":"(hidden)","limit":5}',
        "DISPATCHER_PARAMETER_DB_PASSWORD": HIDDEN,
    }
    assert redacted("no JSON", "DISPATCHER_PARAMETERS") == "no JSON"


def test_a_secret_that_may_be_null_is_a_secret():
    secret = {"anyOf": [{"type": "string", "format": "password", "writeOnly": True}, {"type": "null"}]}
    assert secret_texts({"variables": {"properties": {"pin": secret}}}, {"pin": "hunter2"}) == {"hunter2"}
    anything = {"anyOf": [True, {"type": "null"}]}
    assert secret_texts({"variables": {"properties": {"pin": anything}}}, {"pin": "hunter2"}) == frozenset()


def test_the_parameters_of_a_job_stay_the_text_that_they_are():
    assert redacted({"DISPATCHER_PARAMETERS": '{"a":["é",1],"password":"x"}'}) == {
        "DISPATCHER_PARAMETERS": f'{{"a":["é",1],"password":"{HIDDEN}"}}'
    }
