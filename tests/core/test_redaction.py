"""What is hidden on a screen, and what is not."""

import pytest

from dispatcher.core.redaction import HIDDEN, is_secret, redacted, secret_texts, without


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
    found = secret_texts(
        {"variables": {"properties": properties}},
        {"key": "from-the-deployment", "stage": "prod-stage"},
        {"login": {"user": "anna", "n": 5}, "login.password": "hunter2", "pin": "123"},
    )
    assert found == {"from-the-pool", "from-the-deployment", "anna", "hunter2"}
